"""Trainings on the Allen-Cahn equation that the claims about success and about residual spectra share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.claims.parts import Parts
from refkan.training import Attended, Decaying, Ramped, Redrawn, Setup, allen_cahn
from refkan.training.setups import midpoints, tensor_grid
from validation.equations.pde_runs import Model, run_models

SPLINE, RELU, DENSE, OURS = "splines", "ReLU basis", "MLP [2,20,20,1]", "splines, Levenberg-Marquardt"
DECAYED = "splines, decaying rate"

X = midpoints(-1.0, 1.0, 256)
T = np.linspace(0.0, 1.0, 65)
"""The grid of residuals and their transforms."""

SEEDS = {True: range(2), False: range(6)}

SETUP = """\
Network [2, 5, 5, 1], cubic on 4, 8, 16 and 32 intervals of [-1, 1] in every input, sigmoid maps; \
20,000 random points in
minibatches of 1,000 (quick: 600, all in every step); \
501 (quick: 101) initial points, periodicity of values and slopes at
101 (quick: 26) times, all in every step; weights 0.1 (equation), 1, 1; \
residual-based attention on the equation, begun anew
on each level. Adam with rate 1e-2 after a rise from 1e-4 in ten steps, 2500 steps a level (quick: 150 steps on three
levels); in the row "decaying rate" it falls to 1e-4 on each level. \
The MLP has tanh and takes all steps on its one level.
Our own row, Levenberg-Marquardt: \
splines on the ranges of the variables, points drawn anew every ten steps, the start with
the least loss after one refinement on 1,024 points (6 starts), then 4,096 points (quick: 2 starts, 500 points
throughout). The quick size was cut once for its time (1,000 to 600 points) and is far below the paper's: \
weak evidence."""


def common(quick: bool) -> Setup:
    """The set-up of all models that are trained on fixed points."""
    return allen_cahn(600, initial_points=101, times=26) if quick else allen_cahn()


def models(quick: bool) -> dict[str, Model]:
    """The models of figure 7, and one of our own."""
    levels, steps = (3, 150) if quick else (4, 2500)
    setup = common(quick)
    schedule, constant = (steps,) * levels, {"schedule": Ramped(1e-2)}
    trainer = Attended() if quick else Attended(batch=1000)
    net = setup.kan(domain=(-1.0, 1.0))
    relu = setup.kan(domain=(-1.0, 1.0), basis="relu")
    return {
        SPLINE: Model(net, schedule, trainer, constant),
        DECAYED: Model(net, schedule, trainer, {"schedule": Ramped(Decaying(1e-2, 1e-4, steps))}),
        RELU: Model(relu, schedule, trainer, constant),
        DENSE: Model(setup.mlp([2, 20, 20, 1]), (steps * levels,), trainer, constant),
        OURS: Model(
            setup.kan(),
            (20, 15, 10) if quick else (150, 100, 60, 30),
            Redrawn(setup.ranges, seed=0),
            starts=2 if quick else 6,
            setup=allen_cahn(500, 101, 26) if quick else allen_cahn(1024),
            later=None if quick else allen_cahn(4096),
        ),
    }


def runs(
    quick: bool, progress: Callable[[str], None], checkpoints: Parts | None = None, names: Sequence[str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """All models, or some, from all seeds, with residuals and solutions on a grid after each level.

    Runs without checkpoints are kept in memory, so that two claims need them once.
    """
    chosen = {name: model for name, model in models(quick).items() if names is None or name in names}
    if checkpoints is None:
        return remembered(quick, progress, tuple(chosen))
    return trained(quick, progress, chosen, checkpoints)


@lru_cache(maxsize=2)
def remembered(quick: bool, progress: Callable[[str], None], names: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """The runs; computed once as long as the same progress is told."""
    return trained(quick, progress, {name: models(quick)[name] for name in names}, None)


def trained(
    quick: bool, progress: Callable[[str], None], chosen: dict[str, Model], checkpoints: Parts | None
) -> dict[str, list[dict[str, Any]]]:
    """Train."""
    return run_models("Allen-Cahn", chosen, common(quick), SEEDS[quick], progress, checkpoints, observed)


def observed(problem: Any, theta: np.ndarray) -> dict[str, Any]:
    """Residual of the equation and solution on the grid, arrays (times, 256), and the half-energy bandwidth."""
    points = tensor_grid(T, X)[:, ::-1]
    residual = problem.redrawn({"equation": points}).misfit(theta)["equation"].reshape(T.size, X.size)
    return {
        "residual": residual,
        "solution": problem.net(theta, points).reshape(T.size, X.size),
        "bandwidth": half_energy(spectrum(residual)),
    }


def spectrum(residual: np.ndarray) -> np.ndarray:
    """Energy of each Fourier mode in x, mean over the times: ``|R_k|^2`` for k = 0, ..., 128."""
    energy: np.ndarray = np.mean(np.abs(np.fft.rfft(residual, axis=1)) ** 2, axis=0)
    energy[1:-1] *= 2  # the modes -k
    return energy


def half_energy(energy: Sequence[float] | np.ndarray) -> float:
    """The mode below which half of the energy is, interpolated: mode k fills the interval from k to k + 1."""
    below = np.concatenate([[0.0], np.cumsum(energy)])
    return float(np.interp(0.5 * below[-1], below, np.arange(below.size)))
