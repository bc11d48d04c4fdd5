"""Points of a conditioning study: a network, its samples and the spectrum asked of it, as plain data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np

from refkan.analysis.conditioning.spectrum_of_problem import WHICH
from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice, check_count
from refkan.networks import Network, kan, mlp
from refkan.networks.layers import BASES
from refkan.networks.node_maps import NODE_MAPS

DENSE_KINDS = ("mlp-relu", "mlp-relu3", "mlp-tanh")
KINDS = (*BASES, "silu", *DENSE_KINDS)
PRECONDITIONERS = ("jacobi", *BASES)


@dataclass(frozen=True)
class Configuration:
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
    >>> import refkan as rk
    >>> str(rk.conditioning.Configuration("relu", [2, 5, 1], order=3, intervals=8))
    'relu [2, 5, 1] r=3 n=8 seed 0'
    """

    kind: str
    widths: tuple[int, ...]
    order: int | None = None
    intervals: int | tuple[int, ...] | None = None
    seed: int = 0
    which: str = "gauss-newton"
    preconditioner: str | None = None
    node_map: str = "affine"
    samples: int = 1000

    def __post_init__(self) -> None:
        check_annotated(Configuration, vars(self))
        check_choice("kind", self.kind, KINDS)
        check_choice("which", self.which, WHICH)
        check_choice("node_map", self.node_map, NODE_MAPS)
        if self.preconditioner is not None:
            check_choice("preconditioner", self.preconditioner, PRECONDITIONERS)
        object.__setattr__(self, "seed", check_count("seed", self.seed))
        object.__setattr__(self, "samples", check_count("samples", self.samples, 1))
        if self.is_dense != (self.order is None) or self.is_dense != (self.intervals is None):
            need = "neither order nor intervals" if self.is_dense else "order and intervals"
            raise ValueError(f"kind {self.kind!r} has {need}; got order={self.order}, intervals={self.intervals}")
        if self.is_dense and self.node_map != "affine":
            raise ValueError(f"node_map must be left out for kind {self.kind!r}; got {self.node_map!r}")
        # The network checks the rest; plain tuples of int make equal points equal, and hashable.
        object.__setattr__(self, "widths", self.network().widths)
        if isinstance(self.intervals, Sequence | np.ndarray):
            object.__setattr__(self, "intervals", tuple(int(n) for n in self.intervals))

    @property
    def is_dense(self) -> bool:
        """Whether the network is a dense one, without splines."""
        return self.kind in DENSE_KINDS

    @property
    def basis(self) -> str | None:
        """Basis of the spectrum; None for dense networks."""
        return None if self.is_dense else "spline" if self.kind == "silu" else self.kind

    def network(self) -> Network:
        """Build the network, in the spline basis: the spectrum is what is taken into another one."""
        if self.is_dense:
            return mlp(self.widths, self.kind.removeprefix("mlp-"))
        assert self.order is not None
        assert self.intervals is not None
        edge = "silu" if self.kind == "silu" else "spline"
        return kan(self.widths, self.order, self.intervals, node_map=self.node_map, edge=edge)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        splines = [] if self.is_dense else [f"r={self.order}", f"n={self.intervals}"]
        extra = [] if self.which == "gauss-newton" else [self.which]
        if self.preconditioner is not None:
            extra.append(f"preconditioned by {self.preconditioner}")
        if self.node_map != "affine":
            extra.append(self.node_map)
        return " ".join([self.kind, str(list(self.widths)), *splines, *extra, f"seed {self.seed}"])


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
    orders, intervals, seeds, widths = list(orders), list(intervals), list(seeds), list(widths)
    points: list[Configuration] = []
    for kind in kinds:
        check_choice("kinds", kind, KINDS)
        if kind not in DENSE_KINDS and not (orders and intervals):
            raise ValueError(f"orders and intervals must hold at least one number each for kind {kind!r}")
        points.extend(_of_kind(kind, widths, orders, intervals, seeds, common))
    return points


def _of_kind(
    kind: str, widths: list[Any], orders: list[Any], intervals: list[Any], seeds: list[Any], common: dict[str, Any]
) -> Iterator[Configuration]:
    dense = kind in DENSE_KINDS
    if dense:
        common = {name: value for name, value in common.items() if name != "node_map"}
    splines = [(None, None)] if dense else list(product(orders, intervals))
    for layer_widths, (order, n), seed in product(widths, splines, seeds):
        yield Configuration(kind, layer_widths, order, n, seed, **common)
