"""Condition numbers of single layers and of networks, in every basis and for other architectures, as records."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import refkan as rk
from refkan.splines.bsplines import gauss_points
from validation.statements import RunSize

BASES = ("spline", "relu", "scaled-relu")
MATRICES = ("gauss-newton", "hessian")
QUADRATURE = 8
START, TRAINED, TRAINED_ELSEWHERE = "start", "trained", "trained in the ReLU basis"
TRAINED_IN = {TRAINED: "spline", TRAINED_ELSEWHERE: "relu"}


def layer_condition(order: int, intervals: int) -> dict[str, Any]:
    """Condition numbers of J^T J of one layer in L2 on uniform knots: for both bases those of the Gram matrices."""
    # Exact for products of splines, and to rounding for SiLU, which is no spline and would hide in r-point rules.
    x, weights = gauss_points(rk.SplineSpace.uniform(QUADRATURE, intervals))
    problem, theta = in_l2(rk.kan([1, 1], order, intervals), x, weights)
    conditions = {basis: rk.spectrum(problem, theta, basis=basis).condition for basis in BASES}
    silu = rk.spectrum(*in_l2(rk.kan([1, 1], order, intervals, edge="silu"), x, weights))
    # NaN once float64 takes silu for a spline: the singular value that tells them apart is below rounding.
    conditions["SiLU edge"] = silu.condition if silu.nullity == silu.analytic_nullity else np.nan
    return {"order": order, "intervals": intervals, "dim": theta.size} | conditions


def in_l2(net: rk.Network, x: np.ndarray, weights: np.ndarray) -> tuple[rk.LeastSquares, np.ndarray]:
    """Least squares in L2 for one layer, at the points and weights of a quadrature, and a start."""
    net, theta = net.initialize(np.random.default_rng(0), x[:, None])
    return rk.LeastSquares(net, x[:, None], np.zeros((x.size, 1)), weights=x.size * weights), theta


def network_cases(
    order: int, level: tuple[int, int], node_map: str, seed: int, size: RunSize
) -> Iterator[dict[str, Any]]:
    """Condition numbers of both matrices in every basis, at every state of one network [2, 5, 1]."""
    problem, theta = started(rk.kan([2, 5, 1], order, level, node_map=node_map), seed, size.samples)
    for state, at in at_states(problem, theta, size):
        case: dict[str, Any] = {
            "order": order, "level": level, "node map": node_map, "seed": seed, "state": state,
            "parameters": theta.size, "mse": problem.mse(at),
        }  # fmt: skip
        for matrix in MATRICES:
            spectra = {basis: rk.spectrum(problem, at, which=matrix, basis=basis) for basis in BASES}
            own = spectra["spline"]  # rank and null space are the same in all of them
            case[matrix] = {basis: spectrum.condition for basis, spectrum in spectra.items()} | {
                "nullity": own.nullity, "analytic nullity": own.analytic_nullity, "gap": own.gap,
                "negative": own.negative, "flags": own.flags,
            }  # fmt: skip
        yield case


def other_models(order: int, level: tuple[int, int], seed: int, size: RunSize) -> Iterator[dict[str, Any]]:
    """Gauss-Newton condition numbers of other architectures, MLPs with as many parameters as the spline network."""
    width = round(rk.kan([2, 5, 1], order, level).n_params / 4)
    models = {
        "SiLU edge": rk.kan([2, 5, 1], order, level, edge="silu"),
        "MLP, ReLU": rk.mlp([2, width, 1]),
        "MLP, ReLU^3": rk.mlp([2, width, 1], "relu3"),
        "MLP, tanh": rk.mlp([2, width, 1], "tanh"),
    }
    for name, model in models.items():
        problem, theta = started(model, seed, size.samples)
        trained = rk.minimize(problem, theta, method="lbfgs", steps=size.steps).theta
        for state, at in (("start", theta), ("trained", trained)):
            spectrum = rk.spectrum(problem, at)
            yield {
                "model": name, "order": order, "level": level, "seed": seed, "state": state, "parameters": theta.size,
                "condition": spectrum.condition, "nullity": spectrum.nullity,
                "analytic nullity": spectrum.analytic_nullity,
                # Of the numerical range: where that ends without a gap, it is cut off by rounding.
                "lower bound": "gap" in spectrum.flags or "resolution" in spectrum.flags,
            }  # fmt: skip


def at_states(problem: rk.LeastSquares, theta: np.ndarray, size: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the parameters at every state of a size: the start, or after its steps of L-BFGS in one basis."""
    for state in size.states:
        options = {"method": "lbfgs", "steps": size.steps, "geometry": TRAINED_IN.get(state)}
        yield state, rk.minimize(problem, theta, **options).theta if state in TRAINED_IN else theta


def started(net: rk.Network, seed: int, samples: int) -> tuple[rk.LeastSquares, np.ndarray]:
    """The regression problem of [S26] section 5.1 for a network, and a start."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(1e-4, 0.9999, (samples, 2))
    net, theta = net.initialize(rng, x)
    return rk.LeastSquares(net, x, rk.problems.regression_target(x)), theta
