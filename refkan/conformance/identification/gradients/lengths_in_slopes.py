"""Lengths that slopes are divided by, in words: differences of knots, spacings, those of domains."""

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.cases.specs import LayerSpec


def difference_of_knots(
    t: FloatArray, lengths: list[tuple[int, float]], asked: tuple[int, int]
) -> tuple[int, int] | None:
    """Offsets (k, l) with lengths t[i+k] - t[i+l] for all i, those asked for first."""
    span = range(-1, max(asked) + 2)
    for k, l in [asked, *((k, l) for k in span for l in span if k > l)]:
        shown = [(t[i + k] - t[i + l], h) for i, h in lengths if i + l >= 0 and i + k < t.size]
        if len(shown) > 1 and all(abs(h - right) <= 2.0**-24 * abs(h) for right, h in shown):
            return k, l
    return None


def lengths_of_inputs(spec: LayerSpec) -> dict[str, FloatArray]:
    """Lengths (P,) that the variables of other codes are x over: of the domain, of its half, of intervals."""
    domain, t, r = np.ptp(spec.domains, axis=1), spec.knots, spec.order
    return {
        "the mean spacing (b - a)/n of each input": domain / spec.intervals,
        "the first spacing of each input": t[:, r] - t[:, r - 1],
        "half the length of the domain, (b - a)/2, of each input": domain / 2,
        "the length of the domain, b - a, of each input": domain,
        "the span of all knots of each input": t[:, -1] - t[:, 0],
    }


def one_length(spec: LayerSpec, lengths: list[tuple[int, float]]) -> str:
    """The one length of all intervals that all terms are divided by, times r - 1, in words; "" if there is none."""
    h = np.array([length for _, length in lengths]) / (spec.order - 1)
    for words, (length, *_) in lengths_of_inputs(spec).items():
        if np.abs(h - length).max(initial=0.0) <= 2.0**-24 * length:
            return f"r - 1 times {words.removesuffix(' of each input')}"
    return ""


def length_in_words(used: tuple[int, int]) -> str:
    """Return a difference of knots in words."""
    k, l = (f"t[i{v:+d}]" if v else "t[i]" for v in used)
    return f"{k} - {l}"


def part_of_domain(x: FloatArray, wrong: Array) -> str:
    """The part of the domain in which entries (N, P) are wrong, in words."""
    told = []
    for p in np.flatnonzero(wrong.any(axis=0)):
        bad, good = x[wrong[:, p], p], x[~wrong[:, p], p]
        low, high = float(good.min(initial=np.inf)), float(good.max(initial=-np.inf))
        if not good.size:
            where = "everywhere"
        elif bad.min() > high:
            where = f"where x > {high:.4g}"
        elif bad.max() < low:
            where = f"where x < {low:.4g}"
        elif not ((bad > low) & (bad < high)).any():
            where = f"outside [{low:.4g}, {high:.4g}]"
        elif not ((good > bad.min()) & (good < bad.max())).any():
            where = f"in [{bad.min():.4g}, {bad.max():.4g}]"
        else:
            where = f"at {bad.size} of {len(x)} points"
        told.append(f"{where} (input {p})")
    return ", ".join(told)
