r"""Grid extension against the grid that it ends with: what is learned of high frequencies at equal work ([W24], O1).

The target is that of the paper's first experiment, a sum of waves sin(2 pi k x + phi_k), here of equal amplitudes. A
network is trained by L-BFGS on grids that are doubled, each time from the function before (exact refinement), and on
the finest grid from the start. Nothing else differs: it is the ablation without which a gain of extension cannot be
told from the gain of the finer grid. Open: the network, and what is held equal.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

import refkan as rk
from refkan.claims import Experiment, Factor
from refkan.claims.experiments import Choice
from refkan.training.multilevel import minimize_multilevel
from validation.statements import Progress, RunSize, each, quick_and_full, silent

NETWORKS = {"one-layer": (1, 1), "hidden-5": (1, 5, 1)}

OPEN = (
    Factor("network", tuple(NETWORKS), "a single layer, or five hidden nodes"),
    Factor("equal", ("work", "steps"), "steps weighted by intervals, or steps"),
)

ORDER = 4

QUICK, FULL = quick_and_full(
    frequencies=((2, 4, 6, 8), tuple(range(5, 51, 5))),
    coarsest=(5, 20),
    steps=(4, 16),
    samples=(120, 1000),
    seeds=(tuple(range(7)), tuple(range(20))),
)
"""Frequencies of the target, intervals of the coarsest grid, steps on the finest one, samples and seeds."""

LEVELS = 4
EXTENSION = "extension"


def target(x: np.ndarray, frequencies: Sequence[int], phases: np.ndarray) -> np.ndarray:
    waves: np.ndarray = np.sin(2 * np.pi * np.multiply.outer(x[:, 0], frequencies) + phases)
    return waves.sum(axis=1, keepdims=True)


def missing(net: rk.Network, theta: np.ndarray, frequencies: Sequence[int], phases: np.ndarray) -> float:
    """Amplitudes missing at the upper half of the frequencies, in the 2-norm, relative to the target's.

    Equidistant points, forty a period of the highest frequency: the sums are the integrals.
    """
    count = 40 * max(frequencies)
    x = (np.arange(count)[:, None] + 0.5) / count
    residual = (net(theta, x) - target(x, frequencies, phases))[:, 0]
    upper = np.array(frequencies[len(frequencies) // 2 :])
    amplitudes = 2 * np.exp(-2j * np.pi * np.multiply.outer(upper, x[:, 0])) @ residual / len(x)
    return float(np.linalg.norm(amplitudes) / np.sqrt(upper.size))


def run_case(network: str, seed: int, size: RunSize) -> dict[str, float]:
    """Train with extension, and on the finest grid at equal work and with equal steps; return what is missing."""
    rng = np.random.default_rng([seed, 20])
    x = rng.uniform(size=(size.samples, 1))
    phases = rng.uniform(0, 2 * np.pi, len(size.frequencies))
    y = target(x, size.frequencies, phases)
    net, theta = rk.kan(NETWORKS[network], ORDER, size.coarsest).initialize(np.random.default_rng([seed, 21]), x)
    schedule = [size.steps * 2 ** (LEVELS - 1 - level) for level in range(LEVELS)]
    extended = minimize_multilevel(rk.LeastSquares(net, x, y), theta, schedule)
    fine = net.refine(2 ** (LEVELS - 1))
    start = net.convert(theta, fine)
    gaps = {EXTENSION: missing(extended.network, extended.theta, size.frequencies, phases)}
    for equal, steps in (("work", LEVELS * size.steps), ("steps", sum(schedule))):
        result = rk.minimize(rk.LeastSquares(fine, x, y), start, steps=steps)
        gaps[equal] = missing(fine, result.theta, size.frequencies, phases)
    return gaps


def run_again(choice: Choice, seed: int) -> Mapping[str, Any]:
    gaps = run_case(choice["network"], seed, FULL)
    return {EXTENSION: gaps[EXTENSION], "finest": gaps[choice["equal"]]}


EXPERIMENT = Experiment(OPEN, run_again)


def measure(quick: bool, progress: Progress = silent) -> dict[str, Any]:
    """All networks and seeds: network -> seed -> what is missing."""
    size = QUICK if quick else FULL
    networks = each(progress, "O1: grid extension, {}", NETWORKS)
    return {network: {seed: run_case(network, seed, size) for seed in size.seeds} for network in networks}


RATIO = "missing at high frequencies, extension over finest grid"


def comparisons(by_network: Mapping[str, Any]) -> list[tuple[dict[str, str], dict[int, float]]]:
    """Return by seed what is missing with extension over what is missing on the finest grid, for every reading."""
    return [
        ({"network": network, "equal": equal}, {seed: run[EXTENSION] / run[equal] for seed, run in runs.items()})
        for (network, runs), equal in product(by_network.items(), OPEN[1].values)
    ]
