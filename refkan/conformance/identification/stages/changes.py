r"""Stage 8: networks, refinement and updates.

After a change three functions are compared: the layer's values before, its values now, and the splines on the knots
with the coefficients that it says it has now. If the third is not the first, what is stored is wrong: the knots, if
they are no knots of a spline on the same domain, else the coefficients. If the second is not the third, something else
is evaluated than what is stored.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.answers import as_real
from refkan.conformance.cases.specs import LayerSpec, attribute
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.cases.truths.refined_layers import fine_knots, prolonged
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.situations import Situation, other_parts
from refkan.conformance.identification.gradients.whole_gradients import against_truth
from refkan.conformance.identification.knots_in_use import EQUALLY_SPACED
from refkan.conformance.identification.stages.arithmetic import ROUNDED, arithmetic, not_widened
from refkan.conformance.identification.stages.functions_in_use import identified
from refkan.conformance.identification.stages.networks import answering, network
from refkan.conformance.identification.stages.own_functions import sampled
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.stored_splines import (
    CHANGED,
    compared_with_right,
    is_before,
    of_other_splines,
    other_spaces,
)
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject
from refkan.splines.knots import greville_points

QUANTITIES = ("values", "refinement", "values-after", "input-gradients-after", "coefficient-gradients-after")
"""What a change bears on."""


NARROW, PART = 0.875, "samples of a part of the domain"
"""Of samples, to those that fill a part of the domain."""


def changes(subject: Subject) -> Stage:
    """Return what networks and changes of state do."""
    declared = subject.declared
    if subject.nonlinear or subject.noise > 2.0**-8:
        return Stage("changes", unknown=subject.nonlinear or "results differ from call to call")
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
    return Stage(
        "changes", "; ".join(told) or ("" if reasons else "none declared"), tuple(differences), "; ".join(reasons)
    )


def _refused_when_empty(subject: Subject) -> tuple[str, list[Difference]]:
    """Why a batch of no samples is refused, if it is."""
    model = answering(subject)
    try:
        subject.raw(model, np.zeros((0, 2)), 3)
    except NoAnswerError as error:
        return "", [Difference("empty batch", {"reason": str(error)})]
    return "", []


def formats(subject: Subject) -> tuple[str, list[Difference]]:
    """Arithmetic and functions in the other formats that are declared."""
    differences, others = [], [name for name in DTYPES if name in subject.declared.dtypes and name != subject.dtype]
    for dtype in others:
        other = Subject(subject.adapter, dtype)
        told = list(arithmetic(other).differences)
        kind = "uniform" if "uniform" in other.kinds else other.kind
        told = told or ([] if subject.differs else identified(other, sampled(other, other.degree, kind)))
        told = [difference for difference in told if difference.name not in subject.names]
        differences += [replace(difference, where=(dtype,)) for difference in told]
    return f"the same in {', '.join(others)}", differences


def _changed(subject: Subject, kind: str, times: tuple[int, ...]) -> tuple[str, list[Difference]]:
    """Refinement to more intervals, which loses no function, or an update of the knots to samples.

    The degree and the knots of the other stages come first, others only where nothing differs there.
    """
    main = subject.degree, subject.kind
    near = [(d, k) for d, k in subject.right if d and k in (main[1], "uniform")]
    others = [pair for pair in near if (pair[0] == main[0]) != (pair[1] == main[1])]
    for degree, knots in [main, *others]:
        spec = subject.spec((3, 2), degree=degree, kind=knots)
        if "wiring" in subject.differing:  # knots that are those of another input have its domain
            spec = replace(spec, knots=np.repeat(spec.knots[:1], 2, axis=0))
        differences = [
            difference
            for k in times[: 1 if knots != main[1] else None]
            for words, data in _data(subject, spec)[: None if (degree, knots) == main else 1]
            for difference in _after(subject, spec, kind, k * spec.intervals, data, words)
        ]
        if kind == "update" and not differences and degree:  # polynomials are splines on any knots
            lines = (
                np.stack([greville_points(t, spec.order) for t in spec.knots])
                * np.array([1.0, -0.5, 2.0])[:, None, None]
            )
            data, words = NARROW * _data(subject, spec)[0][1], PART
            differences = _after(subject, replace(spec, coefficients=lines), kind, 0, data, words)
        first = sorted(differences, key=lambda difference: difference.name.startswith("function changed"))[:1]  # why
        if first:
            place = () if (degree, knots) == main else (f"degree-{degree}", knots)
            return "", placed(first, where=(*first[0].where, *place))
    told = _of_parts_after(subject, kind, times[0] * spec.intervals)
    return f"{kind} keeps the function" * (not told), told


def _of_parts_after(subject: Subject, kind: str, intervals: int) -> list[Difference]:
    """What becomes of the parts beside splines, where a change keeps the splines."""
    spec = subject.with_parts(kind=subject.kind)
    if not spec.parts:
        return []
    x, (_, data) = subject.samples(spec, BLOCK, 9), _data(subject, spec)[0]
    none: dict[str, Any] = {attribute(part): None for part in spec.parts}
    alone = replace(spec, **none)

    def values(of: LayerSpec) -> tuple[FloatArray, FloatArray, float]:
        model = subject.build(of)
        before = subject.values(of, x, model)
        model = _successor(subject, kind, model, *((intervals, data) if kind == "refine" else (data,)))
        return before, subject.values(of, x, model), _allowed(subject) * float(np.abs(before).max())

    before, after, room = values(alone)
    if subject.differs and np.abs(after - before).max() > room:
        return []  # its own functions are not kept
    before, after, room = values(spec)
    if np.abs(after - before).max() <= room:
        return []
    others = [("the parts", "they are left out", alone), *other_parts(spec)]
    for part, how, other in others:
        if np.abs(subject.values(other, x) - after).max() <= room:
            evidence = {"part": part, "how": f"after {kind} {how}"}
            return [Difference("part in another form", evidence, (kind,), "exact", QUANTITIES)]
    left = float(np.abs(after - before).max() / np.abs(before).max())
    more: dict[str, Any] = {"left": left, "detail": " in layers with parts alone"}
    return [Difference(f"function changed by {kind}", more, (kind,), "measured", QUANTITIES)]


def _allowed(subject: Subject) -> float:
    """What a change may change values by, of the largest."""
    return max(CHANGED, ROUNDED * subject.eps, 16 * subject.rough)


def _data(subject: Subject, spec: LayerSpec) -> list[tuple[str, FloatArray]]:
    """Samples that fill the domain, and samples of few values."""
    x = subject.samples(spec, 192, 8)
    x[0], x[1] = spec.domains[:, 0], spec.domains[:, 1]
    return [("", x), ("samples of five values", np.resize(x[[0, 1, 2, 3, 4]], x.shape))]


def _after(
    subject: Subject, spec: LayerSpec, kind: str, intervals: int, data: FloatArray, words: str
) -> list[Difference]:  # fmt: skip
    x = np.clip(subject.samples(spec, BLOCK, 9), data.min(axis=0), data.max(axis=0))
    model = subject.build(spec)
    before = subject.values(spec, x, model)
    size, allowed = float(np.abs(before).max()), _allowed(subject)
    if not size > 0:
        raise NoAnswerError(f"values before {kind} are zero")
    model = _successor(subject, kind, model, *((intervals, data.copy()) if kind == "refine" else (data.copy(),)))
    after = subject.values(spec, x, model)
    change = kind + (f" on {words}" if words else "")

    def told(name: str, **evidence: Any) -> list[Difference]:
        return [Difference(name, {"change": change, **evidence}, (kind,), "measured", QUANTITIES)]

    stored_after = None
    if subject.declared.state:
        knots, C = _state(subject, model)
        if not np.isfinite(knots).all() or (np.diff(knots, axis=1) < 0).any():
            return told("stored knots", what="knots are not finite, or decrease")
        if not np.isfinite(C).all():
            lost = f"{int((~np.isfinite(C)).sum())} of {C.size} stored coefficients are not finite"
            if (np.diff(np.sort(knots, axis=1)) == 0).any():
                return told(
                    "NaN from repeated knots", what=f"{lost}, as {kind} made knots that coincide; 0/0 in the recursion"
                )
            return told("stored coefficients", what=lost)
        try:
            stored_after = LayerSpec(knots, C, spec.order, "natural", spec.dtype, "arbitrary")
        except ValueError as error:
            return told("stored knots", what=str(error))
    if not np.isfinite(after).all():
        return told("stored coefficients", what="values are not finite")
    left = float(np.abs(after - before).max()) / size
    if kind == "refine" and left <= allowed and stored_after is not None and is_before(spec, stored_after):
        return told("stored knots", what="`state` gives the knots and coefficients of before")
    detail = _factors(before, after, allowed * size)
    if not subject.is_right(spec, x):  # its function is not the one asked for
        if left > allowed and _is_right_change(subject, spec, stored_after, kind, intervals, x, after):
            return []
        if stored_after and left > allowed:
            detail += other_spaces(spec, stored_after, kind) or of_other_splines(spec, stored_after, allowed, kind)
        stored_after = None
    if stored_after is not None:
        stored = FloatQuantities((stored_after,), x).values
        evaluated, kept = float(np.abs(after - stored).max()) / size, float(np.abs(stored - before).max()) / size
        if evaluated > allowed:
            if kept <= allowed:
                if _is_built(subject, spec, stored_after, x, after):
                    return []
                text = f"what is stored is right, values are off by {evaluated:.1e} of their size"
                return _other_knots(stored_after, x, after, kind) or told("no longer a spline", what=text)
            if left <= allowed:
                how = compared_with_right(spec, stored_after, allowed, kind)
                name, part = (
                    ("stored knots", "knots") if "cannot hold" in how else ("stored coefficients", "coefficients")
                )
                return told(name, what=f"values are as before, and the {part} that are told are not theirs{how}")
            return told("no longer a spline", what=f"values are not those of what is stored, by {evaluated:.1e}")
        if left > allowed:
            said = other_spaces(spec, stored_after, kind)
            detail += said or compared_with_right(spec, stored_after, allowed, kind)
    if left <= allowed:
        if stored_after is not None and stored_after.knots.shape[1] - 2 * stored_after.degree - 1 != intervals > 0:
            more = {"used": stored_after.knots.shape[1] - 2 * stored_after.degree - 1, "asked": intervals}
            return told("number of intervals", **more)
        if stored_after is None or words == PART:  # lines have no curvature but rounding
            return []
        situation = Situation(stored_after, x, (kind,), of=f" after {change}")
        known = subject.wrong_gradients | {"values", "knot-gradients"}
        told_of = against_truth(subject, situation, model, known)
        return [difference for told in told_of.values() for difference in told]
    return told(f"function changed by {kind}", left=left, detail=detail + (f" on {words}" if words else ""))


def _successor(subject: Subject, kind: str, model: Any, *arguments: Any) -> Any:
    """Return a model after `refine` or `update`."""
    method = subject.adapter.refine if kind == "refine" else subject.adapter.update
    successor = subject.asked(kind, method, model, *arguments)
    if successor is None:
        raise NoAnswerError(f"{kind}: returned None")
    return successor


def _state(subject: Subject, model: Any) -> tuple[FloatArray, FloatArray]:
    """Return the knots and coefficients that a model says it has."""
    answer = subject.asked("state", subject.adapter.state, model)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise NoAnswerError(
            f"state: must return knots and coefficients, two arrays; returned a {type(answer).__name__}"
        )
    knots, C = answer
    return subject.read("state", lambda: (as_real("knots", knots), as_real("coefficients", C)))


def _is_right_change(
    subject: Subject, spec: LayerSpec, stored: LayerSpec | None, kind: str, intervals: int, x: FloatArray,
    after: FloatArray,
) -> bool:  # fmt: skip
    """Whether a layer of other functions is, after a change, what it is if built of the right knots and coefficients.

    Those are the ones after an exact refinement, or those that it says it has, if they are of the splines asked for.
    """
    if kind == "refine":
        knots = fine_knots(spec, intervals) if spec.kind == "uniform" else (stored.knots if stored else None)
        if knots is None or knots.shape[1] != intervals + 2 * spec.order - 1:
            return False
        stored = replace(spec, knots=knots, coefficients=prolonged(spec, knots))
    elif stored is None or compared_with_right(spec, stored, _allowed(subject), kind):
        return False
    return _is_built(subject, spec, stored, x, after)


def _is_built(subject: Subject, spec: LayerSpec, stored: LayerSpec, x: FloatArray, after: FloatArray) -> bool:
    """Whether a layer that is built of the knots and coefficients that are stored has these values."""
    try:
        built = subject.values(replace(stored, outside=spec.outside, kind=spec.kind), x)
    except NoAnswerError:
        return False
    return bool(np.abs(built - after).max() <= _allowed(subject) * np.abs(after).max())


def _factors(before: FloatArray, after: FloatArray, room: float) -> str:
    """What outputs after a change are of those before."""
    said = explain(after, before, ("sample", "output"), room, "values")
    if any(difference.evidence.get("axis") == "sample" for difference in said or []):
        return ""
    return f"; {'; '.join(map(str, said))}" if said else ""


def _other_knots(stored: LayerSpec, x: FloatArray, after: FloatArray, kind: str) -> list[Difference]:
    """The splines of the stored coefficients on equally spaced knots."""
    a, b = stored.knots[:, stored.order - 1, None], stored.knots[:, -stored.order, None]
    n = stored.knots.shape[1] - 2 * stored.order + 1
    equal = a + (b - a) / n * np.arange(1 - stored.order, n + stored.order)
    values = FloatQuantities((replace(stored, knots=equal),), x).values
    if np.abs(values - after).max() <= CHANGED * np.abs(after).max():
        return [Difference("equal spacing assumed", {"what": EQUALLY_SPACED}, (kind,), "exact", QUANTITIES)]
    return []
