r"""The same layer in another basis: layers, their parameters, and the coordinates of descent methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from refkan import change_of_basis
from refkan.arguments import check_choice
from refkan.array_types import Array
from refkan.layers import EdgeLayer, Layer, ReluLayer, SiluLayer, SplineLayer
from refkan.short_reprs import ShortRepr

BASES = ("spline", "relu", "scaled-relu")


def layer_basis(layer: Layer) -> str | None:
    """Name of the basis of a layer's coefficients, None if it has none."""
    if isinstance(layer, SiluLayer):
        return layer.spline.basis
    return layer.basis if isinstance(layer, EdgeLayer) else None


def layer_in_basis(layer: Layer, basis: str) -> Layer:
    """Return the layer of the same function space with its coefficients in `basis`."""
    check_choice("basis", basis, BASES)
    if layer_basis(layer) == basis:
        return layer
    if not isinstance(layer, EdgeLayer):
        silu = isinstance(layer, SiluLayer)
        kind = "a SiLU edge is defined in the spline basis" if silu else "a dense layer has none"
        raise ValueError(f"basis {basis!r} is not available: {kind}")
    shared = (layer.spaces, layer.n_outputs, layer.outside, layer.free_knots)
    return SplineLayer(*shared) if basis == "spline" else ReluLayer(*shared, scaled=basis == "scaled-relu")


def _deltas(layer: EdgeLayer, theta: Array, basis: str) -> list[Array]:
    """Spans of the factorisation of A at theta, for coefficients in `basis` (a ReLU basis), shape (P, dim) each."""
    knots = layer.tables(theta).knots
    if basis == "scaled-relu":
        knots = knots / np.array([space.mean_spacing for space in layer.spaces])[:, None]
    return change_of_basis.spans(knots, layer.order)


def convert_coefficients(layer: EdgeLayer, theta: Array, c: Array, source: str, target: str) -> Array:
    """Coefficients (Q, P, dim) in basis `target` of the functions that c is in basis `source`, knots of theta."""
    if source == target:
        return c.copy()
    if source != "spline":
        c = change_of_basis.solve_transposed(_deltas(layer, theta, source), c)
    if target != "spline":
        c = change_of_basis.apply_transposed(_deltas(layer, theta, target), c)
    return c


@dataclass(frozen=True)
class Coordinates(ShortRepr):
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


def _gradient_between(layer: EdgeLayer, g: Array, source: str, target: str) -> Array:
    """Gradient (Q, P, dim) in coefficients of `source` -> of `target`."""
    empty = np.empty(0)
    if source != "spline":
        g = change_of_basis.apply(_deltas(layer, empty, source), g)
    if target != "spline":
        g = change_of_basis.solve(_deltas(layer, empty, target), g)
    return g


def coordinates(layers: Sequence[Layer], slices: Sequence[slice], basis: str) -> Coordinates:
    """Coordinates of a network's parameters in `basis`; blocks other than coefficients stay as they are.

    Raises
    ------
    ValueError
        For layers that have no other basis, and for free knots, under which A is not constant.
    """
    check_choice("basis", basis, BASES)
    changing = [k for k, layer in enumerate(layers) if layer_basis(layer) != basis]
    for k in changing:
        layer_in_basis(layers[k], basis)  # raises where there is none
        if getattr(layers[k], "free_knots", False):
            raise ValueError(
                f"basis {basis!r}: layer {k} has free knots, so the change of basis moves with theta; "
                "train net.to_basis(...) in its own coordinates instead"
            )

    def mapped(change: Callable[[EdgeLayer, Array, str], Array]) -> Callable[[Array], Array]:
        def run(vector: Array) -> Array:
            out = vector.copy()
            for k in changing:
                layer = layers[k]
                assert isinstance(layer, EdgeLayer)
                shape = layer.blocks["coefficients"]
                out[slices[k]] = change(layer, vector[slices[k]].reshape(shape), layer.basis).ravel()
            return out

        return run

    empty = np.empty(0)  # no free knots: the tables do not depend on theta
    return Coordinates(
        to=mapped(lambda layer, c, own: convert_coefficients(layer, empty, c, own, basis)),
        back=mapped(lambda layer, c, own: convert_coefficients(layer, empty, c, basis, own)),
        gradient=mapped(lambda layer, g, own: _gradient_between(layer, g, own, basis)),
    )
