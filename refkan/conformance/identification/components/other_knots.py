"""Knots that codes use in place of those given: one line for each way, from the knots (P, K) of all inputs."""

from collections.abc import Callable

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec


def _breakpoints(spec: LayerSpec) -> FloatArray:
    return spec.knots[:, spec.degree : spec.knots.shape[1] - spec.degree]


def _equal(spec: LayerSpec, low: float, high: float) -> FloatArray:
    """Equally spaced knots on one domain for all inputs, continued beyond its ends."""
    h = (high - low) / spec.intervals
    row = low + h * np.arange(-spec.degree, spec.intervals + spec.degree + 1)
    return np.asarray(row + 0 * spec.knots)


def _with_exterior(spec: LayerSpec, left: FloatArray, right: FloatArray) -> FloatArray:
    """The breakpoints that are given between other exterior knots, each (P, degree) in ascending order."""
    return np.concatenate([left, _breakpoints(spec), right], axis=1)


def _at_spacing(spec: LayerSpec, first: FloatArray, last: FloatArray) -> FloatArray:
    """Exterior knots at distances `first` (P,) on the left and `last` on the right."""
    low, high = spec.domains.T
    steps = np.arange(1, spec.degree + 1)
    left = low[:, None] - first[:, None] * steps[::-1]
    return _with_exterior(spec, left, high[:, None] + last[:, None] * steps)


def _of_period(spec: LayerSpec) -> FloatArray:
    points, d = _breakpoints(spec), spec.degree
    period = points[:, -1:] - points[:, :1]
    if d >= points.shape[1] or d == 0:
        return spec.knots
    return _with_exterior(spec, points[:, -d - 1 : -1] - period, points[:, 1 : d + 1] + period)


def _mirrored(spec: LayerSpec) -> FloatArray:
    points, d = _breakpoints(spec), spec.degree
    if d >= points.shape[1] or d == 0:
        return spec.knots
    left = 2 * points[:, :1] - points[:, d:0:-1]
    return _with_exterior(spec, left, 2 * points[:, -1:] - points[:, -2 : -d - 2 : -1])


def _onto(spec: LayerSpec, low: FloatArray, high: FloatArray) -> FloatArray:
    """The knots that are given, with their domain taken to [low, high]."""
    a, b = spec.domains.T[:, :, None]
    return np.asarray(low + (spec.knots - a) * ((high - low) / (b - a)))


EXTERIOR: dict[str, Callable[[LayerSpec], FloatArray]] = {
    "equal to the ends of the domain": lambda s: _at_spacing(s, np.zeros(s.n_inputs), np.zeros(s.n_inputs)),
    "at the mean spacing": lambda s: _at_spacing(s, *[np.ptp(s.domains, axis=1) / s.intervals] * 2),
    "at the spacing of the end intervals": lambda s: _at_spacing(
        s, np.diff(_breakpoints(s))[:, 0], np.diff(_breakpoints(s))[:, -1]
    ),
    "mirror images of those inside": _mirrored,
    "those of a period": _of_period,
}
"""Exterior knots in words."""

OF_ONE_INPUT: dict[str, Callable[[LayerSpec], FloatArray]] = {
    **EXTERIOR,
    "those mirrored": lambda s: (s.knots[:, :1] + s.knots[:, -1:] - s.knots)[:, ::-1],
    "those mirrored in the middle of the domain": lambda s: (s.domains.sum(axis=1)[:, None] - s.knots)[:, ::-1],
}
"""Knots of an input in words."""

OF_ALL_INPUTS: dict[str, Callable[[LayerSpec], FloatArray]] = {
    "those of input 0 for all inputs": lambda s: s.knots[:1] + 0 * s.knots,
    "those of the last input for all inputs": lambda s: s.knots[-1:] + 0 * s.knots,
    "those of the next input": lambda s: np.roll(s.knots, -1, axis=0),
    "the mean of the knots of all inputs": lambda s: s.knots.mean(axis=0) + 0 * s.knots,
    "taken to the domain of the last input": lambda s: _onto(s, *s.domains[-1]),
    "taken to the smallest domain that holds those of all inputs": lambda s: _onto(
        s, s.domains[:, 0].min(), s.domains[:, 1].max()
    ),
    "taken to the largest domain that lies in those of all inputs": lambda s: _onto(
        s, s.domains[:, 0].max(), s.domains[:, 1].min()
    ),
    "taken to the mean of the domains of all inputs": lambda s: _onto(s, *s.domains.mean(axis=0)),
    "equally spaced on the smallest domain that holds those of all inputs": lambda s: _equal(
        s, s.domains[:, 0].min(), s.domains[:, 1].max()
    ),
    "equally spaced on the domain of input 0": lambda s: _equal(s, *s.domains[0]),
}
"""Knots of an input that depend on other inputs, in words."""
