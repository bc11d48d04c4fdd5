"""Hypotheses on what was added to a spline layer or put around it: a base branch, a bias, maps of activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import erf

import numpy as np

from refkan.array_types import FloatArray
from refkan.conformance.cases import Case
from refkan.conformance.diagnosis.hypotheses import Hypothesis
from refkan.conformance.diagnosis.kept import of_case
from refkan.conformance.findings import Evidence
from refkan.conformance.quantities import FloatQuantities
from refkan.conformance.specs import LayerSpec
from refkan.layers.activations import ACTIVATIONS, sigmoid, sigmoid_and_complement

Function = Callable[[FloatArray], FloatArray]


def _sigmoid_slope(x: FloatArray) -> FloatArray:
    g, complement = sigmoid_and_complement(x)
    return np.asarray(g * complement)


def _normal(x: FloatArray) -> FloatArray:
    return np.asarray((1 + np.vectorize(erf)(x / np.sqrt(2))) / 2)


BRANCHES: dict[str, tuple[Function, Function]] = {
    "a bias": (np.ones_like, np.zeros_like),
    "the inputs themselves": (lambda x: x, np.ones_like),
    "SiLU of the inputs": (ACTIVATIONS["silu"].value, ACTIVATIONS["silu"].slope),
    "GELU of the inputs": (
        lambda x: x * _normal(x),
        lambda x: _normal(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    ),
    "ReLU of the inputs": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(np.float64)),
    "tanh of the inputs": (ACTIVATIONS["tanh"].value, ACTIVATIONS["tanh"].slope),
}
"""Functions that layers have beside their splines, with derivatives."""

MAPS: dict[str, tuple[Function, Function]] = {
    "tanh": BRANCHES["tanh of the inputs"],
    "the sigmoid function": (sigmoid, _sigmoid_slope),
    "SiLU": BRANCHES["SiLU of the inputs"],
    "ReLU": BRANCHES["ReLU of the inputs"],
}


def branches(evidence: Evidence) -> Iterator[Hypothesis]:
    """A branch beside the splines: theirs exceed ours by a function of the inputs, with any weights."""
    case = evidence.case
    s = case.setting
    if len(s.specs) > 1 or case.quantity not in ("values", "input-gradients") or not np.isfinite(evidence.theirs).all():
        return
    for name, (function, slope) in BRANCHES.items():
        text = f"theirs are ours and a part of the form of {name}"
        if case.quantity == "values":
            columns = function(s.x) if name != "a bias" else np.ones((len(s.x), 1))
            yield Hypothesis("extra branch", text, partial(_fitted, evidence, columns))
        else:
            yield Hypothesis("extra branch", text, partial(_fitted_slopes, evidence, slope(s.x)))


def _fitted(evidence: Evidence, columns: FloatArray) -> FloatArray | None:
    """Ours plus the combination of columns (N, m), the same of all outputs, that fits theirs best."""
    if len(np.unique(evidence.case.setting.x, axis=0)) < 2 * columns.shape[1] + 1:  # any numbers would fit
        return None
    difference = evidence.theirs - evidence.case.expected
    return np.asarray(evidence.case.expected + columns @ np.linalg.lstsq(columns, difference, rcond=None)[0])


def _fitted_slopes(evidence: Evidence, slopes: FloatArray) -> FloatArray | None:
    """Ours plus g'(x_p) sum_q w_qp dy_q, with the weights that fit theirs best."""
    dy, out = evidence.case.setting.dy, evidence.case.expected.copy()
    if len(np.unique(evidence.case.setting.x, axis=0)) < 2 * dy.shape[1] + 1:
        return None
    for p in range(out.shape[1]):
        columns = slopes[:, p : p + 1] * dy
        difference = evidence.theirs[:, p] - out[:, p]
        out[:, p] += columns @ np.linalg.lstsq(columns, difference, rcond=None)[0]
    return out


@of_case
def maps(case: Case) -> Iterator[Hypothesis]:
    """Maps of activations that nobody asked for: between the layers of a network, or behind the last."""
    s = case.setting
    if case.quantity not in ("values", "input-gradients", "coefficient-gradients"):
        return
    choices: dict[str, Callable[[LayerSpec | None], tuple[Function, Function]]] = {
        name: partial(_whatever_follows, pair) for name, pair in MAPS.items()
    }
    choices["clamping to the domain of the next layer"] = _clamped
    for name, choose in choices.items():
        if len(s.specs) > 1:
            text = f"activations between layers pass through {name}"
            yield Hypothesis("extra map", text, partial(_mapped, case, choose, False))
        text = f"outputs pass through {name}"
        yield Hypothesis("extra map", text, partial(_mapped, case, choose, True))


def _whatever_follows(pair: tuple[Function, Function], spec: LayerSpec | None) -> tuple[Function, Function]:
    return pair


def _clamped(spec: LayerSpec | None) -> tuple[Function, Function]:
    low, high = (-1.0, 1.0) if spec is None else spec.domains.T
    return (lambda z: np.clip(z, low, high), lambda z: ((z >= low) & (z <= high)).astype(np.float64))


def _mapped(
    case: Case, choose: Callable[[LayerSpec | None], tuple[Function, Function]], last: bool
) -> FloatArray | None:
    """Results with a map before each layer but the first (`last`: behind the last layer alone)."""
    s = case.setting
    z, layers, slopes = s.x, [], []
    for k, spec in enumerate(s.specs):
        layers.append(FloatQuantities((spec,), z))
        z = layers[-1].values
        end = k == len(s.specs) - 1
        function, slope = choose(None if end else s.specs[k + 1]) if end == last else (lambda z: z, np.ones_like)
        slopes.append(slope(z))
        z = function(z)
    if case.quantity == "values":
        return np.asarray(z)
    g = s.dy
    parts: list[FloatArray] = []
    for layer, slope_there in zip(reversed(layers), reversed(slopes), strict=True):
        g = g * slope_there
        parts.insert(0, layer.coefficient_gradients(g)[0])
        g = layer.input_gradients(g)
    if case.quantity == "input-gradients":
        return np.asarray(g)
    return parts[0] if len(parts) == 1 else np.concatenate([part.ravel() for part in parts])
