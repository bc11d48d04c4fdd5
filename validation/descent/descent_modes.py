"""Gradient descent near a minimum seen through its modes, in either basis; shared by the claims about its speed."""

from collections.abc import Sequence

import numpy as np

import refkan as rk
from refkan.analysis.conditioning import Spectrum
from refkan.base import Frozen

EPS = float(np.finfo(np.float64).eps)


class Descent(Frozen):
    """Gradient descent for a problem about a minimum, in the coordinates z of a basis.

    Column k of `functionals` (M, k) takes a step in theta to the amplitude of mode k.

    About the minimum z* the loss is 1/2 (z - z*)^T H (z - z*), H = V diag(values) V^T, so that a step multiplies the
    amplitudes V^T (z - z*) by 1 - eta values.
    """

    problem: rk.LeastSquares
    minimum: np.ndarray
    basis: str
    spectrum: Spectrum
    functionals: np.ndarray

    @classmethod
    def about(cls, problem: rk.LeastSquares, minimum: np.ndarray, basis: str, which: str = "gauss-newton") -> "Descent":
        """Modes of the Gauss-Newton matrix or of the Hessian at the minimum."""
        spectrum = rk.spectrum(problem, minimum, which=which, basis=basis)
        to = problem.net.coordinates(basis).to
        columns = spectrum.amplitudes(np.stack([to(e) for e in np.eye(minimum.size)]))
        return cls(problem, minimum, basis, spectrum, columns[:, : spectrum.n_range])

    @property
    def values(self) -> np.ndarray:
        """Eigenvalues of the numerical range, descending."""
        return self.spectrum.values[: self.spectrum.n_range]

    def amplitudes(self, theta: np.ndarray) -> np.ndarray:
        """Amplitudes (..., k) of theta - minimum in the modes of the numerical range."""
        return (theta - self.minimum) @ self.functionals

    def along(self, mode: int, length: float) -> np.ndarray:
        """The point at this distance (in theta) from the minimum, along a mode."""
        step = self.problem.net.coordinates(self.basis).back(self.spectrum.vectors[:, mode].copy())
        return self.minimum + length / np.linalg.norm(step) * step

    def run(self, start: np.ndarray, step: float, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Amplitudes (steps + 1, k) and losses (steps + 1,) on the way; `step` in units of 1/lambda_max."""
        points = [start]
        result = rk.minimize(
            self.problem,
            start,
            method="gd",
            steps=steps,
            geometry=self.basis,
            learning_rate=step / self.values[0],
            tolerance_gradient=0.0,
            callback=lambda state: points.append(state.theta),
        )
        return self.amplitudes(np.array(points)), result.history.value

    def noise(self) -> np.ndarray:
        """What a rounding of every parameter does to each amplitude: root mean square over random ones."""
        draws = np.random.default_rng(0).uniform(-1.0, 1.0, (32, self.minimum.size))
        rounded = self.minimum + EPS * np.abs(self.minimum).max() * draws
        return np.sqrt(np.mean(self.amplitudes(rounded) ** 2, axis=0))


class Rates(Frozen):
    """Rates -log |factor a step| of modes, predicted and measured; `resolved` where rounding lets them be measured."""

    predicted: np.ndarray
    measured: np.ndarray
    resolved: np.ndarray

    def worst(self, predicted: np.ndarray | None = None) -> float:
        """Largest relative error of the prediction, or of another one, among the resolved modes."""
        predicted = self.predicted if predicted is None else predicted
        return float(np.abs(self.measured / predicted - 1)[self.resolved].max(initial=0.0))

    @classmethod
    def join(cls, parts: "Sequence[Rates]") -> "Rates":
        """Those of several lists of modes, one after the other."""
        columns = zip(*((part.predicted, part.measured, part.resolved) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


def predicted_rates(values: np.ndarray, step: float) -> np.ndarray:
    """-log(1 - eta lambda), eta = step/lambda_max, step < 1."""
    return -np.log1p(-step * values / values[0])


def measured_rates(rows: np.ndarray, predicted: np.ndarray, noise: np.ndarray) -> Rates:
    """Rates of modes from their amplitudes (steps + 1, k), each over the steps in which it falls to a tenth.

    Resolved is what rounding errors, those of every step added up at random, change by less than a hundredth.
    """
    above = np.abs(rows) >= 0.1 * np.abs(rows[0])
    steps = np.maximum(1, np.where(above.all(axis=0), len(rows), np.argmin(above, axis=0)) - 1)
    change = rows[steps, np.arange(rows.shape[1])] / rows[0] - 1.0
    resolved = -np.expm1(-predicted * steps) * np.abs(rows[0]) > 100 * np.sqrt(steps) * noise
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = -np.log1p(change) / steps
    return Rates(predicted, np.where(np.isfinite(measured), measured, np.nan), resolved)
