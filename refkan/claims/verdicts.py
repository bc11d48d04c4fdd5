"""What a claim file returns: a verdict computed from measurements, with estimates, raw data, figures and mutations."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from refkan.base import Checked, Frozen, check_annotated, check_choice, located
from refkan.base.short_reprs import short
from refkan.claims.estimates import Estimate
from refkan.claims.statuses import FAILING, STATUSES, Status

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure


SIGNATURE = b"\x89PNG"
"""What every PNG picture begins with."""


class Figure(Checked):
    """A picture of the report: PNG bytes with a name (letters, digits, hyphens, underscores) and a caption.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch("[A-Za-z0-9_-]+", self.name):
            raise ValueError(f"name must be letters, digits, hyphens and underscores; got {self.name!r}")
        if not self.png.startswith(SIGNATURE):
            raise ValueError(f"png must be the bytes of a PNG picture; got {short(self.png[:20])}: use from_matplotlib")

    @classmethod
    def from_matplotlib(cls, figure: "MatplotlibFigure", name: str, caption: str) -> "Figure":
        """Render a matplotlib figure to PNG at 110 dots an inch, without the drawing program's own metadata.

        The figure is not closed: build it with ``matplotlib.figure.Figure()``, which pyplot does not keep.
        """
        check_annotated(Figure.from_matplotlib, locals())
        from refkan.plots import to_png  # with all that pictures are made of, which few processes of claims need

        return cls(name, caption, to_png(figure, dpi=110))


class Table(Frozen, eq=True):
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


class Verdict(Frozen, eq=True):
    """The answer to one row of the ledger.

    Attributes
    ----------
    id
        The row of the ledger.
    status
        Computed by `judge`, `decide` or `Readings`, never typed in.
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
        Name of each mutation of the claim -> the status that it received. A mutation that is not in
        :data:`FAILING` ("refuted", "not reproduced", "undecided") shows that the measurement cannot tell right from
        wrong, and fails the run: the row is then "void".
    controls
        Name of each positive control -> its status: data made so that the claim is true, on which it must hold. A row
        with estimates that is "refuted" or "not reproduced" is "void" without one, or with one that does not hold:
        what never says yes cannot say no.
    estimates
        The numbers that decide, each with its interval, its bound and the published value beside it.
    readings
        The claim under each reading, as `refkan.claims.readings.Readings.plain` gives them: choice, whether it holds,
        the published cells beside ours with the number of every seed.
    tables
        Tables for the report.
    needs
        What is missing here to measure a row that is "pending", such as "the extra backends".

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
    >>> Verdict("P1", "holds", "", data={"seeds": {"adam": [2, 4], "gd": [2, 3]}}).seeds
    [2, 3, 4]
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
    estimates: tuple[Estimate, ...] = ()
    controls: Mapping[str, Status] = field(default_factory=dict)
    needs: str = ""

    def __post_init__(self) -> None:
        with located(self.id, (TypeError, ValueError)):
            check_annotated(Verdict, vars(self), but=("status",))
            for name, status in [("status", self.status), *self.mutations.items(), *self.controls.items()]:
                if isinstance(status, bool):
                    raise ValueError(f"{name} must be a status; got {status}: use judge({status})")
                check_choice(name, status, STATUSES)

    @property
    def surviving_mutations(self) -> tuple[str, ...]:
        """Names of the mutations whose status is not in :data:`FAILING`."""
        return tuple(name for name, status in self.mutations.items() if status not in FAILING)

    @property
    def seeds(self) -> list[int]:
        """The numbers that `data` holds under "seeds" and "seed", at any depth, each once."""

        def integers(value: Any) -> Iterator[int]:
            if isinstance(value, Mapping | list | tuple):
                for item in value.values() if isinstance(value, Mapping) else value:
                    yield from integers(item)
            elif isinstance(value, int) and not isinstance(value, bool):
                yield value

        return sorted({seed for key in ("seeds", "seed") for seed in integers(self.data.get(key))})

    @property
    def experiment(self) -> bool:
        """Whether chance decides: a small run of it shows a direction, and no verdict."""
        return bool(self.estimates or self.readings)

    @property
    def uncontrolled(self) -> str:
        """What is wrong with the positive controls of a row that fails; "" if nothing is."""
        missed = [name for name, status in self.controls.items() if status in FAILING]
        if missed:
            return f"the claim did not hold on data made so that it is true: {', '.join(missed)}"
        if self.estimates and self.status in ("refuted", "not reproduced") and not self.controls:
            return "it fails, and no positive control shows that it could have held"
        return ""
