r"""Networks that are the same function: in another basis, on finer knots, with fixed or free knots."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, Frozen, check_annotated, is_sequence, located
from refkan.base.arguments import as_array, as_vector, check_choice, check_count, check_type, real
from refkan.networks.composition import Composition
from refkan.networks.layers import Layer
from refkan.networks.layers.knot_layers.knot_layer import require_knots
from refkan.networks.layers.layer import BASES
from refkan.networks.node_maps.node_map import NodeMap
from refkan.networks.sweeps.statistics_sweep import Statistics


class Coordinates(Frozen, eq=True):
    r"""Linear maps between a network's own parameters theta and its coefficients v in another basis.

    With u spline and w = A^T u ReLU coefficients, gradients map as grad_u = A grad_w, grad_w = A^-1 grad_u.

    Attributes
    ----------
    to : callable
        theta -> v; maps steps too.
    back : callable
        v -> theta, the inverse.
    gradient : callable
        Gradient in theta -> gradient in v, (dtheta/dv)^T g.
    """

    to: Callable[[Array], Array]
    back: Callable[[Array], Array]
    gradient: Callable[[Array], Array]


def _same(mine: Any, theirs: Any) -> bool:
    """Whether two networks, or parts of them, hold the same numbers."""
    if mine is theirs:
        return True
    if isinstance(mine, np.ndarray):
        return np.array_equal(mine, theirs)
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, tuple):
        return len(mine) == len(theirs) and all(map(_same, mine, theirs))
    if isinstance(mine, Composition | Layer | NodeMap):
        names = [field.name for field in fields(mine)]  # type: ignore[arg-type]
        return all(_same(getattr(mine, name), getattr(theirs, name)) for name in names)
    return bool(mine == theirs)


class SameFunction(Composition):
    """A composition that can be converted to others of the same function; parameters and errors as for `Network`."""

    def __eq__(self, other: object) -> bool:
        """Whether layers, knots, maps and statistics are equal; a network does not contain its parameters."""
        if not isinstance(other, Composition):
            return NotImplemented
        return _same(self, other)

    def __hash__(self) -> int:
        return hash((self.widths, self.n_params))

    def to_basis(self, basis: str) -> Self:
        """Return the same network with its coefficients in another basis: "spline", "relu" or "scaled-relu".

        Use `convert` for the parameters.
        """
        return self._with(layer.in_basis(basis) for layer in self.layers)

    @property
    def layer_kinds(self) -> str:
        """The classes of the layers, each once."""
        return ", ".join(dict.fromkeys(type(layer).__name__ for layer in self.layers))

    def refine(self, factor: int | Sequence[int] = 2) -> Self:
        r"""Cut every interval of every knot vector into `factor` equal ones; `convert` takes the parameters there.

        Chebyshev layers get `factor` times their degree instead.

        Parameters
        ----------
        factor : int or sequence of int
            For all layers, or one for each; 1 leaves a layer unchanged. Dense layers are not refined.

        Raises
        ------
        ValueError
            If no layer can be refined, or a factor is not positive.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.linspace(0.0, 1.0, 9)[:, None]
        >>> net, theta = rk.kan([1, 2, 1], order=3, intervals=2).initialize(np.random.default_rng(0), x)
        >>> fine = net.refine()
        >>> bool(np.abs(fine(net.convert(theta, fine), x) - net(theta, x)).max() < 1e-14)
        True
        """
        if not any(layer.refinable for layer in self.layers):
            raise ValueError(f"refine needs a network with knots or Chebyshev layers; got {self.layer_kinds} only")
        factors = factor
        if not is_sequence(factor):
            factors = [factor] * len(self.layers)  # type: ignore[list-item]
        if len(factors) != len(self.layers):  # type: ignore[arg-type]
            raise ValueError(f"factor must be one number or one for each of {len(self.layers)} layers; got {factor!r}")
        counts = [check_count("factor", value, 1) for value in factors]  # type: ignore[union-attr]
        pairs = zip(self.layers, counts, strict=True)
        return self._with(layer.refined(count) for layer, count in pairs)

    def insert(self, layer: int, new_knots: Any) -> Self:
        """Insert knots into one layer; `convert` takes the parameters there.

        Parameters
        ----------
        layer : int
            Number of the layer, from 0.
        new_knots : array (m,) or (P, m)
            For all inputs of the layer, or m for each: a layer has one number of intervals.

        Raises
        ------
        KnotError
            If a new knot is outside the domain, at an existing knot, or given twice; the first is named.
        ValueError
            If the layer has no knots.
        """
        k = check_count("layer", layer, 0, len(self.layers) - 1)
        coarse = require_knots(self.layers[k], f"layer {k}")
        if k == 0:
            self.require_domain()
        P, new = coarse.n_inputs, as_array("new_knots", new_knots)
        if new.ndim == 1:
            new = np.tile(new, (P, 1))
        if new.ndim != 2 or new.shape[0] != P:
            raise ValueError(f"new_knots must have shape (m,) or ({P}, m); got {np.shape(new_knots)}")
        layers = list(self.layers)
        layers[k] = coarse.inserted(list(new))
        return self._with(layers)

    def with_fixed_knots(self, theta: Any) -> Self:
        """Return the network with free knots fixed at their values for theta, ready for `refine` and `insert`."""
        theta = as_vector("theta", theta, self.n_params)
        self.require_domain()
        return self._with(layer.with_fixed_knots(part) for layer, part in self._parts(theta))

    def require_fixed_knots(self) -> None:
        """Raise ValueError if knots are free: second derivatives need fixed knots."""
        for k, layer in enumerate(self.layers):
            if layer.free_knots:
                raise ValueError(
                    f"second derivatives need fixed knots; got layer {k} with free_knots=True (its Jacobian, "
                    "Gauss-Newton matrix and tangent kernel are available): net.with_fixed_knots(theta)"
                )

    def with_free_knots(self) -> Self:
        """Return the network with its interior knots as parameters, which start at the present knots."""
        if not any(layer.has_knots for layer in self.layers):
            raise ValueError("with_free_knots needs a network with knots; got none")
        return self._with(layer.with_free_knots() for layer in self.layers)

    def balance(self, theta: Any) -> FloatArray:
        r"""Return parameters of the same function, of which the mean-std and min-max maps scale by about one.

        Such a map, z = s y + t, does not change z if the layer before it multiplies a node by c > 0. The blocks
        `homogeneous` of that layer, of degree k, are multiplied by 2^e, e = log2(s)/k rounded: the map then has
        2^(-k/2) < s <= 2^(k/2). Powers of two change no bit of z, neither on the samples nor elsewhere. What changes
        is the relative step of each row in descent, which is proportional to c^-2 (docs/gauge.md).

        The following stay as they are: rows before other maps, which fix their scale; rows of layers whose outputs are
        not homogeneous, such as tanh; rows that would leave the range of normal numbers; and shifts, which descent
        does not see.

        Parameters
        ----------
        theta : array (n_params,)

        Returns
        -------
        array (n_params,)

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError
            As `__call__`: for node maps that are not bound, and for a node that is constant on the statistics batch.
        OverflowError
            If the scale of a map is infinite or zero, because the spread of a node is nearly zero or infinite.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.linspace(0.0, 1.0, 9)[:, None]
        >>> net, theta = rk.kan([1, 2, 1], 3, 2, node_map="min-max").initialize(np.random.default_rng(0), x)
        >>> far = theta * np.where(np.arange(theta.size) < 8, 1e-9, 1.0)  # both rows of the first layer
        >>> near = net.balance(far)
        >>> bool(np.all(net(near, x) == net(far, x))), near[:8].round(2)
        (True, array([-0.52, -0.36, -0.38,  2.24,  0.49,  0.27, -0.22, -0.48]))
        """
        theta = real("theta", as_vector("theta", theta, self.n_params))
        self.require_bound()
        balanced = theta.copy()
        with np.errstate(over="ignore", divide="ignore"):  # of scales, which are looked at below
            of_maps = Statistics(self, theta, slopes=False).constants
        for k, constants in enumerate(of_maps):
            layer, where, name = self.layers[k], self.slices[k], self.node_maps[k].name
            if constants is None or layer.degree_of_homogeneity is None:
                continue
            scale, _ = constants
            if not np.all((scale > 0) & (scale < np.inf)):
                q = int(np.argmin((scale > 0) & (scale < np.inf)))
                raise OverflowError(
                    f"theta must keep the spread of node {q} after layer {k} within float64; its map {name!r} scales "
                    f"by {scale[q]:g}: multiply the row of the node by a power of two"
                )
            exponents = np.ceil(np.log2(scale) / layer.degree_of_homogeneity - 0.5)
            balanced[where] = layer.scaled_outputs(theta[where], exponents.astype(np.int64))
        return balanced

    def convert(self, theta: Any, other: "SameFunction", allow_inexact: bool = False) -> FloatArray:
        r"""Return parameters of `other` that make it the same function of x as this network at theta.

        Layer by layer: the change of basis w = A^T u and its inverse, the prolongation u_f = P u if the knots of
        `other` contain those of this network, appended zeros for Chebyshev layers of higher degree. Node maps must
        agree; the methods of this class keep them. The new coefficients are rounded; under polynomial tails the
        rounding grows like ((x - b)/h)^(r-1) at x beyond an end b, h that of `other`.

        Parameters
        ----------
        theta : array (n_params,)
        other : Network
            In any basis, on the same knots or nested ones; free knots are those at theta, or at the start.
        allow_inexact : bool
            Whether the function may differ outside the domains, under outside="natural".

        Raises
        ------
        KnotError
            If a knot of this network is missing in `other`, named with its layer and input.
        ValueError
            If the two are not the same function for every x: for other widths, node maps, orders or domains, and for
            functions that differ outside the domain under outside="natural" (unless allow_inexact).
        TypeError
            If other is not a network.
        """
        check_annotated(SameFunction.convert, {"allow_inexact": allow_inexact})
        theta = as_vector("theta", theta, self.n_params)
        self._require_same_frame(other)
        parts = []
        pairs = zip(self._parts(theta), other.layers, strict=True)
        for k, ((layer, part), target) in enumerate(pairs):
            with located(f"layer {k}"):
                parts.append(layer.convert(part, target, allow_inexact))
        return np.concatenate(parts)

    def prolongation(self, other: "SameFunction") -> sp.csr_array:
        r"""Return the sparse matrix P (other.n_params, n_params) with convert(theta, other) = P theta.

        Both networks have fixed knots and the same basis. P^T restricts gradients; P^T H P is the Galerkin matrix of a
        matrix H of `other`.
        """
        self._require_same_frame(other)
        blocks = []
        pairs = zip(self.layers, other.layers, strict=True)
        for k, (layer, target) in enumerate(pairs):
            with located(f"layer {k}"):
                blocks.append(layer.prolongation(target))
        return sp.block_diag(blocks, format="csr")

    def coordinates(self, basis: str) -> Coordinates:
        """Return the linear maps between theta and the coefficients in another basis: geometries of descent methods.

        Raises
        ------
        ValueError
            For layers without this basis, and for free knots, since A depends on them.
        """
        check_choice("basis", basis, BASES)
        self.require_domain()

        def change(vector: Array, way: str) -> Array:
            parts = self._parts(vector)
            return np.concatenate([layer.change_basis(part, basis, way) for layer, part in parts])

        for k, layer in enumerate(self.layers):
            if layer.basis == basis:
                continue
            layer.in_basis(basis)  # raises if there is none
            if layer.free_knots:
                raise ValueError(
                    f"basis {basis!r}: layer {k} has free knots, so the change of basis moves with theta; "
                    "train net.to_basis(...) in its own coordinates instead"
                )
        ways = ("to", "back", "gradient")
        return Coordinates(**{way: partial(change, way=way) for way in ways})

    def _with(self, layers: Iterable[Layer]) -> Self:
        return replace(self, layers=tuple(layers))

    def _require_same_frame(self, other: "SameFunction") -> None:
        """Raise unless the other network has the same widths and the same node maps, bound to the same data."""
        check_type("other", other, type(self))
        self.require_domain()
        if other.domain_from_data:
            raise ValueError(
                "other must be bound to data; its first layer has no domain yet (domain='data'): "
                "make it from this network by refine, insert or to_basis"
            )
        if other.widths != self.widths:
            raise ValueError(f"other must have widths {self.widths}; got {other.widths}")
        for k, pair in enumerate(zip(self.node_maps, other.node_maps, strict=True)):
            if not _same(*pair):
                raise ValueError(
                    f"other must have the same node map after layer {k} as this network ({pair[0].name!r}); "
                    f"got {_difference(*pair)}"
                )
        if not _same(self.statistics, other.statistics):
            raise ValueError("other must have the same statistics batch")


def _difference(mine: NodeMap, other: NodeMap) -> str:
    """Say in which way another node map differs."""
    got = repr(other.name)
    if type(mine) is type(other):
        got += " of other constants or domains"
    if mine.bound == other.bound:
        return got
    unbound = "this network"
    if mine.bound:
        unbound = "other"
    return f"{got}; {unbound} is not bound to data: make one from the other by refine, insert or to_basis"
