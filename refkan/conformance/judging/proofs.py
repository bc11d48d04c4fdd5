"""Proven distances from exact values.

A finding compares with the truth rounded to float64, or computed in it. The worst entry is computed once more over
Fractions, without rounding: every float is a fraction, and splines, their derivatives and networks of them map
fractions to fractions. The difference of two fractions is rounded down.
"""

import math
from dataclasses import replace
from fractions import Fraction

from refkan.base.plain_text import rounded
from refkan.conformance.cases import QUANTITIES, Case, ExactQuantities, exact, matters
from refkan.conformance.judging.findings import Finding

TERMS = 20_000
"""Samples times coefficients up to which a sum over all samples is computed exactly: about a second."""


def proven(case: Case, finding: Finding) -> Finding:
    """Return a failure with a proven distance from the exact value in `Finding.proven`, other findings unchanged.

    Nothing is proven if theirs is not finite, if layers have parts beside splines (SiLU is not rational), at the right
    end under another declared convention than that of the formulas, for coefficients after a refinement, which are
    compared in float64, and for sums of more terms than `TERMS`.
    """
    if not finding.index or not math.isfinite(finding.theirs):
        return finding
    value = exact_entry(case, finding.index)
    if value is None:
        return finding
    return replace(finding, proven=rounded_down(abs(Fraction(finding.theirs) - value)))


def exact_entry(case: Case, index: tuple[int, ...]) -> Fraction | None:
    """Return the exact value of one entry of the quantity of a case, None if it is out of reach."""
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
