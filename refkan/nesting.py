r"""The same function in another layer: in the other basis, and in any layer whose spline spaces contain its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import scipy.sparse as sp

from refkan.array_types import Array, FloatArray
from refkan.conversion import convert_coefficients
from refkan.errors import KnotError
from refkan.layers import ChebyshevLayer, EdgeLayer, Layer, SiluLayer
from refkan.local_basis import KnotTables
from refkan.spaces import SplineSpace
from refkan.transfer import prolongation_matrix, require_nested
from refkan.transfer.insertion import apply_rows, prolongation_rows

E = TypeVar("E", bound=EdgeLayer)

EPS = np.finfo(np.float64).eps


def describe(layer: Layer) -> str:
    """Say in a few words what a layer is."""
    if isinstance(layer, SiluLayer):
        return f"SiLU + {describe(layer.spline)}"
    if isinstance(layer, EdgeLayer):
        free, plural = "free " * layer.free_knots, "s" * (layer.intervals > 1)
        return f"order {layer.order} on {layer.intervals} {free}interval{plural} ({layer.basis})"
    if isinstance(layer, ChebyshevLayer):
        return f"Chebyshev of degree {layer.degree}"
    return getattr(layer, "activation", type(layer).__name__)


def has_resolution(layer: Layer) -> bool:
    """Whether a layer can be refined."""
    return has_knots(layer) or isinstance(layer, ChebyshevLayer)


def refine_layer(layer: Layer, factor: int) -> Layer:
    """Return the layer with intervals cut into `factor` equal ones, or `factor` times the degree; dense ones as is."""
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=refined(layer.spline, factor))
    if isinstance(layer, ChebyshevLayer):
        return layer.refined(factor)
    return refined(layer, factor) if isinstance(layer, EdgeLayer) else layer


def refined(layer: E, factor: int) -> E:
    """Return a layer of splines with its spaces refined."""
    return replace(layer, spaces=tuple(space.refine(factor) for space in layer.spaces))


def insert_into_layer(layer: Layer, new_knots: list[Any]) -> Layer:
    """Return the layer on spline spaces with knots inserted, `new_knots[p]` for input p."""
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=inserted(layer.spline, new_knots))
    assert isinstance(layer, EdgeLayer)
    return inserted(layer, new_knots)


def inserted(layer: E, new_knots: list[Any]) -> E:
    """Return a layer of splines with knots inserted into its spaces."""
    spaces = []
    for p, (space, new) in enumerate(zip(layer.spaces, new_knots, strict=True)):
        try:
            fine = space.insert(new)
        except KnotError as error:
            raise KnotError(f"input {p}: {error}") from None
        # Free knots keep exterior knots that depend on a, b and n alone.
        spaces.append(SplineSpace.from_breakpoints(fine.order, fine.breakpoints) if layer.free_knots else fine)
    return replace(layer, spaces=tuple(spaces))


def has_knots(layer: Layer) -> bool:
    """Whether a layer has knots to insert into."""
    return isinstance(layer, EdgeLayer | SiluLayer)


def fix_layer(layer: Layer, theta: FloatArray) -> Layer:
    """Return the layer with its free knots fixed where they are at theta."""
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=fixed(layer.spline, theta[: layer.spline.n_params]))
    return fixed(layer, theta) if isinstance(layer, EdgeLayer) else layer


def fixed(layer: E, theta: FloatArray) -> E:
    """Return a layer of splines on its spaces at theta."""
    return replace(layer, spaces=layer.spaces_at(theta), free_knots=False)


def free_layer(layer: Layer) -> Layer:
    """Return the layer with free knots that start where its knots are; exterior knots at the mean spacing."""
    if isinstance(layer, SiluLayer):
        return replace(layer, spline=freed(layer.spline))
    return freed(layer) if isinstance(layer, EdgeLayer) else layer


def freed(layer: E) -> E:
    """Return a layer of splines whose interior knots are parameters."""
    if layer.free_knots:
        return layer
    spaces = tuple(SplineSpace.from_breakpoints(space.order, space.breakpoints) for space in layer.spaces)
    return replace(layer, spaces=spaces, free_knots=True)


def convert_layer(layer: Layer, theta: FloatArray, target: Layer, k: int, allow_inexact: bool) -> FloatArray:
    """Parameters of `target` that make it the same function as `layer` at theta; k for errors."""
    if layer == target:
        return theta.copy()
    if isinstance(layer, SiluLayer) and isinstance(target, SiluLayer):
        blocks = layer.unpack(theta)
        spline = convert_layer(layer.spline, theta[: layer.spline.n_params], target.spline, k, allow_inexact)
        silu: FloatArray = target.pack(**target.spline.unpack(spline), w_b=blocks["w_b"], w_s=blocks["w_s"])
        return silu
    if isinstance(layer, ChebyshevLayer) and isinstance(target, ChebyshevLayer):
        padded: FloatArray = _padding(layer, target, k) @ theta
        return padded
    if not isinstance(layer, EdgeLayer) or not isinstance(target, EdgeLayer):
        raise ValueError(f"layer {k}: cannot convert a {type(layer).__name__} into a {type(target).__name__}")
    _require_alike(layer, target, k)
    if not allow_inexact:
        _require_exact(layer, target, k)
    c = layer.unpack(theta)["coefficients"]
    blocks = {"s": _free_parameters(layer, theta, target)} if target.free_knots else {}
    empty: FloatArray = target.pack(coefficients=np.zeros(target.blocks["coefficients"]), **blocks)
    coarse, fine = layer.tables(theta), target.tables(empty)
    if np.array_equal(coarse.knots, fine.knots):
        c = convert_coefficients(layer, theta, c, layer.basis, target.basis)
    elif layer.basis == target.basis != "spline" and not (layer.free_knots or target.free_knots):
        matrices = _matrices(_nested_spaces(coarse, fine, k), layer.basis)
        c = np.stack([c[:, p] @ P.T for p, P in enumerate(matrices)], axis=1)
    else:
        c = convert_coefficients(layer, theta, c, layer.basis, "spline")
        u, c = c, np.empty((*c.shape[:2], target.dim), c.dtype)
        try:
            pairs = _nested_spaces(coarse, fine, k)
        except KnotError as error:
            moved = layer.free_knots and not np.array_equal(coarse.knots, layer.fixed_tables.knots)
            hint = "; free knots are not where they started: with_fixed_knots(theta) first" if moved else ""
            raise KnotError(f"{error}{hint}") from None
        for (space, finer), inputs in _alike(pairs):
            c[:, inputs] = apply_rows(*prolongation_rows(space.knots, finer.knots, space.order), u[:, inputs])
        c = convert_coefficients(target, empty, c, "spline", target.basis)
    result: FloatArray = target.pack(coefficients=c, **blocks)
    return result


def prolongation_of_layer(layer: Layer, target: Layer, k: int) -> sp.csr_array:
    """Sparse matrix of `convert_layer` for fixed knots and one basis, where it is linear."""
    if layer == target:
        return sp.eye_array(layer.n_params, format="csr")
    if isinstance(layer, SiluLayer) and isinstance(target, SiluLayer):
        edges = 2 * layer.n_inputs * layer.n_outputs
        parts = [prolongation_of_layer(layer.spline, target.spline, k), sp.eye_array(edges)]
        return sp.block_diag(parts, format="csr")
    if isinstance(layer, ChebyshevLayer) and isinstance(target, ChebyshevLayer):
        return _padding(layer, target, k)
    if not isinstance(layer, EdgeLayer) or not isinstance(target, EdgeLayer):
        raise ValueError(f"layer {k}: cannot prolong a {type(layer).__name__} into a {type(target).__name__}")
    _require_alike(layer, target, k)
    _require_exact(layer, target, k)
    if layer.free_knots or target.free_knots:
        raise ValueError(f"layer {k}: prolongation is a matrix for fixed knots only; use net.convert")
    if layer.basis != target.basis:
        raise ValueError(f"layer {k}: other must have the basis {layer.basis!r}; got {target.basis!r}")
    pairs = _nested_spaces(layer.fixed_tables, target.fixed_tables, k)
    return sp.block_diag(_matrices(pairs, layer.basis) * layer.n_outputs, format="csr")


def _padding(layer: ChebyshevLayer, target: ChebyshevLayer, k: int) -> sp.csr_array:
    """Matrix that appends zeros to the coefficients; k for errors."""
    try:
        return layer.padding(target)
    except ValueError as error:
        raise ValueError(f"layer {k}: {error}") from None


def _matrices(pairs: list[tuple[SplineSpace, SplineSpace]], basis: str) -> list[sp.csr_array]:
    """P of each input."""
    matrices: dict[int, sp.csr_array] = {}
    for (coarse, fine), inputs in _alike(pairs):
        matrices |= dict.fromkeys(inputs, prolongation_matrix(coarse, fine, basis))
    return [matrices[p] for p in range(len(pairs))]


def _alike(pairs: list[tuple[SplineSpace, SplineSpace]]) -> list[tuple[tuple[SplineSpace, SplineSpace], list[int]]]:
    """Different pairs, each with the inputs that have it: knots that all inputs share need one computation."""
    inputs: dict[int, list[int]] = {}
    for p, pair in enumerate(pairs):
        inputs.setdefault(id(pair), []).append(p)
    return [(pairs[members[0]], members) for members in inputs.values()]


def _require_alike(layer: EdgeLayer, target: EdgeLayer, k: int) -> None:
    mine = (layer.n_inputs, layer.order, layer.n_outputs, layer.outside, layer.domains.tolist())
    theirs = (target.n_inputs, target.order, target.n_outputs, target.outside, target.domains.tolist())
    if mine != theirs:
        raise ValueError(
            f"layer {k}: other must have the same order, outputs, domains and outside rule as {layer}; got {target}"
        )


def _require_exact(layer: EdgeLayer, target: EdgeLayer, k: int) -> None:
    """Under natural tails the functions end with the outermost knots, so that these must stay and the basis too."""
    if layer.outside != "natural":
        return
    if (layer.basis == "spline") != (target.basis == "spline"):
        raise ValueError(
            f"layer {k}: under outside='natural' B-splines decay and ReLU powers grow outside the domain, so the two "
            "bases are not the same function there; use 'linear' or 'polynomial', or allow_inexact=True"
        )
    if layer.spaces == target.spaces:
        return
    r = layer.order
    for p, (mine, theirs) in enumerate(zip(layer.spaces, target.spaces, strict=True)):
        ends = [np.concatenate([space.knots[:r], space.knots[-r:]]) for space in (mine, theirs)]
        if not np.array_equal(ends[0], ends[1]):
            raise ValueError(
                f"layer {k}: under outside='natural' the basis functions decay to zero at the exterior knots, which "
                f"differ for input {p}, so that the functions differ outside the domain; use 'linear' or "
                "'polynomial', insert knots instead of refining, or allow_inexact=True"
            )


def _free_parameters(layer: EdgeLayer, theta: FloatArray, target: EdgeLayer) -> Array:
    """Parameters s of the target's free knots: those of the layer, repeated where every interval was cut alike."""
    if layer.free_knots and _cut_alike(layer, target):
        # q = (1 - eps) softmax(s) + eps/n: repeating s halves every share, the floor included.
        return np.repeat(layer.unpack(theta)["s"], target.intervals // layer.intervals, axis=1)
    return target.starting_s()


def _cut_alike(layer: EdgeLayer, target: EdgeLayer) -> bool:
    """Whether the target has the same intervals, wherever they start, or starts from those of the layer cut evenly."""
    factor, rest = divmod(target.intervals, layer.intervals)
    if factor < 2 or rest:
        return factor == 1 and rest == 0
    at = np.arange(target.intervals + 1) / factor
    pairs = zip(layer.spaces, target.spaces, strict=True)
    ends = [(np.interp(at, np.arange(layer.intervals + 1), S.breakpoints), T.breakpoints) for S, T in pairs]
    return all(np.abs(cut - t).max() <= 8 * EPS * np.abs(t).max() for cut, t in ends)


def _nested_spaces(coarse: KnotTables, fine: KnotTables, k: int) -> list[tuple[SplineSpace, SplineSpace]]:
    """Coarse and fine space of each input, fine breakpoints that are coarse ones up to rounding set to them.

    Inputs with the same knots get one and the same pair.
    """
    pairs: list[tuple[SplineSpace, SplineSpace]] = []
    found: dict[tuple[bytes, bytes], tuple[SplineSpace, SplineSpace]] = {}
    r = coarse.order
    for p, (t, s) in enumerate(zip(coarse.knots, fine.knots.copy(), strict=True)):
        key = t.tobytes(), s.tobytes()
        if key in found:
            pairs.append(found[key])
            continue
        breakpoints, interior = coarse.breakpoints[p], s[r - 1 : s.size - r + 1]
        at = np.searchsorted(breakpoints, interior).clip(1, breakpoints.size - 1)
        left, right = breakpoints[at - 1], breakpoints[at]
        nearest = np.where(interior - left < right - interior, left, right)
        # Breakpoints of free knots are a plus up to n shares of b - a, each rounded, with 16 roundings of other kinds.
        rounding = EPS * ((16 + interior.size) * (breakpoints[-1] - breakpoints[0]) + 2 * np.abs(breakpoints).max())
        close = np.abs(interior - nearest) <= rounding
        interior[close] = nearest[close]
        pair = SplineSpace(t, r), SplineSpace(s, r)
        try:
            require_nested(*pair)
        except KnotError as error:
            raise KnotError(f"layer {k}, input {p}: {error}") from None
        found[key] = pair
        pairs.append(pair)
    return pairs
