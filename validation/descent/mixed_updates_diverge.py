"""T2: rows 2 and 4 of Table 1, which mix the geometry of one basis with the gradient of the other, are not descent."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import lcm
from typing import Any

import numpy as np

from refkan.claims import Verdict, judge
from validation.descent.descent_geometries import Layer, random_layer, rules_in_u
from validation.rationals import Matrix, Vector, diagonal, identity, multiply, random_rationals, rank, scaled, transpose

CLAIMS = ("T2",)

GROWTH = 1e3
"""A run has diverged once its loss above the minimum is this many times that at the start."""


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Count unstable eigenvalues exactly, and run the iterations with step sizes down to tiny."""
    orders, most_intervals, seeds = (range(1, 5), 2, range(1)) if quick else (range(1, 6), 3, range(3))
    counts = []
    for order in orders:
        progress(f"T2: exact counts, order {order}")
        for inputs in (1, 2, 3):
            for intervals in range(1, most_intervals + 1):
                counts += [count_unstable(order, inputs, intervals, seed) for seed in seeds]
    progress("T2: runs")
    runs = [divergence(order, 4 if quick else 8, seed) for order in range(2, 6) for seed in range(2 if quick else 5)]
    return [verdict(counts, runs)]


DETAILS = """A layer with one output, least squares, random data, each input with its own random knots; H =
B^T B / N is the Hessian in u. Row 2 multiplies the error by I - eta A^-T P H in each step, row 4 by I - eta P
A^-1 H. An eigenvalue of A^-T P H with negative real part makes the error grow for every eta > 0.

Rows 2 and 4 stand or fall together: A^-T P H has the eigenvalues of its transpose H P A^-1, hence those of P
A^-1 H. With H = R^T R the predictions follow K_2 = R A^-T P R^T and K_4 = K_2^T. In the other rows K_1 = R
A^-T P A^-1 R^T and K_3 = R P R^T are symmetric and positive semidefinite.

One input hides it. B (with the data sorted) and A^-T are totally non-negative, and so is A^-T P B^T B: its
eigenvalues are real and >= 0 (Gantmacher and Krein), and small steps converge. For r = 1 and P = I they
converge with any number of inputs, because A^-1 + A^-T = I + 1 1^T, block by block, is positive definite. For
r >= 2 it is not, and the columns of two inputs cannot be sorted together.

One case with two inputs and r >= 2 has no such eigenvalue: r = 2 on a single interval, where the layer is
linear. Rows 2 and 4 do not reach the minimum there either. H is singular: H z = 0 for constants moved from
one input to another. The ReLU coefficients w = A^T 1 of a constant sum to zero for r >= 2, since sum_j w_j (x
- t_j)^(r-1) = 1 has no term x^(r-1). Hence A^T z is orthogonal to the null space of H, H v = A^T z has a
solution, and A^-T H v = z: zero is a defective eigenvalue. The error along v persists, z drifts, and the loss
of v is never removed. Counted exactly: for P = I the multiplicity of the eigenvalue zero is the nullity of H
for r = 1, and inputs - 1 more for r >= 2.

With a diagonal P (random, entries from 1/8 to 3) the same counts are in the raw data: eigenvalues with
negative real part in most cases with r >= 2 and two inputs, not in all.

Counts are exact, over rationals: characteristic polynomials by Faddeev and LeVerrier, signs of real parts by
Routh's table. The runs are in float64, on K in coordinates of the range of H, by repeated squaring of the
iteration."""


def verdict(counts: list[dict[str, Any]], runs: list[dict[str, Any]]) -> Verdict:
    """Return the verdict of the counts and runs, and those of altered statements."""

    def unstable(row: int, condition: Callable[[dict[str, Any]], bool], P: str = "P = I") -> list[bool]:
        return [case[P][row] > 0 for case in counts if condition(case)]

    def single(case: dict[str, Any]) -> bool:
        return case["inputs"] == 1

    def several(case: dict[str, Any]) -> bool:
        return case["order"] >= 2 and case["inputs"] >= 2 and (case["order"], case["intervals"]) != (2, 1)

    found, hidden = unstable(2, several), unstable(2, single) + unstable(2, single, "diagonal")
    rows_agree = all(case["rows 2 and 4 share their polynomial"] for case in counts)
    defective = all(case["multiplicity of zero"] - case["nullity of H"] == case["expected excess"] for case in counts)
    ratios = [item["least real part over spectral radius"] for item in runs]
    grown = [steps is not None for item in runs for row in (2, 4) for steps in item[f"row {row} until grown"].values()]
    controls = [item[name] for item in runs for name in ("row 1 decreases", "row 3 decreases", "one input decreases")]
    preconditioned = unstable(2, several, "diagonal")
    return Verdict(
        "T2",
        judge(all(found) and not any(hidden) and rows_agree and defective and all(grown) and all(controls)),
        f"eigenvalues with negative real part in {sum(found)} of {len(found)} cases with r >= 2 and 2 or 3 inputs"
        f" (r = 2 on one interval aside), in {sum(hidden)} of {len(hidden)} with one input; with a random diagonal in"
        f" {sum(preconditioned)} of {len(preconditioned)}. Runs, two inputs: least real part {min(ratios):.2g} to"
        f" {max(ratios):.2g} of the spectral radius; loss up {GROWTH:g} times in {sum(grown)} of {len(grown)} runs of"
        " rows 2 and 4, with steps from 1 down to 1e-8 over the spectral radius",
        details=DETAILS,
        data={"counts": counts, "runs": runs},
        mutations={
            "row 1 is not descent": judge(any(unstable(1, several))),
            "row 3 is not descent": judge(any(unstable(3, several))),
            "one input is enough": judge(any(hidden)),
            "order 1 is enough": judge(any(unstable(2, lambda case: case["order"] == 1))),
        },
    )


def count_unstable(order: int, inputs: int, intervals: int, seed: int) -> dict[str, Any]:
    """Count the eigenvalues with negative real part of the four rows, with P = I and a random diagonal."""
    layer = random_layer(order, inputs, seed, intervals)
    rng = np.random.default_rng([11, seed, order, inputs, intervals])
    H = scaled(Fraction(1, len(layer.y)), multiply(transpose(layer.b), layer.b))
    preconditioners = {
        "P = I": identity(len(H)),
        "diagonal": diagonal(random_rationals(rng, len(H), low=1, high=24)),
    }
    polynomials = {
        name: {row: characteristic_polynomial(multiply(rule, H)) for row, rule in rules_in_u(layer, P).items()}
        for name, P in preconditioners.items()
    }
    counts = {
        name: {row: in_left_half_plane(polynomial) for row, polynomial in rows.items()}
        for name, rows in polynomials.items()
    }
    return (
        layer.description
        | {"intervals": intervals}
        | counts
        | {
            "rows 2 and 4 share their polynomial": all(rows[2] == rows[4] for rows in polynomials.values()),
            "nullity of H": len(H) - rank(H),
            "multiplicity of zero": trailing_zeros(polynomials["P = I"][2]),
            "expected excess": inputs - 1 if order >= 2 else 0,
        }
    )


def characteristic_polynomial(matrix: Matrix) -> list[Fraction]:
    """Return the coefficients of det(s I - matrix), leading one first, by Faddeev and LeVerrier.

    In integers, on the matrix times its common denominator d: M_k = K (M_{k-1} + c_{k-1} I), c_k = -tr(M_k)/k is an
    integer for every k, and the coefficients for the matrix itself are c_k / d^k.
    """
    d = lcm(*(entry.denominator for row in matrix for entry in row))
    K = [[int(entry * d) for entry in row] for row in matrix]
    size = len(K)
    coefficients, M = [1], [[0] * size for _ in range(size)]
    for k in range(1, size + 1):
        shifted = [[entry + (i == j) * coefficients[-1] for j, entry in enumerate(row)] for i, row in enumerate(M)]
        columns = list(zip(*shifted, strict=True))
        M = [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in K]
        coefficients.append(-sum(M[i][i] for i in range(size)) // k)
    return [Fraction(c, d**k) for k, c in enumerate(coefficients)]


def trailing_zeros(polynomial: Vector) -> int:
    """Return the multiplicity of the root zero."""
    return next(k for k, c in enumerate(reversed(polynomial)) if c)


def in_left_half_plane(polynomial: Vector) -> int:
    """Return the number of roots with negative real part, by Routh's table of the reflected polynomial.

    The sign changes down the first column of the table of p(-s) count the roots of p with negative real part; roots
    at zero are divided out first.

    Raises
    ------
    ZeroDivisionError
        If the table breaks off, as it does for roots on the imaginary axis or symmetric about it.
    """
    p = list(polynomial[: len(polynomial) - trailing_zeros(polynomial)])
    reflected = [c if k % 2 == 0 else -c for k, c in enumerate(p)]
    upper, lower = reflected[0::2], reflected[1::2]
    first_column = [upper[0]]
    while lower:
        first_column.append(lower[0])
        padded = [*lower, *[Fraction(0)] * (len(upper) - len(lower))]
        ratio = upper[0] / lower[0]
        upper, lower = lower, [a - ratio * b for a, b in zip(upper[1:], padded[1:], strict=True)]
    return sum((left > 0) != (right > 0) for left, right in pairwise(first_column))


@dataclass(frozen=True)
class Predictions:
    """The four iterations on the predictions, s -= eta K s, in coordinates of the range of H (P = I)."""

    rows: dict[int, np.ndarray]
    start: np.ndarray

    @classmethod
    def of(cls, layer: Layer) -> "Predictions":
        """Return the matrices K_1 .. K_4 and the start u = 0 of a layer."""
        samples = len(layer.y)
        left, singular, right = np.linalg.svd(np.array(layer.b, dtype=float) / np.sqrt(samples), full_matrices=False)
        kept = singular > 1e-9 * singular[0]  # the null space of H, where predictions do not move
        R = singular[kept, None] * right[kept]
        rules = rules_in_u(layer, identity(len(layer.u)))
        start = -left[:, kept].T @ np.array(layer.y, dtype=float) / np.sqrt(samples)
        return cls({row: R @ np.array(rule, dtype=float) @ R.T for row, rule in rules.items()}, start)

    def steps_until_growth(self, row: int, step: float) -> int | None:
        """Return a power of two of steps after which |s|^2, twice the loss above its minimum, has grown GROWTH times.

        `step` is in units of one over the spectral radius. None if it has not after 1e5/step steps: beyond them the
        rounding of the squarings, which doubles with each, would reach 1e-3 for the smallest step.
        """
        K = self.rows[row]
        factor = np.eye(len(K)) - step / np.abs(np.linalg.eigvals(K)).max() * K
        steps = 1
        while steps <= 1e5 / step:
            if np.sum((factor @ self.start) ** 2) > GROWTH * np.sum(self.start**2):
                return steps
            factor, steps = factor @ factor, 2 * steps
        return None

    def decreases(self, row: int) -> bool:
        """Whether the loss is lower, and never 1000 times higher, over 1e6 steps of 0.1."""
        K = self.rows[row]
        factor = np.eye(len(K)) - 0.1 / np.abs(np.linalg.eigvals(K)).max() * K
        final = np.linalg.matrix_power(factor, 10**6) @ self.start
        return self.steps_until_growth(row, 0.1) is None and bool(np.sum(final**2) < np.sum(self.start**2))


def divergence(order: int, intervals: int, seed: int) -> dict[str, Any]:
    """Run rows 2 and 4 on two inputs with step sizes from 1 to 1e-8 over the spectral radius, and controls."""
    layer = random_layer(order, 2, seed, intervals)
    two, one = Predictions.of(layer), Predictions.of(random_layer(order, 1, seed, intervals))
    eigenvalues = np.linalg.eigvals(two.rows[2])
    radius = np.abs(eigenvalues).max()
    return layer.description | {
        "intervals": intervals,
        "least real part over spectral radius": float(eigenvalues.real.min() / radius),
        "row 2 until grown": {f"1e-{k}": two.steps_until_growth(2, 10.0**-k) for k in range(9)},
        "row 4 until grown": {f"1e-{k}": two.steps_until_growth(4, 10.0**-k) for k in range(9)},
        "row 1 decreases": two.decreases(1),
        "row 3 decreases": two.decreases(3),
        "one input decreases": one.decreases(2),
    }
