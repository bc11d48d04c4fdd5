r"""What derivatives of a layer are, if they are not those of its own function.

Where no rearrangement, no factors and no relation (see `relations`) explain them, these questions follow:

* Are they multiples in each interval?
* With which factors of L and R are they those of the formula b_i' = (r - 1) (L_i - R_i)? By least squares.
* With which factors of the powers of x - c are they those of Taylor's polynomials?
* Are they quotients (f(x + h) - f(x)) / h, or central ones? Then those of the layer's own values are the same numbers.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import comb, factorial, perm

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.truths.precision import LARGEST_ROUNDING
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.asked_gradients import (
    flushed,
    lost,
    of_rows,
    rounded_gradients,
    size_of_factor,
)
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.lengths_in_slopes import (
    difference_of_knots,
    length_in_words,
    one_length,
)
from refkan.conformance.identification.gradients.relations import related
from refkan.conformance.identification.gradients.slopes import places, terms, true_derivatives
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.known_maps import in_words, lower_formats
from refkan.conformance.identification.matrix_shapes import place_of
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import Subject

DETACHED = "detached gradient"

STEPS = (*(10.0**-k for k in range(2, 11)), 2.0**-26, 2.0 ** (-52 / 3))
"""Of difference quotients."""


def of_what(d: Derivatives) -> list[Difference]:
    """What derivatives are, [] if they are those of the layer's own function, or of the one asked for."""
    if d.is_true or d.follows:
        return []
    if d.few:
        theirs, (ours, room) = d.theirs, d.own
        axes = ("sample", "output" if d.order else "answer", *d.axes[bool(d.order) :])
    else:
        theirs, ours, room, axes = d.answered, d.expected, d.room, d.axes
    seen = np.isfinite(ours)
    theirs, ours = np.where(seen, theirs, 0.0), np.where(seen, ours, 0.0)
    said = explain(theirs, ours, axes, room, d.owner, DETACHED)
    if said == [] and not (d.right and d.wrong.any()):
        return []
    if not d.right and any(difference.evidence.get("loose") for difference in said or []):
        said = None  # many numbers explain much
    vague = not said or any(difference.name.startswith(("factors by", "gradient clipped")) for difference in said)
    if said and not vague and not any(difference.evidence.get("axis") == "sample" for difference in said):
        return placed(said, size=size_of_factor(d, said))
    if said and not d.order and said[0].name == "samples mixed up":
        return [replace(said[0], name="gradients mixed")]
    if how := related(d):
        return [Difference("wrong derivative", {"what": d.owner, "how": how})]
    if d.order and said != [] and d.right and d.inside and not d.spec.parts:
        for question in (_by_place, _by_formula, _by_denominators, _by_powers, _quotients):
            how = question(d, theirs, ours, room)
            if how and (question in (_by_place, _quotients) or how == question(*_elsewhere(d))):
                name = "finite differences" if question == _quotients else "wrong derivative"
                return [Difference(name, {"what": d.owner, "how": how})]
    if not d.order and (shares := lost(d, theirs, ours, room) if d.few and not said else [] if d.few else of_rows(d)):
        return shares
    return said or [unexplained(d.subject, d.owner, theirs, ours, place_of(np.abs(theirs - ours) > room, axes))]


def _elsewhere(d: Derivatives) -> tuple[Derivatives, FloatArray, FloatArray, float]:
    """Other samples and coefficients: what holds in one setting alone is a coincidence."""
    again = d.again()
    return again, again.theirs, *again.own


def _by_place(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Factors in each interval."""
    t, m = d.spec.knots, places(d.spec, d.x)
    k = np.full((len(t), d.spec.intervals), np.nan)
    for p in range(len(t)):
        for j in range(d.spec.intervals):
            a, b = (v[m[:, p] == j + d.spec.degree, :, p] for v in (ours, theirs))
            k[p, j] = (a * b).sum() / (a * a).sum() if (a * a).sum() > 0 else np.nan
            if a.size and np.abs(b - k[p, j] * a).max() > room * 4:
                return ""
    if np.nanmax(np.ptp(k, axis=1)) <= 1e-6 * np.nanmax(np.abs(k)):
        return ""
    told = "; ".join(f"of input {p} by {', '.join(f'{v:.4g}' for v in k[p])}" for p in range(len(t)))
    return f"in each interval they are multiplied by a factor: {told}"


def _of_functions(d: Derivatives) -> FloatArray:
    """Their derivatives of all functions of input 0: (N, dim)."""
    theirs = np.zeros((len(d.x), d.spec.dim))
    for i, unit in enumerate(np.eye(d.spec.dim)):
        single = d.subject.single(d.spec, np.stack([unit, unit])[:, None])
        model, at, dy = d.subject.build(single), d.x[:, :1], np.array([[1.0, 0.0]] * len(d.x))
        if d.order == 1:
            theirs[:, i] = d.subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"][:, 0]
        else:
            theirs[:, i] = d.subject.second(model, at, dy, np.ones(at.shape))[:, 0]
    return theirs


def _by_formula(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The factors of the two terms, by least squares over all functions of input 0."""
    left, right = terms(d.spec.knots[0], d.spec.order, d.x[:, 0], d.order)
    theirs, A = _of_functions(d), np.stack([left.ravel(), right.ravel()], axis=1)
    k, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=None)
    if np.abs(A @ k - theirs.ravel()).max() > 2.0**-30 * np.abs(theirs).max() or abs(k[0] + k[1]) < 1e-6:
        return ""
    k = np.where(np.abs(k) < 2.0**-30, 0.0, k)
    return f"b' is {k[0]:.4g} times its first term {k[1]:+.4g} times its second, instead of 1 and -1"


def _by_denominators(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The lengths by which functions of one degree less are divided in b_i' = d (B_i / (..) - B_(i+1) / (..))."""
    t, r, x = d.spec.knots[0], d.spec.order, d.x[:, 0]
    if d.order != 1 or r < 3:
        return ""
    lower, theirs = recursion(t, r - 1, x, intervals_of(x, t, r)), _of_functions(d)
    divided: dict[str, list[tuple[int, float]]] = {"first": [], "second": []}
    for i in range(d.spec.dim):
        A = lower[:, i : i + 2]
        shown = (np.abs(A) > 2.0**-10).sum(axis=0) > 0
        k, *_ = np.linalg.lstsq(A, theirs[:, i], rcond=1e-12)
        if np.abs(A @ k - theirs[:, i]).max() > 2.0**-30 * np.abs(theirs).max():
            return ""
        for name, v, sign, seen in zip(divided, k, (1, -1), shown, strict=True):
            if seen and v:
                divided[name].append((i, (r - 1) * sign / v))
    one = {name: one_length(d.spec, lengths) for name, lengths in divided.items()}
    if one["first"] and one["first"] == one["second"]:
        return f"both terms are divided by {one['first']}, whatever the knots between them"
    told = []
    for name, lengths in divided.items():
        asked = (r - 1, 0) if name == "first" else (r, 1)
        used = difference_of_knots(t, lengths, asked)
        words = length_in_words(used) if used else one[name]
        if not words:
            return ""
        if used != asked:
            told.append(f"the {name} term is divided by {words} instead of {length_in_words(asked)}")
    return "; ".join(told)


def _by_powers(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Factors of the powers of x - c in each interval, c its left end, its middle, or the start of the domain."""
    m, n = places(d.spec, d.x), d.spec.degree
    low, high = (np.stack([t[m[:, p] + k] for p, t in enumerate(d.spec.knots)], axis=1) for k in (0, 1))
    starts = {
        "the left end of its interval": low, "the middle of its interval": (low + high) / 2,
        "the start of the domain": d.spec.domains[:, 0] + 0 * low, "0": 0 * low,
    }  # fmt: skip
    tails = [true_derivatives(d.spec, d.x, k) for k in range(n + 1)]
    for words, c in starts.items():
        z, powers = (d.x - c)[:, None], []
        for k in range(d.order, n + 1):  # a_k of sum a_k z^k, by Taylor's formula about x
            a = sum(tails[j] * (-z) ** (j - k) * comb(j, k) / factorial(j) for j in range(k, n + 1))
            powers.append((a * z ** (k - d.order) * perm(k, d.order)).ravel())
        A = np.stack(powers, axis=1)
        w, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=1e-12)
        if np.abs(A @ w - theirs.ravel()).max() <= 64 * room and np.abs(w - 1).max() > 2.0**-10:
            factors = ", ".join(f"{round(v, 9) + 0.0:.4g} for power {k}" for k, v in enumerate(w, d.order))
            return f"powers of x less {words} count with other factors: {factors}"
    return ""


def _quotients(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The step of difference quotients: those of the layer's own values, or slopes, are nearer than derivatives."""
    error, steps = theirs - ours, list(STEPS)
    for k in (1, 2):  # their errors are h D / 2 and h^2 D / 6, D one and two orders more
        D = true_derivatives(d.spec, d.x, d.order + k)
        size = abs(float((error * D).sum())) / max(float((D * D).sum()), 1e-300)
        steps.append(2 * size if k == 1 else np.sqrt(6 * size))
    far, words = min(apart for h in steps if 0 < h < 2.0**-4 for apart in _apart(d, theirs, h))
    return f"they are those of {words}" if far <= np.abs(error).max() / 8 else ""


def _apart(d: Derivatives, theirs: FloatArray, h: float) -> Iterator[tuple[float, str]]:
    """How far quotients of three kinds are from what is answered."""
    apart = dict.fromkeys(("forward", "backward", "central"), 0.0)
    for p in range(d.spec.n_inputs):
        step = h * (np.arange(d.spec.n_inputs) == p)
        at = [d.x + k * step for k in (-1, 0, 1)]
        before, here, after = (
            d.slopes(x)[:, p] if d.order == 2 else d.subject.raw(d.model, x, d.spec.n_outputs) for x in at
        )
        for kind, low, high, wide in (("forward", here, after, h), ("backward", before, here, h),
                                      ("central", before, after, 2 * h)):  # fmt: skip
            apart[kind] = max(apart[kind], float(np.abs((high - low) / wide - theirs[:, :, p]).max()))
    for kind, far in apart.items():
        yield far, f"{kind} differences with a step of {h:.3g}"


def unexplained(subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, place: str = "") -> Difference:
    """What explains nothing: the rounding of a lower format, a map of single entries, or another function."""
    size = float(np.abs(ours).max(initial=0.0))
    left = float(np.abs(theirs - ours).max()) / (size or float(np.abs(theirs).max()))
    lower = bool(set(lower_formats(theirs)) - set(lower_formats(ours)))
    if subject.eps < 2.0**-30 and ((lower and left < LARGEST_ROUNDING) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    room = subject.tolerance(size)
    if told := flushed(owner, theirs, ours, room):
        return told
    words = "" if not size or not np.isfinite(theirs).all() else in_words(ours.ravel(), theirs.ravel(), room)
    if words and not words.startswith(("an unknown", "identity", "zero")):
        return Difference("values mapped", {"what": owner, "map": words})
    return Difference("gradient is another", {"what": owner, "left": left, "place": place}, sure="measured")
