"""What the numbers of a failing case say: how they follow from the right ones, what a change did, and what is proven.

A layer that can be asked is identified instead. Files of results cannot be asked; and of state changes identification
asks for one refinement and one update, cases for more, on few, discrete and constant samples.

A finding compares with the truth rounded to float64, or computed in it. Here the one entry that is worst is computed
once more over Fractions, without rounding: every float is a fraction, and splines, their derivatives and networks of
them take fractions to fractions. What is left is a difference of two fractions, rounded down.
"""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np

from refkan.base import FloatArray
from refkan.base.plain_text import rounded
from refkan.conformance.cases import QUANTITIES, Case, ExactQuantities, exact, matters
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.judging.findings import Finding, Hint

IN_WORDS = {"gauss-newton": "entries of the Gauss-Newton matrix", "knot-gradients": "gradients in knots"}
"""What results of a quantity are, where its name does not say it."""


def by_numbers(case: Case, theirs: FloatArray, finding: Finding) -> Finding:
    """Return a failure with hints on what its numbers are."""
    ours, axes, s = case.expected, QUANTITIES[case.quantity].axes, case.setting
    if not axes or ours.ndim != len(axes) or not theirs.size:
        return finding
    owner = IN_WORDS.get(case.quantity, case.quantity.replace("-", " "))
    zero = "zero outputs" if case.quantity == "values" else "detached gradient"
    told = explain(theirs, ours, axes, float(np.max(case.tolerance)), owner, zero)
    if not told or any(difference.name == "factors by sample" for difference in told):
        return finding  # a factor for each sample explains anything of one output
    sizes = {"samples": len(s.x), "outputs": s.specs[-1].n_outputs, "inputs": s.spec.n_inputs}
    factors = [difference.evidence["factor"] for difference in told if difference.name == "constant factor"]
    size = sizes_of(factors, [{k: v for k, v in sizes.items() if v > 1}]) if factors else ""
    return replace(finding, hints=tuple(map(Hint.of, placed(told, size=size))))


def invalid_state(case: Case, knots: FloatArray, coefficients: FloatArray) -> Hint:
    """Name what is wrong with the knots and coefficients that a model reports after a change."""
    kind = case.setting.change.kind if case.setting.change else ""
    told = _not_finite(kind, "coefficients", coefficients, knots)
    return told or Hint("stored knots", f"after {kind} the knots are not those of a spline")


def function_changed(case: Case, before: FloatArray, after: FloatArray, knots: FloatArray | None) -> Hint:
    """Name a change of the function, by its values before and after at the points of a case."""
    kind, size = case.setting.change.kind if case.setting.change else "", float(np.abs(before).max())
    share = float(np.abs(after - before).max()) / size if size > 0 else float("inf")
    told = _not_finite(kind, "values", after, knots)
    return told or Hint(f"function changed by {kind}", f"by {share:.1e} of its size at the points of the case")


def _not_finite(kind: str, what: str, values: FloatArray, knots: FloatArray | None) -> Hint | None:
    """Name what values after a change that are not finite follow from."""
    bad = int((~np.isfinite(values)).sum())
    text = f"{bad} of {values.size} {what} are not finite after {kind}"
    if bad and knots is not None and np.isfinite(knots).all() and (np.diff(np.sort(knots, axis=1)) == 0).any():
        return Hint("NaN from repeated knots", f"{text}, which made knots that coincide")
    return Hint(f"NaN after {kind}", text) if bad else None


TERMS = 20_000
"""Samples times coefficients up to which a sum over all samples is computed exactly: about a second."""


def proven(case: Case, finding: Finding) -> Finding:
    """Return a failure with what is proven of it in `Finding.proven`; other findings as they are.

    Nothing is proven where theirs is no number, where layers have parts beside splines (SiLU is not rational), at the
    right end where a backend has declared another convention than that of the formulas, where coefficients after a
    refinement are compared, which is done in float64, and of sums over more samples than `TERMS` allows.
    """
    if not finding.index or not math.isfinite(finding.theirs):
        return finding
    value = exact_entry(case, finding.index)
    if value is None:
        return finding
    return replace(finding, proven=rounded_down(abs(Fraction(finding.theirs) - value)))


def exact_entry(case: Case, index: tuple[int, ...]) -> Fraction | None:
    """The exact value of one entry of the quantity of a case, None where it is out of reach."""
    s, quantity = case.setting, QUANTITIES[case.quantity]
    if any(spec.parts for spec in s.specs) or (s.right_end != "closed" and matters(s.specs, s.x)):
        return None
    if quantity.is_by_sample:
        rows, index = slice(index[0], index[0] + 1), (0, *index[1:])
        s = replace(s, x=s.x[rows], dy=s.dy[rows], direction=s.direction[rows])
    elif not quantity.method or len(s.x) * sum(spec.coefficients.size for spec in s.specs) > TERMS:
        return None
    truth = ExactQuantities(s.specs, s.x)
    return Fraction(quantity.of(truth, exact(s.dy), exact(s.direction))[index])


def rounded_down(value: Fraction, digits: int = 3) -> float:
    """Return the largest decimal number of so many digits, as a float, that does not exceed a fraction.

    Its shortest decimal form is what is printed, and does not exceed the fraction either.

    Examples
    --------
    >>> rounded_down(Fraction(2, 3)), rounded_down(Fraction(1, 10**320)), rounded_down(Fraction(0))
    (0.666, 0.0, 0.0)
    """
    nearest = float(rounded(value, digits))
    return nearest if math.isfinite(nearest) and nearest >= 2.0**-1022 else 0.0
