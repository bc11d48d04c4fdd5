"""Proofs of failures: a lower bound of the distance between a backend's number and the exact one, over the rationals.

A finding compares with the truth rounded to float64, or computed in it. Here the one entry that is worst is computed
once more over Fractions, without rounding: every float is a fraction, and splines, their derivatives and networks of
them take fractions to fractions. What is left is a difference of two fractions, rounded down.
"""

import math
from dataclasses import replace
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from fractions import Fraction

from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.quantities_asked import QUANTITIES
from refkan.conformance.cases.truths.quantities import ExactQuantities, exact
from refkan.conformance.cases.truths.right_ends import matters
from refkan.conformance.judging.findings import Finding

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
