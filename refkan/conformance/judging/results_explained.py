"""What the numbers of a failing case say: how they follow from the right ones, what a change did, and what is proven.

A layer that can be asked is identified instead. Files of results cannot be asked; and of state changes identification
asks for one refinement and one update, cases for more, on few, discrete and constant samples.

A finding compares with the truth rounded to float64, or computed in it. Here the one entry that is worst is computed
once more over Fractions, without rounding: every float is a fraction, and splines, their derivatives and networks of
them take fractions to fractions. What is left is a difference of two fractions, rounded down.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import as_strided

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.quantities_asked import QUANTITIES
from refkan.conformance.cases.truths.quantities import ExactQuantities, exact
from refkan.conformance.cases.truths.right_ends import matters
from refkan.conformance.identification.explanations import explain, placed, sizes_of
from refkan.conformance.judging.findings import Finding, Hint

IN_WORDS = {"gauss-newton": "entries of the Gauss-Newton matrix", "knot-gradients": "gradients in knots"}
"""What results of a quantity are, where its name does not say it."""


def by_numbers(case: Case, theirs: FloatArray, finding: Finding) -> Finding:
    """Return a failure with hints on what its numbers are."""
    ours, axes, s = case.expected, QUANTITIES[case.quantity].axes, case.setting
    if not axes or ours.ndim != len(axes) or not theirs.size:
        return finding
    for hint, mistaken in _mistaken(case):
        if (np.abs(theirs - mistaken) <= case.tolerance).all():
            return replace(finding, hints=(hint,))
    owner = IN_WORDS.get(case.quantity, case.quantity.replace("-", " "))
    zero = "zero outputs" if case.quantity == "values" else "detached gradient"
    told = explain(theirs, ours, axes, float(np.max(case.tolerance)), owner, zero)
    if not told or any(difference.name == "factors by sample" for difference in told):
        return finding  # a factor for each sample explains anything of one output
    sizes = {"samples": len(s.x), "outputs": s.specs[-1].n_outputs, "inputs": s.spec.n_inputs}
    factors = [difference.evidence["factor"] for difference in told if difference.name == "constant factor"]
    size = sizes_of(factors, [{k: v for k, v in sizes.items() if v > 1}]) if factors else ""
    return replace(finding, hints=tuple(map(Hint.of, placed(told, size=size))))


def _mistaken(case: Case) -> Iterator[tuple[Hint, FloatArray]]:
    """What results are by mistakes that show in this way of calling, or in this shape, alone."""
    s, ours, owner = case.setting, case.expected, case.quantity.replace("-", " ")

    def of(dy: FloatArray, x: FloatArray = s.x) -> FloatArray:
        return Case(replace(s, x=x, dy=dy), case.quantity).expected

    if s.manner in ("strided-cotangents", "transposed-cotangents"):
        read = as_strided(s.cotangents(), strides=(s.dy.itemsize * s.dy.shape[1], s.dy.itemsize))
        yield Hint("strides ignored", f"{owner} are those of dy read as it lies in memory"), of(read.copy())
    if s.manner == "second-backward":
        earlier = np.roll(s.dy, 1, axis=0)
        yield Hint("stale gradient", f"{owner} are those of the cotangents of an earlier call"), of(earlier)
        before = of(earlier, s.before)
        yield Hint("stale gradient", f"{owner} are those of an earlier call"), before
        yield Hint("gradients accumulate", f"{owner} of an earlier call are added"), ours + before
    if case.quantity == "values" and s.spec.n_inputs == s.specs[-1].n_outputs:
        yield Hint("extra branch", "beside the splines x is added, input q to output q"), ours + s.x


def invalid_state(case: Case, knots: FloatArray, coefficients: FloatArray) -> tuple[Hint, ...]:
    """Name what is wrong with the knots and coefficients that a model reports after a change."""
    assert case.setting.change is not None
    kind = case.setting.change.kind
    together = int((np.diff(np.sort(knots, axis=1), axis=1) == 0).sum()) if np.isfinite(knots).all() else 0
    text = f"{together} knots coincide with their neighbours after {kind}"
    bad = int((~np.isfinite(coefficients)).sum())
    if bad:
        name = "NaN from repeated knots" if together else f"NaN after {kind}"
        lost = f"{bad} of {coefficients.size} coefficients are not finite after {kind}"
        return (Hint(name, f"{lost}, and {text}" if together else lost),)
    return (Hint("stored knots", text if together else f"after {kind} the knots are not those of a spline"),)


def function_changed(
    case: Case, on: tuple[FloatArray, FloatArray], off: tuple[FloatArray, FloatArray], knots: FloatArray | None
) -> tuple[Hint, ...]:  # fmt: skip
    """Name a change of the function, by its values before and after on the samples of the change and at the case's.

    Least-squares factors of the outputs are told where they explain most of the change.
    """
    assert case.setting.change is not None
    kind = case.setting.change.kind
    if not all(np.isfinite(values).all() for values in (on[1], off[1])):
        text = f"{int((~np.isfinite(off[1])).sum())} of {off[1].size} values are not finite after {kind}"
        if knots is not None and np.isfinite(knots).all() and (np.diff(np.sort(knots, axis=1)) == 0).any():
            return (Hint("NaN from repeated knots", f"{text}: {kind} made knots that coincide"),)
        return (Hint(f"NaN after {kind}", text),)
    text = f"by {_share(*on):.1e} of its size on the samples and {_share(*off):.1e} at the points of the case"
    hints = [Hint(f"function changed by {kind}", text)]
    size = (on[0] * on[0]).sum(axis=0)
    factors = (on[0] * on[1]).sum(axis=0) / np.where(size > 0, size, 1.0)
    if _share(*on) > 0.05 and factors.all():
        rest = _share(on[0], on[1] / factors)
        if rest < _share(*on) / 4:
            told = ", ".join(f"{value:.4g}" for value in np.unique(np.round(factors, 3)))
            text = f"values after {kind} are those before times {told}; {rest:.1e} once divided out"
            hints.append(Hint("constant factor", text))
    return tuple(hints)


def _share(before: FloatArray, after: FloatArray) -> float:
    size = float(np.abs(before).max())
    return float(np.abs(after - before).max()) / size if size > 0 else float("inf")


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
        s, index = _only(s, index[0]), (0, *index[1:])
    elif not quantity.method or _terms(s) > TERMS:
        return None
    truth = ExactQuantities(s.specs, s.x)
    return Fraction(quantity.of(truth, exact(s.dy), exact(s.direction))[index])


def _only(s: Setting, sample: int) -> Setting:
    rows = slice(sample, sample + 1)
    return replace(s, x=s.x[rows], dy=s.dy[rows], direction=s.direction[rows])


def _terms(s: Setting) -> int:
    return len(s.x) * sum(spec.coefficients.size for spec in s.specs)


def rounded_down(value: Fraction, digits: int = 3) -> float:
    """Return the largest decimal number of so many digits, as a float, that does not exceed a fraction.

    Its shortest decimal form is what is printed, and does not exceed the fraction either.

    Examples
    --------
    >>> rounded_down(Fraction(2, 3)), rounded_down(Fraction(1, 10**320)), rounded_down(Fraction(0))
    (0.666, 0.0, 0.0)
    """
    with localcontext(Context(prec=digits, rounding=ROUND_FLOOR)):
        nearest = float(Decimal(value.numerator) / Decimal(value.denominator))
    return nearest if math.isfinite(nearest) and nearest >= 2.0**-1022 else 0.0
