"""Write to docs/trust.md what soaks and mutation have measured: ``python -m tests.soak.trust``."""

import json
import re
from pathlib import Path

from tests.mutation.scores import SCORES
from tests.shared.draws import PARTICULAR, ROOT
from tests.soak.record import RECORD, Record

PAGE = ROOT / "docs" / "trust.md"
ATTACKS = ROOT / "tests" / "second_opinion" / "record.json"
NOT_RUN = "not yet"
NO_BOUND = "none"
"""In rows without a bound that is a number."""


def part(name: str) -> re.Pattern[str]:
    """Return a pattern of what stands between the two markers of a part."""
    return re.compile(rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)


def replaced(page: str, name: str, text: str) -> str:
    """Return the page with another text between two markers."""
    changed, count = part(name).subn(lambda found: f"{found[1]}{text}{found[2]}", page)
    if count != 1:
        raise ValueError(f"docs/trust.md must have the markers of {name!r} once; it has them {count} times")
    return changed


def with_ratios(page: str, record: Record | None) -> str:
    """Return the page with the largest error over its bound, and the number of draws, in each row of its table."""
    lines = []
    for line in page.splitlines():
        cells = re.split(r"(?<!\\)\|", line)
        if len(cells) == 8 and "::" in cells[-2] and cells[3].strip() != NO_BOUND:
            entry = record.largest.get(cells[1].strip()) if record else None
            cells[3] = f" {entry['ratio']:.2g} " if entry else f" {NOT_RUN} "
            cells[4] = f" {entry['draws']:,} " if entry else " 0 "
        lines.append("|".join(cells))
    return "\n".join(lines) + "\n"


def quantities(page: str) -> list[str]:
    """Return the first cell of each row that names a test."""
    rows = (re.split(r"(?<!\\)\|", line) for line in page.splitlines())
    return [cells[1].strip() for cells in rows if len(cells) == 8 and "::" in cells[-2]]


def laws(page: str) -> dict[str, str]:
    """Return the test that each row names, by its quantity."""
    named = re.findall(r"^\| ([^|]*) \|.* `([^`]*::[^`]*)` \|$", page, re.M)
    return dict(named)


def soak_text(record: Record | None) -> str:
    """Return what soaks have run."""
    if record is None:
        return "No soak has been recorded.\n"
    failed = "".join(f"\n* {failure_text(failure)}" for failure in record.failures)
    return f"Soaks so far: {record.summary()}.\n{failed}\n"


def failure_text(failure: str) -> str:
    """Return a failing case, and why its test is no longer drawn afresh if it holds for its own draw only."""
    reason = PARTICULAR.get(re.split(r"[\[ ]", failure)[0])
    if reason is None:
        return f"failed: `{failure}`"
    return f"failed: `{failure}`. This test is no law, and is no longer drawn afresh: {reason}"


def mutation_text(scores: Path) -> str:
    """Return the table of mutation scores by room, with survivors by name."""
    if not scores.exists():
        return "No mutants have been recorded.\n"
    rooms = json.loads(scores.read_text(encoding="utf-8"))
    rows = ["| room | seed | killed | survivors |", "|---|---|---|---|"]
    for room, score in sorted(rooms.items()):
        survivors = "; ".join(f"`{name}`" for name in score["survivors"]) or "none"
        rows.append(f"| {room} | {score['seed']} | {score['killed']} of {score['mutants']} | {survivors} |")
    return "\n".join(rows) + "\n"


def second_opinion_text(path: Path) -> str:
    """Return how many statements of certificates were attacked, by kind, and which were violated."""
    if not path.exists():
        return "No attacks have been recorded.\n"
    kept = json.loads(path.read_text(encoding="utf-8"))
    rows = ["| kind of statement | attacked |", "|---|---|"]
    rows += [f"| {kind} | {count:,} |" for kind, count in sorted(kept["statements"].items())]
    seeds = ", ".join(f"{first} to {last}" for first, last in kept["seeds"])
    violated = "".join(f"\n* violated: {text}" for text in kept["violations"]) or " none was violated."
    return "\n".join(rows) + f"\n\nSeeds {seeds};{violated}\n"


def written(page: str) -> str:
    """Return the page with all that was measured."""
    record = Record.read(RECORD) if RECORD.exists() else None
    page = with_ratios(page, record)
    page = replaced(page, "soak", soak_text(record))
    page = replaced(page, "second opinion", second_opinion_text(ATTACKS))
    return replaced(page, "mutation", mutation_text(SCORES))


def write() -> None:
    """Write the page."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    write()
