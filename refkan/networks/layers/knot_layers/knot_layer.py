r"""The base of layers with knots: refining, inserting, fixing and freeing knots follow from `with_spaces`.

`nested_spaces` finds the pairs of spaces between which splines are converted, up to rounding of the knots.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from refkan.base import FloatArray, KnotError, check_annotated, located
from refkan.networks.layers.layer import Layer
from refkan.splines.knots import check_domain
from refkan.splines.local_basis import KnotTables
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer.matrices import require_nested


class KnotLayer(Layer):
    """A layer with splines in known spaces on its edges.

    A kind of layer defines the same splines on other spaces (`with_spaces`); the methods that refine, insert, fix and
    free knots are derived from that.

    Attributes
    ----------
    spaces : tuple of SplineSpace
        The spaces on which the layer was built, one for each input: where free knots start.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.networks.layers.knot_layers.knot_layer import KnotLayer
    >>> [isinstance(layer, KnotLayer) for layer in rk.kan([2, 3, 1], 3, 4).layers + rk.mlp([2, 3, 1]).layers]
    [True, True, False, False]
    """

    spaces: tuple[SplineSpace, ...]
    has_knots = True

    @abstractmethod
    def with_spaces(self, spaces: Sequence[SplineSpace], free_knots: bool | None = None) -> Self:
        """Return the layer with its splines on other spaces, one for each input; knots as free as here by default."""

    @abstractmethod
    def spline_coefficients(self, theta: FloatArray, factors: bool = True) -> FloatArray:
        """Return the B-spline coefficients (Q, P, dim) of the edges, without `factors` those before multiplication."""

    @abstractmethod
    def refitted(self, theta: FloatArray, spaces: Sequence[SplineSpace], c: FloatArray) -> tuple[Self, FloatArray]:
        """Return the layer on other spaces, and theta with B-spline coefficients c there, before factors apply."""

    def refined(self, factor: int) -> Self:
        """Return the layer with every interval cut into `factor` equal ones."""
        return self.with_spaces([space.refine(factor) for space in self.spaces])

    def inserted(self, new_knots: Sequence[Any]) -> Self:
        """Return the layer with knots inserted, `new_knots[p]` for input p."""
        check_annotated(KnotLayer.inserted, locals())
        spaces = []
        for p, (space, new) in enumerate(zip(self.spaces, new_knots, strict=True)):
            with located(f"input {p}", KnotError):
                fine = space.insert(new)
            if self.free_knots:  # their exterior knots depend only on a, b and n
                fine = SplineSpace.from_breakpoints(fine.order, fine.breakpoints)
            spaces.append(fine)
        return self.with_spaces(spaces)

    def on_domains(self, domains: FloatArray) -> Self:
        """Return the layer on uniform knots on other domains; inputs with the same domain share a space."""
        pairs = [(float(low), float(high)) for low, high in domains]
        made: dict[tuple[float, float], SplineSpace] = {}
        for p, (space, pair) in enumerate(zip(self.spaces, pairs, strict=True)):
            if not space.is_uniform:
                raise ValueError(f"domain_from_data needs uniform knots in the first layer; got others for input {p}")
            if pair not in made:
                domain = check_domain(pair, f"range of x[:, {p}]")
                made[pair] = SplineSpace.uniform(space.order, space.intervals, domain)
        return self.with_spaces([made[pair] for pair in pairs])

    def with_fixed_knots(self, theta: FloatArray) -> Self:
        """Return the layer on its spaces at theta."""
        return self.with_spaces(self.spaces_at(theta), free_knots=False)

    def with_free_knots(self) -> Self:
        """Return the layer with its interior knots as parameters, and exterior knots at the mean spacing."""
        if self.free_knots:
            return self
        spaces = [SplineSpace.from_breakpoints(space.order, space.breakpoints) for space in self.spaces]
        return self.with_spaces(spaces, free_knots=True)


def require_knots(layer: Layer, name: str = "layer") -> KnotLayer:
    """Return the layer if it has knots, else raise ValueError.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.networks.layers.knot_layers.knot_layer import require_knots
    >>> require_knots(rk.kan([1, 1], 3, 2).layers[0]).spaces[0].intervals
    2
    """
    if not isinstance(layer, KnotLayer):
        raise ValueError(f"{name} must be one with knots; got a {type(layer).__name__}")
    return layer


EPS = np.finfo(np.float64).eps


@dataclass
class NestedSpaces:
    """A coarse space, a fine one that contains it, and the inputs whose splines are taken from one to the other."""

    coarse: SplineSpace
    fine: SplineSpace
    inputs: list[int]


def nested_spaces(coarse: KnotTables, fine: KnotTables) -> list[NestedSpaces]:
    """Coarse and fine spaces; fine breakpoints that equal coarse ones up to rounding are set to them.

    Inputs with the same knots share one entry, so that they are converted at once.

    Raises
    ------
    KnotError
        Naming the first input whose fine knots lack a coarse one.
    """
    nested: dict[tuple[bytes, bytes], NestedSpaces] = {}
    r = coarse.order
    for p, (t, s) in enumerate(zip(coarse.knots, fine.knots.copy(), strict=True)):
        key = t.tobytes(), s.tobytes()
        if key in nested:
            nested[key].inputs.append(p)
            continue
        breakpoints, interior = coarse.breakpoints[p], s[r - 1 : s.size - r + 1]
        at = np.searchsorted(breakpoints, interior).clip(1, breakpoints.size - 1)
        left, right = breakpoints[at - 1], breakpoints[at]
        nearest = np.where(interior - left < right - interior, left, right)
        # A breakpoint of free knots is a plus up to n rounded shares of b - a, with 16 other roundings.
        length = breakpoints[-1] - breakpoints[0]
        rounding = EPS * ((16 + interior.size) * length + 2 * np.abs(breakpoints).max())
        if not np.isin(breakpoints, interior).all():
            close = np.abs(interior - nearest) <= rounding
            interior[close] = nearest[close]
        nested[key] = NestedSpaces(SplineSpace(t, r), SplineSpace(s, r), [p])
        with located(f"input {p}", KnotError):
            require_nested(nested[key].coarse, nested[key].fine)
    return list(nested.values())


def cut_alike(coarse: list[FloatArray], fine: list[FloatArray]) -> bool:
    """Whether breakpoints `fine` have as many intervals as `coarse`, anywhere, or are its intervals cut evenly."""
    n, finer = coarse[0].size - 1, fine[0].size - 1
    factor, rest = divmod(finer, n)
    if factor < 2 or rest:
        return factor == 1 and rest == 0
    at = np.arange(finer + 1) / factor
    cuts = [np.interp(at, np.arange(n + 1), t) for t in coarse]
    pairs = zip(cuts, fine, strict=True)
    return all(np.abs(cut - t).max() <= 8 * EPS * np.abs(t).max() for cut, t in pairs)
