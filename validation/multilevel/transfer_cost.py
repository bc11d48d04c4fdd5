"""G1: geometric transfer is far cheaper than least squares at the data, and changes nothing ([S26] section 4.2).

What is compared is one transfer of a whole network, as a training calls it, once. Knot insertion is the public call,
`net.convert(theta, fine)`, with its checks and all weights. Least squares is what the grid extension of KAN codes does:
layer by layer and input by input a dense matrix of the fine basis at the samples' activations, LAPACK's SVD solver, the
edges that share an input being its right-hand sides. The forward pass that gives the activations is left out, and so is
any report on the change. The fastest least squares that we know, banded normal equations, is reported beside it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import solveh_banded

import refkan as rk
from refkan.claims import Estimate, Verdict, decide, estimate, exactly, judge, twin
from refkan.splines import bsplines, transfer
from validation.measures import least_of_cases, ratios_of_rounds, seconds_of_rounds
from validation.statements import Progress, each, silent

CLAIMS = ("G1",)
MEASURES_TIME = True
SAMPLES = 20_000
RATIO = 10.0
TOLERANCE = 1e-14

CASES = ((3, (1, 3)), (3, (4, 12)), (4, (5, 5)), (4, (20, 20)))
"""Orders and coarse intervals: the papers' regression, first and last refinement, and the first KAN paper's cubics."""

WAYS = ("knot insertion", "least squares", "banded normal equations")

Fit = Callable[[rk.SplineSpace, np.ndarray, np.ndarray], np.ndarray]
"""(fine space, points (N,), values (N, Q)) -> coefficients (dim, Q)."""


def banded_least_squares(fine: rk.SplineSpace, z: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The fastest way that we know: banded normal equations, which square the condition number."""
    B = bsplines.design_matrix(fine, z)
    gram = (B.T @ B).tocsr()
    band = np.zeros((fine.order, fine.dim))
    for k in range(fine.order):
        band[fine.order - 1 - k, k:] = gram.diagonal(k)
    return np.asarray(solveh_banded(band, B.T @ values))


def fitted(net: rk.Network, fine: rk.Network, theta: np.ndarray, activations: list[np.ndarray], fit: Fit) -> np.ndarray:
    """Transfer all edges by least squares at the inputs of each layer."""
    parts = []
    for layer, finer, block, z in zip(net.layers, fine.layers, net.unpack(theta), activations, strict=True):
        assert isinstance(layer, rk.SplineLayer)
        assert isinstance(finer, rk.SplineLayer)
        v = np.empty((finer.n_outputs, finer.n_inputs, finer.dim))
        for p in range(layer.n_inputs):
            values = bsplines.design_matrix(layer.spaces[p], z[:, p]) @ block["coefficients"][:, p].T
            v[:, p] = fit(finer.spaces[p], z[:, p], values).T
        parts.append(v.ravel())
    return np.concatenate(parts)


def edge_change(net: rk.Network, theta: np.ndarray, fine: rk.Network, theta_fine: np.ndarray) -> float:
    """Largest change of an edge over its largest value, at 5,001 points of its domain; the worst edge."""
    x, worst = np.linspace(0.0, 1.0, 5001), 0.0
    for layer, finer, u, v in zip(net.layers, fine.layers, net.unpack(theta), fine.unpack(theta_fine), strict=True):
        for p in range(layer.n_inputs):
            before, after = (
                bsplines.design_matrix(of.spaces[p], x) @ block["coefficients"][:, p].T  # type: ignore[attr-defined]
                for of, block in ((layer, u), (finer, v))
            )
            worst = max(worst, float((np.abs(after - before).max(axis=0) / np.abs(before).max(axis=0)).max()))
    return worst


def measure(
    order: int, intervals: tuple[int, int], n_samples: int, rounds: int, ways: tuple[str, ...] = WAYS
) -> dict[str, Any]:
    """Processor seconds of a transfer in some ways, rounds interleaved, and the changes of the edges."""
    rng = np.random.default_rng([order, *intervals])
    x = rng.uniform(size=(n_samples, 2))
    net, theta = rk.kan([2, 5, 1], order, list(intervals)).initialize(rng, x)
    fine = net.refine()
    y = rk.Network(net.layers[:1], ())(theta[net.slices[0]], x)
    z = [x, np.clip(net.node_maps[0].value(y), 0.0, 1.0)]  # inputs of the second layer are moved into its domain

    def dense(fine: rk.SplineSpace, z: np.ndarray, values: np.ndarray) -> Any:
        return np.linalg.lstsq(bsplines.design_matrix(fine, z).toarray(), values)[0]

    calls: dict[str, Callable[[], np.ndarray]] = {
        "knot insertion": lambda: net.convert(theta, fine),
        "least squares": lambda: fitted(net, fine, theta, z, dense),
        "banded normal equations": lambda: fitted(net, fine, theta, z, banded_least_squares),
    }
    changes = {name: edge_change(net, theta, fine, calls[name]()) for name in ways}  # compiles, too
    seconds = seconds_of_rounds({name: calls[name] for name in ways}, rounds)
    return {
        "order": order,
        "intervals": intervals,
        "samples": n_samples,
        "seconds": seconds,
        "changes": changes,
        "ratios": {name: float(np.median(ratios_of_rounds(seconds, name, WAYS[0]))) for name in ways[1:]},
    }


def few_samples() -> float:
    """Change of a cubic spline by least squares at twelve samples, fine space of dimension 23."""
    coarse = rk.SplineSpace.uniform(4, 10)
    fine, u = coarse.refine(), np.random.default_rng(0).standard_normal(coarse.dim)
    v, report = transfer.least_squares_transfer(coarse, fine, u, np.linspace(0.04, 0.96, 12))
    assert report.rank == 12
    x = np.linspace(0.0, 1.0, 5001)
    before = bsplines.evaluate(coarse, u, x)
    return float(np.abs(bsplines.evaluate(fine, v, x) - before).max() / np.abs(before).max())


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    rounds = 7 if quick else 51
    cases = each(progress, "G1: r = {0[0]}, intervals {0[1]}", CASES)
    results = [measure(*case, SAMPLES, rounds) for case in cases]
    # So few samples do not determine every coefficient: normal equations would be singular.
    small = [measure(*case, 100, rounds, WAYS[:2]) for case in CASES]
    return [verdict(results, small, few_samples())]


def cheaper(results: list[dict[str, Any]], name: str, factor: float = RATIO) -> Estimate:
    """The time of a way over that of knot insertion, of each round the least of all cases."""
    least = least_of_cases(ratios_of_rounds(result["seconds"], name, WAYS[0]) for result in results)
    return estimate(f"processor time of {name} over knot insertion, least case", least, at_least=factor)


def verdict(results: list[dict[str, Any]], small: list[dict[str, Any]], few: float) -> Verdict:
    ratios, fewer = ([result["ratios"]["least squares"] for result in cases] for cases in (results, small))
    banded = [result["ratios"]["banded normal equations"] for result in results]
    changes = {name: max(result["changes"][name] for result in results) for name in WAYS}
    microseconds = [1e6 * float(np.median(result["seconds"]["knot insertion"])) for result in results]
    asked = [
        cheaper(results, "least squares"),
        cheaper(results, "banded normal equations"),
        exactly("largest relative change of an edge by knot insertion", changes["knot insertion"], at_most=TOLERANCE),
    ]
    return Verdict(
        "G1",
        decide(asked),
        f"one network [2, 5, 1], {results[0]['samples']} samples, r = 3 and 4, intervals (1, 3) to (20, 20) doubled:"
        f" {min(ratios):.0f} to {max(ratios):.0f} times the processor time of knot insertion ({min(microseconds):.0f}"
        f" to {max(microseconds):.0f} microseconds) by dense least squares, {min(banded):.0f} to {max(banded):.0f}"
        f" times by banded normal equations; at 100 samples the dense ones take {min(fewer):.1f} to {max(fewer):.1f}"
        f" times. Largest relative change of an edge {changes['knot insertion']:.1e} by insertion,"
        f" {changes['least squares']:.1e} and {changes['banded normal equations']:.1e} by least squares; {few:.1e} by"
        " least squares at 12 samples for 23 coefficients",
        details="Knot insertion includes its checks and the computation of all weights; least squares includes neither"
        " the forward pass nor a report on the change. Rounds are interleaved, one transfer by each way; medians of"
        " ratios. Knot insertion does not see the samples: the ratio grows with their number. By case: "
        + "; ".join(
            f"r = {r['order']}, {tuple(r['intervals'])}: " + ", ".join(f"{n} {q:.0f}" for n, q in r["ratios"].items())
            for r in results
            if "order" in r
        )
        + ".",
        data={"cases": results, "100 samples": small, "change at 12 samples": few},
        mutations={
            "at 100 samples": twin([cheaper(small, "least squares")]),
            "least squares changes nothing, whatever the samples": judge(few <= TOLERANCE),
            "1000 times cheaper": twin([cheaper(results, "least squares", 1000.0)]),
        },
        estimates=tuple(asked),
    )
