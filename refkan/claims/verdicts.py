"""What a claim file returns: a verdict computed from measurements, with raw data, figures and mutations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from refkan.base.annotations import Checked, check_annotated
from refkan.base.arguments import check_flag
from refkan.plots import to_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

Status = Literal[
    "holds", "holds under some readings", "holds as corrected", "refuted", "not reproduced", "undecided", "pending"
]

STATUSES: tuple[Status, ...] = get_args(Status)

FAILING: tuple[Status, ...] = ("refuted", "not reproduced", "undecided")
"""The statuses that a mutated claim must come out with."""


def judge(as_printed: bool, as_corrected: bool | None = None, experiment: bool = False) -> Status:
    """Turn the outcome of a criterion into a status; besides `Readings.status` the only place where one is made.

    Parameters
    ----------
    as_printed
        Whether the claim met its criterion as printed.
    as_corrected
        Whether the corrected claim met its criterion; None where there is no correction.
    experiment
        True for a claim about an experiment whose description leaves details open. Where one set-up alone was run, a
        claim that fails there is "undecided": only `refkan.claims.readings.Readings`, which knows the published
        numbers and all the readings, may say "not reproduced".

    Returns
    -------
    Status
        "holds" if `as_printed`, else "holds as corrected" if `as_corrected`, else "refuted" (or "undecided").

    Raises
    ------
    TypeError
        For what is neither True nor False: a measured number, or a word, would count as true.

    Examples
    --------
    >>> from refkan.claims import judge
    >>> judge(True), judge(False, True)
    ('holds', 'holds as corrected')
    >>> judge(False), judge(False, False, experiment=True)
    ('refuted', 'undecided')
    """
    check_annotated(judge, locals())
    check_flag("as_printed", as_printed)
    if as_corrected is not None:
        check_flag("as_corrected", as_corrected)
    if as_printed:
        return "holds"
    if as_corrected:
        return "holds as corrected"
    return "undecided" if experiment else "refuted"


@dataclass(frozen=True)
class Figure(Checked):
    """A picture of the report: PNG bytes with a name (letters, digits, hyphens) and a caption.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.claims import Figure
    >>> net = rk.kan([1, 1], order=3, intervals=4)
    >>> picture = Figure.from_matplotlib(rk.plots.knots(net, [0.0] * 6), "knots", "Uniform knots.")
    >>> picture, picture.png[1:4]
    (Figure(name='knots', caption='Uniform knots.'), b'PNG')
    """

    name: str
    caption: str
    png: bytes = field(repr=False)

    @classmethod
    def from_matplotlib(cls, figure: MatplotlibFigure, name: str, caption: str) -> Figure:
        """Render a matplotlib figure to PNG at 110 dots an inch, without the drawing program's own metadata.

        The figure is not closed: build it with ``matplotlib.figure.Figure()``, which pyplot does not keep.
        """
        check_annotated(Figure.from_matplotlib, locals())
        return cls(name, caption, to_png(figure, dpi=110))


@dataclass(frozen=True)
class Table:
    """A table of the report: a caption, the names of its columns, and rows of as many cells.

    Examples
    --------
    >>> from refkan.claims import Table
    >>> Table("Errors", ("n", "error"), (("8", "1e-3"), ("16", "6e-5"))).columns
    ('n', 'error')
    >>> Table("Errors", ("n", "error"), (("8",),))
    Traceback (most recent call last):
    ValueError: Errors: rows must have 2 cells; got ('8',)
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        check_annotated(Table, vars(self))
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.caption}: rows must have {len(self.columns)} cells; got {row}")


@dataclass(frozen=True)
class Verdict:
    """The answer to one row of the ledger.

    Attributes
    ----------
    id
        The row of the ledger.
    status
        Computed by :func:`judge`, never typed in.
    measured
        One line with the numbers.
    corrected
        The claim as corrected, where it is.
    details
        A paragraph for the report: set-up, derivation. Blank lines separate paragraphs.
    data
        Raw data that JSON can hold (NumPy arrays and scalars are converted), per seed.
    figures
        Pictures for the report.
    mutations
        Name of each mutation of the claim -> the status that it came out with. A mutation that is not in
        :data:`FAILING` ("refuted", "not reproduced", "undecided") shows that the measurement cannot tell right from
        wrong, and fails the run: the row is then "void".
    readings
        The claim under each reading, as `refkan.claims.readings.Readings.plain` gives them: choice, whether it holds,
        the published cells beside ours with the number of every seed.
    tables
        Tables for the report.

    Raises
    ------
    ValueError
        For a status that is not one of :data:`STATUSES`: "holds", "holds under some readings", "holds as corrected",
        "refuted", "not reproduced", "undecided", "pending". `judge` makes the usual ones from truth values.
    TypeError
        For texts, figures or tables that are something else.

    Examples
    --------
    >>> from refkan.claims import Verdict, judge
    >>> error, broken = 1e-15, 1e-3
    >>> mutations = {"with one knot moved": judge(broken < 1e-14)}
    >>> verdict = Verdict("P1", judge(error < 1e-14), f"largest error {error:.0e}", mutations=mutations)
    >>> verdict.status, verdict.surviving_mutations
    ('holds', ())
    """

    id: str
    status: Status
    measured: str
    corrected: str = ""
    details: str = ""
    data: Mapping[Any, Any] = field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    mutations: Mapping[str, Status] = field(default_factory=dict)
    readings: tuple[Mapping[str, Any], ...] = ()
    tables: tuple[Table, ...] = ()

    def __post_init__(self) -> None:
        check_annotated(Verdict, vars(self), but=("status", "measured", "corrected", "details", "figures", "tables"))
        for name, given in (("measured", self.measured), ("corrected", self.corrected), ("details", self.details)):
            if not isinstance(given, str):
                raise TypeError(f"{self.id}: {name} must be a string; got {given!r}")
        for name, parts, kind in (("figures", self.figures, Figure), ("tables", self.tables, Table)):
            if not isinstance(parts, tuple | list) or not all(isinstance(part, kind) for part in parts):
                raise TypeError(f"{self.id}: {name} must be a tuple of {kind.__name__}; got {parts!r:.100}")
        for what, status in [("status", self.status), *self.mutations.items()]:
            if status not in STATUSES:
                remedy = f": use judge({status})" if isinstance(status, bool) else ""
                raise ValueError(
                    f"{self.id}: got {status!r} for {what}{remedy}; it must be one of {', '.join(STATUSES)}"
                )

    @property
    def surviving_mutations(self) -> tuple[str, ...]:
        """Names of the mutations that came out with a status which is not in :data:`FAILING`."""
        return tuple(name for name, status in self.mutations.items() if status not in FAILING)
