r"""Formulas that wrong derivatives in the inputs follow.

* Are they multiplied by a function of x, or by a number that depends on the sample alone?
* Do they follow from b_i' = (r - 1) (L_i - R_i) with other factors of L and R, or other denominators? By least squares.
* Do they follow from Taylor's polynomials with other factors of the powers of x - c?
* Are they quotients (f(x + h) - f(x)) / h, or central ones? Then the layer's own values give the same numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import comb, factorial, perm

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.relations import ENOUGH, ORDERS, lengths_of_inputs
from refkan.conformance.identification.knots_in_use import ends_of, names_of, offsets_in_use, places, terms, true_rows
from refkan.conformance.identification.known_maps import factor_in_words
from refkan.conformance.identification.reported import close, fitted, largest
from refkan.conformance.identification.subject import NoAnswerError

STEPS = (*(10.0**-k for k in range(2, 11)), 2.0**-26, 2.0 ** (-52 / 3))
"""Of difference quotients."""


def _of_functions(d: Derivatives) -> FloatArray:
    """The returned derivatives of all functions of input 0, (N, dim)."""
    theirs = np.zeros((len(d.x), d.spec.dim))
    for i, unit in enumerate(np.eye(d.spec.dim)):
        single = d.subject.single(d.spec, np.stack([unit, unit])[:, None])
        dy = np.array([[1.0, 0.0]] * len(d.x))
        theirs[:, i] = d.answer(dy, x=d.x[:, :1], model=d.subject.build(single))[:, 0]
    return theirs


SHOWN = 2.0**-7
"""Relative to the largest, derivatives whose factors are measured."""


def _factors_of_points(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> FloatArray | None:
    """The factors (N, P) of derivatives (N, Q, P), NaN where these are small; None if outputs have different ones."""
    size = (ours * ours).sum(axis=1)
    k = (theirs * ours).sum(axis=1) / np.where(size > 0, size, 1.0)
    if not close(theirs, k[:, None] * ours, 64 * room):
        return None
    return np.where(np.sqrt(size) > SHOWN * largest(ours), k, np.nan)


def _by_known_factor(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The known function of x, or of x relative to its domain, by which derivatives are multiplied."""
    k = _factors_of_points(d, theirs, ours, room)
    if k is None:
        return ""
    low, high = d.spec.domains.T
    seen = np.isfinite(k)
    arguments = {"": d.x, ", with the domain taken to [-1, 1]": (2 * d.x - low - high) / (high - low),
                 ", with the domain taken to [0, 1]": (d.x - low) / (high - low)}  # fmt: skip
    for words, u in arguments.items():
        known = factor_in_words(u[seen], k[seen])
        if known:
            return f"they are multiplied by {known}{words}"
    return ""


def _by_unknown_factor(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Some of the factors, if they depend on the sample alone: they are the same for other coefficients."""
    first = _factors_of_points(d, theirs, ours, room)
    if first is None:
        return ""
    other = d.of(replace(d.spec, coefficients=np.roll(d.spec.coefficients, 1, axis=2)), d.x, 1)
    try:
        again = _factors_of_points(other, other.theirs, *other.own)
    except NoAnswerError:  # of layers that are judged by files
        return ""
    if again is None:
        return ""
    seen = np.isfinite(first + again)
    k = first[seen]
    if seen.sum() < ENOUGH or not close(k, again[seen], 2.0**-20 * largest(k)):
        return ""
    x = d.x[seen]
    order = np.argsort(x)[np.linspace(0, x.size - 1, 4).astype(int)]
    pairs = ", ".join(f"{k[s]:.4g} at x = {x[s]:.4g}" for s in order)
    return f"they are multiplied by a number that depends on the sample alone ({pairs})"


def _by_formula(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The factors of the two terms, by least squares over all functions of input 0."""
    left, right = terms(d.spec.knots[0], d.spec.order, d.x[:, 0], d.order)
    theirs, A = _of_functions(d), np.stack([left.ravel(), right.ravel()], axis=1)
    k = fitted(A, theirs.ravel(), 2.0**-30 * largest(theirs))
    if k is None or abs(k[0] + k[1]) < 1e-6:
        return ""
    k = np.where(np.abs(k) < 2.0**-30, 0.0, k)
    return f"b' is {k[0]:.4g} times its first term {k[1]:+.4g} times its second, instead of 1 and -1"


def _by_denominators(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The lengths that divide functions of one degree less in b_i' = d (B_i / (..) - B_(i+1) / (..))."""
    t, r, x = d.spec.knots[0], d.spec.order, d.x[:, 0]
    if d.order != 1 or r < 3:
        return ""
    lower, theirs = true_rows(t, r - 1, x), _of_functions(d)
    divided: dict[str, list[tuple[int, float]]] = {"first": [], "second": []}
    for i in range(d.spec.dim):
        A = lower[:, i : i + 2]
        shown = (np.abs(A) > 2.0**-10).sum(axis=0) > 0
        k = fitted(A, theirs[:, i], 2.0**-30 * largest(theirs), 1e-12)
        if k is None:
            return ""
        for name, v, sign, seen in zip(divided, k, (1, -1), shown, strict=True):
            if seen and v:
                divided[name].append((i, (r - 1) * sign / v))
    one = {name: _one_length(d.spec, lengths) for name, lengths in divided.items()}
    if one["first"] and one["first"] == one["second"]:
        return f"both terms are divided by {one['first']}, whatever the knots between them"
    told = []
    for name, lengths in divided.items():
        asked = (r - 1, 0) if name == "first" else (r, 1)
        span = range(-1, max(asked) + 2)
        every = [asked, *((k, l) for k in span for l in span if k > l)]
        used = offsets_in_use(t, lengths, every, lambda knots, h: close(knots[0] - knots[1], h, 2.0**-24 * abs(h)))
        words = " - ".join(names_of(used)) if used else one[name]
        if not words:
            return ""
        if used != asked:
            told.append(f"the {name} term is divided by {words} instead of {' - '.join(names_of(asked))}")
    return "; ".join(told)


def _one_length(spec: LayerSpec, lengths: list[tuple[int, float]]) -> str:
    """The one interval length that, times r - 1, divides all terms, in words; "" if there is none."""
    h = np.array([length for _, length in lengths]) / (spec.order - 1)
    known = ((words, length) for words, (length, *_) in lengths_of_inputs(spec).items())
    words = next((words for words, length in known if close(h, length, 2.0**-24 * length)), "")
    return words and f"r - 1 times {words.removesuffix(' of each input')}"


def _true_derivatives(spec: LayerSpec, x: FloatArray, order: int) -> FloatArray:
    """Derivatives (N, Q, P) of the edges of the requested layer; its values with order 0."""
    rows = [true_rows(t, spec.order, x[:, p], order) for p, t in enumerate(spec.knots)]
    return np.stack([row @ spec.coefficients[:, p].T for p, row in enumerate(rows)], axis=2)


def _by_powers(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """Factors of the powers of x - c in each interval, c its left end, its middle, or the start of the domain."""
    low, high = ends_of(d.spec, places(d.spec, d.x))
    n = d.spec.degree
    starts = {
        "the left end of its interval": low, "the middle of its interval": (low + high) / 2,
        "the start of the domain": d.spec.domains[:, 0] + 0 * low, "0": 0 * low,
    }  # fmt: skip
    tails = [_true_derivatives(d.spec, d.x, k) for k in range(n + 1)]
    for words, c in starts.items():
        z, powers = (d.x - c)[:, None], []
        for k in range(d.order, n + 1):  # a_k of sum a_k z^k, by Taylor's formula about x
            a = sum(tails[j] * (-z) ** (j - k) * comb(j, k) / factorial(j) for j in range(k, n + 1))
            powers.append((a * z ** (k - d.order) * perm(k, d.order)).ravel())
        w = fitted(np.stack(powers, axis=1), theirs.ravel(), 64 * room, 1e-12)
        if w is not None and largest(w - 1) > 2.0**-10:
            factors = ", ".join(f"{round(v, 9) + 0.0:.4g} for power {k}" for k, v in enumerate(w, d.order))
            return f"powers of x less {words} count with other factors: {factors}"
    return ""


def _at_shifted_points(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The shift e of points x + e at which derivatives are right, by Newton's method."""
    e = 0.0
    for _ in range(SHIFTS):
        slope, at = _true_derivatives(d.spec, d.x + e, d.order + 1), _true_derivatives(d.spec, d.x + e, d.order)
        e += float(((theirs - at) * slope).sum()) / max(float((slope * slope).sum()), 1e-300)
    shifted = _true_derivatives(d.spec, d.x + e, d.order)
    if abs(e) < 2.0**-30 or not close(theirs, shifted, room):  # so near that quotients are not
        return ""
    return f"they are those at x {'+' if e > 0 else '-'} {abs(e):.4g}"


def _combined(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The combination of values, slopes and second derivatives of edges."""
    edges = {f"their {ORDERS[k]}": _true_derivatives(d.spec, d.x, k) for k in range(3)}
    A = np.stack([edge.ravel() for edge in edges.values()], axis=1)
    w = fitted(A, theirs.ravel(), 64 * room)
    if w is None or largest(w - np.eye(3)[d.order]) < 2.0**-16:
        return ""
    terms = [f"{v:.4g} times {name}" for name, v in zip(edges, w, strict=True) if abs(v) > 2.0**-24]
    return f"of edges they are {' plus '.join(terms)}"


SHIFTS = 6
"""Steps of Newton's method."""


def _quotients(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> str:
    """The step of difference quotients, if those of the layer's own values or slopes are closer than derivatives."""
    error, steps = theirs - ours, list(STEPS)
    for k in (1, 2):  # their errors are h D / 2 and h^2 D / 6, D one and two orders more
        D = _true_derivatives(d.spec, d.x, d.order + k)
        size = abs(float((error * D).sum())) / max(float((D * D).sum()), 1e-300)
        steps.append(2 * size if k == 1 else np.sqrt(6 * size))
    far, words = min(apart for h in steps if 0 < h < 2.0**-4 for apart in _apart(d, theirs, h))
    return f"they are those of {words}" if far <= largest(error) / 8 else ""


def _apart(d: Derivatives, theirs: FloatArray, h: float) -> Iterator[tuple[float, str]]:
    """Differences between quotients of three kinds and the answer."""
    apart = np.zeros(3)
    for p, unit in enumerate(np.eye(d.spec.n_inputs)):
        at = [d.x + k * h * unit for k in (-1, 0, 1)]
        y = [d.slopes(x)[:, p] if d.order == 2 else d.subject.raw(d.model, x, d.spec.n_outputs) for x in at]
        quotients = np.stack([(y[2] - y[1]) / h, (y[1] - y[0]) / h, (y[2] - y[0]) / (2 * h)])
        apart = np.maximum(apart, np.abs(quotients - theirs[:, :, p]).max(axis=(1, 2)))
    for kind, far in zip(("forward", "backward", "central"), apart.tolist(), strict=True):
        yield far, f"{kind} differences with a step of {h:.3g}"


Question = Callable[[Derivatives, FloatArray, FloatArray, float], str]

QUESTIONS: dict[Question, str] = {
    _by_known_factor: "wrong derivative",
    _by_formula: "wrong derivative",
    _by_denominators: "wrong derivative",
    _by_powers: "wrong derivative",
    _combined: "wrong derivative",
    _at_shifted_points: "wrong derivative",
    _quotients: "finite differences",
    _by_unknown_factor: "wrong derivative",
}
"""What is asked of derivatives inside the domain, in this order, and the name of the difference."""

SURE = (_quotients, _by_unknown_factor)
"""Those whose answers need no second setting."""
