"""Targets of arXiv 2601.18672 with the published errors, and the grids of its trainings."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refkan.base.short_reprs import ShortRepr

GRIDS = (3, 6, 9, 12)
"""Intervals of the four stages of a training."""


@dataclass(frozen=True)
class Target(ShortRepr):
    """A function of columns on a cube, with medians of published errors: knots at quantiles, and by curvature."""

    f: Callable[..., np.ndarray]
    d: int
    low: float
    published: tuple[float, float]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return values (N, 1) at points (N, d)."""
        values: np.ndarray = self.f(*x.T)
        return values[:, None]

    def fresh(self, points: int = 1000) -> np.ndarray:
        """Return the points at which errors are taken, so many on a line as published, or a tenth of them each way."""
        line = np.linspace(self.low, 1.0, points if self.d == 1 else points // 10)
        return np.stack([part.ravel() for part in np.meshgrid(*[line] * self.d, indexing="ij")], axis=1)


def gauss(a: float, x: np.ndarray, y: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    """exp(-a |(x, y) - at|^2)."""
    return np.exp(-a * ((x - at[0]) ** 2 + (y - at[1]) ** 2))


PI = np.pi

SYNTHETIC = {
    "f1": Target(
        lambda x, y: 100 * gauss(100, x, y, (0.3, 0.7)) + 5 * np.sin(2 * PI * x) * np.cos(2 * PI * y),
        2,
        -1.0,
        (0.034422, 0.029393),
    ),
    "f2": Target(lambda x: np.tanh(50 * x), 1, -1.0, (0.002395, 0.001007)),
    "f3": Target(
        lambda x, y: (
            50 * gauss(80, x, y, (0.2, 0.2)) + 30 * gauss(60, x, y, (0.8, 0.3)) + 80 * gauss(100, x, y, (0.5, 0.8))
        ),
        2,
        0.0,
        (0.013436, 0.009985),
    ),
    "f4": Target(lambda x: 1 / (1 + 25 * x**2), 1, -1.0, (0.002911, 0.001878)),
    "f5": Target(lambda x: np.sin(10 * PI * x**2), 1, 0.0, (0.010641, 0.006735)),
    "f6": Target(lambda x: x - np.exp(-50 * (1 - x)), 1, 0.0, (0.002396, 0.002120)),
    "f7": Target(lambda x, y: np.sqrt(x**2 + y**2 + 0.01), 2, 0.0, (0.000861, 0.000645)),
    "f8": Target(lambda x: np.tanh(30 * x) + np.tanh(30 * (x - 1)), 1, 0.0, (0.006729, 0.005066)),
}
"""The synthetic functions of one and two variables, eight of ten."""

FEYNMAN = {
    "f2": Target(lambda a, b: 1 + a * np.sin(b), 2, -1.0, (0.000343, 0.000317)),
    "f3": Target(lambda a, b: a * (1 / b - 1), 2, -1.0, (0.941333, 0.746620)),
    "f4": Target(lambda a, b: (a + b) / (1 + a * b), 2, -1.0, (0.021864, 0.021688)),
    "f5": Target(lambda a, b: (1 + a * b) / (1 + a), 2, -1.0, (0.999934, 0.999940)),
    "f6": Target(lambda a, b: 1 / (1 + a * b), 2, -1.0, (0.999947, 0.999949)),
    "f8": Target(lambda a, b: np.sin(a * b / 2) ** 2 / np.sin(b / 2) ** 2, 2, -1.0, (0.000547, 0.000519)),
    "f9": Target(lambda a, b: a * np.exp(-b), 2, -1.0, (0.000901, 0.000735)),
    "f10": Target(lambda a, b: (a - 1) * b, 2, -1.0, (0.000511, 0.000438)),
    "f13": Target(lambda a, b: a / (np.exp(b) + np.exp(-b)), 2, -1.0, (0.000449, 0.000371)),
}
"""The functions of two variables among the fifteen."""

GROUPS = {"synthetic": SYNTHETIC, "feynman": FEYNMAN}
