"""How rows are judged where a condition is met from both sides: cases, the table of them, and its search.

`conditions.json` has a case for each condition; ``python -m tests.validation.conditions_met`` looks for those it lacks.
"""

import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import combinations
from math import nan
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

import refkan as rk
from refkan.base import Frozen
from tests.validation import replays
from tests.validation.conditions import SIDES, Alteration, Conditions, conditions, sites

TABLE = Path(__file__).with_name("conditions.json")


def case(name: str) -> tuple[Callable[[], Any], bool]:
    """What makes the verdicts of a case by its name, and whether it is to keep what it computes."""
    if name.startswith("made up: "):
        return import_module("tests.validation.made_up").MADE_UP[name.removeprefix("made up: ")], True
    file, number, seed = name.split(":")
    replay = read(file)[int(number)]
    measured = replays.scattered(replay["measured"], int(seed)) if seed else None
    replays.named(replay["by"])  # imported before anything is altered
    return lambda: replays.judged(replay, measured), replays.runs(replay)


@cache
def read(file: str) -> Any:
    return json.loads((replays.FOLDER / f"{file}.json").read_text(encoding="utf-8"))


def outcome(judged: Callable[[], Any]) -> tuple[str, str]:
    """How rows are judged: as they are stated, altered and on controls, under readings; and a digest of the numbers."""
    try:
        with replays.few_draws():
            answer = judged()
        if isinstance(answer, bool | np.bool_ | dict):
            return str(replays.rounded(answer, 5)), ""
        made = replays.told(answer)
    except Exception as error:
        return type(error).__name__, ""
    lines = []
    for verdict in made:
        others = "".join(status[0] for name in ("mutations", "controls") for status in verdict[name].values())
        signs = {True: "+", False: "-", None: "?"}
        under = "".join(signs[r["holds"]] + "c" * r["corrected"] for r in verdict["readings"])
        lines.append(" ".join(filter(None, (verdict["status"], others, under))))
    return "; ".join(lines), replays.short(made, 5)


# --- the table


class Met(Frozen):
    """A condition met from both sides in a case, others altered, and how the rows are judged then.

    Of a comparison: just below the bound, at it, and just above; of anything else: as it is, and turned; what is turned
    every time is turned once, too.
    """

    site: str
    case: str
    k: int | None
    bound: float | None
    others: tuple[tuple[str, int | None], ...]
    judged: tuple[str, ...]

    def judged_by(self, conditions: Conditions) -> tuple[str, ...]:
        """How the rows are judged now; with digests of the numbers where the words are the same."""
        make, keeping = case(self.case)
        others = [Alteration(*other) for other in self.others]
        own = [[], [Alteration(self.site, self.k)]]
        if self.bound is not None:
            own = [[Alteration(self.site, self.k, side, self.bound)] for side in SIDES]
        elif self.k is None:  # of some, and not of all
            own.append([Alteration(self.site, 0)])
        made = []
        for alterations in own:
            key = self.case, self.others, alterations[0] if alterations else None
            if key not in conditions.outcomes:
                conditions.alter(*others, *alterations, keeping=keeping)
                conditions.outcomes[key] = outcome(make)
            made.append(conditions.outcomes[key])
        words = [word for word, _ in made]
        apart = len({*words}) > 1 if not self.judged else "#" not in self.judged[0]
        return tuple(words if apart else (f"{word} #{digest}" for word, digest in made))

    @property
    def clean(self) -> bool:
        """Whether rows are judged differently, and not only told with other numbers, on the two sides."""
        return len({*self.judged}) > 1 and not any("#" in word or word.endswith("Error") for word in self.judged)

    @property
    def row(self) -> list[Any]:
        return [self.case, self.k, self.bound, self.others, self.judged]


def table() -> dict[str, Met]:
    kept = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    rows = {site: (c, k, b, tuple(map(tuple, others)), tuple(j)) for site, (c, k, b, others, j) in kept.items()}
    return {site: Met(site, *row) for site, row in rows.items()}


def cases() -> list[str]:
    """All cases: kept measurements, as they are and scattered, and quick runs; what is made up."""
    files = [file.stem for file in sorted(replays.FOLDER.glob("*.json"))]
    made_up = [f"made up: {name}" for name in import_module("tests.validation.made_up").MADE_UP]
    kept = [
        f"{file}:{k}:{seed}"
        for seed in ("", 0, 1, 2)
        for file in files
        for k, replay in enumerate(read(file))
        if seed == "" or not replays.runs(replay)
    ]
    return [*kept, *made_up]


def backgrounds(
    conditions: Conditions, make: Callable[[], Any], keeping: bool, met: Sequence[str], clean: set[str]
) -> Iterator[tuple[tuple[str, None], ...]]:
    """Other conditions that may hide one: each that matters, and two by which rows hold."""
    yield from (((site, None),) for site in met if site in clean)
    for pair in combinations(met, 2):
        if len({site.rpartition(":")[0] for site in pair}) == 1:
            conditions.alter(*(Alteration(site, None) for site in pair), keeping=keeping)
            if outcome(make)[0].startswith("holds"):
                yield (pair[0], None), (pair[1], None)


def search(conditions: Conditions, name: str, rows: dict[str, Met], deep: bool) -> None:
    """Look in one case for conditions whose two sides are judged differently; `deep`: with another one altered."""
    make, keeping = case(name)
    conditions.alter()
    if "Error" in outcome(make)[0]:
        return
    met, start = dict(conditions.met), process_time()
    clean = {site for site, row in rows.items() if row.clean}
    for others in backgrounds(conditions, make, keeping, [*met], clean) if deep else ((),):
        file = others[0][0].partition(":")[0] if others else ""
        for site in (site for site in met if site not in clean and site.startswith(file)):
            if process_time() - start > PATIENCE:
                return
            count = len(met[site])
            for k in (0, None) if count == 1 else (0, count - 1, None):
                right = None if None in met[site] else met[site][k or 0]
                bound = None if right is None else float(f"{float(right):.12g}")
                bound = bound if k is not None or bound is None or len({*met[site]}) == 1 else nan
                row = Met(site, name, k, bound, others, ())
                row = replace(row, judged=row.judged_by(conditions))
                if len({*row.judged}) > 1 and (row.clean or site not in rows):
                    rows[site] = row
                    if row.clean:
                        clean.add(site)
                        break


PATIENCE = 10.0
"""Seconds of processor time for a case."""


def write(words: Sequence[str], deep: bool = False) -> None:
    """Look for rows that the table lacks, in cases whose name holds one of the words."""
    warnings.simplefilter("ignore")
    with rk.use_engine("plain"), conditions() as made:
        rows = {site: row for site, row in table().items() if site in sites()}
        for name in cases():
            if not words or any(word in name for word in words):
                before = sum(row.clean for row in rows.values()), len(rows)
                search(made, name, rows, deep)
                print(name, *before, sum(row.clean for row in rows.values()), len(rows), flush=True)
                lines = (f"{json.dumps(site)}: {json.dumps(row.row)}" for site, row in sorted(rows.items()))
                TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    for deep in (False, True):
        write(sys.argv[1:], deep)
