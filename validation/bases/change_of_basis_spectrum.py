"""S1, S3: growth of the spectrum of A^T A ([S26] section 2.2, fig. 1, 2a)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan import exact
from refkan.claims import Estimate, Figure, Reading, Readings, Verdict, decide, exactly, judge
from validation.measures import log_slope
from validation.panels import Line, figure, panel
from validation.statements import each
from validation.volterra import volterra_norm

CLAIMS = ("S1", "S3")
TOLERANCE = 0.02
ORDERS = (1, 2, 3, 4, 5, 6)
INTERVALS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
FEWER = (64, 128, 256)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    return [growth_verdict(FEWER if quick else INTERVALS, progress), size_verdict(progress)]


def growth(order: int, intervals: Iterable[int], which: str = "AtA") -> dict[str, Any]:
    """Certified extreme eigenvalues on uniform knots of spacing 1, and the exponents of their ratio."""
    spaces = [rk.SplineSpace.uniform(order, n) for n in intervals]
    dims = [space.dim for space in spaces]
    ends = [exact.extreme_eigenvalues(space, which, scaled=which == "AtA") for space in spaces]
    ratio = [high.quotient(low).midpoint for low, high in ends]
    length = np.array(dims) + order / 2
    return {
        "order": order,
        "dims": dims,
        "smallest": [low.midpoint for low, _ in ends],
        "largest": [high.midpoint for _, high in ends],
        "ratio": ratio,
        "exponent": log_slope(length, ratio),
        "exponent of the last step": log_slope(length[-2:], ratio[-2:]),
        "exponent in n": log_slope(np.array(dims) - order + 1, ratio),
        "constant at the largest n": float(ratio[-1] / length[-1] ** (2 * order)),
        "constant in the limit": limit_constant(order),
    }


def limit_constant(order: int) -> float:
    """4^r ||V^r||^2, V f(x) = int_0^x f, from below to 1e-17."""
    return float(4**order * volterra_norm(order, 20)[0])


def grows_like(growths: Sequence[dict[str, Any]], exponent: Callable[[int], float], fitted: str = "exponent") -> bool:
    """Whether every fitted exponent is exponent(r) within the tolerance."""
    return all(abs(g[fitted] - exponent(g["order"])) <= TOLERANCE for g in growths)


def growth_verdict(intervals: Sequence[int], progress: Callable[[str], None]) -> Verdict:
    last = "exponent of the last step"
    growths = [growth(order, intervals) for order in each(progress, "S1: order {}", ORDERS)]
    spline = [growth(order, intervals[:3], "gram") for order in ORDERS[:4]]

    def twice(r: int) -> int:
        return 2 * r

    within = {"at_least": -TOLERANCE, "at_most": TOLERANCE}
    apart = {g["order"]: g[last] - twice(g["order"]) for g in growths}
    asked = [exactly(f"exponent less 2r, r = {r}", value, **within) for r, value in apart.items()]
    measured = f"exponents in dim + r/2 over n = {intervals[-2]} to {intervals[-1]}: " + "; ".join(
        f"r = {g['order']}: {g[last]:.4f} ({g['exponent']:.4f} over all n from {intervals[0]} on), constant "
        f"{g['constant at the largest n']:.5g}, limit {g['constant in the limit']:.5g}"
        for g in growths
    )
    return Verdict(
        "S1",
        decide(asked),
        measured,
        details=GROWTH,
        data={"growth": growths, "spline Gram": spline},
        figures=(growth_figure(growths),),
        mutations={
            "grows like n^(2r - 1/10)": judge(grows_like(growths, lambda r: 2 * r - 0.1, last)),
            "grows like n^(2r - 1)": judge(grows_like(growths, lambda r: 2 * r - 1, last)),
            "exponent 2r in n itself, over these n": judge(grows_like(growths, twice, "exponent in n")),
            "the Gram matrix of the B-splines grows like n^(2r)": judge(grows_like(spline, twice, last)),
        },
        estimates=tuple(asked),
    )


def growth_figure(growths: Sequence[dict[str, Any]]) -> Figure:
    """Figure 1 of [S26]: extreme eigenvalues of A^T A, and their ratio, against dim + r/2."""
    ends: list[Line] = []
    quotients: list[Line] = []
    for k, g in enumerate(growths):
        length, colour = np.array(g["dims"]) + g["order"] / 2, {"color": f"C{k}"}
        ends += [(length, g["largest"], "^-", colour), (length, g["smallest"], "v-", colour)]
        quotients.append((length, g["ratio"], "o", {**colour, "label": f"r = {g['order']}"}))
        quotients.append((length, g["constant in the limit"] * length ** (2 * g["order"]), "-", colour))
    said = {"xlabel": "dim + r/2", "ticks": (20, 50, 100, 200)}
    return figure(
        "extreme-eigenvalues",
        "Extreme eigenvalues of A^T A against dim + r/2, n = 16..256 (figure 1 of [S26], from certified numbers).",
        panel(ends, title="A^T A, knots of spacing 1", ylabel="smallest (down), largest (up) eigenvalue", **said),
        panel(quotients, title="certified (dots) and 4^r |V^r|^2 (dim + r/2)^(2r)", ylabel="ratio", **said),
    )


GROWTH = """Uniform knots; extreme eigenvalues certified to 2^-58 relative by Collatz-Wielandt ratios in ball
arithmetic, where float64 loses the smallest to eps times the largest. The exponent is that of the last step, since a
statement on growth is one about large n; over all n from 16 on it is 10.02 for r = 5 and 12.03 for r = 6.

The constant is 4^r ||V^r||^2, V integration from 0 on [0, 1], and the length dim + r/2: proof in
docs/theorems/spectral-constants.md; for r = 1, lambda_k = 4 sin^2((2k - 1) pi/(4 dim + 2)). Against log n the
slope over these n is short of 2r, as dim + r/2 = n + 3r/2 - 1 is well above n at n = 16."""

THRESHOLDS = {1: 1e2, 3: 1e6}
READINGS = {
    "10 intervals": lambda r: 10,
    "10 basis functions": lambda r: 11 - r,
    "10 breakpoints": lambda r: 9,
    "10 knots in all": lambda r: 11 - 2 * r,
}


def exceeded(intervals: Callable[[int], int], thresholds: dict[int, float], which: str = "AtA") -> bool:
    """Whether the certified ratio is over its threshold for every order."""
    return all(ratio(r, intervals(r), which)[0] > threshold for r, threshold in thresholds.items())


def ratio(order: int, intervals: int, which: str = "AtA") -> tuple[float, float]:
    return exact.certified_condition_number(rk.SplineSpace.uniform(order, intervals), which)


def size_verdict(progress: Callable[[str], None]) -> Verdict:
    progress("S3")
    results, bounds = [], {}
    for name, n in READINGS.items():
        values = bounds[name] = {r: ratio(r, n(r)) for r in THRESHOLDS}
        asked = tuple(
            Estimate(f"lambda_max/lambda_min, r = {r}", low, low, high, at_least=THRESHOLDS[r], published=THRESHOLDS[r])
            for r, (low, high) in values.items()
        )
        results.append(Reading({"ten": name}, estimates=asked))
    ten = READINGS["10 intervals"]
    return Readings(results, experiment=False).verdict(
        "S3",
        details=SIZES,
        data={"bounds": {name: {str(r): list(b) for r, b in values.items()} for name, values in bounds.items()}},
        mutations={
            "over 200 at r = 1": judge(exceeded(ten, THRESHOLDS | {1: 2e2})),
            "over 4e6 at r = 3": judge(exceeded(ten, THRESHOLDS | {3: 4e6})),
            "over 1e6 at r = 2": judge(exceeded(ten, {2: 1e6})),
            "the Gram matrix of the B-splines": judge(exceeded(ten, THRESHOLDS, "gram")),
        },
    )


SIZES = """Uniform knots; certified ratios of the extreme eigenvalues of A^T A, which do not depend on the spacing.
"n = 10 spline knots" counts intervals, basis functions (the index of the eigenvalues runs from 1 to n), breakpoints or
all knots: for the last the ratio at r = 3 is 1.6e5, short of 1e6."""
