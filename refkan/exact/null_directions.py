r"""Null vectors of J that theory gives, as rational numbers: for networks whose J is known in balls only.

A ball never proves that J z = 0. These vectors need no proof by numbers: along them the network does not change, for
all samples, by the identities that `refkan.conditioning.null_space` lists,

    each layer             a constant moved from an edge into another of the same node
    nodes under mean-std   a constant added to the node, and the node's function multiplied: the statistics undo both
    and min-max
    each SiLU edge         d(w_s C) = 0 along (dC, dw_s) = (C, -w_s)
    each free knot vector  s plus a constant, which softmax does not see

and their entries are zeros, ones, parameters and rows of the change of basis. Those whose entries do not depend on
theta are null vectors of the Hessian as well: the loss is constant on all lines along them. The others are so where the
gradient vanishes alone.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from refkan import truth
from refkan.exact.extra import require
from refkan.exact.network_rows import Problem
from refkan.truth.layers import BSplines, Chebyshev, DenseLayer, FreeKnotLayer, ReluPowers, SiluLayer, SumLayer

Vector = dict[int, Fraction]
"""Entries of a vector by number within the parameters of a layer."""


def known_null_vectors(problem: Problem, translations: bool = False) -> Any:
    """Independent null vectors of J, the columns of an fmpq_mat (M, count).

    Parameters
    ----------
    problem : Problem
    translations : bool
        Whether to give those alone that are null vectors at all theta, and hence of the Hessian.
    """
    flint = require("flint")
    evaluation = truth.of(problem.net, problem.theta, problem.x[:0], Fraction)
    layers, maps = evaluation.network.layers, evaluation.network.node_maps
    parts = evaluation.network.parts(evaluation.theta)
    rows: list[list[Any]] = []
    begin = 0
    for k, (layer, theta) in enumerate(zip(layers, parts, strict=True)):
        undone = k < len(maps) and maps[k].uses_statistics
        vectors = [] if translations and isinstance(layer, SiluLayer) else _moved_constants(layer, theta, undone)
        if undone and not translations:
            vectors += _multiples(layer, theta)
        for vector in vectors:
            row = [flint.fmpq(0)] * len(evaluation.theta)
            for m, value in vector.items():
                row[begin + m] = flint.fmpq(value.numerator, value.denominator)
            rows.append(row)
        begin += layer.n_params
    if not rows:
        return flint.fmpq_mat(len(evaluation.theta), 0)
    echelon, rank = flint.fmpq_mat(rows).rref()
    return flint.fmpq_mat(echelon.tolist()[:rank]).transpose() if rank else flint.fmpq_mat(len(evaluation.theta), 0)


def _moved_constants(layer: Any, theta: Any, undone: bool) -> list[Vector]:
    """Differences of the vectors that raise an output by one, or, if a map undoes constants, all of them."""
    found = []
    for q in range(layer.n_outputs):
        constants = _constants(layer, theta, q)
        if undone:
            found += constants
        else:
            found += [_difference(other, constants[0]) for other in constants[1:]]
    if isinstance(layer, FreeKnotLayer):
        first, n = layer.start.n_params, layer.breakpoints + 1
        found += [{first + p * n + j: Fraction(1) for j in range(n)} for p in range(layer.n_inputs)]
    if isinstance(layer, SiluLayer):
        spline, first = layer.spline, layer.spline.n_params
        for edge in range(layer.n_edges):
            vector = {edge * spline.dim + i: theta[edge * spline.dim + i] for i in range(spline.dim)}
            found.append(vector | {first + layer.n_edges + edge: -theta[first + layer.n_edges + edge]})
    return found


def _constants(layer: Any, theta: Any, q: int) -> list[Vector]:
    """Vectors in the parameters that raise output q by one, one an edge where there is one."""
    if isinstance(layer, DenseLayer):
        linear = layer.bias and layer.activation == "identity"
        return [{layer.n_outputs * layer.n_inputs + q: Fraction(1)}] if linear else []
    if isinstance(layer, SiluLayer):
        edges = [q * layer.n_inputs + p for p in range(layer.n_inputs)]
        weights = [theta[layer.spline.n_params + layer.n_edges + edge] for edge in edges]
        found = zip(_constants(layer.spline, theta, q), weights, strict=False)
        return [{m: value / w for m, value in vector.items()} for vector, w in found if w]
    if isinstance(layer, FreeKnotLayer):
        return _constants(layer.start, theta, q) if isinstance(layer.start.families[0], BSplines) else []
    assert isinstance(layer, SumLayer)
    one = [_one(family) for family in layer.families]
    if any(not vector for vector in one):
        return []
    offsets = [(q * layer.n_inputs + p) * layer.dim for p in range(layer.n_inputs)]
    return [{offset + i: value for i, value in enumerate(vector)} for offset, vector in zip(offsets, one, strict=True)]


def _one(family: Any) -> list[Fraction]:
    """Coefficients of the function 1, none if it is not in the space for every x."""
    if family.outside == "natural" and not isinstance(family, Chebyshev):
        return []
    if isinstance(family, Chebyshev):
        return [Fraction(1), *[Fraction(0)] * (family.dim - 1)]
    if isinstance(family, BSplines):
        return [Fraction(1)] * family.dim
    assert isinstance(family, ReluPowers)  # w = A^T u with u = 1, in powers of (x - t)/scale
    A = truth.change_of_basis(family.knots, family.order)
    scale = Fraction(family.scale) ** (family.order - 1)
    return [scale * sum((Fraction(A[i][j]) for i in range(family.dim)), Fraction(0)) for j in range(family.dim)]


def _multiples(layer: Any, theta: Any) -> list[Vector]:
    """Vectors that change one output by its own value."""
    if isinstance(layer, FreeKnotLayer):
        return _multiples(layer.start, theta)
    if isinstance(layer, SumLayer):
        size = layer.n_inputs * layer.dim
        return [{m: theta[m] for m in range(q * size, (q + 1) * size)} for q in range(layer.n_outputs)]
    if isinstance(layer, SiluLayer):
        first, P = layer.spline.n_params, layer.n_inputs
        found = []
        for q in range(layer.n_outputs):
            edges = [first + b + q * P + p for b in (0, layer.n_edges) for p in range(P)]
            found.append({m: theta[m] for m in edges})
        return found
    if layer.activation != "identity":
        return []
    P, size = layer.n_inputs, layer.n_inputs * layer.n_outputs
    rows = [[*range(q * P, (q + 1) * P), *([size + q] if layer.bias else [])] for q in range(layer.n_outputs)]
    return [{m: theta[m] for m in row} for row in rows]


def _difference(v: Vector, w: Vector) -> Vector:
    return v | {m: v.get(m, Fraction(0)) - value for m, value in w.items()}
