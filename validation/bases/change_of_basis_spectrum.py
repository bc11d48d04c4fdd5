"""S1, S2, S3: growth of the spectrum of A^T A and smoothness of its eigenvectors ([S26] section 2.2, fig. 1, 2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import refkan as rk
from refkan import exact
from refkan.claims.verdicts import Verdict, judge
from validation.bases.spectrum_figures import growth_figure, vector_figure
from validation.grounds import require

CLAIMS = ("S1", "S2", "S3")

TOLERANCE = 0.02

ORDERS = (1, 2, 3, 4)
"""The orders that the criteria were made for."""


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes
    ----------
    more_orders
        Orders beyond ORDERS whose growth is reported as well.
    intervals
        Numbers of intervals that exponents are fitted over.
    cases
        (order, dim, seed) of the eigenvectors; seed None stands for uniform knots.
    """

    more_orders: tuple[int, ...]
    intervals: tuple[int, ...]
    cases: tuple[tuple[int, int, int | None], ...]


INTERVALS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
FEWER = (16, 32, 64, 128, 256)
QUICK = Size((), FEWER, (*((r, 24, seed) for r in ORDERS for seed in (None, 0)), (3, 50, 0), (4, 50, 0)))
FULL = Size((5, 6), INTERVALS, tuple((r, 100, seed) for r in ORDERS for seed in (None, *range(5))))


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the three rows from certified numbers."""
    require(CLAIMS)
    return answer(QUICK if quick else FULL, progress)


def answer(size: Size, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the three rows at a given size."""
    return [growth_verdict(size, progress), sign_verdict(size, progress), size_verdict(progress)]


def growth(order: int, intervals: Iterable[int], which: str = "AtA") -> dict[str, Any]:
    """Certified extreme eigenvalues on uniform knots of spacing 1, and the exponents of their ratio."""
    dims, smallest, largest, ratio = [], [], [], []
    for n in intervals:
        space = rk.SplineSpace.uniform(order, n)
        low, high = exact.extreme_eigenvalues(space, which, scaled=which == "AtA")
        dims.append(space.dim)
        smallest.append(low.midpoint)
        largest.append(high.midpoint)
        ratio.append(high.quotient(low).midpoint)
    length = np.array(dims) + order / 2
    return {
        "order": order,
        "dims": dims,
        "smallest": smallest,
        "largest": largest,
        "ratio": ratio,
        "exponent": slope(length, ratio),
        "exponent of the last step": slope(length[-2:], ratio[-2:]),
        "exponent in n": slope(np.array(dims) - order + 1, ratio),
        "constant at the largest n": float(ratio[-1] / length[-1] ** (2 * order)),
        "constant in the limit": limit_constant(order),
    }


def slope(x: Sequence[float] | np.ndarray, y: Sequence[float]) -> float:
    """Least-squares slope of log y against log x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def limit_constant(order: int, terms: int = 40) -> float:
    r"""4^r ||V^r||^2, V f(x) = int_0^x f the Volterra operator, in the orthonormal Legendre polynomials on [0, 1].

    V e_j = c_{j+1} e_{j+1} - c_j e_{j-1} with c_j = 1/(2 sqrt(4 j^2 - 1)), and V e_0 = e_0/2 + c_1 e_1. The singular
    functions are entire, so that the truncation to 40 terms is below rounding.
    """
    j = np.arange(1, terms)
    c = 0.5 / np.sqrt(4.0 * j**2 - 1.0)
    V = np.diag(c, -1) - np.diag(c, 1)
    V[0, 0] = 0.5
    return float(4.0**order * np.linalg.norm(np.linalg.matrix_power(V, order), 2) ** 2)


def grows_like(growths: Sequence[dict[str, Any]], exponent: Callable[[int], float], fitted: str = "exponent") -> bool:
    """Whether every fitted exponent is exponent(r) within the tolerance."""
    return all(abs(g[fitted] - exponent(g["order"])) <= TOLERANCE for g in growths)


def growth_verdict(size: Size, progress: Callable[[str], None]) -> Verdict:
    """S1: exponents 2r +- 0.02 in dim + r/2."""
    growths = []
    for order in (*ORDERS, *size.more_orders):
        progress(f"S1: order {order}")
        growths.append(growth(order, size.intervals))
    judged = growths[: len(ORDERS)]
    spline = [growth(order, size.intervals[:5], "gram") for order in ORDERS]

    def twice(r: int) -> int:
        return 2 * r

    span = f"n = {size.intervals[0]}..{size.intervals[-1]}"
    measured = f"exponents in dim + r/2, {span}: " + "; ".join(
        f"r = {g['order']}: {g['exponent']:.4f} (last step {g['exponent of the last step']:.4f}), constant "
        f"{g['constant at the largest n']:.5g}, limit {g['constant in the limit']:.5g}"
        for g in growths
    )
    return Verdict(
        "S1",
        judge(grows_like(judged, twice)),
        measured,
        details=GROWTH,
        data={"growth": growths, "spline Gram": spline},
        figures=(growth_figure(growths),),
        mutations={
            "grows like n^r": judge(grows_like(judged, lambda r: r)),
            "grows like n^(2r - 1)": judge(grows_like(judged, lambda r: 2 * r - 1)),
            "exponent 2r in n itself, over these n": judge(grows_like(judged, twice, "exponent in n")),
            "the Gram matrix of the B-splines grows like n^(2r)": judge(grows_like(spline, twice)),
        },
    )


GROWTH = """Uniform knots; extreme eigenvalues certified to 2^-58 relative by Collatz-Wielandt ratios in ball
arithmetic, where float64 loses the smallest to eps times the largest. The criterion was made for r = 1..4; higher
orders are reported.

The constant: on spacing 1, A = D^r/(r-1)! with D the forward difference, its rows cut off at the right end. The
largest eigenvalue of D^rT D^r tends to 4^r, the symbol |1 - e^(it)|^(2r) at t = pi. The smallest approaches that of
(-1)^r u^(2r) = mu u on an interval of length N with u, ..., u^(r-1) zero at one end and u^(r), ..., u^(2r-1) at the
other. The inverse of this operator is N^(2r) V^r V^rT, V integration from 0 on [0, 1]; so the ratio is
4^r ||V^r||^2 N^(2r), 16/pi^2 N^2 for r = 1. N = dim + r/2: exact for r = 1, where
lambda_k = 4 sin^2((2k - 1) pi/(4 dim + 2)). Against log n the slope over these n is short of 2r, as
dim + r/2 = n + 3r/2 - 1 is well above n at n = 16."""


def signs(order: int, dim: int, seed: int | None) -> dict[str, Any]:
    """Certified sign changes of the eigenvectors of A^T A and of (A A^T)^-1, eigenvalues ascending."""
    space = knots_of_case(order, dim, seed)
    normal, outer = exact.eigenpairs(space, "AtA"), exact.eigenpairs(space, "AAt")
    return {
        "order": order,
        "dim": dim,
        "seed": seed,
        "bits": [normal.bits, outer.bits],
        "AtA": list(normal.sign_changes),
        "inverse of AAt": list(reversed(outer.sign_changes)),
        "components of unknown sign": [list(at) for at in normal.undecided],
    }


def knots_of_case(order: int, dim: int, seed: int | None) -> rk.SplineSpace:
    """Uniform knots for seed None, else all knots, exterior ones too, uniformly distributed on [0, 1]."""
    if seed is None:
        return rk.SplineSpace.uniform(order, dim - order + 1)
    rng = np.random.default_rng([seed, order, dim])
    return rk.SplineSpace(np.sort(rng.uniform(size=dim + order)), order)


def exact_zeros(dim: int) -> list[list[int]]:
    """The (k, i), from 0, of the zeros of all eigenvectors of A^T A for r = 1.

    A^T A is then tridiagonal, (-1, 2, -1) with 1 in the first place, whatever the knots; its eigenvectors are
    cos((2k + 1)(2i + 1) pi/(4 dim + 2)), zero where (2k + 1)(2i + 1)/(2 dim + 1) is an (odd) integer.
    """
    return [[k, i] for k in range(dim) for i in range(dim) if (2 * k + 1) * (2 * i + 1) % (2 * dim + 1) == 0]


def counting_zeros(case: dict[str, Any]) -> list[int]:
    """Sign changes of the eigenvectors of A^T A where + 0 - has two, as numpy.diff(numpy.sign(v)) would have it."""
    zeros = Counter(k for k, _ in case["components of unknown sign"])
    return [changes + zeros[k] for k, changes in enumerate(case["AtA"])]


def exceptions(cases: Sequence[dict[str, Any]], matrix: str, expected: Callable[[int, int], int]) -> int:
    """Number of eigenvectors k (from 1) that are not certified to have expected(k, dim) sign changes."""
    return sum(changes != expected(k, case["dim"]) for case in cases for k, changes in enumerate(case[matrix], start=1))


def sign_verdict(size: Size, progress: Callable[[str], None]) -> Verdict:
    """S2: k - 1 sign changes, and dim - k for (A A^T)^-1."""
    cases = []
    for order, dim, seed in size.cases:
        progress(f"S2: order {order}, dim {dim}, seed {seed}")
        cases.append(signs(order, dim, seed))
    steps = [case for case in cases if case["order"] == 1]
    zeros = all(case["components of unknown sign"] == exact_zeros(case["dim"]) for case in steps)
    swapped = [{"dim": 12, "gram": exact.eigenpairs(knots_of_case(r, 12, 0), "gram").sign_changes} for r in (2, 3, 4)]
    counted = [case | {"AtA": counting_zeros(case)} for case in steps]
    dims = sorted({case["dim"] for case in cases})
    random = sum(case["dim"] == dims[-1] and case["seed"] is not None for case in cases)
    vectors = sum(case["dim"] for case in cases)

    def smooth_first(k: int, dim: int) -> int:
        return k - 1

    def smooth_last(k: int, dim: int) -> int:
        return dim - k

    normal, outer = exceptions(cases, "AtA", smooth_first), exceptions(cases, "inverse of AAt", smooth_last)
    measured = (
        f"{len(cases)} knot vectors, r = 1..4, dim {', '.join(map(str, dims))}, {random} random ones at dim {dims[-1]}:"
        f" {normal} exceptions among {vectors} eigenvectors of A^T A, {outer} among {vectors} of (A A^T)^-1; for r = 1"
        f" {sum(len(case['components of unknown sign']) for case in steps)} components of unknown sign,"
        f" {'exactly' if zeros else 'not'} the known zeros"
    )
    return Verdict(
        "S2",
        judge(normal == outer == 0 and zeros),
        measured,
        details=SIGNS,
        data={"cases": cases, "seeds": sorted({case["seed"] for case in cases if case["seed"] is not None})},
        figures=(vector_figure(ORDERS),),
        mutations={
            "k sign changes": judge(exceptions(cases, "AtA", lambda k, dim: k) == 0),
            "A^T A in the opposite order": judge(exceptions(cases, "AtA", smooth_last) == 0),
            "(A A^T)^-1 in the same order": judge(exceptions(cases, "inverse of AAt", smooth_first) == 0),
            "the Gram matrix of the B-splines in place of A^T A": judge(exceptions(swapped, "gram", smooth_first) == 0),
            "r = 1, a zero counts as one more change": judge(exceptions(counted, "AtA", smooth_first) == 0),
        },
    )


SIGNS = """All eigenvectors enclosed in ball arithmetic. A number of sign changes is certified if it is the same
whatever the components are whose balls hold 0. Random knots: all of them, those beyond the ends too, are uniformly
distributed and sorted. Why it holds for all strictly increasing knots: A^-1 is a product of totally non-negative
matrices, so A^-1 A^-T is oscillatory, and the eigenvector of its k-th largest eigenvalue has k - 1 sign changes
(Gantmacher and Krein). The same goes for A^-T A^-1 = (A A^T)^-1, whose eigenvalues ascend the other way.

For r = 1 A^T A does not depend on the knots; its eigenvectors cos((2k - 1)(2i - 1) pi/(4 dim + 2)) vanish where
2 dim + 1 divides (2k - 1)(2i - 1), between components of opposite signs. The components left open by ball
arithmetic are required to be these zeros, all of them and no others."""


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
    """Certified bounds of lambda_max/lambda_min on uniform knots."""
    return exact.certified_condition_number(rk.SplineSpace.uniform(order, intervals), which)


def size_verdict(progress: Callable[[str], None]) -> Verdict:
    """S3: over 100 at r = 1 and over 1e6 at r = 3 for n = 10."""
    progress("S3")
    ratios = {name: {r: ratio(r, n(r)) for r in THRESHOLDS} for name, n in READINGS.items()}
    measured = "; ".join(
        f"{name}: " + ", ".join(f"{low:.6g} (r = {r})" for r, (low, _) in values.items())
        for name, values in ratios.items()
    )
    ten = READINGS["10 intervals"]
    return Verdict(
        "S3",
        judge(exceeded(ten, THRESHOLDS)),
        measured,
        details=SIZES,
        data={"bounds": {name: {str(r): list(b) for r, b in values.items()} for name, values in ratios.items()}},
        mutations={
            "over 1000 at r = 1": judge(exceeded(ten, THRESHOLDS | {1: 1e3})),
            "over 1e7 at r = 3": judge(exceeded(ten, THRESHOLDS | {3: 1e7})),
            "over 1e6 at r = 2": judge(exceeded(ten, {2: 1e6})),
            "the Gram matrix of the B-splines": judge(exceeded(ten, THRESHOLDS, "gram")),
        },
    )


SIZES = """Uniform knots; certified ratios of the extreme eigenvalues of A^T A, which do not depend on the spacing.
n counts intervals in [S26], and the verdict is about 10 intervals. Other readings of "10 knots" stand beside it."""
