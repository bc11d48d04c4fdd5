"""K3: free knots keep the preconditioning benefit: Gram matrices in both bases on knots that training has moved.

The criterion, for the orders of the papers whose knots can move, 2 to 4: the Jacobi-scaled Gram matrix of the B-splines
on every trained knot vector has at most 10 times the condition number that it has on uniform knots, that of the ReLU
powers on the same knots at least 100 times that of the B-splines. Orders 5 and 6 are measured and shown, not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas

import refkan as rk
from refkan.claims.verdicts import Figure, Verdict, judge
from refkan.splines.bsplines import gauss_points
from refkan.splines.knots import FLOOR, extend_uniformly
from validation.grounds import require

CLAIMS = ("K3",)

ALLOWED, BEHIND = 10.0, 100.0
"""How much worse than on uniform knots the B-splines may be, and how much worse than they the ReLU powers must be."""

ORDERS, BEYOND = (2, 3, 4), (5, 6)
"""The orders that are judged, those of the papers whose knots can move, and those that are reported."""

TARGETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "kink": lambda x: np.abs(x - 0.37) + 0.3 * np.sin(5 * x),
    "front": lambda x: np.tanh(40 * (x - 0.6)),
    "root": np.sqrt,
    "step": lambda x: np.where(x > 0.43, 1.0, 0.0),
    "chirp": lambda x: np.sin(20 * np.pi * x**3),
}

SAMPLES = 400

ROUNDING = 1e-13
"""Columns and singular values smaller than this, relative to the largest, are rounding."""


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Train knots on targets with structure, and compare the Gram matrices with those on uniform knots."""
    require(CLAIMS)
    sizes, seeds, steps, draws = ((8, 16), range(1), 50, 25) if quick else ((8, 16, 32, 64), range(5), 600, 200)
    trained, extreme = [], []
    for order in (*ORDERS, *BEYOND):
        for n in sizes:
            uniform = conditions(rk.SplineSpace.uniform(order, n))
            for target in TARGETS:
                progress(f"K3: order {order}, n = {n}, {target}")
                trained += [trained_case(order, n, target, seed, steps) | {"uniform": uniform} for seed in seeds]
            extreme += [case | {"uniform": uniform} for case in extreme_cases(order, n, draws)]
    return [verdict(trained, extreme)]


def conditions(space: rk.SplineSpace) -> dict[str, float]:
    """Condition numbers of the Gram matrices on [a, b] in both bases, plain and scaled to a unit diagonal.

    Least squares at Gauss points with their weights is least squares in L2, its Gauss-Newton matrix the Gram matrix.
    """
    x, weights = gauss_points(space)
    net = rk.Network((rk.SplineLayer((space,), 1),), ())
    problem = rk.LeastSquares(net, x[:, None], np.zeros((x.size, 1)), weights=x.size * weights)
    at = np.zeros(net.n_params)
    return {
        f"{basis}{', unscaled' if scaling is None else ''}": rk.spectrum(
            problem, at, basis=basis, preconditioner=scaling
        ).condition
        for basis in ("spline", "relu")
        for scaling in ("jacobi", None)
    }


def trained_case(order: int, intervals: int, target: str, seed: int, steps: int) -> dict[str, Any]:
    """Train coefficients and knots of one layer with L-BFGS from uniform knots."""
    rng = np.random.default_rng([seed, order, intervals])
    x = rng.uniform(0.0, 1.0, (SAMPLES, 1))
    net, theta = rk.kan([1, 1], order, intervals, free_knots=True).initialize(rng, x)
    problem = rk.LeastSquares(net, x, TARGETS[target](x))
    result = rk.minimize(problem, theta, method="lbfgs", steps=steps)
    space = net.layers[0].spaces_at(result.theta)[0]
    return describe(space) | {
        "target": target,
        "seed": seed,
        "mse": [problem.mse(theta), problem.mse(result.theta)],
        "coefficients and knots": joint_condition(net, result.theta, space),
    }


def joint_condition(net: rk.Network, theta: np.ndarray, space: rk.SplineSpace) -> float:
    """Condition number of J^T J in L2 for coefficients and knots together, columns scaled to norm 1.

    Knots at which the spline is smooth have no column; the sum of those of s vanishes. Neither counts.
    """
    x, weights = gauss_points(space)
    J = np.sqrt(weights)[:, None] * net.jacobian(theta, x[:, None])
    norms = np.linalg.norm(J, axis=0)
    seen = norms > ROUNDING * norms.max()
    s = np.linalg.svd(J[:, seen] / norms[seen], compute_uv=False)
    return float((s[0] / s[s > ROUNDING * s[0]][-1]) ** 2)


def extreme_cases(order: int, intervals: int, draws: int) -> list[dict[str, Any]]:
    """Knots at the limits of the parameterisation: spacings over five powers of e^2, and none but one at the floor."""
    rng = np.random.default_rng([order, intervals])
    logarithms = [rng.normal(0.0, rng.uniform(0.5, 4.0), intervals) for _ in range(draws)]
    logarithms += [60.0 * (np.arange(intervals) == k) for k in (0, intervals // 2, intervals - 1)]
    logarithms += [sign * 2.0 * np.arange(intervals) for sign in (1, -1)]
    cases = []
    for s in logarithms:
        q = np.exp(s - s.max())
        q = (1 - FLOOR) * q / q.sum() + FLOOR / intervals
        breakpoints = np.concatenate([[0.0], np.cumsum(q[:-1]), [1.0]])
        cases.append(describe(rk.SplineSpace(extend_uniformly(breakpoints, order), order)))
    return cases


def describe(space: rk.SplineSpace) -> dict[str, Any]:
    """Spacings relative to uniform ones, and condition numbers."""
    spacings = np.diff(space.breakpoints) * space.intervals
    return {
        "order": space.order,
        "intervals": space.intervals,
        "breakpoints": space.breakpoints,
        "spacings": [float(spacings.min()), float(spacings.max())],
        "moved": conditions(space),
    }


def keeps(cases: Sequence[dict[str, Any]], basis: str = "spline", against: str = "relu") -> bool:
    """Whether `basis` stays within ALLOWED of its uniform knots, and `against` is BEHIND times worse, in all cases."""
    return all(worsening(case, basis) <= ALLOWED for case in cases) and all(
        case["moved"][against] >= BEHIND * case["moved"][basis] for case in cases
    )


def worsening(case: dict[str, Any], basis: str) -> float:
    """Condition number on the moved over that on uniform knots."""
    return case["moved"][basis] / case["uniform"][basis]


def verdict(trained: Sequence[dict[str, Any]], extreme: Sequence[dict[str, Any]]) -> Verdict:
    """Judge the trained knots of the papers' orders; report the others and the extreme knots."""
    judged, beyond = ([case for case in trained if case["order"] in orders] for orders in (ORDERS, BEYOND))

    def worst(cases: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]) -> str:
        orders = sorted({case["order"] for case in cases})
        return ", ".join(f"r = {r}: {max(value(c) for c in cases if c['order'] == r):.3g}" for r in orders)

    behind = min(case["moved"]["relu"] / case["moved"]["spline"] for case in judged)
    smallest, largest = min(c["spacings"][0] for c in judged), max(c["spacings"][1] for c in judged)
    unscaled = max(worsening(case, "spline, unscaled") for case in judged)
    joint = float(np.median([case["coefficients and knots"] for case in judged]))
    return Verdict(
        "K3",
        judge(keeps(judged)),
        f"{len(judged)} trained knot vectors, spacings {smallest:.2g} to {largest:.2g} of the uniform one;"
        f" Jacobi-scaled condition number of the B-splines at most {worst(judged, lambda c: c['moved']['spline'])}"
        f" (uniform knots {worst(judged, lambda c: c['uniform']['spline'])}),"
        f" {worst(judged, lambda c: worsening(c, 'spline'))} times that of uniform knots;"
        f" that of the ReLU powers on the same knots at least {behind:.2g} times larger."
        f" Higher orders, {len(beyond)} trained knot vectors:"
        f" {worst(beyond, lambda c: worsening(c, 'spline')) or 'none'} times. {len(extreme)} knot vectors"
        f" at the limits of the parameterisation: at most"
        f" {worst(extreme, lambda c: worsening(c, 'spline'))} times that of uniform knots",
        details=DETAILS
        + f"\n\nWithout the scaling the trained knots cost up to {unscaled:.2g} times. Coefficients and knots together,"
        f" scaled: {joint:.2g} (median).",
        data={"trained": list(trained), "at the limits": list(extreme)},
        figures=(figure(trained),),
        mutations={
            "the ReLU powers keep theirs": judge(keeps(judged, basis="relu", against="spline")),
            "the ReLU powers stay within 10 times of uniform knots": judge(
                all(worsening(case, "relu") <= ALLOWED for case in judged)
            ),
            "without Jacobi scaling": judge(keeps(judged, "spline, unscaled", "relu, unscaled")),
            "the ReLU powers less than 100 times worse": judge(
                any(case["moved"]["relu"] < BEHIND * case["moved"]["spline"] for case in judged)
            ),
        },
    )


DETAILS = """One layer with one input, coefficients and knots trained together by L-BFGS from uniform knots, on a
kink, a steep front, a square root, a step and a chirp. The matrices are the Gram matrices on [0, 1] of the spaces
that training arrives at, scaled to a unit diagonal (no diagonal scaling is better by more than the factor dim: van
der Sluis). Those of the ReLU powers reach 1e20 and more: the small eigenvalues come from the inverse, formed by
differences, which does not lose them.

It had to be so: scaled B-splines have a condition number bounded by the order alone, whatever the knots are (de
Boor). The bound is no small multiple of what uniform knots have, though: knots drawn at random over the whole range
that the parameterisation allows cost more the higher the order, see above. That the B-splines which stick out of
[0, 1] are cut off changes little as long as the exterior knots stay where they are. For r = 2 the condition number is
3 on all knots: an interval of length h adds h/6 (2, 1; 1, 2) to the matrix and h/3 to its diagonal, which have the
quotients 1/2 and 3/2, attained by the alternating and the constant vector on all intervals at once.

The claim is about coefficients. It says nothing of the knots themselves: the columns of the Jacobian that belong to
knots are combinations of B-splines on doubled knots, and nearly dependent on the others where the spline is smooth
at a knot. And it needs the scaling: plain gradient descent sees the ratio of spacings."""


def figure(cases: Sequence[dict[str, Any]]) -> Figure:
    """Condition numbers on trained knots against the smallest spacing, both bases, and the knots of one size."""
    canvas = Canvas(figsize=(9, 3.6), layout="constrained")
    left, right = canvas.subplots(1, 2)
    orders = sorted({case["order"] for case in cases})
    for order, colour in zip(orders, ("C0", "C1", "C2", "C3", "C4"), strict=False):
        chosen = [case for case in cases if case["order"] == order]
        spacing = [case["spacings"][0] for case in chosen]
        left.loglog(spacing, [case["moved"]["relu"] for case in chosen], "^", color=colour, mfc="none")
        left.loglog(spacing, [case["moved"]["spline"] for case in chosen], "o", color=colour, label=f"r = {order}")
        left.axhline(chosen[0]["uniform"]["spline"], color=colour, lw=0.7, ls=":")
    left.set(xlabel="smallest spacing / uniform", ylabel="condition number, Jacobi-scaled Gram")
    left.legend(
        loc="center",
        ncols=len(orders),
        fontsize="small",
        title="dots B-splines, triangles ReLU",
        title_fontsize="small",
    )
    shown = [c for c in cases if (c["order"], c["intervals"], c["seed"]) == (3, 16, 0)]
    for row, case in enumerate(shown):
        right.plot(case["breakpoints"], np.full(len(case["breakpoints"]), row), "|", markersize=14, color="C1")
    right.set(xlabel="trained breakpoints, r = 3, n = 16", ylim=(-0.6, len(shown) - 0.4))
    right.set_yticks(range(len(shown)), labels=[case["target"] for case in shown])
    caption = (
        "Left: condition number of the scaled Gram matrix on trained knots; dotted: B-splines on uniform knots. Right:"
        " where the knots went."
    )
    return Figure.from_matplotlib(canvas, "free-knots-conditioning", caption)
