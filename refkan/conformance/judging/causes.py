"""Causes of failures: differences of the layer that explain them, what their numbers are, and what a change did.

A layer that can be asked is identified. Files of results cannot be asked, and identification asks for one refinement
and one update only, while cases ask for more, on few, discrete and constant samples.
"""

import math
from dataclasses import replace

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import EPS, QUANTITIES, Case
from refkan.conformance.cases.cases import CHANGE_ROOM
from refkan.conformance.identification import Difference, Identification
from refkan.conformance.identification.explanations import explain
from refkan.conformance.judging.findings import Finding, Hint


def explained(finding: Finding, identification: Identification) -> Finding:
    """Return a failure with the differences of the layer that bear on it and are large enough to explain it."""
    bearing = identification.bearing_on(finding.quantity, finding.key)
    hints = [Hint.of(difference) for difference in bearing if explains(difference, finding)]
    return replace(finding, hints=tuple(dict.fromkeys((*finding.hints, *hints))))


ROUNDING_ROOM = 8
"""Factor by which rounding to a lower format may exceed the allowed errors, scaled to that format."""


def explains(difference: Difference, finding: Finding) -> bool:
    """Whether a difference is large enough to explain a failure.

    Rounding to a lower format has known limits: allowed errors already hold the conditioning of the case.
    """
    lower = [eps for name, eps in ROUNDED.items() if difference.name.startswith(f"{name} ")]
    if not lower or math.isnan(finding.excess):
        return True
    dtype, *parts = finding.key.split("/")
    most = ROUNDING_ROOM * max(lower) / EPS.get(dtype, EPS["float64"])
    if {"refine", "update"} & set(parts):
        most /= CHANGE_ROOM
    return finding.excess <= most


ROUNDED = {"float32": EPS["float32"], "float16": EPS["float16"], "bfloat16": EPS["bfloat16"], "float8": 2.0**-3}
"""Formats with which names of differences begin, and their spacing at 1."""


IN_WORDS = {"gauss-newton": "entries of the Gauss-Newton matrix", "knot-gradients": "gradients in knots"}
"""Names of results in sentences, if not those of their quantities."""


def by_numbers(case: Case, theirs: FloatArray, finding: Finding) -> Finding:
    """Return a failure with hints on how its numbers follow from the right ones."""
    ours, axes = case.expected, QUANTITIES[case.quantity].axes
    if not axes or ours.ndim != len(axes) or not theirs.size:
        return finding
    owner = IN_WORDS.get(case.quantity, case.quantity.replace("-", " "))
    zero = "zero outputs" if case.quantity == "values" else "detached gradient"
    differences = explain(theirs, ours, axes, float(np.max(case.tolerance)), owner, zero) or []
    if any(difference.name == "factors by sample" for difference in differences):
        return finding  # a factor for each sample explains anything of one output
    return replace(finding, hints=tuple(map(Hint.of, differences)) or finding.hints)


def invalid_state(case: Case, knots: FloatArray, coefficients: FloatArray) -> Hint:
    """Name what is wrong with the knots and coefficients that a model reports after a change."""
    kind = _change_of(case)
    lost = _not_finite(kind, "coefficients", coefficients, knots)
    return lost or Hint("stored knots", f"after {kind} the knots are not those of a spline")


def _change_of(case: Case) -> str:
    change = case.setting.change
    return "" if change is None else change.kind


def function_changed(case: Case, before: FloatArray, after: FloatArray, knots: FloatArray | None) -> Hint:
    """Name a change of the function, by its values before and after at the points of a case."""
    kind, size = _change_of(case), float(np.abs(before).max())
    change = float(np.abs(after - before).max())
    share = change / size if size > 0 else float("inf")
    lost = _not_finite(kind, "values", after, knots)
    return lost or Hint(f"function changed by {kind}", f"by {share:.1e} of its size at the points of the case")


def _not_finite(kind: str, what: str, values: FloatArray, knots: FloatArray | None) -> Hint | None:
    """Name the cause of values after a change that are not finite."""
    bad = int((~np.isfinite(values)).sum())
    if not bad:
        return None
    text = f"{bad} of {values.size} {what} are not finite after {kind}"
    if knots is not None and np.isfinite(knots).all() and (np.diff(np.sort(knots, axis=1)) == 0).any():
        return Hint("NaN from repeated knots", f"{text}, which made knots that coincide")
    return Hint(f"NaN after {kind}", text)
