r"""What the derivatives of a layer are, if they are not those of its own function.

If no rearrangement, no factors and no relation (see `relations`) explain them, these questions follow:

* Do they follow from b_i' = (r - 1) (L_i - R_i) with other factors of L and R? By least squares.
* Do they follow from Taylor's polynomials with other factors of the powers of x - c?
* Are they quotients (f(x + h) - f(x)) / h, or central ones? Then the layer's own values give the same numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import comb, factorial, perm
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LARGEST_ROUNDING, LayerSpec
from refkan.conformance.identification.explanations import by_samples, explain, placed, sizes_of
from refkan.conformance.identification.gradients.derivatives_asked import Derivatives
from refkan.conformance.identification.gradients.relations import ENOUGH, lengths_of_inputs, related
from refkan.conformance.identification.gradients.situations import SAMPLES, fewer
from refkan.conformance.identification.knots_in_use import ends_of, names_of, offsets_in_use, places, terms, true_rows
from refkan.conformance.identification.known_maps import factor_in_words, in_words, lower_formats, lowered, place_of
from refkan.conformance.identification.reported import Difference, close, factor_of, fitted, largest, measured, only
from refkan.conformance.identification.subject import NoAnswerError, Subject

ROWS_ASKED = 16
"""Number of samples whose share is tested together."""

BESIDE = 2.0**-22
"""Of knots."""

DETACHED = "detached gradient"

STEPS = (*(10.0**-k for k in range(2, 11)), 2.0**-26, 2.0 ** (-52 / 3))
"""Of difference quotients."""


def of_what(d: Derivatives) -> list[Difference]:
    """What the derivatives are, [] if they are those of the layer's own function, or of the requested one."""
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
    if said and not vague and not by_samples(said):
        return placed(said, size=_size_of_factor(d, said))
    if said and not d.order and said[0].name == "samples mixed up":
        return [replace(said[0], name="gradients mixed")]
    how = related(d)
    if how:
        return only("wrong derivative", what=d.owner, how=how)
    if d.order and said != [] and d.right and d.inside and not d.spec.parts:
        for question, name in QUESTIONS.items():
            how = question(d, theirs, ours, room)
            if how and (question in SURE or how == _elsewhere(d, question)):
                return only(name, what=d.owner, how=how)
    known = _factor_of_samples(d, said or [])
    if known:
        return known
    if not d.order and not (d.few and said):
        shares = _shares(d, theirs, ours, room)
        if shares:
            return shares
    return said or unexplained(d.subject, d.owner, theirs, ours, place_of(np.abs(theirs - ours) > room, axes))


def _factor_of_samples(d: Derivatives, said: Sequence[Difference]) -> list[Difference]:
    """Factors of samples that are a known function of one of their inputs, or of their sum."""
    factors = next((one.evidence["factors"] for one in said if one.name == "factors by sample"), None)
    if factors is None or len(factors) != len(d.x):
        return []
    numbers = {f"of its input {p}": d.x[:, p] for p in range(d.x.shape[1])}
    for words, x in (numbers | {"of the sum of its inputs": d.x.sum(axis=1)}).items():
        known = factor_in_words(x, np.asarray(factors, np.float64))
        if known:
            return only("wrong derivative", what=d.owner, how=f"each sample is multiplied by {known}, {words}")
    return []


def _elsewhere(d: Derivatives, question: Callable[[Derivatives, FloatArray, FloatArray, float], str]) -> str:
    """The answer for other samples and coefficients: what holds only in one setting is a coincidence."""
    again = d.again()
    return question(again, again.theirs, *again.own)


def _size_of_factor(d: Derivatives, told: Sequence[Difference]) -> str:
    """Which size a constant factor equals, by a second measurement with other sizes."""
    factor = next((difference.evidence["factor"] for difference in told if difference.name == "constant factor"), None)
    if factor is None or d.given is not None or not d.inside:
        return ""
    subject = d.subject
    degree = next((degree for degree in subject.degrees if degree not in (subject.degree, 0, 1)), subject.degree)
    spec = subject.with_parts((5, 3), d.spec.parts, degree=degree, kind=d.spec.kind, intervals=fewer(subject))
    other = d.of(spec, subject.samples(spec, 24, 5))
    told_again = explain(other.answered, other.expected, d.axes, other.room, d.owner, DETACHED) or []
    factors = [one.evidence["factor"] for one in told_again if one.name == "constant factor"]
    again = factors[0] if factors else abs(factor_of(other.answered, other.expected))
    named = sizes_of([factor, again], [of.sizes for of in (d, other)])
    if named or abs(factor - again) <= 1e-6 * factor:
        return named
    return f"{again:.6g} in layers of degree {degree} with 5 outputs, 3 inputs, 24 samples"


def _shares(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Which samples of a batch do not contribute to gradients in weights."""
    return _lost(d, theirs, ours, room) if d.few else _of_rows(d)


def _lost(d: Derivatives, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether the contributions of samples are lost in a batch, but not by themselves."""
    dy = np.ones((1, d.spec.n_outputs))
    alone = [d.answer(dy, x=d.x[s : s + 1]) for s in range(len(d.x))]
    if largest(np.stack(alone) - ours.sum(axis=1)) > room:
        return []
    count = int((np.abs(theirs - ours).reshape(len(d.x), -1).max(axis=1) > room).sum())
    how = f"of {len(d.x)} samples {count} do not add what is theirs, and each does in a batch of its own"
    return only("contributions lost", what=d.owner, how=how)


def _of_rows(d: Derivatives) -> list[Difference]:
    """Which samples of a batch contribute, by cotangents of a few of them, then of single ones."""
    N, weights = len(d.x), np.ones(len(d.x))

    def counts(rows: slice) -> float:
        dy = np.zeros((N, d.spec.n_outputs))
        dy[rows] = 1.0
        theirs, ours = d.answer(dy, d.x), d.truth(dy, d.x)
        k = factor_of(theirs, ours)
        return k if close(theirs, k * ours, d.subject.tolerance(64 * largest(ours))) else np.nan

    for start in range(0, N, ROWS_ASKED):
        rows = range(start, min(start + ROWS_ASKED, N))
        together = counts(slice(rows.start, rows.stop))
        weights[start : rows.stop] = together if np.isfinite(together) else [counts(slice(r, r + 1)) for r in rows]
    left_out = np.flatnonzero(np.abs(weights) < 1e-6)
    return only("samples left out", what=d.owner, indices=left_out.tolist(), size=N) if left_out.size else []


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
    _quotients: "finite differences",
    _by_unknown_factor: "wrong derivative",
}
"""What is asked of derivatives inside the domain, in this order, and the name of the difference."""

SURE = (_quotients, _by_unknown_factor)
"""Those whose answers need no second setting."""


def unexplained(
    subject: Subject, owner: str, theirs: FloatArray, ours: FloatArray, place: str = ""
) -> list[Difference]:  # fmt: skip
    """What remains if nothing else fits: rounding of a lower format, a map of single entries, or another function."""
    size = largest(ours)
    left = largest(theirs - ours) / (size or largest(theirs))
    if subject.eps < 2.0**-30 and ((left < LARGEST_ROUNDING and lowered(theirs, ours)) or 2.0**-27 < left < 2.0**-18):
        return rounded_gradients(owner, left, theirs)
    room = subject.tolerance(size)
    zeros = flushed(owner, theirs, ours, room)
    if zeros:
        return zeros
    told = mapped(owner, theirs, ours, room)
    if told:
        return told
    return measured("gradient is another", what=owner, left=left, place=place)


def mapped(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether a known map takes each right number to the one that is returned."""
    if not ours.any() or not np.isfinite(theirs).all():
        return []
    words = in_words(ours.ravel(), theirs.ravel(), room)
    return [] if words.startswith(("an unknown", "identity", "zero")) else only("values mapped", what=owner, map=words)


def flushed(owner: str, theirs: FloatArray, ours: FloatArray, room: float) -> list[Difference]:
    """Whether small entries are zero, and the others right."""
    gone = (theirs == 0) & (np.abs(ours) > room)
    if not gone.any() or not close(theirs[~gone], ours[~gone], room):
        return []
    kept = np.abs(ours[~gone & (theirs != 0)])
    below = largest(ours[gone])
    return measured("flushed to zero", what=owner, below=below) if below <= kept.min(initial=np.inf) else []


def rounded_gradients(owner: str, left: float, theirs: FloatArray) -> list[Difference]:
    """Gradients with the rounding errors of a lower format: one that holds them all exactly, or one of that size."""
    exact = lower_formats(theirs)
    if exact:
        return measured(f"{exact[0]} gradients", what=owner, left=left, how=f"all are {exact[0]} numbers")
    name = "float32" if left < 2.0**-18 else "float16 or TF32" if left < 2.0**-9.5 else "bfloat16"
    return measured(f"{name} gradients", what=owner, left=left, how=f"as much as the rounding of {name} is")


def at_knots(of: Derivatives) -> list[Difference]:
    """Derivatives at knots against those to the right of them, and at x = b against those to the left."""
    subject, degree, owner = of.subject, of.spec.degree, of.owner
    kind = next((kind for kind in ("uniform", "arbitrary") if (degree, kind) in subject.right), "")
    if not kind or subject.refused or (kind == "uniform" and not subject.declared.frame.exact):
        return []
    spec = subject.spec((3, 2), degree=degree, kind=kind)
    model = subject.build(spec)

    def asked(at: Any) -> FloatArray:
        return of.answer(np.ones((len(at), spec.n_outputs)), x=at, model=model)

    inner = [np.unique(t[spec.order : t.size - spec.order]) for t in spec.knots]
    at = np.stack([np.resize(t, SAMPLES) for t in inner], axis=1)
    here = asked(at)
    left = asked(at - BESIDE)
    right = asked(at + BESIDE)
    room = max(2.0**-12, 16 * subject.rough) * largest(right)
    start, end = (np.repeat(spec.domains[:, k][None], SAMPLES, axis=0) for k in (0, 1))
    last, before = asked(end), asked(end - BESIDE)
    lowest, after = asked(start), asked(start + BESIDE)
    if here.any() and not lowest.any() and largest(after) > room:
        both = " and x = b" * (not last.any() and largest(before) > room)
        return only("zero at ends", what=owner, ends=f"x = a{both}")
    if largest(here - right) > room:
        if not here.any():
            return only("zero at knots", what=owner)
        if close(here, left, room):  # as the values are, or not
            return [] if "left limit at knots" in subject.names else only("left limit at knots")
        left_over = float(largest(here - right) / largest(right))
        return measured("gradient is another", what=f"{owner} at knots", left=left_over)
    rule = subject.declared.right_end
    wanted = {"closed": before, "half-open": asked(end + BESIDE), "zero": 0 * last}[rule]
    if close(last, wanted, room) or spec.outside != "natural":
        return []
    told = "zero" if not last.any() else f"not those that go with a {rule} right end"
    return only("right end open" if rule == "closed" else "other right end", what=f"at x = b {owner} are {told}")
