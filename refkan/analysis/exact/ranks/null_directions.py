r"""Null vectors of J that theory gives, as rational numbers.

A ball never proves that J z = 0. These vectors need no proof by numbers: along them the network does not change, for
all samples, by the identities that `refkan.analysis.conditioning.null_space` lists,

    each layer             a constant moved from an edge into another of the same node
    nodes under mean-std   a constant added to the node, and the node's function multiplied: the statistics undo both
    and min-max
    each SiLU edge         d(w_s C) = 0 along (dC, dw_s) = (C, -w_s)
    hidden ReLU^k neuron   weights and bias multiplied by 1 + e, the weights that follow divided by (1 + e)^k
    each free knot vector  s plus a constant, which softmax does not see

and their entries are zeros, ones, parameters and rows of the change of basis. Under outside="natural" there are
constants on those edges alone whose inputs all lie inside the domain: exact numbers decide, or balls, and what balls do
not decide is left out. Vectors whose entries do not depend on theta are null vectors of the Hessian as well: the loss
is constant on all lines along them. The others are so where the gradient vanishes alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

from refkan import truth
from refkan.analysis.exact.extra import precision, require
from refkan.analysis.exact.ranks.network_rows import Problem
from refkan.truth.bases.outside import is_inside
from refkan.truth.layers import BSplines, Chebyshev, DenseLayer, FreeKnotLayer, ReluPowers, SiluLayer, SumLayer
from refkan.truth.node_maps import Unmapped

Vector = dict[int, Fraction]
"""Entries of a vector by number within the parameters of a layer."""

BITS = 256
"""Precision of the balls that tell activations from the ends of a domain."""

DEGREES = {"identity": 1, "relu": 1, "relu3": 3}
"""The k of activations with f(c z) = c^k f(z) for all c > 0."""


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
    parts, M = evaluation.network.parts(evaluation.theta), len(evaluation.theta)
    rows: list[list[Any]] = []
    begin = 0
    for k, (layer, theta, inside) in enumerate(zip(layers, parts, _inside(problem), strict=True)):
        undone = k < len(maps) and maps[k].uses_statistics
        vectors = _moved_constants(layer, theta, inside, undone, translations)
        if not translations and undone:
            vectors += _multiples(layer, theta)
        elif not translations and k < len(maps) and isinstance(maps[k], Unmapped):
            after = _input_multiples(layers[k + 1], parts[k + 1], layer.n_params)
            vectors += [_difference(v, w) for v, w in zip(_multiples(layer, theta), after, strict=False)]
        full = [[vector.get(m - begin, Fraction(0)) for m in range(M)] for vector in vectors]
        rows += [[flint.fmpq(value.numerator, value.denominator) for value in row] for row in full]
        begin += layer.n_params
    echelon, rank = flint.fmpq_mat(rows or [[0] * M]).rref()
    if not rank:
        return flint.fmpq_mat(M, 0)
    return flint.fmpq_mat(echelon.tolist()[:rank]).transpose()


def _inside(problem: Problem) -> list[list[bool]]:
    """For each input of each layer, whether a constant on its edges is one at all samples."""
    with precision(BITS) as flint:
        number = flint.fmpq
        if problem.irrational:
            number = flint.arb
        evaluation = truth.of(problem.net, problem.theta, problem.x, number)
        families = [_families(layer) for layer in evaluation.network.layers]
        always = [[family.outside != "natural" for family in each] for each in families]
        if all(map(all, always)):
            return always
        try:
            inputs = evaluation.network.sweep(evaluation.theta, evaluation.x).inputs
        except truth.UndecidedError:  # a ball holds a knot
            return always
        columns = [list(zip(*z, strict=True)) for z in inputs]
        return [
            [sure or _lie_in(family.domain, values) for sure, family, values in zip(*lists, strict=False)]
            for lists in zip(always, families, columns, strict=True)
        ]


def _lie_in(domain: Sequence[Any], values: Sequence[Any]) -> bool:
    """Whether all values are known to lie in a domain."""
    with suppress(truth.UndecidedError):
        return all(is_inside(domain, value) for value in values)
    return False


def _families(layer: Any) -> Sequence[Any]:
    """The functions of each input; none of dense layers."""
    spline = _spline(layer)
    if spline is None:
        return []
    return spline.families


def _edges(layer: Any) -> Any:
    """A layer without its SiLU branch."""
    if isinstance(layer, SiluLayer):
        return layer.spline
    return layer


def _spline(layer: Any) -> SumLayer | None:
    """The layer of functions on fixed knots that a layer is made of, None for dense ones."""
    edges = _edges(layer)
    if isinstance(edges, FreeKnotLayer):
        return edges.start
    if isinstance(edges, SumLayer):
        return edges
    return None


def _moved_constants(layer: Any, theta: Any, inside: list[bool], undone: bool, translations: bool) -> list[Vector]:
    """Vectors that change no output of a layer, or, if a map undoes constants, no output of the map."""
    vectors: list[Vector] = []
    for q in range(layer.n_outputs):
        if translations and isinstance(layer, SiluLayer):
            continue
        constants = _constants(layer, theta, q, inside)
        if undone:
            vectors += constants
        else:
            vectors += [_difference(other, constants[0]) for other in constants[1:]]
    spline = _edges(layer)
    if isinstance(spline, FreeKnotLayer):
        first, n = spline.start.n_params, spline.breakpoints + 1
        vectors += [{first + p * n + j: Fraction(1) for j in range(n)} for p in range(spline.n_inputs)]
    if isinstance(layer, SiluLayer) and not translations:
        first = spline.n_params + layer.n_edges
        for edge in range(layer.n_edges):
            C = {m: theta[m] for m in range(edge * spline.dim, (edge + 1) * spline.dim)}
            vectors.append(C | {first + edge: -theta[first + edge]})
    return vectors


def _constants(layer: Any, theta: Any, q: int, inside: list[bool]) -> list[Vector]:
    """Vectors in the parameters that raise output q by one, one an edge where there is one."""
    if isinstance(layer, DenseLayer):
        if not layer.bias or layer.activation != "identity":
            return []
        return [{layer.n_outputs * layer.n_inputs + q: Fraction(1)}]
    spline = _spline(layer)
    assert spline is not None
    edges = _edges(layer)
    if isinstance(edges, FreeKnotLayer) and not isinstance(spline.families[0], BSplines):
        return []  # those of ReLU powers move with the knots
    constants = []
    for p, family in enumerate(spline.families):
        edge = q * layer.n_inputs + p
        weight = Fraction(1)
        if isinstance(layer, SiluLayer):
            weight = theta[layer.spline.n_params + layer.n_edges + edge]
        if weight and inside[p]:
            constants.append({edge * spline.dim + i: value / weight for i, value in enumerate(_one(family))})
    return constants


def _one(family: Any) -> list[Fraction]:
    """Coefficients of the function 1."""
    if isinstance(family, Chebyshev):
        return [Fraction(1), *[Fraction(0)] * (family.dim - 1)]
    if isinstance(family, BSplines):
        return [Fraction(1)] * family.dim
    assert isinstance(family, ReluPowers)  # w = A^T u with u = 1, in powers of (x - t)/scale
    A = truth.change_of_basis(family.knots, family.order)
    scale = Fraction(family.scale) ** (family.order - 1)
    return [scale * sum((Fraction(A[i][j]) for i in range(family.dim)), Fraction(0)) for j in range(family.dim)]


def _multiples(layer: Any, theta: Any) -> list[Vector]:
    """For each output the vector that changes it by its own value, if there are any."""
    P, Q = layer.n_inputs, layer.n_outputs
    if isinstance(layer, DenseLayer):
        degree = DEGREES.get(layer.activation)
        if degree is None:
            return []
        rows = [[*range(q * P, (q + 1) * P)] for q in range(Q)]
        if layer.bias:
            rows = [[*row, Q * P + q] for q, row in enumerate(rows)]
        return [{m: theta[m] / degree for m in row} for row in rows]
    spline = _spline(layer)
    assert spline is not None
    rows = [[*range(q * P * spline.dim, (q + 1) * P * spline.dim)] for q in range(Q)]
    if isinstance(layer, SiluLayer):  # C and w_b
        first = layer.spline.n_params
        rows = [[*row, *range(first + q * P, first + (q + 1) * P)] for q, row in enumerate(rows)]
    return [{m: theta[m] for m in row} for row in rows]


def _input_multiples(layer: Any, theta: Any, begin: int) -> list[Vector]:
    """For each input the vector that acts as a relative change of it; `begin`: number of the first parameter."""
    if not isinstance(layer, DenseLayer):
        return []
    columns = [range(p, layer.n_inputs * layer.n_outputs, layer.n_inputs) for p in range(layer.n_inputs)]
    return [{begin + m: theta[m] for m in column} for column in columns]


def _difference(v: Vector, w: Vector) -> Vector:
    return v | {m: v.get(m, Fraction(0)) - value for m, value in w.items()}
