"""Points of conditioning studies as plain data, their results, and tables of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import product
from typing import Annotated, Any

import numpy as np

from refkan.analysis.conditioning.spectra import FLAGS, Spectrum
from refkan.analysis.conditioning.spectrum_of_problem import WHICH
from refkan.base import Checked, Frozen, Natural, check_annotated, check_choice, one_of
from refkan.base.json_data import to_bytes
from refkan.networks import Network, kan, mlp
from refkan.networks.layers.layer import BASES
from refkan.networks.node_maps import NODE_MAPS

DENSE_KINDS = ("mlp-relu", "mlp-relu3", "mlp-tanh")
KINDS = (*BASES, "silu", *DENSE_KINDS)
PRECONDITIONERS = ("jacobi", *BASES)


class Configuration(Checked):
    r"""One point of a study.

    Networks of the kinds "spline", "relu" and "scaled-relu" with one seed are the same function, whatever the basis.

    Parameters
    ----------
    kind : {"spline", "relu", "scaled-relu", "silu", "mlp-relu", "mlp-relu3", "mlp-tanh"}
        Basis of the coefficients; SiLU edges; or a dense network with its activation.
    widths : sequence of int
    order : int, optional
    intervals : int or sequence of int, optional
        One number, or one a layer. Dense networks have neither order nor intervals.
    seed : int
        Of parameters and samples.
    which : {"gauss-newton", "hessian", "ntk"}
    preconditioner : {"jacobi", "spline", "relu", "scaled-relu"}, optional
    node_map : {"affine", "mean-std", "min-max", "sigmoid", "none"}
        Of networks with splines.
    samples : int
        Number N of samples.

    Raises
    ------
    ValueError, TypeError
        For unknown names and numbers that make no network.

    Examples
    --------
    >>> from refkan.analysis.conditioning.studies.study_rows import Configuration
    >>> str(Configuration("relu", [2, 5, 1], order=3, intervals=8))
    'relu [2, 5, 1] r=3 n=8 seed 0'
    """

    kind: Annotated[str, one_of(KINDS)]
    widths: tuple[int, ...]
    order: int | None = None
    intervals: int | tuple[int, ...] | None = None
    seed: int = 0
    which: Annotated[str, one_of(WHICH)] = "gauss-newton"
    preconditioner: Annotated[str, one_of(PRECONDITIONERS)] | None = None
    node_map: Annotated[str, one_of(NODE_MAPS)] = "affine"
    samples: Natural = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_dense != (self.order is None) or self.is_dense != (self.intervals is None):
            need = {True: "neither order nor intervals", False: "order and intervals"}[self.is_dense]
            raise ValueError(f"kind {self.kind!r} has {need}; got order={self.order}, intervals={self.intervals}")
        if self.is_dense and self.node_map != "affine":
            raise ValueError(f"node_map must be left out for kind {self.kind!r}; got {self.node_map!r}")
        # The network checks the rest; plain tuples of int make equal points equal, and hashable.
        vars(self).update(widths=self.network().widths, seed=int(self.seed), samples=int(self.samples))
        if isinstance(self.intervals, Sequence | np.ndarray):
            vars(self).update(intervals=tuple(int(n) for n in self.intervals))

    @property
    def is_dense(self) -> bool:
        """Whether the network is dense, without splines."""
        return self.kind in DENSE_KINDS

    @property
    def basis(self) -> str | None:
        """Basis of the spectrum; None for dense networks."""
        if self.is_dense:
            return None
        if self.kind == "silu":
            return "spline"
        return self.kind

    def network(self) -> Network:
        """Build the network in the spline basis; only its spectrum is computed in another basis."""
        if self.is_dense:
            return mlp(self.widths, self.kind.removeprefix("mlp-"))
        assert self.order is not None
        assert self.intervals is not None
        edge = "spline"
        if self.kind == "silu":
            edge = "silu"
        return kan(self.widths, self.order, self.intervals, node_map=self.node_map, edge=edge)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        words = [self.kind, str(list(self.widths))]
        if not self.is_dense:
            words += [f"r={self.order}", f"n={self.intervals}"]
        if self.which != "gauss-newton":
            words.append(self.which)
        if self.preconditioner is not None:
            words.append(f"preconditioned by {self.preconditioner}")
        if self.node_map != "affine":
            words.append(self.node_map)
        return " ".join([*words, f"seed {self.seed}"])


def grid(
    kinds: Iterable[str],
    widths: Iterable[Sequence[int]],
    orders: Iterable[int] = (),
    intervals: Iterable[int | Sequence[int]] = (),
    seeds: Iterable[int] = (0,),
    **common: Any,
) -> list[Configuration]:
    """Return all combinations; a dense kind appears once for all orders and intervals.

    Parameters
    ----------
    kinds, widths, orders, intervals, seeds
        What to combine.
    **common
        Further fields of every `Configuration`.

    Examples
    --------
    >>> import refkan as rk
    >>> points = rk.conditioning.grid(["spline", "mlp-relu"], [[2, 5, 1]], orders=[2, 3], intervals=[4, 8])
    >>> len(points)
    5
    """
    check_annotated(grid, locals())
    splines: list[tuple[Any, Any]] = list(product(orders, intervals))
    seeds, widths = list(seeds), list(widths)
    points: list[Configuration] = []
    for kind in kinds:
        check_choice("kinds", kind, KINDS)
        of_kind, fields = splines, common
        if kind in DENSE_KINDS:
            of_kind = [(None, None)]
            fields = {name: value for name, value in common.items() if name != "node_map"}
        if not of_kind:
            raise ValueError(f"orders and intervals must hold at least one number each for kind {kind!r}")
        points += [
            Configuration(kind, layer_widths, order, n, seed, **fields)
            for layer_widths, (order, n), seed in product(widths, of_kind, seeds)
        ]
    return points


class StudyRow(Frozen, eq=True):
    """The result at one point of a study; if it failed with `error`, numbers are nan and counts are -1.

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
    >>> from refkan.analysis.conditioning.studies.studies import measure
    >>> (point,) = rk.conditioning.grid(["spline"], [[1, 1]], [2], [4], samples=50)
    >>> row = measure(point)
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
"""The members of a row that are computed."""


def measured(spectrum: Spectrum) -> dict[str, Any]:
    """The numbers of a spectrum under the names that rows have for them."""
    numbers = {name: getattr(spectrum, name) for name in MEASURED if hasattr(spectrum, name)}
    numbers["n_params"] = spectrum.size
    if spectrum.analytic_nullity is None:
        numbers["analytic_nullity"] = -1
    return numbers


class Study(Checked):
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
        """The meaning of the columns of the table, and of the flags that occur in it."""
        return text_legend(self.rows)

    def __str__(self) -> str:
        return self.table


def to_json(study: Study) -> bytes:
    """Return the rows as a JSON list, in which null stands for numbers that JSON does not have (nan, infinity).

    Examples
    --------
    >>> import json, refkan as rk
    >>> from refkan.analysis.conditioning.studies.study_rows import to_json
    >>> study = rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [4], samples=50))
    >>> [(row["kind"], row["rank"]) for row in json.loads(to_json(study))]
    [('spline', 5)]
    """
    check_annotated(to_json, locals())
    return to_bytes([row.as_dict() for row in study.rows])


TEXTS = 2
"""The number of columns that are texts, the first ones: they begin at the left."""

LAST = "flags"
"""The last column, as wide as need be: flags, or the error."""

COLUMNS = ("kind", "widths", "r", "n", "seed", "params", "rank", "nullity", "known", "condition", "smallest", "largest")


MEANINGS = {
    "params": "number of parameters",
    "rank, nullity": "numerical",
    "known": "nullity that follows from the structure of the network alone, a lower bound",
    "condition, smallest, largest": "of the eigenvalues in the numerical range",
}
"""Columns of the table whose names do not explain them."""


def text_legend(rows: Sequence[StudyRow]) -> str:
    """Columns first, then the flags of these rows, one a line."""
    present = [name for name in FLAGS if any(name in row.flags for row in rows)]
    entries = MEANINGS | {f"flag {name}": FLAGS[name] for name in present}
    width = max(map(len, entries))
    return "\n".join(f"{name:<{width}}  {meaning}" for name, meaning in entries.items())


def text_table(rows: Sequence[StudyRow]) -> str:
    """Write a line for each row: columns as wide as their widest entry, then flags or the error."""
    header = dict(zip(COLUMNS, COLUMNS, strict=True)) | {LAST: LAST}
    lines = [header, *map(_cells, rows)]
    widths = {column: max(len(line[column]) for line in lines) for column in COLUMNS}
    text = []
    for line in lines:
        cells = [line[column].rjust(width) for column, width in widths.items()]
        for k in range(TEXTS):
            cells[k] = line[COLUMNS[k]].ljust(widths[COLUMNS[k]])
        text.append("  ".join([*cells, line[LAST]]).rstrip())
    return "\n".join(text)


def _cells(row: StudyRow) -> dict[str, str]:
    """The texts of a row by their columns."""
    point = row.configuration
    kind = point.kind
    if point.preconditioner is not None:
        kind += f"/{point.preconditioner}"
    cells = dict.fromkeys(COLUMNS, "-") | {
        "kind": kind,
        "widths": _short(point.widths),
        "r": _short(point.order),
        "n": _short(point.intervals),
        "seed": str(point.seed),
    }
    if row.error is not None:
        return cells | {LAST: row.error}
    return cells | {
        "params": str(row.n_params),
        "rank": str(row.rank),
        "nullity": str(row.nullity),
        "known": str(row.analytic_nullity),
        "condition": f"{row.condition:.3e}",
        "smallest": f"{row.smallest:.3e}",
        "largest": f"{row.largest:.3e}",
        LAST: " ".join(row.flags),
    }


def _short(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
