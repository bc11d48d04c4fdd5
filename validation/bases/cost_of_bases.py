"""F1 (section 2.3, figure 3 of [S26]): the ReLU form is faster than Cox-de Boor, by a factor that grows with r."""

from collections.abc import Callable

import numba
import numpy as np

import refkan as rk
from refkan.claims import Estimate, Verdict, decide, estimate, twin
from refkan.kernels import bspline_basis
from refkan.splines.local_basis import KnotTables
from validation.measures import least_of_cases, ratios_of_rounds, seconds_of_rounds
from validation.statements import Progress, each, silent

CLAIMS = ("F1",)
MEASURES_TIME = True

Times = dict[tuple[int, int], dict[str, list[float]]]
"""(order, intervals) -> form -> seconds of every round."""


@numba.njit
def dense_recursion(x, knots, order, out):  # type: ignore[no-untyped-def]
    """All dim B-splines by the Cox-de Boor recursion over all knots, as in most KAN codes; out (N, K - 1)."""
    n_knots = knots.shape[0]
    for s in range(x.shape[0]):
        b = out[s]
        for i in range(n_knots - 1):
            b[i] = 1.0 if knots[i] <= x[s] < knots[i + 1] else 0.0
        for k in range(1, order):
            for i in range(n_knots - 1 - k):
                left = (x[s] - knots[i]) / (knots[i + k] - knots[i])
                right = (knots[i + k + 1] - x[s]) / (knots[i + k + 1] - knots[i + 1])
                b[i] = left * b[i] + right * b[i + 1]


@numba.njit
def relu_powers(x, knots, order, out):  # type: ignore[no-untyped-def]
    """All dim ReLU powers, by repeated products; out (N, dim)."""
    for s in range(x.shape[0]):
        for i in range(out.shape[1]):
            y = max(x[s] - knots[i], 0.0)
            power = y
            for _ in range(order - 2):
                power *= y
            out[s, i] = power


@numba.njit
def relu_form(x, knots, order, band, powers, out):  # type: ignore[no-untyped-def]
    """All dim B-splines as A psi: the ReLU powers, then the diagonals of A, band (r + 1, dim); out (N, dim)."""
    relu_powers(x, knots, order, powers)
    dim = out.shape[1]
    for s in range(x.shape[0]):
        for i in range(dim):
            out[s, i] = band[0, i] * powers[s, i]
        for j in range(1, band.shape[0]):
            for i in range(dim - j):
                out[s, i] += band[j, i] * powers[s, i + j]


def local_recursion(tables: KnotTables, x: np.ndarray, start: np.ndarray, out: np.ndarray) -> None:
    """The r B-splines that do not vanish, by the library's kernel on one thread; out (1, N, 1, r)."""
    bspline_basis.local_basis(
        0, x.size, x[:, None], tables.knots, tables.breakpoints, tables.inverse_spans, *tables.search,
        (0,) * tables.order, (0,), start, out,
    )  # fmt: skip


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    orders = (2, 4) if quick else (2, 3, 4, 6)
    sizes = (8, 32, 128)
    n_samples, rounds = (4000, 7) if quick else (20000, 25)
    places = each(progress, "order {}, n = {}", orders, sizes)
    times: Times = {place: measure(*place, n_samples, rounds) for place in places}
    asked = estimates(times)
    alone, local = (
        {place: float(np.median(ratios)) for place, ratios in over_relu(times, f"{name} recursion").items()}
        for name in ("dense", "local")
    )
    shown = "; ".join(
        f"r = {r}: {min(alone[r, n] for n in sizes):.1f} to {max(alone[r, n] for n in sizes):.1f}" for r in orders
    )
    shown_local = ", ".join(f"r = {r}: {local[r, sizes[-1]]:.2f}" for r in orders)
    return [
        Verdict(
            "F1",
            decide(asked),
            "; ".join(e.told() for e in asked) + f". Time of the dense recursion over the ReLU form, {shown}; of the"
            f" local recursion over the ReLU form at n = {sizes[-1]}: {shown_local} (below 1: the local one is faster)",
            details="All forms are plain compiled loops that fill all n + r - 1 functions; the ReLU form includes the"
            " product with the r + 1 diagonals of A, as figure 3 does. It is not faster by the degree: A costs"
            " 2 (r + 1) operations a function, the recursion about 9 (r - 1). The local recursion, which forms only the"
            " r functions that are not zero, is the library's, with its"
            " search for the interval: B-splines evaluated locally need none of it. One thread, interleaved rounds; the"
            " pairs are rounds, in each of which every form runs once.",
            data={"seconds": {f"r = {r}, n = {n}": times[r, n] for r, n in times}},
            mutations={
                "against the local recursion": twin([faster(times, "local recursion")]),
                "the time falls with the degree": twin([exponent(times, "ReLU form", "dense recursion")]),
            },
            estimates=tuple(asked),
            controls={"a recursion that takes the degree times as long": twin(estimates(by_degree(times)))},
        )
    ]


def over_relu(times: Times, name: str) -> dict[tuple[int, int], np.ndarray]:
    """Return the time of `name` over that of the ReLU form, round by round."""
    return {place: ratios_of_rounds(seconds, name, "ReLU form") for place, seconds in times.items()}


def estimates(times: Times) -> list[Estimate]:
    return [faster(times), exponent(times, "dense recursion", "ReLU form")]


def faster(times: Times, name: str = "dense recursion") -> Estimate:
    """The least ratio of times of all cases, round by round: whether the ReLU form is faster at all."""
    least = least_of_cases(over_relu(times, name).values())
    return estimate(f"time of the {name} over that of the ReLU form, least case", least, at_least=1.0)


def exponent(times: Times, above: str, below: str) -> Estimate:
    """The exponent of the ratio of times in the degree, sizes together, round by round."""
    orders = sorted({order for order, _ in times})
    slopes = {}
    for k in range(len(next(iter(times.values()))[above])):
        logs = [np.mean([np.log(t[above][k] / t[below][k]) for (r, _), t in times.items() if r == o]) for o in orders]
        slopes[k] = float(np.polyfit(np.log(np.array(orders) - 1.0), logs, 1)[0])
    return estimate(f"exponent of the degree in {above} over {below}", slopes, at_least=0.0)


def by_degree(times: Times) -> Times:
    """Rounds in which the recursion takes r - 1 times as long as the ReLU form: data on which the claim is true."""
    return {
        (order, n): t | {"dense recursion": [(order - 1) * value for value in t["ReLU form"]]}
        for (order, n), t in times.items()
    }


def measure(order: int, intervals: int, n_samples: int, rounds: int) -> dict[str, list[float]]:
    space = rk.SplineSpace.uniform(order, intervals)
    x = np.random.default_rng(0).uniform(0.0, 1.0, n_samples)
    tables = KnotTables.of(space)
    interval, local = np.empty((n_samples, 1), np.int64), np.empty((1, n_samples, 1, order))
    dense, relu = np.empty((n_samples, space.knots.size - 1)), np.empty((n_samples, space.dim))
    A = rk.ChangeOfBasis(space).dense()
    band = np.stack([np.append(np.diagonal(A, j), np.zeros(j)) for j in range(min(order + 1, space.dim))])
    splines = np.empty_like(relu)
    forms: dict[str, Callable[[], object]] = {
        "ReLU form": lambda: relu_form(x, space.knots, order, band, relu, splines),
        "dense recursion": lambda: dense_recursion(x, space.knots, order, dense),
        "local recursion": lambda: local_recursion(tables, x, interval, local),
    }
    for form in forms.values():
        form()  # compile, and touch the memory
    B = rk.bsplines.design_matrix(space, x).toarray()
    if np.abs(dense[:, : space.dim] - B).max() > 1e-13 or np.abs(splines - B).max() > 1e-4:
        raise AssertionError("the forms that are timed do not agree")
    return seconds_of_rounds(forms, rounds)
