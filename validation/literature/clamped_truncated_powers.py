r"""O5: clamping removes the cancellation of truncated powers ([M26] section 2.5, eq. (8)), against exact rationals.

The B-spline of degree k on uniform knots is, with u = (x - t_i)/h,

    N(u) = 1/k! sum_j (-1)^j C(k+1, j) max(0, u - j)^k    (eqs. (6), (7)),

and the paper: for u far outside [0, k+1] the sum "suffers catastrophic cancellation", a residual that grows as
O(eps u^3); clamping u to [0, k+1] (eq. (8)) "bounds all intermediate terms and eliminates the cancellation, with no
change to the mathematically correct output". Published numbers are those of the package (README of inkan, the later
name of flashkan): largest departure of the sum of all functions from 1 in single precision, with and without clamp.

Which error is meant is open, and decides. Inside the support terms as large as (k+1)^k/k! still cancel to values that
vanish like (k + 1 - u)^k at the right end: the absolute error (the largest value is 2/3) is bounded, by

    (k + 2) eps S_k,    S_k = 1/k! sum_j C(k+1, j) (k + 1 - j)^k,

twice, to first order and for exact u: k roundings in a term, k + 1 in the sum of k + 2 terms none of which is larger
than at u = k + 1, two for the factor 1/k!, less than 2 (k + 2) in all. Relative to N itself it is not bounded.

x is taken as the floating-point number that it is, knots are exact binary fractions, and u, which the package rounds,
is rounded here too.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from math import comb, factorial
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Beside, Experiment, Factor, Reading, Readings, Verdict, judge
from refkan.claims.experiments import Choice, written
from refkan.truth.bases.bsplines import bspline
from validation.statements import Progress, each, silent

CLAIMS = ("O5",)
DEGREE = 3
EPS = {"double": 2.0**-53, "single": 2.0**-24}
TYPES: dict[str, Any] = {"double": np.float64, "single": np.float32}

RELATIVE = 100.0
"""Units of rounding that an error relative to N may have."""

GRIDS = (4, 16, 64, 256)

PUBLISHED = {5: 2.2e-6, 32: 1.7e-6, 64: 1.2e-6, 100: 4.2e-6, 200: 8.6e-6}
"""Departure from 1 of the sum of all functions, clamped, single precision, by intervals."""

WITHOUT = {64: 0.25}
"""The same without the clamp."""

OPEN = (
    Factor("error", ("absolute", "relative"), "absolute, or relative to N"),
    Factor("precision", ("single", "double"), "of the arithmetic; the package's is single"),
)


def bound(degree: int) -> float:
    """Units of rounding by which N may be off: 2 (k + 2) S_k."""
    total = sum(comb(degree + 1, j) * (degree + 1 - j) ** degree for j in range(degree + 1))
    return 2 * (degree + 2) * total / factorial(degree)


def powers(u: np.ndarray, degree: int, clamped: bool = True) -> np.ndarray:
    """N(u) by the sum of truncated powers, in the precision of u."""
    number = u.dtype.type
    u = np.clip(u, number(0), number(degree + 1)) if clamped else np.maximum(u, number(0))
    total = np.zeros_like(u)
    for j in range(degree + 2):
        rest = np.maximum(u - number(j), number(0))
        power = rest
        for _ in range(degree - 1):
            power = power * rest
        total = total + number((-1) ** j * comb(degree + 1, j)) * power
    return np.asarray(total * number(1 / factorial(degree)))


def exact(u: Fraction, degree: int) -> Fraction:
    return Fraction(bspline([Fraction(j) for j in range(-degree, 2 * degree + 2)], degree + 1, degree, u))


def points(degree: int, intervals: int, precision: str, seed: int = 0) -> list[tuple[int, float, str]]:
    """Function, point of [0, 1] and place: inside the support, near its right end, and beyond it.

    Points are random, with all the digits that the precision has: the cubes of short binary fractions are exact, and
    a sum of them has no error to show.
    """
    rng = np.random.default_rng([seed, degree, intervals])
    chosen = []
    for i in (-degree, 0, intervals // 2):
        inside = rng.uniform(0, degree + 1, 8 * (degree + 1))
        right = degree + 1 - rng.uniform(0.5, 1, 12) * 2.0 ** -np.arange(1, 13)
        beyond = degree + 1 + rng.uniform(0, 1, intervals) * np.arange(1, intervals + 1)
        for place, u in (("inside", inside), ("right end", right), ("beyond", beyond)):
            chosen += [(i, (i + value) / intervals, place) for value in u.tolist()]
    number = TYPES[precision]
    return [(i, float(number(x)), place) for i, x, place in chosen if 0 <= x <= 1]


def errors(degree: int, intervals: int, precision: str, clamped: bool = True) -> dict[str, dict[str, float]]:
    """Largest error in units of rounding, for each place: absolute, and relative to N where that is not zero."""
    chosen, number, eps = points(degree, intervals, precision), TYPES[precision], EPS[precision]
    x = np.array([x for _, x, _ in chosen], dtype=number)
    starts = np.array([i / intervals for i, _, _ in chosen], dtype=number)
    values = powers((x - starts) * number(intervals), degree, clamped)
    worst: dict[str, dict[str, float]] = {}
    for (i, point, place), value in zip(chosen, values.tolist(), strict=True):
        true = exact((Fraction(point) - Fraction(i, intervals)) * intervals, degree)
        off = abs(Fraction(value) - true)
        entry = worst.setdefault(place, {"absolute": 0.0, "relative": 0.0})
        entry["absolute"] = max(entry["absolute"], float(off) / eps)
        if true:
            entry["relative"] = max(entry["relative"], float(off / true) / eps)
    return worst


def library(degree: int, intervals: int) -> float:
    """Largest relative error, in units of rounding, of refkan's local values at the same points, inside the support."""
    knots = np.arange(-degree, intervals + degree + 1) / intervals
    space, worst = rk.SplineSpace(knots, degree + 1), 0.0
    for i, point, place in points(degree, intervals, "double"):
        if place != "beyond":
            value = rk.bsplines.design_matrix(space, np.array([point]))[0, i + degree]
            true = exact((Fraction(point) - Fraction(i, intervals)) * intervals, degree)
            worst = max(worst, float(abs(Fraction(float(value)) - true) / true) / EPS["double"])
    return worst


def unity(intervals: int, clamped: bool = True, seed: int = 0) -> float:
    """Largest departure of the sum of all cubic functions from 1 on [-1, 1], single precision, as the package sums."""
    number = np.float32
    h = 2.0 / intervals
    starts = (-1.0 + h * np.arange(-DEGREE, intervals)).astype(number)
    x = np.random.default_rng(seed).uniform(-1.0, 1.0, 4000).astype(number)
    values = powers((x[:, None] - starts) * number(1 / h), DEGREE, clamped)
    return float(np.abs(values.sum(axis=1, dtype=number) - 1).max())


def run_again(choice: Choice, seed: int) -> Mapping[str, Any]:
    """Return the departures from 1 with points of another seed."""
    return {f"G = {n}": unity(n, seed=seed) for n in PUBLISHED} | {
        f"without, G = {n}": unity(n, False, seed) for n in WITHOUT
    }


EXPERIMENT = Experiment(OPEN, run_again)


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    grids, degrees, seeds = (GRIDS[:3], (1, 2, 3, 5), (0,)) if quick else (GRIDS, (1, 2, 3, 4, 5), tuple(range(25)))
    places = each(progress, "O5: {}, clamped: {}", EPS, (True, False))
    by_precision = {place: {n: errors(DEGREE, n, *place) for n in grids} for place in places}
    by_degree = {k: errors(k, grids[1], "double") for k in degrees}
    control = {k: library(k, grids[1]) for k in degrees}
    sums = {n: {seed: unity(n, seed=seed) for seed in seeds} for n in PUBLISHED}
    unclamped = {n: {seed: unity(n, False, seed) for seed in seeds} for n in WITHOUT}
    return [verdict(by_precision, by_degree, control, sums, unclamped)]


def held(by_grid: Mapping[int, Mapping[str, Mapping[str, float]]], error: str) -> bool:
    """Whether the errors stay below the bound on every grid, and are nothing beyond the support."""
    limit = bound(DEGREE) if error == "absolute" else RELATIVE
    return all(
        entry[error] <= limit and (place != "beyond" or entry["absolute"] == 0)
        for places in by_grid.values()
        for place, entry in places.items()
    )


def largest(by_grid: Mapping[int, Mapping[str, Mapping[str, float]]], error: str) -> float:
    return max(entry[error] for places in by_grid.values() for entry in places.values())


def verdict(
    by_precision: Mapping[tuple[str, bool], Any],
    by_degree: Mapping[int, Any],
    control: Mapping[int, float],
    sums: Mapping[int, Mapping[int, float]],
    unclamped: Mapping[int, Mapping[int, float]],
) -> Verdict:
    unit = "largest departure of the sum from 1"
    again = written({"error": "absolute", "precision": "single"})
    published = (
        *(Beside(f"clamped, G = {n}", unit, values, PUBLISHED[n], again=again) for n, values in sums.items()),
        *(Beside(f"not clamped, G = {n}", unit, values, WITHOUT[n], again=again) for n, values in unclamped.items()),
    )
    readings = []
    for error, precision in product(*(factor.values for factor in OPEN)):
        grids, choice = by_precision[precision, True], {"error": error, "precision": precision}
        text = f"at most {largest(grids, error):.3g} units of rounding"
        cells = published if precision == "single" else ()
        readings.append(Reading(choice, held(grids, error), text, held(grids, "absolute"), cells))
    made = Readings(readings)
    near = {k: places["right end"]["relative"] for k, places in by_degree.items()}
    growth = {n: places["beyond"]["absolute"] for n, places in by_precision["double", False].items()}
    return made.verdict(
        "O5",
        measured=f"{made.over()}. Clamped, degree 3: error at most"
        f" {largest(by_precision['double', True], 'absolute'):.3g} units of rounding, absolute (bound"
        f" {bound(DEGREE):.3g}), 0 beyond the support; near the right end relative to the value itself, by degree: "
        + ", ".join(f"k = {k}: {v:.2g}" for k, v in near.items())
        + "; refkan's local values there: "
        + ", ".join(f"{v:.2g}" for v in control.values())
        + "; without the clamp, beyond the support: "
        + ", ".join(f"{v:.2g} (G = {n})" for n, v in growth.items()),
        corrected="for absolute errors: the clamp ends the growth with the distance, not the"
        " cancellation inside the support, where values near the right end keep no digits",
        details=DETAILS,
        data={
            "errors": {f"{p}, {'clamped' if c else 'not clamped'}": value for (p, c), value in by_precision.items()},
            "by degree": by_degree,
            "refkan": control,
            "sums": sums,
            "sums without clamp": unclamped,
        },
        mutations={
            "without the clamp": judge(
                all(held(by_precision[p, False], e) for p in EPS for e in ("absolute", "relative")), experiment=True
            ),
            "relative to the value, near the right end": judge(max(near.values()) <= RELATIVE, experiment=True),
        },
    )


DETAILS = """The sum is evaluated in the order in which it is written, u = (x - t_i)/h by one subtraction, one product.
The package multiplies by 0.16666667 where this divides by 6, which is a relative error of 2e-8 of all values in double
precision. Departures from 1 in single precision on 4000 random points of [-1, 1]: the points of the published ones are
not stated. refkan's values come from the local recursion, whose terms are all positive."""
