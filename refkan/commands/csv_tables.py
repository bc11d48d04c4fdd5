"""Tables as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any


def to_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table as CSV: floats with all their digits, sequences with spaces between entries, None empty.

    Examples
    --------
    >>> print(to_csv(["widths", "order", "largest"], [[(2, 5, 1), None, 0.1]]).decode())
    widths,order,largest
    2 5 1,,0.1
    """
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    for row in rows:
        table.writerow(map(_cell, row))
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return value
