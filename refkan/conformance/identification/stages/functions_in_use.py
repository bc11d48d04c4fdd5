r"""The hypotheses on functions that differ from those requested, and the order in which they are tried.

Some of them take functions as a whole:

* In the same space phi = b M. If coefficients are values at points tau, phi_k(tau_j) = (j = k), and B M = I with
  B_ji = b_i(tau_j); if values of their spline replace them, M = B. Either way the rows of B show
  tau_j = sum_i xi_i B_ji, xi the knot averages (Marsden), and B is compared with the B-splines at tau.
* One polynomial each on the whole domain: known families on [-1, 1], on [0, 1], or in x, up to a factor each.
* One function at many places, phi_k(x) = g((x - c_k)/w): of g known, its inverse shows ((x - c_k)/w)^2.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, legendre
from scipy.special import binom

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING, LayerSpec
from refkan.conformance.identification.knots_in_use import (
    Sampled,
    compared,
    intervals_of,
    knots_of,
    listed_knots,
    recursion,
)
from refkan.conformance.identification.known_maps import numbers
from refkan.conformance.identification.pieces_in_use import Pieces, rounded_in_one_place, wrong_pieces
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, only
from refkan.conformance.identification.stages import recursions_in_use as recursions
from refkan.conformance.identification.stages.points_in_use import pieces_in_force, points_in_use
from refkan.conformance.identification.subject import Subject
from refkan.splines.knots import greville_points

SMALLEST_ROUNDING = 2.0**-36
"""Errors below this come from no format below float64."""

FINE = 2.0**-30
"""Formats with a larger eps show neither pieces nor knots."""

MOST = 16
"""Intervals of edges whose knots are found by least squares: the time grows like the cube of their number."""


def is_vague(difference: Difference) -> bool:
    """Whether no hypothesis identified the functions: another degree, or other knots, may."""
    return difference.name in ("other functions", "inputs mapped") and difference.sure == "measured"


def identified(subject: Subject, asked: Sampled) -> list[Difference]:
    """Return what the functions are if they are not those requested."""
    wrong = asked.wrong
    if not wrong.any():
        return []
    finite = np.isfinite(asked.theirs).all(axis=1)
    if not finite.all():
        rest = asked.at(finite)
        elsewhere = identified(subject, rest) if rest.x.size > asked.x.size // 4 else []
        return [*(difference for difference in elsewhere if not is_vague(difference)), *_not_finite(asked)]
    inside = asked.at(asked.where == "inside")
    if not inside.wrong.any():
        return _at_knots(asked, subject.declared.right_end)
    zeros, rest = list[Difference](), inside
    for turn in range(2):  # then without what is zero
        told = _exactly(subject, rest)
        if told:
            return [*zeros, *told]
        if not turn:
            zeros, rest = recursions.left_out(inside)
        if not zeros or not rest.wrong.any():
            break
    if zeros and not rest.wrong.any():
        return zeros
    for question in OTHER_QUESTIONS:
        told = question(subject, rest)
        if told:
            return [*zeros, *told]
    return zeros


def _exactly(subject: Subject, inside: Sampled) -> list[Difference]:
    """The first explanation that leaves only rounding."""
    for question in EXACT_QUESTIONS:
        told = question(subject, inside)
        if told and not is_vague(told[0]):
            return told
    return []


def of_recursion(subject: Subject, inside: Sampled) -> list[Difference]:
    """Another recursion, if functions follow from one."""
    for question in (recursions.weights_in_use, recursions.listed_recursions):
        told = question(subject, inside)
        if told:
            return told
    return []


def _in_some_intervals(subject: Subject, inside: Sampled) -> list[Difference]:
    """What the functions are in the intervals with errors, if there are others without."""
    spec = inside.spec
    m = inside.intervals
    bad = np.unique(m[inside.wrong])
    if bad.size > np.unique(m).size // 2 or spec.degree == 0:
        return []
    near = inside.at(np.isin(m, bad))
    place = f" only in interval{'s' * (bad.size > 1)} {numbers(bad.tolist())} of {spec.intervals}"
    for question in (points_in_use, recursions.mapped_values):
        told = question(subject, near)
        if told and not is_vague(told[0]):
            return [replace(d, evidence={**d.evidence, "place": place}) for d in told]
    return []


def _not_finite(asked: Sampled) -> list[Difference]:
    finite = np.isfinite(asked.theirs)
    t = asked.spec.knots[0]
    r = asked.spec.order
    bad = int((~finite).sum())
    rows = asked.x[~finite.all(axis=1)]
    if asked.spec.kind not in ("clamped", "repeated"):
        return only("not finite", what="values", count=bad, total=asked.theirs.size)
    unguarded = recursion(t, r, asked.x, ratio=np.divide)
    same = np.array_equal(np.isfinite(unguarded), finite)
    how = "; 0/0 in the recursion" if same else f", from x = {rows.min():.6g} to {rows.max():.6g}"
    return only("NaN from repeated knots", what=f"{bad} of {asked.theirs.size} values are not finite{how}")


def _at_knots(asked: Sampled, right_end: str) -> list[Difference]:
    """Right inside intervals: the side used at knots, and the values at both ends of the domain."""
    spec, differences = asked.spec, list[Difference]()
    t, r, start = spec.knots[0], spec.order, asked.x == spec.domain[0]
    end = asked.where == "end"
    knots = asked.at((asked.where == "knot") & asked.wrong)
    inner, first, last = (asked.at(rows & asked.wrong) for rows in ((asked.where == "knot") & ~start, start, end))
    from_left = recursion(t, r, knots.x, np.searchsorted(t, knots.x, side="left") - 1)
    if inner.x.size and _agree(from_left, knots):
        differences += only("left limit at knots")
    elif knots.x.size and _agree(from_left + knots.right, knots):
        differences += only("counted twice at knots")
    else:
        for there, words in ((inner, "knots"), (first, "x = a")):
            if there.x.size and words == "x = a" and not there.theirs.any():
                differences += only("left end open")
            elif there.x.size:
                how = f"at {words} {_at_one_point(spec, there)}"
                differences += only("interval search", count=there.x.size, total=asked.x.size, how=how)
    if last.x.size:
        sentence = "all basis functions are zero at x = b"
        opened = not last.theirs.any()
        if not opened:
            beyond = recursion(t, r, last.x, np.searchsorted(t, last.x, side="right") - 1)
            opened = bool((np.abs(beyond - last.theirs) < 1e-9).all())
            sentence = "x = b belongs to no interval of the domain, or to the one beyond"
        sentence = sentence if opened else f"at x = b {_at_one_point(spec, last)}"
        name = "right end open" if right_end == "closed" and opened else "other right end"
        differences += only(name, what=sentence)
    return differences


def _agree(functions: FloatArray, there: Sampled) -> bool:
    return close(functions, there.theirs, 4 * there.most)


def _at_one_point(spec: LayerSpec, there: Sampled) -> str:
    """What functions at knots or at an end are: pieces of another interval, values at another point, multiples."""
    t, r, n = spec.knots[0], spec.order, spec.intervals
    if not there.theirs.any():
        return "functions are zero"
    for m in range(r - 1, t.size - r):
        if _agree(recursion(t, r, there.x, m), there):
            return f"the piece of interval {m - r + 1} of {n} is used"
    k = factor_of(there.theirs, there.right)
    if _agree(k * there.right, there):
        return f"functions are multiplied by {k:.6g}"
    return "functions match no interval"


def _degree(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines of another degree, or other functions with pieces of another degree."""
    spec = inside.spec
    degree = None if subject.eps > FINE or spec.kind == "repeated" else recursions.pieces_degree(inside)
    if degree is None or degree == spec.degree:
        return []
    pieces = Pieces.of(inside)
    whole = pieces.on_whole_supports() if pieces.known.all() else ""
    place = f"; they are not B-splines, but {whole}" * bool(whole and degree > 1)
    return only("degree fixed", used=degree, asked=spec.degree, place=place)


def _rounded(subject: Subject, inside: Sampled) -> list[Difference]:
    """Right formulas, with one kind of number rounded to a lower format."""
    if subject.eps > FINE or not SMALLEST_ROUNDING < inside.off <= LARGEST_ROUNDING or inside.spec.kind == "repeated":
        return []
    return rounded_in_one_place(inside)


def _knots(subject: Subject, inside: Sampled) -> list[Difference]:
    """B-splines on other knots."""
    spec = inside.spec
    if subject.eps > FINE or spec.degree == 0 or spec.intervals > MOST:
        return []
    used = listed_knots(inside)
    if used is None and spec.kind != "clamped":
        used = knots_of(inside, max(min(2.0**-40, inside.off / 64), 2.0**-49))
    return [] if used is None or np.array_equal(used[1:-1], spec.knots[0][1:-1]) else compared(used, spec)


def _others(question: Callable[[Sampled], str], subject: Subject, inside: Sampled) -> list[Difference]:
    """Other functions, by a question whose answer is a sentence on them, "" if it does not explain them."""
    words = "" if subject.eps > FINE else question(inside)
    return only("other functions", what=words) if words else []


LEFT = 2.0**-32
"""Relative to the largest value, what a fit may leave."""

NEAR = 2.0**-26
"""Tolerance on points tau and their descriptions, relative to the domain."""


def _bernstein(z: FloatArray, n: int) -> FloatArray:
    k = np.arange(n)
    u = (z[:, None] + 1) / 2
    return np.asarray(binom(n - 1, k) * u**k * (1 - u) ** (n - 1 - k))


FAMILIES: dict[str, Callable[[FloatArray, int], Any]] = {
    "the powers": lambda z, n: np.vander(z, n, increasing=True),
    "the Chebyshev polynomials": lambda z, n: chebyshev.chebvander(z, n - 1),
    "the Legendre polynomials": lambda z, n: legendre.legvander(z, n - 1),
    "the Bernstein polynomials": _bernstein,
    "Hermite polynomials": lambda z, n: hermite.hermvander(z, n - 1),
    "cosines": lambda z, n: np.cos(np.arange(n) * np.pi * z[:, None]),
    "cosines and sines": lambda z, n: np.stack(
        [(np.sin if k % 2 else np.cos)((k + 1) // 2 * np.pi * z) for k in range(n)], axis=1
    ),
}
"""Functions number 0 to n - 1 at z in [-1, 1]."""

TRANSLATES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "Gaussians exp(-((x - c)/w)^2)": lambda y: -np.log(y),
    "1 - tanh((x - c)/w)^2": lambda y: np.arctanh(np.sqrt(1 - y)) ** 2,
}
"""Functions of ((x - c)/w)^2, and that of their values."""


def same_space(inside: Sampled) -> str:
    """Functions as combinations of the requested B-splines, in words; "" if they are none."""
    spec, x, functions = inside.spec, inside.x, inside.theirs
    t, r, (a, b) = spec.knots[0], spec.order, spec.domain
    right = recursion(t, r, x)
    M, _, rank, _ = np.linalg.lstsq(right, functions, rcond=None)
    if rank < spec.dim or largest(right @ M - functions) > min(inside.off / 64, LEFT * largest(functions)):
        return ""
    xi, local = (
        greville_points(t, r),
        "function k is one at point k and zero at the others, so none has local support",
    )
    with np.errstate(all="ignore"):
        inverse = np.linalg.inv(M) if np.linalg.cond(M) < 2.0**20 else None
    asked = {f"coefficients are values at {{}}: {local}": inverse,
             "coefficients are replaced by the values at {} of the spline that they make": M}  # fmt: skip
    for words, B in asked.items():
        if B is None:
            continue
        m = intervals_of(xi, t, r)
        ends = intervals_of(np.array([a, b]), t, r)
        if any(close(recursion(t, r, xi, of), B, 2.0**-20) for of in (m, np.clip(m, *ends))):  # some lie beyond
            return words.format("the knot averages")
        tau = B @ xi
        at = np.clip(tau, a, b)
        if largest(tau - at) > NEAR * (b - a) or np.ptp(tau) < NEAR * (b - a):
            continue
        if close(recursion(t, r, at), B, 2.0**-20):
            return words.format(_points(tau, xi, (a, b)))
    k = spec.dim // 2
    terms = [f"{v:+.4g} b[{i}]" for i, v in enumerate(M[:, k]) if abs(v) > 2.0**-20]
    shown = " ".join(terms if len(terms) <= 6 else [*terms[:5], "..."])
    return f"functions are combinations of the B-splines asked for: number {k} is {shown.removeprefix('+')}"


def _points(tau: FloatArray, xi: FloatArray, domain: tuple[float, float]) -> str:
    """Points in words."""
    a, b = domain
    if close(tau, np.clip(xi, a, b), NEAR * (b - a)):
        return "the knot averages"
    if np.ptp(np.diff(tau)) <= NEAR * (b - a):
        return f"equally spaced points from {tau[0]:.6g} to {tau[-1]:.6g}"
    return ", ".join(f"{v:.6g}" for v in tau[:4]) + ", ..." * (tau.size > 4)


def known_family(inside: Sampled) -> str:
    """A known family of functions on the whole domain, in words; "" if it is none."""
    x, functions, (a, b) = inside.x, inside.theirs, inside.spec.domain
    n = functions.shape[1]
    if inside.spec.intervals == 1:
        return ""
    room = LEFT * largest(functions)
    arguments = {"the domain taken to [-1, 1]": 2 * (x - a) / (b - a) - 1,
                 "the domain taken to [0, 1]": (x - a) / (b - a), "x itself": x, "tanh x": np.tanh(x)}  # fmt: skip
    for first in (0, 1):
        for name, family in FAMILIES.items():
            for words, z in arguments.items():
                known = family(z, n + first)[:, first:]
                size = (known * known).sum(axis=0)
                k = (known * functions).sum(axis=0) / np.where(size > 0, size, 1.0)
                if largest(k * known - functions) > room:
                    continue
                times = "" if largest(k - 1) < 1e-9 else f", times {k[0]:.6g}" if np.ptp(k) < 1e-9 else ", scaled"
                return f"functions are {name} number {first} to {n - 1 + first} in {words}{times}"
    return ""


def translates(inside: Sampled) -> str:
    """One function at many places, in words; "" if it is none that is known."""
    spec, x, functions = inside.spec, inside.x, inside.theirs
    for name, inverse in TRANSLATES.items():
        places = []
        with np.errstate(all="ignore"):
            for column in functions.T:
                seen = (column > 2.0**-20) & (column < 1 - 2.0**-20)
                if seen.sum() < 8:
                    break
                k = np.polyfit(x[seen], inverse(column[seen]), 2)
                left = largest(np.polyval(k, x[seen]) - inverse(column[seen]))
                if not left <= 2.0**-20 * largest(k) or k[0] <= 0:
                    break
                centre = -k[1] / (2 * k[0])
                if abs(np.polyval(k, centre)) > 2.0**-16:
                    break
                places.append((centre, 1 / np.sqrt(k[0])))
        if len(places) == functions.shape[1]:
            c, w = np.array(places).T
            width = f"w = {w[0]:.6g}" if np.ptp(w) <= 1e-6 * w[0] else f"w from {w.min():.6g} to {w.max():.6g}"
            centres = _points(c, greville_points(spec.knots[0], spec.order), spec.domain)
            return f"functions are {name}, {width}, c = {centres}"
    return ""


Question = Callable[[Subject, Sampled], list[Difference]]

EXACT_QUESTIONS: tuple[Question, ...] = (
    pieces_in_force,
    _rounded,
    recursions.small_errors,
    recursions.rearranged,
    recursions.rearranged_locally,
    points_in_use,
    partial(_others, known_family),
    partial(_others, translates),
    recursions.factor_of_x,
    _degree,
    recursions.weights_in_use,
    recursions.recursion_in_use,
    recursions.listed_recursions,
    partial(_others, wrong_pieces),
)
"""Questions on functions inside intervals whose answers leave only rounding."""

OTHER_QUESTIONS: tuple[Question, ...] = (
    _in_some_intervals,
    points_in_use,
    _knots,
    recursions.factors_of_intervals,
    recursions.mapped_values,
    recursions.listed_functions,
    partial(recursions.rearranged, last=True),
    partial(_others, same_space),
    recursions.described,
)
"""What is asked if none of those has an answer."""
