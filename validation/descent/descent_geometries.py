"""L5, T1: descent in two geometries, and four methods with two equivalent forms each ([S26] section 3, Table 1).

w = A^T u are the ReLU coefficients of the spline with coefficients u, so grad_u = A grad_w.
"""

from collections.abc import Callable
from typing import Any

import flint
import numpy as np
from scipy.linalg import block_diag

from refkan import truth
from refkan.base import Frozen
from refkan.claims import Verdict, judge
from refkan.claims.statuses import Status
from refkan.truth.bases.change_of_basis import change_of_basis_inverse
from validation import rationals
from validation.rationals import Matrix, Vector, random_knots, random_rationals, rationals_of

CLAIMS = ("L5", "T1")
STEPS = 5


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    seeds, orders = (range(1), range(1, 6)) if quick else (range(5), range(1, 7))
    layers = [random_layer(order, inputs, seed) for order in orders for inputs in (1, 2) for seed in seeds]
    progress("L5: gradients in two inner products")
    gradients = gradient_verdict(layers)
    progress(f"T1: {STEPS} steps of eight rules on {len(layers)} layers")
    return [gradients, table_verdict(layers)]


class Layer(Frozen):
    """A spline layer with one output, as a function of its coefficients in both bases, and data for it.

    `b` and `psi` hold the values of the two bases at the data points, each computed from its own definition. All
    entries are rational numbers of FLINT: w = A^T u, and u = A^-T w.
    """

    order: int
    inputs: int
    seed: int
    b: np.ndarray
    psi: np.ndarray
    A: np.ndarray
    inverse: np.ndarray
    y: np.ndarray
    u: np.ndarray

    @property
    def description(self) -> dict[str, int]:
        return {"order": self.order, "inputs": self.inputs, "seed": self.seed, "parameters": len(self.u)}


def random_layer(order: int, inputs: int, seed: int, intervals: int = 2) -> Layer:
    """Return a layer whose inputs have random knots of their own, with random samples, targets and coefficients."""
    rng = np.random.default_rng([seed, order, inputs])
    knots = [random_knots(rng, order, intervals) for _ in range(inputs)]
    size = intervals + order - 1
    points = [rationals.random_points(rng, t, order, 2 * inputs * size + 3) for t in knots]

    def side_by_side(design: Callable[[Vector, int, Vector], Matrix]) -> np.ndarray:
        return rationals_of(np.hstack([np.array(design(t, order, x)) for t, x in zip(knots, points, strict=True)]))

    return Layer(
        order,
        inputs,
        seed,
        b=side_by_side(rationals.spline_design),
        psi=side_by_side(rationals.relu_design),
        A=rationals_of(block_diag(*(truth.change_of_basis(t, order) for t in knots))),
        inverse=rationals_of(block_diag(*(change_of_basis_inverse(t, order) for t in knots))),
        y=rationals_of(random_rationals(rng, len(points[0]))),
        u=rationals_of(random_rationals(rng, inputs * size)),
    )


def gradient_verdict(layers: list[Layer]) -> Verdict:
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


def quartic(values: np.ndarray, coefficients: np.ndarray, y: np.ndarray) -> flint.fmpq:
    """Return F = 1/(4N) sum (values @ coefficients - y)^4."""
    return flint.fmpq(((values @ coefficients - y) ** 4).sum()) / (4 * len(y))


def quartic_gradient(values: np.ndarray, coefficients: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the gradient of F by the chain rule, 1/N values^T (residuals)^3."""
    return np.asarray(values.T @ (values @ coefficients - y) ** 3 / len(y))


def directional_derivative(values: np.ndarray, at: np.ndarray, y: np.ndarray, direction: np.ndarray) -> flint.fmpq:
    """Return dF(direction) by a quotient of differences that is exact for polynomials of degree four."""
    weights = {-2: 1, -1: -8, 1: 8, 2: -1}
    return sum((weight * quartic(values, at + k * direction, y) for k, weight in weights.items()), flint.fmpq(0)) / 12


def riesz_identities(layer: Layer, swap: bool = False, invert: bool = True, other: bool = False) -> dict[str, bool]:
    """Return whether M^-1 grad is the gradient in the inner product M, in both geometries, and what it maps to."""
    A, inverse, w = layer.A, layer.inverse, layer.A.T @ layer.u
    grad_u, grad_w = quartic_gradient(layer.b, layer.u, layer.y), quartic_gradient(layer.psi, w, layer.y)
    if other:
        grad_u, grad_w = grad_w, grad_u
    euclidean_w, inverse_w = A @ A.T, inverse.T @ inverse
    euclidean_u, inverse_u = inverse @ inverse.T, A.T @ A
    used_u, used_w = (inverse_w, inverse_u) if invert else (euclidean_w, euclidean_u)
    if swap:  # M = A^T A on u, M = (A A^T)^-1 on w
        used_u, used_w = euclidean_u, euclidean_w
    g_u, g_w = used_u @ grad_u, used_w @ grad_w

    def is_gradient(g: np.ndarray, M: np.ndarray, values: np.ndarray, at: np.ndarray) -> bool:
        basis = np.eye(len(g), dtype=object)
        return all(
            entry == directional_derivative(values, at, layer.y, v) for entry, v in zip(M @ g, basis, strict=True)
        )

    return {
        "in_u": is_gradient(g_u, euclidean_w, layer.b, layer.u),
        "in_w": is_gradient(g_w, euclidean_u, layer.psi, w),
        "u_is_w_descent": np.array_equal(A.T @ g_u, quartic_gradient(layer.psi, w, layer.y)),
        "w_is_u_descent": np.array_equal(inverse.T @ g_w, quartic_gradient(layer.b, layer.u, layer.y)),
    }


def table_verdict(layers: list[Layer]) -> Verdict:
    cases = []
    for layer in layers:
        rng = np.random.default_rng([7, layer.seed, layer.order, layer.inputs])
        preconditioners = {
            "identity": np.eye(len(layer.u), dtype=object),
            "diagonal": np.diag(rationals_of(random_rationals(rng, len(layer.u), low=1, high=24))),
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
STEP_SIZE = flint.fmpq(1, 16)


def rules_in_w(layer: Layer, P: np.ndarray) -> dict[int, np.ndarray]:
    """Return the matrices of w -= eta (...) grad_w, by row of Table 1."""
    A = layer.A
    return {1: P, 2: P @ A, 3: A.T @ P @ A, 4: A.T @ P}


def rules_in_u(layer: Layer, P: np.ndarray, exchange: bool = False) -> dict[int, np.ndarray]:
    """Return the matrices of u -= eta (...) grad_u, by row of Table 1; `exchange` swaps A^-1 and A^-T."""
    inverse = layer.inverse.T if exchange else layer.inverse
    return {1: inverse.T @ P @ inverse, 2: inverse.T @ P, 3: P, 4: P @ inverse}


def trajectory(values: np.ndarray, y: np.ndarray, start: np.ndarray, rule: np.ndarray) -> np.ndarray:
    """Return the coefficients after each step of c -= eta rule grad F(c), a row each."""
    points = [start]
    for _ in range(STEPS):
        points.append(points[-1] - STEP_SIZE * (rule @ (values.T @ (values @ points[-1] - y) / len(y))))
    return np.array(points[1:])


def compare_rules(layer: Layer, P: np.ndarray) -> dict[str, bool]:
    """Return for each row whether its two trajectories are equal, and whether any pair of an altered table is."""
    start = layer.A.T @ layer.u

    def in_u(rules: dict[int, np.ndarray], to_relu: np.ndarray = layer.A.T) -> dict[int, np.ndarray]:
        return {row: trajectory(layer.b, layer.y, layer.u, rule) @ to_relu.T for row, rule in rules.items()}

    w = {row: trajectory(layer.psi, layer.y, start, rule) for row, rule in rules_in_w(layer, P).items()}
    u, same = in_u(rules_in_u(layer, P)), np.array_equal
    exchanged = in_u(rules_in_u(layer, P, exchange=True))
    forgotten = in_u(rules_in_u(layer, np.eye(len(P), dtype=object)))
    wrong_map = in_u(rules_in_u(layer, P), layer.A)
    return {f"row {row}": same(w[row], u[row]) for row in ROWS} | {
        "other_row": any(same(w[i], u[j]) for i in ROWS for j in ROWS if i != j),
        "exchanged": any(same(w[row], exchanged[row]) for row in (1, 2, 4)),
        "forgotten": any(same(w[row], forgotten[row]) for row in ROWS),
        "wrong_map": any(same(w[row], wrong_map[row]) for row in ROWS),
    }
