"""N2: comparable learning rates work in both bases ([S26] Remark 1): the largest stable steps of gradient descent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims.verdicts import Figure, Verdict, judge
from validation.descent.kernels_of_both_bases import NODE_MAPS, Case, radius, random_cases, relu_jacobian

CLAIMS = ("N2",)

BASES = {"scaled": "scaled-relu", "plain": "relu"}
"""The two scalings of the ReLU basis and their names as coordinates."""

BAND = (0.25, 4.0)

SHARE = 0.9

CELL = 2.0**0.25
"""Ratio of the steps that runs tell apart."""

EXPONENTS = np.arange(-12, 21)
"""Runs try the predicted step times CELL^k."""


@dataclass(frozen=True)
class Size:
    """Which networks: predictions for `intervals` and `seeds`, runs for `run_cases`."""

    intervals: tuple[int, ...]
    seeds: range
    samples: int
    run_cases: tuple[Case, ...]
    steps: int


def size(quick: bool) -> Size:
    """Return the quick or the full size."""
    if quick:
        cases = [Case(*item, 0) for item in product((1, 2, 3, 4), (4,), ((2, 5, 1),), NODE_MAPS[:2])]
        return Size((2, 4, 8, 16), range(1), 30, tuple(cases), 60)
    cases = [Case(*item) for item in product((1, 2, 3, 4), (4, 12), ((2, 5, 1), (2, 5, 5, 1)), NODE_MAPS, range(2))]
    return Size((2, 4, 8, 16, 32), range(5), 300, tuple(cases), 150)


def run(quick: bool, progress: Callable[[str], None] = lambda message: None) -> list[Verdict]:
    """Answer the row."""
    return [verdict(measure(size(quick), progress))]


# -------------------------------------------------------------------------------------------------- predictions


def largest_steps(J: np.ndarray, net: rk.Network, samples: int) -> dict[str, float]:
    """2/lambda_max of the Gauss-Newton matrices J^T J/N in the three coordinates."""
    jacobians = {"spline": J} | {name: relu_jacobian(net, J, name == "scaled") for name in BASES}
    return {name: 2.0 * samples / radius(matrix) for name, matrix in jacobians.items()}


def predict(case: Case, samples: int) -> dict[str, Any]:
    """The largest stable steps of a network at its start, and their ratios, ReLU over spline basis."""
    net, theta, x = case.build(samples)
    steps = largest_steps(net.jacobian(theta, x), net, samples)
    ratios = {name: steps[name] / steps["spline"] for name in BASES}
    fine, theta_fine = refined(net, theta)
    control = 2.0 * samples / radius(fine.jacobian(theta_fine, x)) / steps["spline"]
    return case.with_results(steps=steps, ratios=ratios, control=control)


def refined(net: rk.Network, theta: np.ndarray) -> tuple[rk.Network, np.ndarray]:
    """The same function in the B-splines on twice as many intervals, by interpolation of the coarse basis."""
    layers, parts = [], []
    for layer, where in zip(net.layers, net.slices, strict=True):
        assert isinstance(layer, rk.SplineLayer)
        coarse = layer.spaces[0]
        fine = rk.SplineSpace.uniform(coarse.order, 2 * coarse.intervals, coarse.domain)
        points = np.linspace(*coarse.domain, fine.dim)
        values = rk.bsplines.design_matrix(coarse, points).toarray()
        P = np.linalg.solve(rk.bsplines.design_matrix(fine, points).toarray(), values)
        layers.append(rk.SplineLayer((fine,) * layer.n_inputs, layer.n_outputs, layer.outside))
        parts.append((theta[where].reshape(-1, coarse.dim) @ P.T).ravel())
    return replace(net, layers=tuple(layers)), np.concatenate(parts)


def one_layer_exponents(order: int, intervals: tuple[int, int] = (32, 128)) -> dict[str, float]:
    """Exponents of n in the ratios of one layer and uniformly distributed inputs, from the Gram matrices."""
    ratios = []
    for n in intervals:
        space = rk.SplineSpace.uniform(order, n)
        spline = np.linalg.eigvalsh(rk.bsplines.gram_matrix(space).toarray())[-1]
        relu = [np.linalg.eigvalsh(rk.relu_powers.gram_matrix(space, scaled=name == "scaled"))[-1] for name in BASES]
        ratios.append(spline / np.array(relu))
    exponents = np.log(ratios[1] / ratios[0]) / np.log(intervals[1] / intervals[0])
    return {name: float(value) for name, value in zip(BASES, exponents, strict=True)}


# --------------------------------------------------------------------------------------------------------- runs


class Linearised:
    """The least-squares problem of the network that is linear in theta, tangent at the start."""

    def __init__(self, problem: rk.LeastSquares, theta: np.ndarray) -> None:
        self.net, self.start = problem.net, theta
        self.residual, self.J = problem.misfit(theta).ravel(), problem.net.jacobian(theta, problem.x)
        self.samples = problem.x.shape[0]

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient of |e + J (theta - start)|^2/(2N)."""
        e = self.residual + self.J @ (theta - self.start)
        return float(e @ e) / (2 * self.samples), self.J.T @ e / self.samples


def target(x: np.ndarray, outputs: int) -> np.ndarray:
    """A smooth function of size 1."""
    phases = np.arange(outputs)
    values: np.ndarray = np.sin(3.0 * x.sum(axis=1, keepdims=True) + phases)
    return values


def decreases(problem: Any, theta: np.ndarray, coordinates: str, step: float, steps: int) -> bool:
    """Whether all steps of gradient descent are done, end below the start and are never above it.

    A run that leaps over the ridge where it started may come down elsewhere, but the step was not stable.
    """
    result = rk.minimize(problem, theta, "gd", steps, geometry=coordinates, learning_rate=step)
    values = result.history.value
    return len(values) == steps + 1 and bool(values[-1] < values[0] and np.all(values <= values[0]))


def largest_that_decreases(problem: Any, theta: np.ndarray, coordinates: str, predicted: float, steps: int) -> float:
    """By bisection, the largest step that decreases, over the predicted one; inf or 0 beyond what is tried."""
    low, high = -1, EXPONENTS.size  # low decreases, high does not
    while high - low > 1:
        middle = (low + high) // 2
        if decreases(problem, theta, coordinates, predicted * CELL ** float(EXPONENTS[middle]), steps):
            low = middle
        else:
            high = middle
    if low < 0:
        return 0.0
    return float(CELL ** EXPONENTS[low]) if high < EXPONENTS.size else np.inf


def run_case(case: Case, samples: int, steps: int) -> dict[str, Any]:
    """Largest steps of runs, of the network and of its linearisation, over the predicted ones."""
    net, theta, x = case.build(samples)
    problem = rk.LeastSquares(net, x, target(x, net.widths[-1]))
    predicted = largest_steps(net.jacobian(theta, x), net, samples)
    coordinates = {"spline": "spline"} | BASES
    found = {
        kind: {
            name: largest_that_decreases(objective, theta, coordinates[name], predicted[name], steps)
            for name in predicted
        }
        for kind, objective in (("network", problem), ("linearised", Linearised(problem, theta)))
    }
    ratios = {
        name: found["network"][name] * predicted[name] / (found["network"]["spline"] * predicted["spline"])
        for name in BASES
    }
    return case.with_results(predicted=predicted, over_predicted=found, ratios=ratios)


def measure(size: Size, progress: Callable[[str], None] = lambda message: None) -> dict[str, Any]:
    """Predictions for all networks, runs for some."""
    predictions, runs = [], []
    for case in random_cases((1, 2, 3, 4), size.intervals, size.seeds):
        progress(f"N2: r = {case.order}, n = {case.intervals}, {list(case.widths)}")
        predictions.append(predict(case, size.samples))
    for case in size.run_cases:
        progress(f"N2: runs, r = {case.order}, n = {case.intervals}, {case.node_map}")
        runs.append(run_case(case, size.samples, size.steps))
    exponents = {order: one_layer_exponents(order) for order in (1, 2, 3, 4)}
    return {"predictions": predictions, "runs": runs, "one layer, exponents of n": exponents}


# ------------------------------------------------------------------------------------------------------ verdict


def share(ratios: Sequence[float], low: float = BAND[0], high: float = BAND[1]) -> float:
    """Share of ratios in the band."""
    values = np.array(ratios)
    return float(np.mean((values >= low) & (values <= high)))


def runs_confirm(runs: Sequence[dict[str, Any]], factor: float = 1.0) -> bool:
    """Whether runs of the linearised problem turn at the predicted step times a factor, to one cell.

    The largest step that decreases is in a cell below the threshold, [1/CELL, 1]; the predicted one is in the grid and,
    being neutral, may count as either. Modes that the residual hardly has need some steps to be seen: one cell more.
    """
    turns = np.array([value for item in runs for value in item["over_predicted"]["linearised"].values()])
    return bool(np.all((turns >= factor / CELL**1.5) & (turns <= factor * CELL**1.5)))


def verdict(results: dict[str, Any]) -> Verdict:
    """Return the verdict for the scaled ReLU basis, and those of altered claims."""
    predictions, runs = results["predictions"], results["runs"]
    ratios = {name: [item["ratios"][name] for item in predictions] for name in BASES}
    control = share([item["control"] for item in predictions])
    confirmed = runs_confirm(runs)
    actual = {name: [item["ratios"][name] for item in runs] for name in BASES}
    over = [value for item in runs for value in item["over_predicted"]["network"].values()]
    deciles = np.quantile(over, (0.1, 0.5, 0.9), method="lower")  # some may be inf: no interpolation
    at_most_one = float(np.mean(np.array(ratios["scaled"]) <= 1.0))
    medians = ", ".join(
        f"{np.median([item['ratios']['scaled'] for item in predictions if item['order'] == r]):.2g} (r = {r})"
        for r in (1, 2, 3, 4)
    )
    exponents = results["one layer, exponents of n"]
    return Verdict(
        "N2",
        judge(share(ratios["scaled"]) >= SHARE),
        f"largest stable step, ReLU over spline basis, within [1/4, 4] on {share(ratios['scaled']):.0%} of"
        f" {len(predictions)} networks in the scaled ReLU basis (medians {medians}), on {share(ratios['plain']):.0%} in"
        f" the plain one (median {np.median(ratios['plain']):.2g}); not larger than in the spline basis on"
        f" {at_most_one:.0%}. One layer: like n^k, k = "
        + ", ".join(f"{exponents[r]['scaled']:.2f}" for r in exponents)
        + " scaled, "
        + ", ".join(f"{exponents[r]['plain']:.2f}" for r in exponents)
        + f" plain, r = 1..4. {len(runs)} networks run: largest steps {deciles[1]:.2g} of the predicted (median;"
        f" 80 % from {deciles[0]:.2g} to {deciles[2]:.2g}), within [1/4, 4] on {share(actual['scaled']):.0%} scaled,"
        f" {share(actual['plain']):.0%} plain",
        details=DETAILS.format(control=control, confirmed="do" if confirmed else "do not"),
        data=results,
        figures=(figure(results),),
        mutations={
            "in the plain ReLU basis": judge(share(ratios["plain"]) >= SHARE),
            "the ReLU basis takes steps at least as large": judge(share(ratios["scaled"], 1.0, np.inf) >= SHARE),
            "the smaller step of 1/lambda_max is the largest": judge(runs_confirm(runs, 0.5)),
            "a step of 4/lambda_max is stable": judge(runs_confirm(runs, 2.0)),
            "in the runs of networks, scaled": judge(share(actual["scaled"]) >= SHARE),
        },
    )


def figure(results: dict[str, Any]) -> Figure:
    """Draw the ratios of the largest stable steps against n, for both scalings."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.ticker import NullFormatter

    canvas = Canvas(figsize=(9, 3.6), layout="constrained")
    for axis, name in zip(canvas.subplots(1, 2, sharey=True), BASES, strict=True):
        for order in (1, 2, 3, 4):
            points = [(i["intervals"], i["ratios"][name]) for i in results["predictions"] if i["order"] == order]
            n, ratios = np.array(points).T
            (dots,) = axis.loglog(n * 1.07 ** (order - 2.5), ratios, ".", alpha=0.5, label=f"r = {order}")
            runs = [(i["intervals"], i["ratios"][name]) for i in results["runs"] if i["order"] == order]
            if runs:
                n, ratios = np.array(runs).T
                axis.loglog(n * 1.07 ** (order - 2.5), ratios, "x", color=dots.get_color())
        axis.axhspan(*BAND, color="0.85", zorder=0)
        axis.set(xlabel="intervals n", title=f"{name} ReLU basis")
        shown = sorted({item["intervals"] for item in results["predictions"]})
        axis.set_xticks(shown, labels=map(str, shown))
        axis.xaxis.set_minor_formatter(NullFormatter())
    canvas.axes[0].set_ylabel("largest stable step, ReLU over spline")
    canvas.axes[0].legend(fontsize="x-small")
    caption = (
        "Largest stable steps of gradient descent, ReLU over spline basis: dots predicted by 2/lambda_max at the start,"
        " crosses measured in runs. Grey: what the claim calls comparable, [1/4, 4]."
    )
    return Figure.from_matplotlib(canvas, "largest-stable-steps", caption)


DETAILS = """Theorem 2, which the remark draws on, is about the ReLU powers ((x - t_i)_+/h)^(r-1): the verdict is for
this scaled basis, and the plain one stands beside it. Networks [1,1], [2,5,1], [2,5,5,1], [4,8,2] of orders 1 to 4 at
their random start (the same function in all bases), affine, mean-std and sigmoid maps, uniform inputs. The largest
stable step is 2/lambda_max of the Gauss-Newton matrix J^T J/N, so that the ratio of the steps is that of the spectral
radii of the tangent kernels, spline over ReLU basis.

Theorem 2 bounds this ratio from above. Up to a constant a step that is stable in the ReLU basis is stable in the spline
basis, and so it is; the other direction, which "comparable" needs, fails. For one layer lambda_max is about 1/n in the
spline basis, n^(2r-1) in the scaled ReLU basis (functions of size n^(r-1), n of them, all overlapping), n in the plain
one: ratios like n^(-2r) and n^(-2). At the small n of practice the plain basis is nearer to the spline basis.

Runs: gradient descent from the start, steps in ratios of 2^(1/4), stable if the loss ends below the start and is never
above it. Runs of the linearised problem {confirmed} turn at 2/lambda_max. Networks, whose curvature
changes on the way, may fail at somewhat smaller steps or survive several times larger ones. A control, which the
criterion must let pass: the same function in the spline bases on n and on 2n intervals has largest stable steps within
[1/4, 4] of each other on {control:.0%} of the networks."""
