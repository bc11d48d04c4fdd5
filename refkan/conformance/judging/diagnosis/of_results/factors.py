"""Hypotheses of one factor: the opposite sign, a constant, one for each output, and what sizes a constant may be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis
from refkan.conformance.judging.findings import Evidence, Hint

EXACT, SINGLE = 1e-9, 1e-6
"""Relative distance within which a factor is a number that means something: of exact results, of those in float32."""

OPPOSITE = "theirs are ours with the opposite sign"


def factors(evidence: Evidence) -> Iterator[Hypothesis]:
    """Sign, and constant factors: one for all, or one for each output."""
    case, theirs = evidence.case, evidence.theirs
    yield Hypothesis("sign", OPPOSITE, lambda: -case.expected)
    near = max(1e4 * case.setting.eps, SINGLE)  # closer factors are not told from rounding
    ratio = ratio_of(case.expected, theirs)
    if np.isfinite(ratio) and ratio != 0 and abs(ratio - 1) > near:
        names = names_of(case, abs(ratio), _noise(ratio * case.expected, theirs))
        text = f"theirs are ours times {in_words(abs(ratio), names)}"
        if ratio < 0 and names:  # a size has no sign
            size = Hint("constant factor", text, names, also=True)
            yield Hypothesis("sign", OPPOSITE, lambda: ratio * case.expected, also=(size,))
        else:
            text = text if ratio > 0 else f"theirs are ours times {digits(ratio)}"
            free = int(not names and not simple(ratio))
            yield Hypothesis("constant factor", text, lambda: ratio * case.expected, names, fitted=free)
    axis = 1 if case.quantity == "values" else 0 if case.quantity == "coefficient-gradients" else None
    if axis is not None and theirs.ndim > axis and theirs.shape[axis] > 1:
        ratios = np.array(
            [ratio_of(np.take(case.expected, k, axis), np.take(theirs, k, axis)) for k in range(theirs.shape[axis])]
        )
        off = np.abs(ratios - 1) > near
        # Where all samples are one, any results are ours times some factors: that one output is right tells more.
        told = not off.all() or bool((case.setting.x != case.setting.x[:1]).any())
        if told and off.any() and np.isfinite(ratios).all() and not (ratios == 0).any():
            shape = [-1 if k == axis else 1 for k in range(theirs.ndim)]
            text = f"theirs are ours times one factor for each output: {', '.join(map(digits, ratios))}"
            free = sum(not simple(float(one)) for one in ratios)
            yield Hypothesis("constant factor", text, lambda: ratios.reshape(shape) * case.expected, fitted=free)


def in_words(ratio: float, names: tuple[str, ...]) -> str:
    """Return the digits of a factor, and what it may be."""
    return ", ".join(filter(None, [digits(ratio), " or ".join(names)]))


def digits(ratio: float) -> str:
    """Six digits, or as many as tell it from one, or from a round number that it is not."""
    short = f"{ratio:.6g}"
    rounds = short == f"{ratio:.3g}" and not np.isclose(float(short), ratio, rtol=1e-9, atol=0)
    told = f"{ratio:.12g}" if rounds or abs(ratio - 1) <= 1e-5 else short
    return told if told != "1" or ratio == 1 else f"1 {'+' if ratio > 1 else '-'} {abs(ratio - 1):.2g}"


def ratio_of(ours: FloatArray, theirs: FloatArray) -> float:
    """What ours times a number come nearest to theirs with, NaN where that says nothing."""
    if not np.isfinite(theirs).all() or np.count_nonzero(ours) < 2:
        return float("nan")
    size = float(np.sum(ours * ours))
    found = float(np.sum(ours * theirs)) / size if size > 0 else float("nan")
    return simple(found) or found


def simple(ratio: float) -> float:
    """The fraction with a small denominator that is meant exactly; 0 if the ratio is none."""
    if not abs(ratio) < 1e9:  # NaN and infinity too: of a larger number no fraction is told apart
        return 0.0
    near = round(ratio * 5040) / 5040
    return near if abs(ratio - near) <= EXACT * abs(ratio) else 0.0


def _noise(predicted: FloatArray, theirs: FloatArray) -> float:
    """How exactly a factor is known: as results that were rounded in single, where they fit it as these do."""
    misfit = float(np.abs(theirs - predicted).max() / np.abs(predicted).max())
    return max(EXACT, misfit) if misfit <= SINGLE else EXACT


def names_of(case: Case, ratio: float, rtol: float = EXACT) -> tuple[str, ...]:
    """What a factor may be, from the sizes of the case: several of them may be the same number."""
    s = case.setting
    a, b = s.spec.domain
    h = (b - a) / s.spec.intervals
    sizes = {
        "the number N of samples": s.x.shape[0], "the number P of inputs": s.spec.n_inputs,
        "the number Q of outputs": s.specs[-1].n_outputs, "the degree": s.spec.degree, "the order": s.spec.order,
        "the spacing h": h, "h^2": h * h, "the number of coefficients N Q": s.x.shape[0] * s.specs[-1].n_outputs,
        "degree (degree - 1)": s.spec.degree * (s.spec.degree - 1), "b - a": b - a,
    }  # fmt: skip
    first = float(np.diff(s.spec.knots[0])[s.spec.order - 1])
    if not np.isclose(first, h, rtol=EXACT, atol=0):  # knots that are not equally spaced
        sizes |= {"the first spacing": first, "the first spacing squared": first * first}
    found = []
    for name, size in sizes.items():
        if size in (0, 1):
            continue
        if abs(ratio - size) <= rtol * abs(size):
            found.append(name)
        if abs(ratio - 1 / size) <= rtol / abs(size):
            found.append(f"1 over {name}")
    return tuple(found)
