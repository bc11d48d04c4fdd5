"""F2 (ours): evaluating a spline through the ReLU form loses accuracy like eps n^(r-1)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

import refkan as rk
from refkan.claims import Verdict
from validation.measures import log_slope
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("F2",)
MARGIN = 0.3


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    orders = (2, 3, 4, 5) if quick else (2, 3, 4, 5, 6)
    sizes = np.array([16, 32, 64, 128, 256, 512])
    rng = np.random.default_rng(12)
    errors = {order: [error(order, int(n), rng) for n in sizes] for order in each(progress, "order {}", orders)}
    return [verdict(sizes, errors, max(local_error(order, rng) for order in orders))]


def verdict(sizes: np.ndarray, errors: Mapping[int, Sequence[float]], local: float) -> Verdict:
    slopes = {r: log_slope(sizes, values) for r, values in errors.items()}
    table = "; ".join(f"r = {r}: n^{slopes[r]:.2f}, {errors[r][-1]:.0e} at n = {sizes[-1]}" for r in errors)
    return by_criterion(
        "F2",
        grows_like(slopes, lambda r: r - 1),
        f"fitted growth of the largest error: {table}; local recursion: {local:.1e}",
        {"growth like n^r": grows_like(slopes, lambda r: r), "no growth": grows_like(slopes, lambda r: 0)},
        details="Largest |psi(x) A^T - b(x)| over all basis functions and 1000 random points of [0, 1], uniform knots,"
        " medians of three draws. The local values are the yardstick: their own error against a recursion in extended"
        " precision is given last. No evaluation used as truth goes through the ReLU form.",
        data={"intervals": sizes, "errors": errors, "fitted exponents": slopes, "local error": local, "seed": 12},
    )


def grows_like(slopes: Mapping[int, float], power: Callable[[int], float]) -> bool:
    """Whether the exponent of every order is power(order), within the margin on either side."""
    return all(abs(slope - power(r)) <= MARGIN for r, slope in slopes.items())


def error(order: int, intervals: int, rng: np.random.Generator) -> float:
    """Median over draws of the largest error of a basis function through the ReLU form."""
    space = rk.SplineSpace.uniform(order, intervals)
    A = rk.ChangeOfBasis(space).dense()
    draws = []
    for _ in range(3):
        x = rng.uniform(0.0, 1.0, 1000)
        B = rk.bsplines.design_matrix(space, x).toarray()
        draws.append(np.abs(rk.relu_powers.design_matrix(space, x) @ A.T - B).max())
    return float(np.median(draws))


def local_error(order: int, rng: np.random.Generator) -> float:
    """Largest error of the local values against the same recursion in extended precision, 64 intervals."""
    space = rk.SplineSpace.uniform(order, 64)
    x = rng.uniform(0.0, 1.0, 300)
    t, points = space.knots.astype(np.longdouble), x.astype(np.longdouble)[:, None]
    b = ((t[:-1] <= points) & (points < t[1:])).astype(np.longdouble)
    for k in range(1, order):
        left, right = t[: -k - 1], t[k + 1 :]
        b = (points - left) / (t[k:-1] - left) * b[:, :-1] + (right - points) / (right - t[1:-k]) * b[:, 1:]
    return float(np.abs(rk.bsplines.design_matrix(space, x).toarray() - b).max())
