"""Hypotheses on what was added to a spline layer or put around it: a base branch, a bias, maps of activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import erf
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.judging.diagnosis.hypotheses import (
    Hypothesis,
    Prediction,
    Supposed,
    evaluate,
    of_setting,
    supposed,
)
from refkan.conformance.judging.diagnosis.of_results import factors
from refkan.conformance.judging.diagnosis.of_results.kept import of_case
from refkan.conformance.judging.findings import Evidence, Hint
from refkan.networks.layers.activations import ACTIVATIONS, sigmoid, sigmoid_and_complement

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

MAPS: dict[str, tuple[Function, Function, Function]] = {
    "tanh": (*BRANCHES["tanh of the inputs"], ACTIVATIONS["tanh"].curvature),
    "the sigmoid function": (sigmoid, _sigmoid_slope, lambda x: _sigmoid_slope(x) * (1 - 2 * sigmoid(x))),
    "SiLU": (*BRANCHES["SiLU of the inputs"], ACTIVATIONS["silu"].curvature),
    "ReLU": (*BRANCHES["ReLU of the inputs"], np.zeros_like),
}
"""Maps of activations, with two derivatives."""

INVERSES: tuple[tuple[str, Function, Function], ...] = (
    ("tanh", np.arctanh, MAPS["tanh"][1]),
    ("the sigmoid function", lambda y: np.log(y) - np.log1p(-y), MAPS["the sigmoid function"][1]),
)
"""Those that can be undone, with the slope of the map at what comes out."""


def branches(evidence: Evidence) -> Iterator[Hypothesis]:
    """A branch beside the splines: theirs exceed ours by a function of the inputs, with any weights."""
    for name, blocks in _branches(evidence):
        yield Hypothesis("extra branch", f"theirs are ours and {name}", partial(_fitted, evidence, blocks), fitted=1)


def scaled(evidence: Evidence) -> Iterator[Hypothesis]:
    """A branch beside splines that are multiplied by a factor, which must be a size of the case or a fraction."""
    case = evidence.case
    for name, blocks in _branches(evidence):
        ratio = _ratio_beside(evidence, blocks)
        names = factors.names_of(case, abs(ratio))
        if abs(ratio - 1) > NEAR * case.setting.eps and (names or factors.simple(ratio)):
            told = f"the splines are multiplied by {factors.in_words(ratio, names)}"
            also = (Hint("extra branch", f"theirs are those and {name}", also=True),)
            predict = partial(_fitted, evidence, blocks, ratio)
            yield Hypothesis("constant factor", told, predict, names, also=also, fitted=1)


NEAR = 1e4
"""Units of eps within which a factor is not told from one."""

Block = tuple[FloatArray, tuple[Any, ...]]
"""Columns (n, m) whose combinations a part of the results exceeds ours by, and its index."""


def _branches(evidence: Evidence) -> Iterator[tuple[str, list[Block]]]:
    """What each kind of branch may add, of those for which there are samples enough."""
    case, theirs = evidence.case, evidence.theirs
    s = case.setting
    if len(s.specs) > 1 or case.quantity not in ("values", "input-gradients") or not np.isfinite(theirs).all():
        return
    # What another defect makes zero is zero with a branch, too.
    alive = (case.expected != 0) | (theirs != 0) if isinstance(case, Supposed) else np.ones(theirs.shape, bool)
    parts: list[tuple[Any, ...]]
    values = case.quantity == "values"
    if values:
        parts = [(np.flatnonzero(alive.any(axis=1)),)]
    else:
        parts = [(np.flatnonzero(column), p) for p, column in enumerate(alive.T)]
    parts = [at for at in parts if at[0].size]
    distinct = min((len(np.unique(s.x[at[0]], axis=0)) for at in parts), default=0)
    for name, (function, slope) in BRANCHES.items():
        if values:
            columns = function(s.x) if name != "a bias" else np.ones((len(s.x), 1))
            blocks = [(columns[at], at) for at in parts]
        else:
            slopes = slope(s.x)
            blocks = [(slopes[at][:, None] * s.dy[at[0]], at) for at in parts]
        if distinct > 2 * (columns if values else s.dy).shape[1]:  # with fewer any numbers would fit
            yield f"a part of the form of {name}", blocks


def _fitted(evidence: Evidence, blocks: list[Block], ratio: float = 1.0) -> FloatArray:
    """Ours times a ratio, plus the combinations of columns that fit theirs best."""
    out = ratio * evidence.case.expected
    for columns, at in blocks:
        out[at] += columns @ np.linalg.lstsq(columns, evidence.theirs[at] - out[at], rcond=None)[0]
    return np.asarray(out)


def _ratio_beside(evidence: Evidence, blocks: list[Block]) -> float:
    """What ours are multiplied by where theirs may exceed them by combinations of columns."""

    def beside(given: FloatArray) -> FloatArray:
        rest = [given[at] - columns @ np.linalg.lstsq(columns, given[at], rcond=None)[0] for columns, at in blocks]
        return np.concatenate([part.ravel() for part in rest])

    return factors.ratio_of(beside(evidence.case.expected), beside(evidence.theirs))


@of_case
def maps(case: Case) -> Iterator[Hypothesis]:
    """Maps of activations that nobody asked for: between the layers of a network, or behind the last."""
    s = case.setting
    if case.quantity not in ("values", "input-gradients", "coefficient-gradients"):
        return
    choices: dict[str, Callable[[LayerSpec | None], tuple[Function, Function]]] = {
        name: partial(_whatever_follows, map_[:2]) for name, map_ in MAPS.items()
    }
    choices["clamping to the domain of the next layer"] = _clamped
    for name, choose in choices.items():
        if len(s.specs) > 1:
            text = f"activations between layers pass through {name}"
            yield Hypothesis("extra map", text, partial(_between, case, choose))
        text = f"outputs pass through {name}"
        yield Hypothesis("extra map", text, partial(_behind, case, *choose(None)))


def _whatever_follows(pair: tuple[Function, Function], spec: LayerSpec | None) -> tuple[Function, Function]:
    return pair


def _clamped(spec: LayerSpec | None) -> tuple[Function, Function]:
    low, high = (-1.0, 1.0) if spec is None else spec.domains.T
    return (lambda z: np.clip(z, low, high), lambda z: ((z >= low) & (z <= high)).astype(np.float64))


def _behind(case: Case, function: Function, slope: Function) -> Prediction:
    """Results with a map behind the last layer."""
    values = evaluate(case, "values")
    return function(values) if case.quantity == "values" else supposed(case, dy=case.setting.dy * slope(values))


def _between(case: Case, choose: Callable[[LayerSpec | None], tuple[Function, Function]]) -> FloatArray | None:
    """Results with a map before each layer but the first."""
    if not of_setting(case):
        return None
    s = case.setting
    z, layers, slopes = s.x, [], []
    for k, spec in enumerate(s.specs):
        function, slope = choose(spec) if k else (lambda z: z, np.ones_like)
        slopes.append(slope(z))
        layers.append(FloatQuantities((spec,), function(z)))
        z = layers[-1].values
    if case.quantity == "values":
        return np.asarray(z)
    g = s.dy
    parts: list[FloatArray] = []
    for layer, slope_there in zip(reversed(layers), reversed(slopes), strict=True):
        parts.insert(0, layer.coefficient_gradients(g)[0])
        g = layer.input_gradients(g) * slope_there
    if case.quantity == "input-gradients":
        return np.asarray(g)
    return parts[0] if len(parts) == 1 else np.concatenate([part.ravel() for part in parts])
