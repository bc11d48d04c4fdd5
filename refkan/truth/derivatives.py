"""Derivatives of networks by Taylor numbers, sent through the same formulas as numbers; and matrices made of them."""

from collections.abc import Sequence

from refkan.truth.arithmetic.number_types import Matrix, Number, Numbers
from refkan.truth.arithmetic.taylor import Taylor, coefficient, curve, tangents, variable
from refkan.truth.networks import Network

SparseRow = dict[int, Number]
"""Entries of a row of a matrix by column: those that are left out are zero."""


def varied(theta: Numbers) -> list[Taylor]:
    """Return theta_m + e_m, which carries the derivative by every parameter along."""
    return [variable(value, m, 1) for m, value in enumerate(theta)]


def tangent(network: Network, theta: Numbers, x: Sequence[Numbers], dtheta: Numbers, dx: Matrix) -> Matrix:
    """Return J_theta dtheta + J_x dx (N, Q): the coefficient of e in F at theta + e dtheta and x + e dx."""
    moved_theta = [curve(value, [d], 0, 1) for value, d in zip(theta, dtheta, strict=True)]
    moved_x = [[curve(v, [d], 0, 1) for v, d in zip(*rows, strict=True)] for rows in zip(x, dx, strict=True)]
    value = network.sweep(moved_theta, moved_x).value
    return [[coefficient(y, (0,)) for y in row] for row in value]


def jacobian_rows(network: Network, theta: Numbers, x: Sequence[Numbers]) -> list[SparseRow]:
    """Return the rows of the Jacobian (N Q, M), sample-major: the coefficients of e_m in F at theta_m + e_m."""
    value = network.sweep(varied(theta), x).value
    return [tangents(y) for row in value for y in row]


def input_derivatives(
    network: Network, theta: Numbers, x: Sequence[Numbers]
) -> tuple[list[Matrix], list[list[Matrix]]]:
    """Return dF_q/dx_p (N, Q, P) and d^2F_q/dx_p dx_l (N, Q, P, P), from F at x_p + e_p.

    The coefficient of e_p e_l is the second derivative for p != l, and half of it for p = l.
    """
    inputs = range(network.layers[0].n_inputs)
    value = network.sweep(theta, [[variable(v, p, 2) for p, v in enumerate(row)] for row in x]).value

    def second(y: Number, p: int, l: int) -> Number:
        return (2 if p == l else 1) * coefficient(y, (min(p, l), max(p, l)))

    return (
        [[[coefficient(y, (p,)) for p in inputs] for y in row] for row in value],
        [[[[second(y, p, l) for l in inputs] for p in inputs] for y in row] for row in value],
    )


def matrix_of(gradient: Numbers) -> Matrix:
    """Return the Hessian (M, M): the derivatives by theta_l that each entry of a gradient carries along."""
    columns = range(len(gradient))
    return [[carried.get(l, 0) for l in columns] for carried in map(tangents, gradient)]


def square(rows: Sequence[SparseRow], size: int, weights: Numbers | None = None) -> Matrix:
    """Return J^T W J (size, size) = sum over rows j of w j j^T, w = 1 if not given."""
    out: Matrix = [[0] * size for _ in range(size)]
    for row, w in zip(rows, [1] * len(rows) if weights is None else weights, strict=True):
        for m, a in row.items():
            weighted = w * a
            for l, b in row.items():
                if l <= m:
                    out[m][l] = out[m][l] + weighted * b
    return [[out[max(m, l)][min(m, l)] for l in range(size)] for m in range(size)]


def kernel(rows: Sequence[SparseRow]) -> Matrix:
    """Return J J^T: products of rows."""
    return [[sum(a * other[m] for m, a in row.items() if m in other) for other in rows] for row in rows]
