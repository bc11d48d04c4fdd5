r"""What a network is made of: layers joined by node maps, flat parameters, and the same function in other networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from refkan.arguments import as_array, as_vector, check_count, check_type
from refkan.array_types import Array, FloatArray
from refkan.conversion import Coordinates, coordinates, layer_basis, layer_in_basis
from refkan.layers.base import Layer
from refkan.lazy import lazy
from refkan.nesting import (
    convert_layer,
    describe,
    fix_layer,
    free_layer,
    has_knots,
    has_resolution,
    insert_into_layer,
    prolongation_of_layer,
    refine_layer,
)
from refkan.node_maps import NodeMap, same_map


@dataclass(frozen=True, eq=False, repr=False)
class Composition:
    """Layers joined by node maps: parameters and errors as for `Network`, which adds values and derivatives."""

    layers: tuple[Layer, ...]
    node_maps: tuple[NodeMap, ...]
    statistics: FloatArray | None = None

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers must hold at least one layer; got none")
        if len(self.node_maps) != len(self.layers) - 1:
            raise ValueError(
                f"{len(self.layers)} layers need {len(self.layers) - 1} node maps; got {len(self.node_maps)}"
            )
        for k, (layer, following) in enumerate(pairwise(self.layers)):
            if layer.n_outputs != following.n_inputs:
                raise ValueError(
                    f"widths must agree; got {layer.n_outputs} outputs of layer {k} "
                    f"and {following.n_inputs} inputs of layer {k + 1}"
                )

    # ------------------------------------------------------------------ shape

    @lazy
    def widths(self) -> tuple[int, ...]:
        """The widths (d_0, d_1, ..., d_L)."""
        return (self.layers[0].n_inputs, *(layer.n_outputs for layer in self.layers))

    @lazy
    def slices(self) -> tuple[slice, ...]:
        """Where the parameters of each layer lie in theta."""
        ends = np.cumsum([0, *(layer.n_params for layer in self.layers)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @property
    def n_params(self) -> int:
        """Number of parameters M."""
        return self.slices[-1].stop

    @property
    def basis(self) -> str | None:
        """Basis of the coefficients: "spline", "relu" or "scaled-relu"; None for a network without splines."""
        return next((name for layer in self.layers if (name := layer_basis(layer)) is not None), None)

    def unpack(self, theta: Any) -> tuple[dict[str, Array], ...]:
        """Views of the parameter blocks (coefficients, w_b, w_s, s, ...) by name, layer by layer.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([2, 1], order=2, intervals=2)
        >>> {name: block.shape for name, block in net.unpack(np.zeros(net.n_params))[0].items()}
        {'coefficients': (1, 2, 3)}
        """
        theta = as_vector("theta", theta, self.n_params)
        return tuple(layer.unpack(part) for layer, part in self._parts(theta))

    def _parts(self, theta: Array) -> Iterator[tuple[Layer, Array]]:
        for layer, where in zip(self.layers, self.slices, strict=True):
            yield layer, theta[where]

    def __repr__(self) -> str:
        layers = ", ".join(map(describe, self.layers))
        maps = ", ".join(dict.fromkeys(node_map.name for node_map in self.node_maps))
        joined = f", maps: {maps}" if maps else ""
        return f"{type(self).__name__}({list(self.widths)}: {layers}{joined}; {self.n_params} parameters)"

    # ---------------------------------------------- the same function elsewhere

    def to_basis(self, basis: str) -> Self:
        """Return the same network with its coefficients in another basis: "spline", "relu" or "scaled-relu".

        Use `convert` for the parameters.
        """
        return self._with(layer_in_basis(layer, basis) for layer in self.layers)

    def refine(self, factor: int | Sequence[int] = 2) -> Self:
        r"""Cut every interval of every knot vector into `factor` equal ones; `convert` takes the parameters there.

        Chebyshev layers get `factor` times their degree instead.

        Parameters
        ----------
        factor : int or sequence of int
            For all layers, or one for each; 1 leaves a layer as it is. Dense layers have no knots and stay.

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
        if not any(map(has_resolution, self.layers)):
            raise ValueError("refine needs a network with knots or Chebyshev layers; got dense layers only")
        factors = [factor] * len(self.layers) if np.ndim(factor) == 0 else list(factor)  # type: ignore[arg-type]
        if len(factors) != len(self.layers):
            raise ValueError(f"factor must be one number or one for each of {len(self.layers)} layers; got {factor!r}")
        counts = [check_count("factor", value, 1) for value in factors]
        return self._with(refine_layer(layer, count) for layer, count in zip(self.layers, counts, strict=True))

    def insert(self, layer: int, new_knots: Any) -> Self:
        """Insert knots into one layer; `convert` takes the parameters there.

        Parameters
        ----------
        layer : int
            Its index, from 0.
        new_knots : array (m,) or (P, m)
            The same for all inputs of the layer, or m for each: a layer has one number of intervals.

        Raises
        ------
        KnotError
            Naming the first new knot outside the domain, at an existing knot, or given twice.
        ValueError
            If the layer has no knots.
        """
        k = check_count("layer", layer, 0, len(self.layers) - 1)
        if not has_knots(self.layers[k]):
            raise ValueError(f"layer must be one with knots; got layer {k}, a {type(self.layers[k]).__name__}")
        new = as_array("new_knots", new_knots)
        n_inputs = self.layers[k].n_inputs
        if new.ndim not in (1, 2) or (new.ndim == 2 and new.shape[0] != n_inputs):
            raise ValueError(f"new_knots must have shape (m,) or ({n_inputs}, m); got {new.shape}")
        rows = list(new) if new.ndim == 2 else [new] * n_inputs
        return self._with(insert_into_layer(other, rows) if i == k else other for i, other in enumerate(self.layers))

    def with_fixed_knots(self, theta: Any) -> Self:
        """Return the network with free knots fixed where they are at theta, ready for `refine` and `insert`."""
        theta = as_vector("theta", theta, self.n_params)
        return self._with(fix_layer(layer, part) for layer, part in self._parts(theta))

    def with_free_knots(self) -> Self:
        """Return the network with its interior knots as parameters that start where the knots are now."""
        if not any(map(has_knots, self.layers)):
            raise ValueError("with_free_knots needs a network with knots; got none")
        return self._with(free_layer(layer) for layer in self.layers)

    def convert(self, theta: Any, other: Composition, allow_inexact: bool = False) -> FloatArray:
        r"""Parameters of `other` that make it the same function of x as this network at theta.

        Layer by layer: the change of basis w = A^T u and its inverse, the prolongation u_f = P u where the knots of
        `other` contain those of this network, zeros appended for Chebyshev layers of higher degree. Node maps are
        carried over by the methods of this class; they must agree.

        Parameters
        ----------
        theta : array (n_params,)
        other : Network
            In any basis, on the same knots or nested ones; free knots are those at theta, or the starting ones.
        allow_inexact : bool
            Accept a function that differs outside the domains, under outside="natural".

        Raises
        ------
        KnotError
            If a knot of this network is missing in `other`, named with its layer and input.
        ValueError
            Where the two are not the same function for every x: other widths, node maps, orders or domains, or
            functions that differ outside the domain under outside="natural" (unless allow_inexact).
        TypeError
            If other is no network.
        """
        theta = as_vector("theta", theta, self.n_params)
        self._require_same_frame(other)
        parts = [
            convert_layer(layer, part, target, k, allow_inexact)
            for k, ((layer, part), target) in enumerate(zip(self._parts(theta), other.layers, strict=True))
        ]
        return np.concatenate(parts)

    def prolongation(self, other: Composition) -> sp.csr_array:
        r"""Sparse matrix P (other.n_params, n_params) with convert(theta, other) = P theta: fixed knots, one basis.

        Gradients are restricted by its transpose; P^T H P is the Galerkin matrix of a matrix H of `other`.
        """
        self._require_same_frame(other)
        pairs = enumerate(zip(self.layers, other.layers, strict=True))
        return sp.block_diag([prolongation_of_layer(*pair, k) for k, pair in pairs], format="csr")

    def coordinates(self, basis: str) -> Coordinates:
        """Linear maps between theta and the coefficients in another basis: the geometries of descent methods."""
        return coordinates(self.layers, self.slices, basis)

    def _with(self, layers: Iterable[Layer]) -> Self:
        return replace(self, layers=tuple(layers))

    def _require_same_frame(self, other: Composition) -> None:
        """Raise unless the other network has the same widths and the same node maps, bound to the same data."""
        check_type("other", other, type(self))
        if other.widths != self.widths:
            raise ValueError(f"other must have widths {self.widths}; got {other.widths}")
        for k, (mine, theirs) in enumerate(zip(self.node_maps, other.node_maps, strict=True)):
            if not same_map(mine, theirs):
                got = f"{theirs.name!r}" + (" of other constants or domains" if type(mine) is type(theirs) else "")
                if mine.bound != theirs.bound:
                    which = "other" if mine.bound else "this network"
                    got += f"; {which} is not bound to data: make one from the other by refine, insert or to_basis"
                raise ValueError(
                    f"other must have the same node map after layer {k} as this network ({mine.name!r}); got {got}"
                )
        empty = np.empty((0, 0))
        batches = [empty if net.statistics is None else net.statistics for net in (self, other)]
        if not np.array_equal(batches[0], batches[1]):
            raise ValueError("other must have the same statistics batch")
