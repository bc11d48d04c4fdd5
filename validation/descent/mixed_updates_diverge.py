"""T2: rows 2 and 4 of Table 1, which mix the geometry of one basis with the gradient of the other, are not descent."""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Frozen
from refkan.claims import Verdict
from validation.descent.descent_geometries import Layer, random_layer, rules_in_u
from validation.rationals import eigenvalues, random_rationals, rationals_of, to_flint
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("T2",)

GROWTH = 1e3
"""A run has diverged once its loss above the minimum is this many times that at the start."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    orders, most_intervals, seeds = (range(1, 5), 2, range(1)) if quick else (range(1, 6), 3, range(3))
    places = orders, (1, 2, 3), range(1, most_intervals + 1), seeds
    told = "T2: exact counts, order {}, {} inputs, {} intervals, seed {}"
    counts = [count_unstable(*place) for place in each(progress, told, *places)]
    progress("T2: runs")
    runs = [divergence(order, 4 if quick else 8, seed) for order in range(2, 6) for seed in range(2 if quick else 5)]
    return [verdict(counts, runs)]


DETAILS = """A layer with one output, least squares, random data, each input with its own random knots; H =
B^T B / N is the Hessian in u. Row 2 multiplies the error by I - eta A^-T P H in each step, row 4 by I - eta P
A^-1 H. An eigenvalue of A^-T P H with negative real part makes the error grow for every eta > 0. One input hides
it, and rows 2 and 4 share their spectrum (docs/theorems/one-input.md); how large it is with several inputs is
claim T4. For r = 1 and P = I both converge with any number of inputs, because A^-1 + A^-T = I + 1 1^T, block by
block, is positive definite.

One case with two inputs and r >= 2 has no such eigenvalue: r = 2 on a single interval, where the layer is
linear. Rows 2 and 4 do not reach the minimum there either. H z = 0 for constants z moved from one input to
another. The ReLU coefficients A^T 1 of a constant sum to zero for r >= 2, since it has no term x^(r-1). Hence A^T z
is orthogonal to the null space of H, H v = A^T z has a solution, and A^-T H v = z: zero is a defective eigenvalue,
counted exactly, and the loss of v is never removed.

Counts: certified roots of characteristic polynomials over the rationals. The runs are in float64, on K = R A^-T P R^T,
H = R^T R, in coordinates of the range of H, by repeated squaring of the iteration."""


def verdict(counts: list[dict[str, Any]], runs: list[dict[str, Any]]) -> Verdict:
    def unstable(row: int, condition: Callable[[dict[str, Any]], bool], P: str = "P = I") -> list[bool]:
        return [case[P][row] > 0 for case in counts if condition(case)]

    def single(case: dict[str, Any]) -> bool:
        return case["inputs"] == 1

    def several(case: dict[str, Any]) -> bool:
        return case["order"] >= 2 and case["inputs"] >= 2 and (case["order"], case["intervals"]) != (2, 1)

    shown, hidden = unstable(2, several), unstable(2, single) + unstable(2, single, "diagonal")
    rows_agree = all(case["rows 2 and 4 share their polynomial"] for case in counts)
    defective = all(case["multiplicity of zero"] - case["nullity of H"] == case["expected excess"] for case in counts)
    ratios = [item["least real part over spectral radius"] for item in runs]
    grown = [steps is not None for item in runs for row in (2, 4) for steps in item[f"row {row} until grown"].values()]
    controls = [item[name] for item in runs for name in ("row 1 decreases", "row 3 decreases", "one input decreases")]
    preconditioned = unstable(2, several, "diagonal")
    altered = {
        "row 1 is not descent": any(unstable(1, several)),
        "row 3 is not descent": any(unstable(3, several)),
        "one input is enough": any(hidden),
        "order 1 is enough": any(unstable(2, lambda case: case["order"] == 1)),
    }
    return by_criterion(
        "T2",
        all(shown) and not any(hidden) and rows_agree and defective and all(grown) and all(controls),
        f"eigenvalues with negative real part in {sum(shown)} of {len(shown)} cases with r >= 2 and 2 or 3 inputs"
        f" (r = 2 on one interval aside), in {sum(hidden)} of {len(hidden)} with one input; with a random diagonal in"
        f" {sum(preconditioned)} of {len(preconditioned)}. Runs, two inputs: least real part {min(ratios):.2g} to"
        f" {max(ratios):.2g} of the spectral radius; loss up {GROWTH:g} times in {sum(grown)} of {len(grown)} runs of"
        " rows 2 and 4, with steps from 1 down to 1e-8 over the spectral radius",
        altered,
        details=DETAILS,
        data={"counts": counts, "runs": runs},
    )


def count_unstable(order: int, inputs: int, intervals: int, seed: int) -> dict[str, Any]:
    """Count the eigenvalues with negative real part of the four rows, with P = I and a random diagonal."""
    layer = random_layer(order, inputs, seed, intervals)
    rng = np.random.default_rng([11, seed, order, inputs, intervals])
    H = layer.b.T @ layer.b / len(layer.y)
    preconditioners = {
        "P = I": np.eye(len(H), dtype=object),
        "diagonal": np.diag(rationals_of(random_rationals(rng, len(H), low=1, high=24))),
    }
    updates = {
        name: {row: to_flint(rule @ H) for row, rule in rules_in_u(layer, P).items()}
        for name, P in preconditioners.items()
    }
    spectra = {name: {row: eigenvalues(M) for row, M in rows.items()} for name, rows in updates.items()}
    assert all(not z.real.contains(0) for rows in spectra.values() for _, others in rows.values() for z in others)
    counts = {
        name: {row: sum(z.real < 0 for z in others) for row, (_, others) in rows.items()}
        for name, rows in spectra.items()
    }
    return (
        {**layer.description, "intervals": intervals}
        | counts
        | {
            "rows 2 and 4 share their polynomial": all(M[2].charpoly() == M[4].charpoly() for M in updates.values()),
            "nullity of H": len(H) - to_flint(H).rank(),
            "multiplicity of zero": spectra["P = I"][2][0],
            "expected excess": inputs - 1 if order >= 2 else 0,
        }
    )


class Predictions(Frozen):
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
        rules = rules_in_u(layer, np.eye(len(layer.u), dtype=object))
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
    two, alone = Predictions.of(layer), Predictions.of(random_layer(order, 1, seed, intervals))
    eigenvalues = np.linalg.eigvals(two.rows[2])
    radius = np.abs(eigenvalues).max()
    return layer.description | {
        "intervals": intervals,
        "least real part over spectral radius": float(eigenvalues.real.min() / radius),
        "row 2 until grown": {f"1e-{k}": two.steps_until_growth(2, 10.0**-k) for k in range(9)},
        "row 4 until grown": {f"1e-{k}": two.steps_until_growth(4, 10.0**-k) for k in range(9)},
        "row 1 decreases": two.decreases(1),
        "row 3 decreases": two.decreases(3),
        "one input decreases": alone.decreases(2),
    }
