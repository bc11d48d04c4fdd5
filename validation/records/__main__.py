"""``python -m validation.records [RECORD...]``: see :mod:`validation.records`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from refkan.base.atomic_files import write_atomically
from validation.records.pages import page
from validation.records.store import FOLDER, keep, load


def main(arguments: Sequence[str], root: Path = FOLDER.parents[1], folder: Path = FOLDER) -> int:
    """Take over records and rewrite the page; the exit code is 2 for a record that cannot be taken over."""
    for name in arguments:
        try:
            kept = keep(json.loads(Path(name).read_text(encoding="utf-8")), folder)
        except (OSError, ValueError, KeyError) as error:
            print(f"python -m validation.records: {name}: {error}", file=sys.stderr)
            return 2
        print(f"{name}: {', '.join(kept)}")
    quick, full = load("quick", folder), load("full", folder)
    write_atomically(root / "docs" / "verdicts.md", page(quick, full).encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
