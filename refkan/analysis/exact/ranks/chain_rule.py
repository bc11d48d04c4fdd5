r"""Jacobians and Hessians of networks over exact numbers or balls, sample by sample, by the chain rule.

`truth` sends Taylor numbers of all M parameters through every formula, which costs M times the formula. Where no node
map takes statistics of a batch, a sample does not depend on others, and a network is a composition of steps y = f(u): a
layer, u its inputs and its own parameters, or a node map. With the tangents U = du/dtheta of each step, and cotangents
c of what it puts out,

    dy/dtheta = f'(u) U,    Hess sum_k C_k F_k = sum over the steps of U^T (Hess sum_q c_q f_q)(u) U

since differentiating f'(u) U once more gives f'' with U twice, and f' with second derivatives of u, which are those of
the steps before. Taylor numbers in u alone, few and sparse, differentiate the slopes and gradients of `truth`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from refkan.truth.arithmetic.number_types import Matrix, Numbers
from refkan.truth.arithmetic.taylor import tangents, variable
from refkan.truth.derivatives import SparseRow
from refkan.truth.layers import Layer
from refkan.truth.networks import Network

Rows = list[SparseRow]
"""Derivatives of several numbers by the parameters, those that are left out being zero."""


class Step(NamedTuple):
    """A layer at one sample, and the node map after it, if there is one.

    Attributes
    ----------
    layer : Layer
    theta : sequence
        Its parameters.
    begin : int
        The number of the first of them.
    inputs, outputs : lists of numbers
        x (P) and y (Q), before the map.
    moved : Rows
        Tangents of the inputs.
    slopes : Matrix
        dy/dx (Q, P).
    rows : Rows
        Tangents of the outputs.
    node_map : NodeMap or None
    """

    layer: Layer
    theta: Numbers
    begin: int
    inputs: Numbers
    outputs: Numbers
    moved: Rows
    slopes: Matrix
    rows: Rows
    node_map: Any


def steps(network: Network, theta: Numbers, x: Numbers) -> list[Step]:
    """A network without statistics at one sample, forward."""
    done: list[Step] = []
    z, begin = x, 0
    moved: Rows = [{} for _ in x]
    maps: list[Any] = [*network.node_maps, None]
    for layer, part, node_map in zip(network.layers, network.parts(theta), maps, strict=True):
        y, slopes = layer.value(part, z), layer.slopes(part, z)
        own = [{begin + m: g for m, g in gradient.items()} for gradient in layer.gradients(part, z)]
        rows = [combined([1, *S], [row, *moved]) for row, S in zip(own, slopes, strict=True)]
        done.append(Step(layer, part, begin, z, y, moved, slopes, rows, node_map))
        if node_map is not None:
            z = [node_map.value(q, v) for q, v in enumerate(y)]
            moved = [combined([node_map.slope(q, v)], [row]) for q, (v, row) in enumerate(zip(y, rows, strict=True))]
        begin += layer.n_params
    return done


def jacobian_rows(network: Network, theta: Numbers, x: Sequence[Numbers]) -> Rows:
    """The rows of dF/dtheta, sample-major."""
    return [row for sample in x for row in steps(network, theta, sample)[-1].rows]


def curvature_rows(
    network: Network, theta: Numbers, x: Sequence[Numbers], cotangents: Sequence[Numbers]
) -> dict[int, SparseRow]:
    """The rows of sum over s and q of C[s, q] Hess F_q(x_s), by number."""
    H: dict[int, SparseRow] = {m: {} for m in range(len(theta))}
    for sample, c in zip(x, cotangents, strict=True):
        for step in reversed(steps(network, theta, sample)):
            if step.node_map is not None:
                for q, (d, y, row) in enumerate(zip(c, step.outputs, step.rows, strict=True)):
                    for second in tangents(step.node_map.slope(q, variable(y, 0, 1))).values():
                        _add_product(H, row, combined([d * second], [row]))
                c = [step.node_map.slope(q, y) * d for q, (y, d) in enumerate(zip(step.outputs, c, strict=True))]
            _add_layer(H, step, c)
            c = [sum(d * s for d, s in zip(c, column, strict=True)) for column in zip(*step.slopes, strict=True)]
    return H


def _add_layer(H: dict[int, SparseRow], step: Step, c: Numbers) -> None:
    """Add U^T D U, D the second derivatives of sum_q c_q y_q in the inputs, numbers 0 to P - 1, and parameters."""
    P = len(step.inputs)
    theta = [variable(value, P + m, 1) for m, value in enumerate(step.theta)]
    fixed = not any(step.moved)
    inputs = step.inputs if fixed else [variable(value, p, 1) for p, value in enumerate(step.inputs)]
    derivatives: dict[int, SparseRow] = {}
    if not fixed:
        for p, column in enumerate(zip(*step.layer.slopes(theta, inputs), strict=True)):
            derivatives[p] = combined(c, map(tangents, column))
    for d, gradient in zip(c, step.layer.gradients(theta, inputs), strict=True):
        for m, value in gradient.items():
            derivatives[P + m] = combined([1, d], [derivatives.get(P + m, {}), tangents(value)])
    own = {P + m: {step.begin + m: 1} for m in range(len(theta))}
    U = dict(enumerate(step.moved)) | own
    for a, row in derivatives.items():
        _add_product(H, U[a], combined(row.values(), (U[b] for b in row)))


def _add_product(H: dict[int, SparseRow], left: SparseRow, right: SparseRow) -> None:
    for m, a in left.items():
        row = H[m]
        for l, b in right.items():
            row[l] = row[l] + a * b if l in row else a * b


def combined(weights: Iterable[Any], rows: Iterable[SparseRow]) -> SparseRow:
    """Sum of rows times numbers.

    Examples
    --------
    >>> combined([1, 2], [{0: 5}, {0: 1, 3: 4}])
    {0: 7, 3: 8}
    """
    total: SparseRow = {}
    for weight, row in zip(weights, rows, strict=True):
        for m, value in row.items():
            total[m] = total[m] + weight * value if m in total else weight * value
    return total
