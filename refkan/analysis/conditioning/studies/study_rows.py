"""What a study holds: a row for each point, and all rows as a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from refkan.analysis.conditioning.spectra import FLAGS, Spectrum
from refkan.analysis.conditioning.studies.configurations import Configuration
from refkan.base.annotations import Checked, check_annotated
from refkan.base.json_data import to_bytes
from refkan.base.short_reprs import ShortRepr


@dataclass(frozen=True)
class StudyRow(ShortRepr):
    """What was found at one point of a study; numbers are nan, and counts -1, where it failed with `error`.

    Attributes
    ----------
    configuration : Configuration
        The point.
    n_params, rank, nullity, analytic_nullity, negative : int
        Parameters of the network; rank and nullity of the matrix, the nullity known by theory, negative eigenvalues.
    gap, largest, smallest, condition : float
        As `Spectrum` has them: ratio of the singular values on both sides of the rank, eigenvalues at both ends of the
        numerical range, and their ratio.
    flags : tuple of str
        Doubts, keys of `refkan.analysis.conditioning.spectra.FLAGS`.
    seconds : float
        What it took, by the clock.
    error : str or None
        What went wrong.

    Examples
    --------
    >>> import refkan as rk
    >>> (point,) = rk.conditioning.grid(["spline"], [[1, 1]], [2], [4], samples=50)
    >>> row = rk.conditioning.measure(point)
    >>> row.rank, row.flags
    (5, ())
    """

    configuration: Configuration
    n_params: int = -1
    rank: int = -1
    nullity: int = -1
    analytic_nullity: int = -1
    gap: float = math.nan
    largest: float = math.nan
    smallest: float = math.nan
    condition: float = math.nan
    negative: int = -1
    flags: tuple[str, ...] = ()
    seconds: float = math.nan
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data, the fields of the configuration first."""
        return {**self.configuration.as_dict(), **{name: getattr(self, name) for name in MEASURED}}


MEASURED = tuple(name for name in StudyRow.__dataclass_fields__ if name != "configuration")
"""The members of a row that are found, not given."""


def measured(spectrum: Spectrum) -> dict[str, Any]:
    """The numbers of a spectrum under the names that rows have for them."""
    numbers = {name: getattr(spectrum, name) for name in MEASURED if hasattr(spectrum, name)}
    known = spectrum.analytic_nullity
    return numbers | {"n_params": spectrum.size, "analytic_nullity": -1 if known is None else known}


@dataclass(frozen=True)
class Study(ShortRepr, Checked):
    """The rows of a study, in the order of the configurations.

    Attributes
    ----------
    rows : tuple of StudyRow

    Examples
    --------
    >>> import refkan as rk
    >>> study = rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [4, 8], samples=50))
    >>> [(row.configuration.intervals, row.rank) for row in study.rows], study.failed
    ([(4, 5), (8, 9)], ())
    """

    rows: tuple[StudyRow, ...]

    @property
    def failed(self) -> tuple[StudyRow, ...]:
        """The rows whose point raised an error."""
        return tuple(row for row in self.rows if row.error is not None)

    @property
    def table(self) -> str:
        """The rows as text, one a line."""
        return text_table(self.rows)

    @property
    def legend(self) -> str:
        """What the columns of the table mean, and the flags that occur in it."""
        return text_legend(self.rows)

    def __str__(self) -> str:
        return self.table


def to_json(study: Study) -> bytes:
    """Return the rows as a JSON list, in which null stands for numbers that JSON does not have (nan, infinity).

    Examples
    --------
    >>> import json, refkan as rk
    >>> study = rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [4], samples=50))
    >>> (row,) = json.loads(rk.conditioning.to_json(study))
    >>> row["kind"], row["rank"]
    ('spline', 5)
    """
    check_annotated(to_json, locals())
    return to_bytes([row.as_dict() for row in study.rows])


COLUMNS = ("kind", "widths", "r", "n", "seed", "params", "rank", "nullity", "known", "condition", "smallest", "largest")


MEANINGS = {
    "params": "number of parameters",
    "rank, nullity": "numerical",
    "known": "nullity that follows from the structure of the network alone, a lower bound",
    "condition, smallest, largest": "of the eigenvalues in the numerical range",
}
"""What the columns of the table mean that do not say it themselves."""


def text_legend(rows: Sequence[StudyRow]) -> str:
    """Columns first, then the flags of these rows, one a line."""
    present = [name for name in FLAGS if any(name in row.flags for row in rows)]
    entries = MEANINGS | {f"flag {name}": FLAGS[name] for name in present}
    width = max(map(len, entries))
    return "\n".join(f"{name:<{width}}  {meaning}" for name, meaning in entries.items())


def text_table(rows: Sequence[StudyRow]) -> str:
    """One row a line: columns as wide as their widest entry, flags or the error at the end."""
    lines = [(*COLUMNS, "flags"), *map(_cells, rows)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(COLUMNS))]
    text = []
    for line in lines:
        cells = [
            cell.ljust(w) if c < 2 else cell.rjust(w) for c, (cell, w) in enumerate(zip(line, widths, strict=False))
        ]
        text.append("  ".join([*cells, line[-1]]).rstrip())
    return "\n".join(text)


def _cells(row: StudyRow) -> tuple[str, ...]:
    point = row.configuration
    kind = point.kind if point.preconditioner is None else f"{point.kind}/{point.preconditioner}"
    layout = (kind, ",".join(map(str, point.widths)), _short(point.order), _short(point.intervals), str(point.seed))
    if row.error is not None:
        return (*layout, *["-"] * (len(COLUMNS) - len(layout)), row.error)
    counts = (str(row.n_params), str(row.rank), str(row.nullity), str(row.analytic_nullity))
    numbers = tuple(f"{value:.3e}" for value in (row.condition, row.smallest, row.largest))
    return (*layout, *counts, *numbers, " ".join(row.flags))


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
