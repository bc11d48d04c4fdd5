"""``python -m validation.records [RECORD...] [--judge ID...]``: see :mod:`validation.records`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from refkan.base.atomic_files import write_atomically
from validation.records.pages import goals, readings, verdicts
from validation.records.store import FOLDER, judge_again, keep, load


def main(arguments: Sequence[str], root: Path = FOLDER.parents[1], folder: Path = FOLDER) -> int:
    """Take over records, judge rows again, rewrite the pages; exit code 2 for a record that cannot be taken over."""
    names, again = list(arguments), []
    if "--judge" in names:
        at = names.index("--judge")
        names, again = names[:at], names[at + 1 :]
    for name in names:
        try:
            kept = keep(json.loads(Path(name).read_text(encoding="utf-8")), folder)
        except (OSError, ValueError, KeyError) as error:
            print(f"python -m validation.records: {name}: {error}", file=sys.stderr)
            return 2
        print(f"{name}: {', '.join(kept)}")
    try:
        judge_again(again, folder)
    except ValueError as error:
        print(f"python -m validation.records: {error}", file=sys.stderr)
        return 2
    quick, full = load("quick", folder), load("full", folder)
    pages = {"verdicts": verdicts(quick, full), "readings": readings(full), "goals": goals(load("goals", folder))}
    for page, text in pages.items():
        write_atomically(root / "docs" / f"{page}.md", text.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
