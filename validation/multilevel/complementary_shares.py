"""Shares of the first updates of descent in modes that a coarse network lacks, after a refinement, in both bases."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Experiment, Factor
from refkan.claims.experiments import Choice
from validation.descent.kernels.kernels_of_both_bases import radius, relu_jacobian

INTERVALS = ((1, 3), (2, 6), (4, 12))
UPDATES = 10
BASES = ("spline", "relu", "scaled-relu")
MEASURES = {"values": "share", "edges": "share on the edges", "coefficients": "share, as coefficients"}
RELU = {"plain": "relu", "scaled": "scaled-relu"}

OPEN = (
    Factor("measure", tuple(MEASURES), "what is new: values of the network, functions on edges, coefficients"),
    Factor("coarse", ("trained", "stationary"), "the coarse level, or its limit"),
    Factor("scaling", tuple(RELU), "of the ReLU basis"),
    Factor("map", ("affine", "min-max"), "node map between the layers"),
    Factor("start", ("linear", "normal"), "of the coarsest level"),
)

PLACE = (
    Factor("refinement", ("1", "2", "3"), "which of the three"),
    Factor("samples", ("1000",), "uniform", number=True),
    Factor("steps", ("80",), "of Levenberg-Marquardt on each level", number=True),
)

SIGNIFICANT = 1e-10
"""Singular values of J P below this, relative to the largest, belong to its null space."""


def tangent_basis(J: np.ndarray) -> np.ndarray:
    U, s, _ = np.linalg.svd(J, full_matrices=False)
    return np.asarray(U[:, s > SIGNIFICANT * s[0]])


def share_outside(basis: np.ndarray, moves: np.ndarray) -> float:
    """Share of the squares of moves (N, k) that is orthogonal to the columns of an orthonormal basis."""
    rest = moves - basis @ (basis.T @ moves)
    return float(np.sum(rest**2) / np.sum(moves**2))


def edge_metrics(coarse: rk.Network, fine: rk.Network) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each layer what projects an edge's step off the coarse spline space, and the Gram matrix, both in L2."""
    made = []
    for layer, finer in zip(coarse.layers, fine.layers, strict=True):
        assert isinstance(layer, rk.SplineLayer)
        assert isinstance(finer, rk.SplineLayer)
        space = finer.spaces[0]  # those of all inputs are equal
        P, G = rk.prolongation_matrix(layer.spaces[0], space).toarray(), rk.bsplines.gram_matrix(space).toarray()
        made.append((np.eye(space.dim) - P @ np.linalg.solve(P.T @ G @ P, P.T @ G), G))
    return made


def edge_squares(
    metrics: Sequence[tuple[np.ndarray, np.ndarray]], fine: rk.Network, step: np.ndarray
) -> tuple[float, float]:
    """Squares in L2 of a step of the fine network, summed over its edges: of what is new, and of the whole."""
    new = whole = 0.0
    for (off, G), block in zip(metrics, fine.unpack(step), strict=True):
        d = block["coefficients"].reshape(-1, G.shape[0]).T
        rest = off @ d
        new, whole = new + float(np.sum(rest * (G @ rest))), whole + float(np.sum(d * (G @ d)))
    return new, whole


def shares(coarse: rk.Network, theta: np.ndarray, problem: rk.LeastSquares) -> dict[str, Any]:
    """Shares of the updates of descent in every basis, for a fine problem and a coarse point."""
    fine = problem.net
    start, P = coarse.convert(theta, fine), coarse.prolongation(fine).toarray()
    J = fine.jacobian(start, problem.x)
    reachable, span = tangent_basis(J @ P), np.linalg.qr(P)[0]
    g, metrics = problem.gradient(start), edge_metrics(coarse, fine)
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
        on_edges = np.array([edge_squares(metrics, fine, update) for update in updates]).sum(axis=0)
        v = fine.coordinates(basis).gradient(g)
        own = np.linalg.qr(coarse.to_basis(basis).prolongation(fine.to_basis(basis)).toarray())[0]
        results[basis] = {
            "share": share_outside(reachable, moves),
            "share on the edges": float(on_edges[0] / on_edges[1]),
            "share of the first update": share_outside(reachable, moves[:, :1]),
            "share, as coefficients": share_outside(own, v[:, None]),
        }
    return results


def measure(
    seed: int, n_samples: int, steps: int, node_map: str = "affine", start: str = "linear", last: int = 3
) -> list[dict[str, Any]]:
    """Train level by level by Levenberg-Marquardt; shares at each of the three refinements, or the first ones."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n_samples, 2))
    y = rk.problems.regression_target(x)
    net, theta = rk.kan([2, 5, 1], 3, INTERVALS[0], node_map=node_map).initialize(rng, x, start)
    results = []
    for intervals in INTERVALS[:last]:
        theta = rk.minimize(rk.LeastSquares(net, x, y), theta, "levenberg-marquardt", steps=steps).theta
        fine = net.refine()
        parts = {"trained": shares(net, theta, rk.LeastSquares(fine, x, y))}
        # For targets y + Q e the network is stationary: what its tangent space sees is not in e - Q e.
        reachable = tangent_basis(net.jacobian(theta, x))
        stationary = y + reachable @ (reachable.T @ (net(theta, x) - y))
        parts["stationary"] = shares(net, theta, rk.LeastSquares(fine, x, stationary))
        case = {"seed": seed, "intervals": intervals, "map": node_map, "start": start}
        results += [case | {"coarse": kind} | parts[kind] for kind in parts]
        net, theta = fine, net.convert(theta, fine)
    return results


def run_again(choice: Choice, seed: int) -> dict[str, float]:
    """Return the shares of both bases at one refinement, from one seed."""
    last = int(choice["refinement"])
    sizes = int(choice["samples"]), int(choice["steps"])
    results = measure(seed, *sizes, choice["map"], choice["start"], last)
    (result,) = (r for r in results[-2:] if r["coarse"] == choice["coarse"])
    key = MEASURES[choice["measure"]]
    return {"spline basis": result["spline"][key], "ReLU basis": result[RELU[choice["scaling"]]][key]}


EXPERIMENT = Experiment((*OPEN, *PLACE), run_again)
