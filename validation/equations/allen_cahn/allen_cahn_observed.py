"""What is looked at in trainings on the Allen-Cahn equation: solution and residual on a grid, spectra in x."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from validation.equations.recipes.setups import midpoints, tensor_grid

X = midpoints(-1.0, 1.0, 256)
T = np.linspace(0.0, 1.0, 33)


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
