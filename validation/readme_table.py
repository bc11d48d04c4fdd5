"""The verdict table of the README, written from the record of a run: `python -m validation.readme_table RECORD README`.

Rows that no file answers are left out; the ledger gives the texts and the record the verdicts, so that none is typed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refkan.checkpoints import write_atomically

HEADER = "| id | source | claim | verdict |\n|---|---|---|---|\n"


def table(record: Mapping[str, Any]) -> str:
    """Return the rows with a verdict, in the order of the record, as a Markdown table."""
    unanswered = {"pending", "not run"}
    rows = [row for row in record["rows"] if row["status"] not in unanswered]
    failed = [row["id"] for row in rows if row["status"] == "error"]
    if failed:
        raise ValueError(f"the record must hold verdicts; got errors for {', '.join(failed)}")
    return HEADER + "".join(f"| {r['id']} | {r['source']} | {r['claim']} | {r['status']} |\n" for r in rows)


def replace_table(text: str, new: str) -> str:
    """Replace the one verdict table in a text."""
    if text.count(HEADER) != 1:
        raise ValueError(f"the text must hold one verdict table; got {text.count(HEADER)}")
    before, after = text.split(HEADER)
    lines = after.splitlines(keepends=True)
    end = next((k for k, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + new + "".join(lines[end:])


def main(arguments: Sequence[str]) -> int:
    """Rewrite the table; the exit code is 2 for a wrong call."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    record, readme = map(Path, arguments)
    text = replace_table(readme.read_text(encoding="utf-8"), table(json.loads(record.read_text(encoding="utf-8"))))
    write_atomically(readme, text.encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
