"""H2: better conditioning means faster gradient descent: predicted and measured rates of its modes in both bases.

Judged, as fixed before the run, is every mode that rounding lets be measured; in every case there are such modes.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Verdict
from validation.descent.descent_modes import Descent, Rates, measured_rates, predicted_rates
from validation.statements import Progress, by_criterion, each, silent

CLAIMS = ("H2",)
BASES = ("spline", "relu")

ONE_LAYER, NETWORK = 0.05, 0.20
"""How far measured rates may be from predicted ones, relatively."""

STEP = 0.5
"""The step in units of 1/lambda_max where rates are measured: no mode oscillates, none vanishes at once."""

STATIONARY = 1e-12
"""Largest entry of the gradient at a stationary point: some hundred times its rounding. What training leaves elsewhere
is no minimum, and has no rates: it is counted and left out, as are stationary points with negative eigenvalues."""

CONVERGED = 1e-10
"""Excess loss, relative to the start, below which a run counts as done: which one is lower is rounding then."""

DISTANCE = 1e-5
"""How far from a minimum of a network descent starts: the loss is a quadratic there to some 1e-5."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    sizes, seeds, steps = ((16,), range(1), 400) if quick else ((8, 16, 32), range(5), 10000)
    chosen = (("mean-std", 3, 0), ("affine", 4, 0)) if quick else product(("mean-std", "affine"), (3, 4), range(5))
    places = each(progress, "H2: one layer, order {}, {} intervals, seed {}", (1, 2, 3, 4), sizes, seeds)
    layers = [layer_rates(*place, steps) for place in places]
    places = each(progress, "H2: network, {0[0]}, order {0[1]}, seed {0[2]}", chosen)
    return [verdict(layers, [network_rates(*place, 30 if quick else 100) for place in places])]


def layer_rates(order: int, intervals: int, seed: int, steps: int) -> dict[str, Any]:
    """One layer, least squares on random samples, one run in each basis from a random start."""
    rng = np.random.default_rng([seed, order, intervals])
    x = rng.uniform(0.0, 1.0, (1000, 1))
    y = np.sin(6 * x) + 0.1 * rng.normal(size=x.shape)
    net, start = rk.kan([1, 1], order, intervals).initialize(rng, x)
    problem = rk.LeastSquares(net, x, y)
    minimum = np.linalg.lstsq(net.jacobian(start, x), y[:, 0])[0]
    case: dict[str, Any] = {"model": "one layer", "order": order, "intervals": intervals, "seed": seed}
    for basis in BASES:
        descent = Descent.about(problem, minimum, basis)
        rows, losses = descent.run(start, STEP, steps)
        excess = losses - problem.value(minimum)
        case[basis] = {
            "rates": measured_rates(rows, predicted_rates(descent.values, STEP), descent.noise()),
            "condition": descent.spectrum.condition,
            "excess loss, last over first": float(excess[-1] / excess[0]),
        }
    return case


def network_rates(node_map: str, order: int, seed: int, steps: int) -> dict[str, Any]:
    """A network trained to a minimum; descent from beside it, along one mode after the other, in each basis."""
    problem, minimum = network_minimum(node_map, order, seed)
    case: dict[str, Any] = {
        "model": "network",
        "node map": node_map,
        "order": order,
        "seed": seed,
        "mse": problem.mse(minimum),
        "largest gradient entry": float(np.abs(problem.gradient(minimum)).max()),
    }
    if case["largest gradient entry"] > STATIONARY:
        return case | {"skipped": "training did not arrive at a stationary point"}
    for basis in BASES:
        descent = Descent.about(problem, minimum, basis, which="hessian")
        if descent.spectrum.negative:
            return case | {"skipped": f"{descent.spectrum.negative} negative eigenvalues"}
        predicted, noise = predicted_rates(descent.values, STEP), descent.noise()
        parts = []
        for mode, expected in enumerate(predicted):
            length = int(np.clip(np.ceil(1 / expected), 3, steps))
            rows = descent.run(descent.along(mode, DISTANCE), STEP, length)[0]
            parts.append(measured_rates(rows[:, [mode]], predicted[[mode]], noise[[mode]]))
        start = minimum + DISTANCE * np.random.default_rng(seed).normal(size=minimum.size)
        excess = descent.run(start, STEP, 10 * steps)[1] - problem.value(minimum)
        others = Descent.about(problem, minimum, basis).values[: predicted.size]
        others = np.pad(others, (0, predicted.size - others.size), mode="edge")
        case[basis] = {
            "rates": Rates.join(parts),
            "condition": descent.spectrum.condition,
            "excess loss, last over first": float(excess[-1] / excess[0]),
            "rates of Gauss-Newton": STEP * others / descent.values[0],
        }
    return case


def network_minimum(node_map: str, order: int, seed: int) -> tuple[rk.LeastSquares, np.ndarray]:
    """Levenberg-Marquardt on noisy data, then three Newton steps on the numerical range of the Hessian."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 1.0, (500, 2))
    y = np.sin(3 * x[:, :1] + 2 * x[:, 1:] ** 2) + 0.1 * rng.normal(size=(500, 1))
    net, theta = rk.kan([2, 2, 1], order, 2, node_map=node_map).initialize(rng, x)
    problem = rk.LeastSquares(net, x, y)
    theta = rk.minimize(problem, theta, method="levenberg-marquardt", steps=300).theta
    for _ in range(3):
        spectrum = rk.spectrum(problem, theta, which="hessian")
        V, values = spectrum.vectors[:, : spectrum.n_range], spectrum.values[: spectrum.n_range]
        theta = theta - V @ ((V.T @ problem.gradient(theta)) / values)
    return problem, theta


def verdict(layers: Sequence[dict[str, Any]], networks: Sequence[dict[str, Any]]) -> Verdict:
    near = [case for case in networks if "skipped" not in case]
    skipped = f" ({len(networks) - len(near)} more arrived at none)" if len(near) < len(networks) else ""
    limits = [(layers, ONE_LAYER), (near, NETWORK)]

    def agree(prediction: Callable[[dict[str, Any], str], np.ndarray | None], cases: Any = limits) -> bool:
        return bool(near) and all(
            case[basis]["rates"].resolved.any() and case[basis]["rates"].worst(prediction(case, basis)) <= limit
            for chosen, limit in cases
            for case in chosen
            for basis in BASES
        )

    def summary(cases: Sequence[dict[str, Any]]) -> str:
        lines = []
        for basis in BASES if cases else ():
            rates = [case[basis]["rates"] for case in cases]
            resolved = sum(int(part.resolved.sum()) for part in rates)
            lines.append(
                f"{basis} basis {max(part.worst() for part in rates):.1e} ({resolved} of"
                f" {sum(part.resolved.size for part in rates)} modes resolved, condition number up to"
                f" {max(case[basis]['condition'] for case in cases):.1e})"
            )
        return ", ".join(lines) or "nothing to measure"

    faster = [excess(case, "spline") < excess(case, "relu") for case in [*layers, *near]]
    even = sum(excess(case, "spline") == excess(case, "relu") for case in [*layers, *near])
    altered = {
        "twice the rate": agree(lambda case, basis: 2 * case[basis]["rates"].predicted),
        "the bases exchanged": agree(lambda case, basis: case[BASES[basis == "spline"]]["rates"].predicted),
        "every mode at the rate of the slowest": agree(
            lambda case, basis: np.full_like(p := case[basis]["rates"].predicted, p.min())
        ),
        "Gauss-Newton in place of the Hessian at the minimum": agree(
            lambda case, basis: case[basis]["rates of Gauss-Newton"], [(near, NETWORK)]
        ),
        "the ReLU basis is as fast": all(excess(case, "relu") <= excess(case, "spline") for case in layers),
    }
    return by_criterion(
        "H2",
        agree(lambda case, basis: None),
        f"largest relative error of a rate: {len(layers)} single layers, {summary(layers)}; {len(near)} networks near a"
        f" minimum{skipped}, {summary(near)}. In as many steps the spline basis removes more of the excess loss in"
        f" {sum(faster)} of {len(faster)} cases ({even} converged in both); left of it (medians), one layer"
        f" {left_over(layers)}, networks {left_over(near)}",
        altered,
        details=DETAILS,
        data={"layers": plain(layers), "networks": plain(networks)},
    )


def excess(case: dict[str, Any], basis: str) -> float:
    """What is left of the loss above the minimum, CONVERGED if it is less."""
    return max(case[basis]["excess loss, last over first"], CONVERGED)


def left_over(cases: Sequence[dict[str, Any]]) -> str:
    if not cases:
        return "nothing"
    return " against ".join(f"{np.median([excess(case, basis) for case in cases]):.1e} ({basis})" for basis in BASES)


def plain(cases: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            key: {k: asdict(v) if isinstance(v, Rates) else v for k, v in value.items()} if key in BASES else value
            for key, value in case.items()
        }
        for case in cases
    ]


DETAILS = """About a minimum gradient descent multiplies the amplitude of each eigenvector of the Hessian by 1 - eta
lambda a step, whatever the basis. Rates are -log of the factor, eta = 1/(2 lambda_max) in each basis. One layer:
the loss is a quadratic, one run from a random start gives all rates. Networks: [2, 2, 1], two intervals, trained on
noisy data by Levenberg-Marquardt and Newton steps until the gradient is rounding; the residuals are not small, so
that the Hessian and the Gauss-Newton matrix differ. Descent starts 1e-5 away along one mode after the other: in one
run from a general point the quadratic terms of the fast modes would drive the slow ones.

The eigenpairs in the ReLU basis come from the matrix at one end of the spectrum and from its inverse at the other.
A mode counts as resolved if rounding of the parameters in each step would change its decay by less than a
hundredth. Of the others nothing is claimed.

What decides how fast descent is are the rates of the modes that carry the loss: in the ReLU basis the smooth ones
are fast and all others stay, in the spline basis all move."""
