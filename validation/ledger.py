"""The ledger: every statement of the two papers and some of others, one row each, read from `ledger.toml`.

`validation.sources` explains the sources that rows name.
"""

import tomllib
from pathlib import Path

from refkan.claims import Row


def read(text: str) -> tuple[Row, ...]:
    """Return the rows of a ledger: tables by id, with the fields of `Row`."""
    return tuple(Row(id, **fields) for id, fields in tomllib.loads(text).items())


LEDGER = read(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def row(id: str) -> Row:
    for candidate in LEDGER:
        if candidate.id == id:
            return candidate
    raise ValueError(f"id must name a row of the ledger; got {id!r}, the rows are {[r.id for r in LEDGER]}")
