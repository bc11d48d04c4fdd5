r"""Stage 8: networks, refinement and updates.

A change compares three functions: the layer's values before, its values after, and the splines with the knots and
coefficients that `state` returns. If the third differs from the first, the stored arrays are wrong: the knots, if they
are not knots of a spline on the same domain, else the coefficients. If the second differs from the third, the layer
does not evaluate what it stores.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.adapters.answers import BadResultError, as_state
from refkan.conformance.cases import DTYPES, LayerSpec, fine_knots, prolonged, reweighted, true_values
from refkan.conformance.identification import stored_splines
from refkan.conformance.identification.explanations import by_samples, explain, placed
from refkan.conformance.identification.functions.functions_in_use import identified
from refkan.conformance.identification.gradients.other_settings import against_truth
from refkan.conformance.identification.gradients.situations import Situation, other_parts
from refkan.conformance.identification.knots_in_use import EQUALLY_SPACED
from refkan.conformance.identification.reported import Difference, Stage, close, largest, measured, only
from refkan.conformance.identification.stages.arithmetic import ROUNDED, arithmetic, not_widened
from refkan.conformance.identification.stages.networks import answering, network
from refkan.conformance.identification.stages.own_functions import sampled
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject
from refkan.splines.knots import greville_points

QUANTITIES = ("values", "refinement", "values-after", "input-gradients-after", "coefficient-gradients-after")
"""Quantities that a change affects."""


NARROW, PART = 0.875, "samples of a part of the domain"
"""Factor from samples of the domain to those that fill a part of it."""

LINES = np.array([1.0, -0.5, 2.0])
"""Slopes of lines at three outputs."""


def changes(subject: Subject) -> tuple[Stage, Subject]:
    """Return what is wrong with networks and changes of state."""
    declared = subject.declared
    if subject.nonlinear or subject.noise > 2.0**-8:
        return Stage("changes", unknown=subject.nonlinear or "results differ from call to call"), subject
    asks: list[tuple[str, Any, bool]] = [
        ("empty", _refused_when_empty, True), ("widened", not_widened, declared.promotes and not subject.by_rows),
        ("formats", formats, len(declared.dtypes) > 1 and "arithmetic" not in subject.differing),
        ("network", network, declared.network),
        ("refined", partial(_changed, kind="refine", times=(2, 3)), bool(declared.refine)),
        ("updated", partial(_changed, kind="update", times=(0,)), declared.update),
    ]  # fmt: skip
    differences, told, reasons = list[Difference](), list[str](), list[str]()
    for name, ask, is_declared in asks:
        if not is_declared:
            continue
        try:
            words, difference = ask(subject)
        except NoAnswerError as error:
            reasons.append(f"{name}: {error}")
            continue
        differences += difference
        told += [words] * bool(words and not difference)
    words = "; ".join(told) or ("" if reasons else "none declared")
    return Stage("changes", words, differences, "; ".join(reasons)), subject


def _refused_when_empty(subject: Subject) -> tuple[str, list[Difference]]:
    """Why a batch of no samples is refused, if it is."""
    model = answering(subject)
    try:
        subject.raw(model, np.zeros((0, 2)), 3)
    except NoAnswerError as error:
        return "", only("empty batch", reason=str(error))
    return "", []


def formats(subject: Subject) -> tuple[str, list[Difference]]:
    """Arithmetic and functions in the other declared formats."""
    differences = list[Difference]()
    others = [name for name in DTYPES if name in subject.declared.dtypes and name != subject.dtype]
    for dtype in others:
        other = Subject.of(subject.adapter, dtype, subject.calls.differences)
        stage, other = arithmetic(other)
        told = list(stage.differences)
        if not told and subject.declared.basis != BSPLINES:
            told = _like_the_first(subject, other)
        elif not told and not subject.differs:
            kind = "uniform" if "uniform" in other.kinds else other.kind
            told = identified(other, sampled(other, other.degree, kind))
        if subject.differs and not all(d.name.endswith(("arithmetic", "coefficients")) for d in told):
            return "", differences  # what is nonlinear may be the rounding of functions that are wrong
        told = [difference for difference in told if difference.name not in subject.names]
        differences += [replace(difference, where=(dtype,)) for difference in told]
    return f"the same in {', '.join(others)}", differences


def _like_the_first(subject: Subject, other: Subject) -> list[Difference]:
    """How functions of another basis differ between two formats, on knots and at points of the lower one."""
    spec, x = other.layer((2, 1), kind=other.kind)
    first, again = (s.basis(replace(spec, dtype=s.dtype), x[:, 0]) for s in (subject, other))
    left = largest(again - first)
    if left <= other.tolerance(largest(first)):
        return []
    what = f"functions in {other.dtype} differ by up to {left:.1e} from those in {subject.dtype}"
    return measured("other functions", what=what)


def _changed(subject: Subject, kind: str, times: tuple[int, ...]) -> tuple[str, list[Difference]]:
    """Refinement to more intervals, which keeps every function, or an update of the knots to samples.

    The degree and the knots of the other stages come first, others only if nothing differs there.
    """
    main = subject.degree, subject.kind
    near = [(d, k) for d, k in subject.right if d and k in (main[1], "uniform")]
    others = [pair for pair in near if (pair[0] == main[0]) != (pair[1] == main[1])]
    for degree, knots in [main, *others]:
        spec = subject.spec((3, 2), degree=degree, kind=knots)
        if "wiring" in subject.differing:  # knots that are those of another input have its domain
            spec = replace(spec, knots=np.repeat(spec.knots[:1], 2, axis=0))
        differences = list[Difference]()
        for k in times[: 1 if knots != main[1] else None]:
            for words, data in _data(subject, spec)[: None if (degree, knots) == main else 1]:
                differences += _After(subject, spec, kind, k * spec.intervals, data, words).told()
        if kind == "update" and not differences and degree:  # polynomials are splines on any knots
            lines = np.stack([greville_points(t, spec.order) for t in spec.knots]) * LINES[:, None, None]
            data = NARROW * _data(subject, spec)[0][1]
            lined = replace(spec, coefficients=lines)
            differences = _After(subject, lined, kind, 0, data, PART).told()
        first = sorted(differences, key=lambda difference: difference.name.startswith("function changed"))[:1]  # why
        if first:
            place = () if (degree, knots) == main else (f"degree-{degree}", knots)
            return "", placed(first, where=(*first[0].where, *place))
    told = _of_parts_after(subject, kind, times[0] * spec.intervals)
    return f"{kind} keeps the function" * (not told), told


def _of_parts_after(subject: Subject, kind: str, intervals: int) -> list[Difference]:
    """What becomes of the parts besides the splines if a change keeps the splines."""
    spec = subject.with_parts(kind=subject.kind)
    if not spec.parts:
        return []
    x, (_, data) = subject.samples(spec, BLOCK, 9), _data(subject, spec)[0]
    alone = reweighted(spec, dict.fromkeys(spec.parts))

    def values(of: LayerSpec) -> tuple[FloatArray, FloatArray, float]:
        """Values before and after, and the room for rounding."""
        model = subject.build(of)
        before = subject.values(of, x, model)
        after = subject.values(of, x, _successor(subject, kind, model, intervals, data))
        return before, after, _allowed(subject) * largest(before)

    before, after, room = values(alone)
    if subject.differs and largest(after - before) > room:
        return []  # its own functions are not kept
    before, after, room = values(spec)
    if close(after, before, room):
        return []
    for part, how, other in (("the parts", "they are left out", alone), *other_parts(spec)):
        if close(subject.values(other, x), after, room):
            evidence = {"part": part, "how": f"after {kind} {how}"}
            return [Difference("part in another form", evidence, (kind,), "exact", QUANTITIES)]
    more: dict[str, Any] = {"left": largest(after - before) / largest(before)}
    more["detail"] = " in layers with parts alone"
    return [Difference(f"function changed by {kind}", more, (kind,), "measured", QUANTITIES)]


def _allowed(subject: Subject) -> float:
    """How much a change may change values, relative to the largest."""
    return max(stored_splines.CHANGED, ROUNDED * subject.eps, 16 * subject.rough)


def _data(subject: Subject, spec: LayerSpec) -> list[tuple[str, FloatArray]]:
    """Samples that fill the domain, and samples of few values."""
    x = subject.samples(spec, 192, 8)
    x[0], x[1] = spec.domains[:, 0], spec.domains[:, 1]
    return [("", x), ("samples of five values", np.resize(x[[0, 1, 2, 3, 4]], x.shape))]


class _After:
    """A layer before and after a change: its values at x, and the splines that it stores afterwards."""

    def __init__(
        self, subject: Subject, spec: LayerSpec, kind: str, intervals: int, data: FloatArray, words: str
    ) -> None:  # fmt: skip
        self.subject = subject
        self.spec = spec
        self.kind = kind
        self.intervals = intervals
        self.words = words
        self.on = f" on {words}" if words else ""
        self.x = np.clip(subject.samples(spec, BLOCK, 9), data.min(axis=0), data.max(axis=0))
        model = subject.build(spec)
        self.before = subject.values(spec, self.x, model)
        self.allowed = _allowed(subject)
        self.size = largest(self.before)
        if not self.size > 0:
            raise NoAnswerError(f"values before {kind} are zero")
        self.model = _successor(subject, kind, model, intervals, data.copy())
        self.after = subject.values(spec, self.x, self.model)
        self.left = largest(self.after - self.before) / self.size

    def because(self, name: str, **evidence: Any) -> list[Difference]:
        """A difference after the change."""
        return [Difference(name, {"change": self.kind + self.on, **evidence}, (self.kind,), "measured", QUANTITIES)]

    def told(self) -> list[Difference]:
        """What differs."""
        stored, told = self._stored() if self.subject.declared.state else (None, [])
        if told:
            return told
        if not np.isfinite(self.after).all():
            return self.because("stored coefficients", what="values are not finite")
        spec = self.spec
        kind = self.kind
        kept = self.left <= self.allowed
        if kind == "refine" and kept and stored is not None and stored_splines.is_before(spec, stored):
            return self.because("stored knots", what="`state` returns the knots and coefficients from before")
        detail = _factors(self.before, self.after, self.allowed * self.size)
        if not self.subject.is_right(spec, self.x):  # its function is not the one asked for
            if not kept and self._is_right_change(stored):
                return []
            if stored and not kept:
                others = stored_splines.other_spaces(spec, stored, kind)
                detail += others or stored_splines.of_other_splines(spec, stored, self.allowed, kind)
            stored = None
        if stored is not None:
            values = true_values(stored, self.x)
            evaluated, right = (largest(values - of) / self.size for of in (self.after, self.before))
            if evaluated > self.allowed:
                return self._of_others(stored, evaluated, right)
            if not kept:
                others = stored_splines.other_spaces(spec, stored, kind)
                detail += others or stored_splines.compared_with_right(spec, stored, self.allowed, kind)
        if not kept:
            return self.because(f"function changed by {kind}", left=self.left, detail=detail + self.on)
        if stored is not None and stored.intervals != self.intervals > 0:
            return self.because("number of intervals", used=stored.intervals, asked=self.intervals)
        if stored is None or self.words == PART:  # lines have no curvature but rounding
            return []
        situation = Situation(
            stored, self.x, (kind,), of=f" after {kind}" + (f" on {self.words}" if self.words else "")
        )
        known = self.subject.wrong_gradients | {"values", "knot-gradients"}
        return [difference for told in against_truth(self.subject, situation, self.model, known).values()
                for difference in told]  # fmt: skip

    def _stored(self) -> tuple[LayerSpec | None, list[Difference]]:
        """The stored splines, or why they are no splines at all."""
        knots, C = self.subject.asked("state", self.model, read=as_state)
        if not np.isfinite(knots).all() or (np.diff(knots, axis=1) < 0).any():
            return None, self.because("stored knots", what="knots are not finite, or decrease")
        bad = int((~np.isfinite(C)).sum())
        if bad:
            lost = f"{bad} of {C.size} stored coefficients are not finite"
            if (np.diff(np.sort(knots, axis=1)) == 0).any():
                lost += f", as {self.kind} made knots that coincide; 0/0 in the recursion"
                return None, self.because("NaN from repeated knots", what=lost)
            return None, self.because("stored coefficients", what=lost)
        try:
            return LayerSpec(knots, C, self.spec.order, "natural", self.spec.dtype, "arbitrary"), []
        except ValueError as error:
            return None, self.because("stored knots", what=str(error))

    def _of_others(self, stored: LayerSpec, evaluated: float, kept: float) -> list[Difference]:
        """What differs if values are not those of the stored splines."""
        if kept <= self.allowed:
            if self._is_built(stored):
                return []
            text = f"the stored spline is right, values are off by {evaluated:.1e} of their size"
            return self._other_knots(stored) or self.because("no longer a spline", what=text)
        if self.left <= self.allowed:
            how = stored_splines.compared_with_right(self.spec, stored, self.allowed, self.kind)
            part = "knots" if "cannot hold" in how else "coefficients"
            what = f"values are as before, but not those of the {part} that `state` returns{how}"
            return self.because(f"stored {part}", what=what)
        what = f"values differ from those of the stored spline by {evaluated:.1e}"
        return self.because("no longer a spline", what=what)

    def _is_right_change(self, stored: LayerSpec | None) -> bool:
        """Whether a layer of other functions has the values of one built from the right knots and coefficients.

        Those are the ones after an exact refinement, or the stored ones if these are right for the requested splines.
        """
        spec, n = self.spec, self.intervals
        if self.kind == "refine":
            knots = fine_knots(spec, n) if spec.kind == "uniform" else (stored.knots if stored else None)
            if knots is None or knots.shape[1] != n + 2 * spec.order - 1:
                return False
            stored = replace(spec, knots=knots, coefficients=prolonged(spec, knots))
        elif stored is None or stored_splines.compared_with_right(spec, stored, self.allowed, self.kind):
            return False
        return self._is_built(stored)

    def _is_built(self, stored: LayerSpec) -> bool:
        """Whether a layer built from the stored knots and coefficients has these values."""
        try:
            built = self.subject.values(replace(stored, outside=self.spec.outside, kind=self.spec.kind), self.x)
        except NoAnswerError:
            return False
        return close(built, self.after, self.allowed * largest(self.after))

    def _other_knots(self, stored: LayerSpec) -> list[Difference]:
        """The splines of the stored coefficients on equally spaced knots."""
        a, b = stored.domains.T[:, :, None]
        n = stored.intervals
        equal = a + (b - a) / n * np.arange(1 - stored.order, n + stored.order)
        values = true_values(replace(stored, knots=equal), self.x)
        if not close(values, self.after, stored_splines.CHANGED * largest(self.after)):
            return []
        return [Difference("equal spacing assumed", {"what": EQUALLY_SPACED}, (self.kind,), "exact", QUANTITIES)]


def _successor(subject: Subject, kind: str, model: Any, intervals: int, data: FloatArray) -> Any:
    """Return a model after `refine` or `update`."""

    def read(successor: Any) -> Any:
        if successor is None:
            raise BadResultError(f"{kind} returned None: return the model")
        return successor

    return subject.asked(kind, model, *((intervals, data) if kind == "refine" else (data,)), read=read)


def _factors(before: FloatArray, after: FloatArray, room: float) -> str:
    """How outputs after a change follow from those before, in words."""
    said = explain(after, before, ("sample", "output"), room, "values") or []
    return "" if by_samples(said) or not said else f"; {'; '.join(map(str, said))}"
