r"""M1 ([S26] section 4.3): after refinement descent in the spline basis is complementary, in the ReLU basis not.

The share of updates in newly added modes, fixed before any run. A coarse network is trained and prolonged, u_f = P u_c.
With J the Jacobian of the fine network there, an update d changes its values on the samples by J d, to first order.
What the coarse network could have done is range(J P), its own tangent space; Q projects onto it, orthogonally in R^N.
Then

    share = sum_k |(I - Q) J d_k|^2 / sum_k |J d_k|^2,    d_1, ..., d_10 the first updates,

of gradient descent in the coordinates of a basis, with the step 1/lambda_max of that basis' Gauss-Newton matrix.

Why values and not coefficients: if the coarse network is at a stationary point, P^T g = 0 in the coordinates of every
basis, so that the first update is orthogonal to range(P) as a vector in the spline basis and in the ReLU basis alike:
orthogonality of coefficients does not tell the two apart (it is reported beside). Orthogonality of functions does.

Criterion: medians over 20 seeds, at each of the three refinements of Table 2, [2, 5, 1], r = 3, (1, 3) to (8, 24): at
least 0.5 in the spline basis, at most 0.1 in the (plain) ReLU basis.

That share came out low in both bases. Two more measures were fixed after that, each before it was measured and with the
same numbers as criterion, to find out in what sense the statement is right; all are reported. First, the share of the
updates as functions on the edges. An update changes every edge by a spline; Pi projects splines onto the coarse spline
space, orthogonally in L2, and

    share on the edges = sum_k sum_edges |(I - Pi) df|^2 / sum_k sum_edges |df|^2.

Second, since trained coarse networks are not at stationary points and descent goes on with what was left undone, the
limit of coarse training: the part of the residual that the coarse tangent space sees, Q e, is taken out of the data,
y <- y + Q e, which makes the same network a stationary point of the coarse level, P^T g = 0. The statement as
corrected is that of the edges in this limit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims.verdicts import Figure, Verdict, judge
from validation.descent.kernels_of_both_bases import radius, relu_jacobian

CLAIMS = ("M1",)

SEEDS = range(20)

INTERVALS = ((1, 3), (2, 6), (4, 12))
"""Coarse intervals of the three refinements."""

UPDATES = 10

BASES = ("spline", "relu", "scaled-relu")

LEAST, MOST = 0.5, 0.1

SIGNIFICANT = 1e-10
"""Singular values of J P below this, relative to the largest, belong to its null space."""


def tangent_basis(J: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the range of J."""
    U, s, _ = np.linalg.svd(J, full_matrices=False)
    basis: np.ndarray = U[:, s > SIGNIFICANT * s[0]]
    return basis


def share_outside(basis: np.ndarray, moves: np.ndarray) -> float:
    """Share of the squares of moves (N, k) that is orthogonal to the columns of an orthonormal basis."""
    rest = moves - basis @ (basis.T @ moves)
    return float(np.sum(rest**2) / np.sum(moves**2))


def edge_squares(coarse: rk.Network, fine: rk.Network, step: np.ndarray) -> tuple[float, float]:
    """Squares in L2 of a step of the fine network, summed over its edges: of what is new, and of the whole."""
    new = whole = 0.0
    for layer, finer, block in zip(coarse.layers, fine.layers, fine.unpack(step), strict=True):
        assert isinstance(layer, rk.SplineLayer)
        assert isinstance(finer, rk.SplineLayer)
        space = finer.spaces[0]  # those of all inputs are equal
        P, G = rk.prolongation_matrix(layer.spaces[0], space).toarray(), rk.bsplines.gram_matrix(space).toarray()
        d = block["coefficients"].reshape(-1, space.dim).T
        rest = d - P @ np.linalg.solve(P.T @ G @ P, P.T @ G @ d)
        new, whole = new + float(np.sum(rest * (G @ rest))), whole + float(np.sum(d * (G @ d)))
    return new, whole


def shares(coarse: rk.Network, theta: np.ndarray, problem: rk.LeastSquares) -> dict[str, Any]:
    """Shares of the updates of descent in every basis, for a fine problem and a coarse point."""
    fine = problem.net
    start, P = coarse.convert(theta, fine), coarse.prolongation(fine).toarray()
    J = fine.jacobian(start, problem.x)
    reachable, span = tangent_basis(J @ P), np.linalg.qr(P)[0]
    g = problem.gradient(start)
    results: dict[str, Any] = {"|P^T g|/|g|": float(np.linalg.norm(span.T @ g) / np.linalg.norm(g))}
    results["|Q e|/|e|"] = float(np.linalg.norm(reachable.T @ (e := problem.misfit(start).ravel())) / np.linalg.norm(e))
    for basis in BASES:
        J_basis = J if basis == "spline" else relu_jacobian(fine, J, basis == "scaled-relu")
        step = J.shape[0] / radius(J_basis)
        points = [start]
        rk.minimize(
            problem,
            start,
            "gd",
            steps=UPDATES,
            geometry=basis,
            learning_rate=step,
            tolerance_gradient=0.0,
            callback=lambda state, points=points: points.append(state.theta),  # type: ignore[misc]
        )
        updates = np.diff(np.array(points), axis=0)
        moves = J @ updates.T
        on_edges = np.array([edge_squares(coarse, fine, update) for update in updates]).sum(axis=0)
        v = fine.coordinates(basis).gradient(g)
        own = np.linalg.qr(coarse.to_basis(basis).prolongation(fine.to_basis(basis)).toarray())[0]
        results[basis] = {
            "share": share_outside(reachable, moves),
            "share on the edges": float(on_edges[0] / on_edges[1]),
            "share of the first update": share_outside(reachable, moves[:, :1]),
            "share, as coefficients": share_outside(own, v[:, None]),
        }
    return results


def stationary_targets(net: rk.Network, theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Targets y + Q e, for which the network is stationary: what its tangent space sees is not in e - Q e."""
    reachable = tangent_basis(net.jacobian(theta, x))
    e = net(theta, x) - y
    targets: np.ndarray = y + reachable @ (reachable.T @ e)
    return targets


def measure(seed: int, n_samples: int, steps: int) -> list[dict[str, Any]]:
    """Train level by level by Levenberg-Marquardt; shares at each of the three refinements."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n_samples, 2))
    y = rk.problems.regression_target(x)
    net, theta = rk.kan([2, 5, 1], 3, INTERVALS[0]).initialize(rng, x)
    results = []
    for intervals in INTERVALS:
        theta = rk.minimize(rk.LeastSquares(net, x, y), theta, "levenberg-marquardt", steps=steps).theta
        fine = net.refine()
        found = {"trained": shares(net, theta, rk.LeastSquares(fine, x, y))}
        found["stationary"] = shares(net, theta, rk.LeastSquares(fine, x, stationary_targets(net, theta, x, y)))
        results += [{"seed": seed, "intervals": intervals, "coarse": kind} | found[kind] for kind in found]
        net, theta = fine, net.convert(theta, fine)
    return results


Case = tuple[str, str]
"""How far the coarse level is, "trained" or "stationary"; and which share."""

AS_PRINTED: Case = ("trained", "share")

AS_CORRECTED: Case = ("stationary", "share on the edges")


def medians(results: list[dict[str, Any]], basis: str, case: Case) -> list[float]:
    """Median over seeds at each refinement."""
    coarse, key = case
    chosen = [result for result in results if result["coarse"] == coarse]
    return [
        float(np.median([result[basis][key] for result in chosen if result["intervals"] == intervals]))
        for intervals in INTERVALS
    ]


def complementary(results: list[dict[str, Any]], case: Case, spline: str = "spline", relu: str = "relu") -> bool:
    """The criterion."""
    return min(medians(results, spline, case)) >= LEAST and max(medians(results, relu, case)) <= MOST


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Measure for 20 seeds."""
    n_samples, steps = (400, 40) if quick else (1000, 80)
    results = []
    for seed in SEEDS:
        progress(f"M1: seed {seed}")
        results += measure(seed, n_samples, steps)
    return [verdict(results)]


def verdict(results: list[dict[str, Any]]) -> Verdict:
    """Return the verdict and those of altered claims."""

    def shown(coarse: str, key: str) -> str:
        spline, relu = (
            ", ".join(f"{m:.2g}" for m in medians(results, basis, (coarse, key))) for basis in ("spline", "relu")
        )
        return f"{spline} in the spline, {relu} in the ReLU basis"

    edges, vectors = "share on the edges", "share, as coefficients"
    left = np.median([result["|P^T g|/|g|"] for result in results if result["coarse"] == "trained"])
    return Verdict(
        "M1",
        judge(complementary(results, AS_PRINTED), complementary(results, AS_CORRECTED), experiment=True),
        f"share of the first {UPDATES} updates in newly added modes, medians of {len(SEEDS)} seeds at the three"
        f" refinements. Of the values of the network: {shown('trained', 'share')}; coarse level stationary:"
        f" {shown('stationary', 'share')}. Of the functions on the edges: {shown('trained', edges)}; stationary:"
        f" {shown('stationary', edges)}. Of the gradient's coefficients: {shown('trained', vectors)}. |P^T g|/|g| where"
        f" the coarse level was trained: {left:.2g}, median",
        corrected=CORRECTED if complementary(results, AS_CORRECTED) else "",
        details=DETAILS,
        data={"seeds": list(SEEDS), "cases": results},
        figures=(figure(results),),
        mutations={
            "with the bases exchanged": judge(
                complementary(results, AS_PRINTED, "relu", "spline"),
                complementary(results, AS_CORRECTED, "relu", "spline"),
                experiment=True,
            ),
            "the scaled ReLU basis is complementary": judge(
                min(medians(results, "scaled-relu", AS_CORRECTED)) >= LEAST, experiment=True
            ),
            "of coarse in place of new modes": judge(
                max(medians(results, "spline", AS_CORRECTED)) <= 1 - LEAST
                and min(medians(results, "relu", AS_CORRECTED)) >= 1 - MOST,
                experiment=True,
            ),
        },
    )


CORRECTED = """\
where the coarse level is at a stationary point, descent in the spline basis changes the edges in newly added modes
for the greater part, descent in the ReLU basis in those of the coarse level"""

DETAILS = """\
Coarse networks are trained by Levenberg-Marquardt, which is the same in every basis up to its damping, so that descent
in all bases starts from one function. At a stationary point of the coarse level P^T g = 0: the residual e is orthogonal
to the coarse tangent space, and the first update, as coefficients, to range(P), in the coordinates of every basis. \
Descent
moves the values by J M J^T e, M = I in the spline basis and M = A^-T A^-1 in the ReLU basis. \
B-splines are nearly orthogonal in
L2: coefficients orthogonal to range(P) are functions of which a good part is new. \
The ReLU powers are nearly dependent and
smooth, and such coefficients are functions that lie in the coarse space but for a small part.

In the values of the network little of this is left even in the spline basis. \
J J^T has a few large eigenvalues, of smooth
functions which every edge can move, and its inner product is that of the data and of the slopes of the next layer, \
not that of
L2 on the edges: most of what descent does to the values, the coarse network could have done as well. \
The share is largest
at the last refinement. In the ReLU basis it is smaller by factors that every measure shows; there nothing new is
moved."""


def figure(results: list[dict[str, Any]]) -> Figure:
    """Draw both shares of every seed."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(10, 3.4), layout="constrained")
    for axis, case in zip(canvas.subplots(1, 2, sharey=True), (AS_PRINTED, AS_CORRECTED), strict=True):
        chosen = [result for result in results if result["coarse"] == case[0]]
        for b, basis in enumerate(BASES):
            for k, intervals in enumerate(INTERVALS):
                values = [result[basis][case[1]] for result in chosen if result["intervals"] == intervals]
                at = 4 * k + b + np.linspace(-0.25, 0.25, len(values))
                axis.plot(at, np.sort(values), ".", color=f"C{b}", label=basis if k == 0 else None)
        for level in (LEAST, MOST):
            axis.axhline(level, color="0.6", lw=0.8)
        labels = [f"{i} to\n{tuple(2 * n for n in i)}" for i in INTERVALS]
        axis.set_xticks([4 * k + 1 for k in range(len(INTERVALS))], labels=labels)
        where = "values of the network" if case == AS_PRINTED else "functions on the edges"
        axis.set(yscale="log", title=f"{where}, coarse level {case[0]}", xlabel="refinement of the intervals")
    canvas.axes[0].set_ylabel("share in new modes")
    canvas.axes[0].legend(fontsize="small")
    caption = "Share of the first ten updates of gradient descent in modes that the coarse network lacks; every seed."
    return Figure.from_matplotlib(canvas, "complementary-descent", caption)
