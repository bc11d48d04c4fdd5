"""L5, T1: descent in two geometries, and four methods with two equivalent forms each ([S26] section 3, Table 1).

w = A^T u are the ReLU coefficients of the spline with coefficients u, so grad_u = A grad_w.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from refkan import truth
from refkan.claims import Status, Verdict, judge
from validation.rationals import (
    Matrix,
    Vector,
    add,
    apply,
    block_diagonal,
    diagonal,
    dot,
    identity,
    multiply,
    random_knots,
    random_points,
    random_rationals,
    relu_design,
    spline_design,
    transpose,
)

CLAIMS = ("L5", "T1")
STEPS = 5


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Check Lemma 5 and Table 1 exactly, on layers of one and two inputs, and altered statements beside them."""
    seeds, orders = (range(1), range(1, 6)) if quick else (range(5), range(1, 7))
    layers = [random_layer(order, inputs, seed) for order in orders for inputs in (1, 2) for seed in seeds]
    progress("L5: gradients in two inner products")
    gradients = gradient_verdict(layers)
    progress(f"T1: {STEPS} steps of eight rules on {len(layers)} layers")
    return [gradients, table_verdict(layers)]


@dataclass(frozen=True)
class Layer:
    """A spline layer with one output, as a function of its coefficients in both bases, and data for it.

    `b` and `psi` hold the values of the two bases at the data points, each computed from its own definition.
    """

    order: int
    inputs: int
    seed: int
    b: Matrix
    psi: Matrix
    A: Matrix
    inverse: Matrix
    y: list[Fraction]
    u: list[Fraction]

    @property
    def description(self) -> dict[str, int]:
        """The case, for the raw data."""
        return {"order": self.order, "inputs": self.inputs, "seed": self.seed, "parameters": len(self.u)}

    @cached_property
    def to_relu(self) -> Matrix:
        """A^T, which maps u to w."""
        return transpose(self.A)

    @cached_property
    def to_spline(self) -> Matrix:
        """A^-T, which maps w to u."""
        return transpose(self.inverse)


def random_layer(order: int, inputs: int, seed: int, intervals: int = 2) -> Layer:
    """Return a layer whose inputs have random knots of their own, with random samples, targets and coefficients."""
    rng = np.random.default_rng([seed, order, inputs])
    knots = [random_knots(rng, order, intervals) for _ in range(inputs)]
    size = intervals + order - 1
    points = [random_points(rng, t, order, 2 * inputs * size + 3) for t in knots]

    def side_by_side(design: Callable[[Vector, int, Vector], Matrix]) -> Matrix:
        blocks = [design(t, order, x) for t, x in zip(knots, points, strict=True)]
        return [[value for row in rows for value in row] for rows in zip(*blocks, strict=True)]

    return Layer(
        order,
        inputs,
        seed,
        b=side_by_side(spline_design),
        psi=side_by_side(relu_design),
        A=block_diagonal([truth.change_of_basis(t, order) for t in knots]),
        inverse=block_diagonal([truth.change_of_basis_inverse(t, order) for t in knots]),
        y=random_rationals(rng, len(points[0])),
        u=random_rationals(rng, inputs * size),
    )


def gradient_verdict(layers: list[Layer]) -> Verdict:
    """Compare M^-1 grad with the definition of a gradient in the inner product M, in both geometries."""
    cases = [riesz_identities(layer) for layer in layers]
    exact = [all(case.values()) for case in cases]

    def altered(**changes: Any) -> Status:
        return judge(all(all(riesz_identities(layer, **changes).values()) for layer in layers))

    return Verdict(
        "L5",
        judge(all(exact)),
        f"exact in {sum(exact)} of {len(exact)} layers (r = {layers[0].order}..{layers[-1].order}, one and two"
        " inputs, random knots, a quartic loss): <M^-1 grad, v>_M = dF(v) for every basis vector v, for M = A A^T on u"
        " and M = (A^T A)^-1 on w; mapped, these are plain descent in w and in u",
        details=GRADIENT_DETAILS,
        data={"cases": [layer.description | case for layer, case in zip(layers, cases, strict=True)]},
        mutations={
            "A^T A in place of A A^T": altered(swap=True),
            "M grad in place of M^-1 grad": altered(invert=False),
            "the gradient of the other basis": altered(other=True),
        },
    )


GRADIENT_DETAILS = """The gradient of F in the inner product <g, v>_M = g^T M v is defined by <g, v>_M = dF(v)
for all v; the lemma says that it is M^-1 grad F. F is 1/(4N) times the sum of the fourth powers of the
residuals, so that nothing rests on F being quadratic. Its directional derivative is taken without the chain
rule: along a line F is a polynomial of degree four, for which the five-point difference quotient is exact.

M = A A^T on u is the Euclidean inner product of w = A^T u: its gradient in u, mapped by A^T, is grad_w (row 1
of Table 1). M = (A^T A)^-1 on w is the Euclidean inner product of u = A^-T w: mapped by A^-T, its gradient in
w is grad_u (row 3)."""


def quartic(values: Matrix, coefficients: Vector, y: Vector) -> Fraction:
    """Return F = 1/(4N) sum (values @ coefficients - y)^4."""
    return sum((e**4 for e in add(apply(values, coefficients), y, -1)), Fraction(0)) / (4 * len(y))


def quartic_gradient(values: Matrix, coefficients: Vector, y: Vector) -> list[Fraction]:
    """Return the gradient of F by the chain rule, 1/N values^T (residuals)^3."""
    cubes = [e**3 / len(y) for e in add(apply(values, coefficients), y, -1)]
    return apply(transpose(values), cubes)


def directional_derivative(values: Matrix, coefficients: Vector, y: Vector, direction: Vector) -> Fraction:
    """Return dF(direction) by a quotient of differences that is exact for polynomials of degree four."""
    weights = {-2: 1, -1: -8, 1: 8, 2: -1}
    return (
        sum(
            (weight * quartic(values, add(coefficients, direction, step), y) for step, weight in weights.items()),
            Fraction(0),
        )
        / 12
    )


def riesz_identities(layer: Layer, swap: bool = False, invert: bool = True, other: bool = False) -> dict[str, bool]:
    """Return whether M^-1 grad is the gradient in the inner product M, in both geometries, and what it maps to."""
    w = apply(layer.to_relu, layer.u)
    grad_u = quartic_gradient(layer.b, layer.u, layer.y)
    grad_w = quartic_gradient(layer.psi, w, layer.y)
    if other:
        grad_u, grad_w = grad_w, grad_u
    euclidean_w, inverse_w = multiply(layer.A, layer.to_relu), multiply(layer.to_spline, layer.inverse)
    euclidean_u, inverse_u = multiply(layer.inverse, layer.to_spline), multiply(layer.to_relu, layer.A)
    used_u, used_w = (inverse_w, inverse_u) if invert else (euclidean_w, euclidean_u)
    if swap:  # M = A^T A on u, M = (A A^T)^-1 on w
        used_u, used_w = euclidean_u, euclidean_w
    g_u, g_w = apply(used_u, grad_u), apply(used_w, grad_w)
    basis = identity(len(w))

    def is_gradient(g: Vector, M: Matrix, values: Matrix, at: Vector) -> bool:
        image = apply(M, g)  # M is symmetric
        return all(dot(image, v) == directional_derivative(values, at, layer.y, v) for v in basis)

    return {
        "in_u": is_gradient(g_u, euclidean_w, layer.b, layer.u),
        "in_w": is_gradient(g_w, euclidean_u, layer.psi, w),
        "u_is_w_descent": apply(layer.to_relu, g_u) == quartic_gradient(layer.psi, w, layer.y),
        "w_is_u_descent": apply(layer.to_spline, g_w) == quartic_gradient(layer.b, layer.u, layer.y),
    }


def table_verdict(layers: list[Layer]) -> Verdict:
    """Run the eight rules of Table 1 and compare each pair of trajectories, mapped by w = A^T u, exactly."""
    cases = []
    for layer in layers:
        rng = np.random.default_rng([7, layer.seed, layer.order, layer.inputs])
        preconditioners = {
            "identity": identity(len(layer.u)),
            "diagonal": diagonal(random_rationals(rng, len(layer.u), low=1, high=24)),
        }
        for name, P in preconditioners.items():
            cases.append(layer.description | {"preconditioner": name} | compare_rules(layer, P))
    pairs = [case[f"row {row}"] for case in cases for row in ROWS]
    return Verdict(
        "T1",
        judge(all(pairs)),
        f"{sum(pairs)} of {len(pairs)} pairs of trajectories equal exactly after each of {STEPS} steps: 4 rows, r ="
        f" {layers[0].order}..{layers[-1].order}, one and two inputs, gradient descent and a fixed positive diagonal",
        details=TABLE_DETAILS,
        data={"cases": cases},
        mutations={
            "the form in u of another row": judge(any(case["other_row"] for case in cases)),
            "A^-1 and A^-T exchanged": judge(any(case["exchanged"] for case in cases)),
            "the diagonal forgotten in u": judge(any(case["forgotten"] for case in cases[1::2])),
            "w = A u": judge(any(case["wrong_map"] for case in cases)),
        },
    )


TABLE_DETAILS = """Least squares, F = 1/(2N) |values c - y|^2, for a layer with one output. The rules in w use
the values of the ReLU powers and nothing of the splines, the rules in u those of the B-splines and nothing of
the ReLU powers; each input has its own random knots. P is the optimiser's linear preconditioner: the
identity, or one diagonal carried over unchanged from one form to the other, as it must be: its diagonal
belongs to the geometry and not to the coordinates.

The same steps by substitution: dw = A^T du and grad_w = A^-1 grad_u. Row 1: dw = -eta P grad_w gives du =
-eta A^-T P A^-1 grad_u. Row 2: dw = -eta P A grad_w = -eta P grad_u. Row 3: du = -eta P grad_u gives dw =
-eta A^T P A grad_w. Row 4: du = -eta P A^-1 grad_u = -eta P grad_w. Rows 2 and 4 are equivalent pairs as
well, but no descent: see T2."""

ROWS = (1, 2, 3, 4)
STEP_SIZE = Fraction(1, 16)


def rules_in_w(layer: Layer, P: Matrix) -> dict[int, Matrix]:
    """Return the matrices of w -= eta (...) grad_w, by row of Table 1."""
    A, transposed = layer.A, layer.to_relu
    return {1: P, 2: multiply(P, A), 3: multiply(transposed, P, A), 4: multiply(transposed, P)}


def rules_in_u(layer: Layer, P: Matrix, exchange: bool = False) -> dict[int, Matrix]:
    """Return the matrices of u -= eta (...) grad_u, by row of Table 1; `exchange` swaps A^-1 and A^-T."""
    inverse, inverse_t = layer.inverse, layer.to_spline
    if exchange:
        inverse, inverse_t = inverse_t, inverse
    return {1: multiply(inverse_t, P, inverse), 2: multiply(inverse_t, P), 3: P, 4: multiply(P, inverse)}


def trajectory(values: Matrix, y: Vector, start: Vector, rule: Matrix) -> list[list[Fraction]]:
    """Return the coefficients after each step of c -= eta rule grad F(c)."""
    transposed, points = transpose(values), [list(start)]
    for _ in range(STEPS):
        residuals = [e / len(y) for e in add(apply(values, points[-1]), y, -1)]
        points.append(add(points[-1], apply(rule, apply(transposed, residuals)), -STEP_SIZE))
    return points[1:]


def compare_rules(layer: Layer, P: Matrix) -> dict[str, bool]:
    """Return for each row whether its two trajectories are equal, and whether any pair of an altered table is."""
    start = apply(layer.to_relu, layer.u)

    def in_w(rules: dict[int, Matrix]) -> dict[int, list[list[Fraction]]]:
        return {row: trajectory(layer.psi, layer.y, start, rule) for row, rule in rules.items()}

    def in_u(rules: dict[int, Matrix], to_relu: Matrix = layer.to_relu) -> dict[int, list[list[Fraction]]]:
        return {
            row: [apply(to_relu, u) for u in trajectory(layer.b, layer.y, layer.u, rule)] for row, rule in rules.items()
        }

    w, u = in_w(rules_in_w(layer, P)), in_u(rules_in_u(layer, P))
    exchanged = in_u(rules_in_u(layer, P, exchange=True))
    forgotten = in_u(rules_in_u(layer, identity(len(P))))
    wrong_map = in_u(rules_in_u(layer, P), layer.A)
    return {f"row {row}": w[row] == u[row] for row in ROWS} | {
        "other_row": any(w[i] == u[j] for i in ROWS for j in ROWS if i != j),
        "exchanged": any(w[row] == exchanged[row] for row in (1, 2, 4)),
        "forgotten": any(w[row] == forgotten[row] for row in ROWS),
        "wrong_map": any(w[row] == wrong_map[row] for row in ROWS),
    }
