"""What every check returns, and the text tables in it."""

from collections.abc import Sequence

from refkan.base import Frozen


class Report(Frozen):
    """The outcome of a check.

    Attributes
    ----------
    ok : bool
        Whether the check passed.
    table : str
        The numbers as text, with the tolerance and its scale; ``print(report)`` shows it.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> report = rk.checks.gradient_check(lambda t: (t * t).sum(), lambda t: 3 * t, np.array([1.0]))
    >>> report.ok
    False
    >>> try:
    ...     report.raise_if_failed()
    ... except AssertionError as error:
    ...     print(str(error) == chr(10) + report.table)
    True
    """

    ok: bool
    table: str

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the table unless `ok`."""
        if not self.ok:
            raise AssertionError("\n" + self.table)

    def __bool__(self) -> bool:
        """Refuse: ``assert gradient_check(...)`` would pass whatever the report says."""
        raise TypeError("a report has no truth value: use report.ok, or report.raise_if_failed()")

    def __str__(self) -> str:
        return self.table


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of text under a header, columns aligned to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    )


def format_index(index: tuple[int, ...]) -> str:
    """Write an index as it is written in Python, without the brackets."""
    return ", ".join(map(str, index)) or "()"


def verdict(ok: bool) -> str:
    """Return the word that opens a table."""
    return "passed" if ok else "FAILED"
