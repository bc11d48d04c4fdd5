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
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.adapters.answers import as_real
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.own_gradients import against_truth
from refkan.conformance.identification.gradients.relations import other_weights
from refkan.conformance.identification.gradients.situations import Situation
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
    other_spaces,
)
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject
from refkan.splines.knots import greville_points

BEARS_ON = ("values", "refinement", "values-after", "input-gradients-after", "coefficient-gradients-after")
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
        asked = [
            (spec, k, words, data)
            for k in times[: 1 if knots != main[1] else None]
            for words, data in _data(subject, spec)[: None if (degree, knots) == main else 1]
        ]
        if kind == "update" and degree:  # polynomials are splines on any knots
            lines = np.array([1.0, -0.5, 2.0])[:, None, None] * [greville_points(t, spec.order) for t in spec.knots]
            asked.append((replace(spec, coefficients=lines), 0, PART, NARROW * asked[0][-1]))
        if (degree, knots) == main and not subject.differs and subject.declared.parts:
            asked.append((subject.with_parts(kind=knots), times[0], "layers with parts", asked[0][-1]))
        told = [difference for layer, k, words, data in asked
                for difference in _after(subject, layer, kind, k * spec.intervals, data, words)]  # fmt: skip
        if told := sorted(told, key=lambda difference: difference.name.startswith("function changed"))[:1]:  # why
            place = () if (degree, knots) == main else (f"degree-{degree}", knots)
            return "", placed(told, where=(*told[0].where, *place))
    return f"{kind} keeps the function", []


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
    """What differs after a change, from before and from what is stored."""
    x = np.clip(subject.samples(spec, BLOCK, 9), data.min(axis=0), data.max(axis=0))
    model = subject.build(spec)
    before = subject.values(spec, x, model)
    size, allowed = float(np.abs(before).max()), _allowed(subject)
    if not subject.is_right(spec, x) and subject.declared.basis == BSPLINES:
        raise NoAnswerError("functions are others than those asked for")
    model = _successor(subject, kind, model, intervals, data)
    after = subject.values(spec, x, model)
    change, on = kind + f" on {words}" * bool(words), f" on {words}" * bool(words)

    def told(name: str, **evidence: Any) -> list[Difference]:
        return [Difference(name, {"change": change, **evidence}, (kind,), "measured", BEARS_ON)]

    stored = None
    if subject.declared.state and not spec.parts:
        knots, C = _state(subject, model)
        if not np.isfinite(C).all():
            lost = f"{int((~np.isfinite(C)).sum())} of {C.size} stored coefficients are not finite"
            if (np.diff(np.sort(knots, axis=1)) == 0).any():
                how = f"{lost}, as {kind} made knots that coincide; 0/0 in the recursion"
                return told("NaN from repeated knots", what=how)
            return told("stored coefficients", what=lost)
        try:
            stored = LayerSpec(knots, C, spec.order, "natural", spec.dtype, "arbitrary")
        except ValueError as error:
            return told("stored knots", what=str(error))
    if not np.isfinite(after).all():
        return told("stored coefficients", what="values are not finite")
    left = float(np.abs(after - before).max()) / size
    stored = stored if subject.declared.basis == BSPLINES else None
    if stored and (said := _otherwise(subject, spec, stored, x, before, after)) is not None:
        return told(said[0], what=said[1]) if said else []
    if left > allowed:
        detail = _of_before(subject, spec, x, before, after, allowed * size)
        if stored is not None:
            detail += other_spaces(spec, stored, kind) or compared_with_right(spec, stored, allowed, kind)
        return told(f"function changed by {kind}", left=left, detail=detail + on)
    if stored is None or words == PART:  # lines have no curvature but rounding
        return []
    if intervals and is_before(spec, stored):
        return told("stored knots", what="`state` gives the knots and coefficients of before")
    if stored.intervals != intervals > 0:
        return told("number of intervals", used=stored.intervals, asked=intervals)
    known = subject.wrong_gradients | {"values", "knot-gradients"}
    seen = against_truth(subject, Situation(stored, x, (kind,), of=f" after {change}"), model, known)
    return [difference for told_of in seen.values() for difference in told_of]


def _otherwise(
    subject: Subject, spec: LayerSpec, stored: LayerSpec, x: FloatArray, before: FloatArray, after: FloatArray
) -> tuple[str, str] | tuple[()] | None:
    """What is evaluated if not the splines that are stored: the name and the words, () if no difference, else None."""
    size, allowed = float(np.abs(before).max()), _allowed(subject)
    values = FloatQuantities((stored,), x).values
    if np.abs(after - values).max() <= allowed * size:
        return None
    if np.abs(values - before).max() > allowed * size:
        return "no longer a spline", f"values are not those of what is stored, by {np.abs(after - values).max():.1e}"
    built = subject.values(replace(stored, outside=spec.outside, kind=spec.kind), x)
    if np.abs(built - after).max() <= allowed * size:  # as a new layer of what is stored has, too
        return ()
    a, b = stored.domains[:, 0, None], stored.domains[:, 1, None]
    n, r = stored.intervals, stored.order
    equal = replace(stored, knots=a + (b - a) / n * np.arange(1 - r, n + r))
    if np.abs(FloatQuantities((equal,), x).values - after).max() <= CHANGED * np.abs(after).max():
        return "equal spacing assumed", EQUALLY_SPACED
    return "no longer a spline", f"what is stored is right, values are off by {np.abs(after - values).max():.1e}"


def _successor(subject: Subject, kind: str, model: Any, intervals: int, data: FloatArray) -> Any:
    """Return a model after `refine` or `update`."""
    arguments = (intervals, data.copy()) if kind == "refine" else (data.copy(),)
    successor = subject.asked(kind, getattr(subject.adapter, kind), model, *arguments)
    if successor is None:
        raise NoAnswerError(f"{kind}: returned None")
    return successor


def _state(subject: Subject, model: Any) -> tuple[FloatArray, FloatArray]:
    """Return the knots and coefficients that a model says it has."""
    answer = subject.asked("state", subject.adapter.state, model)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        came = f"returned a {type(answer).__name__}"
        raise NoAnswerError(f"state: must return knots and coefficients, two arrays; {came}")
    return subject.read("state", lambda: (as_real("knots", answer[0]), as_real("coefficients", answer[1])))


def _of_before(
    subject: Subject, spec: LayerSpec, x: FloatArray, before: FloatArray, after: FloatArray, room: float
) -> str:  # fmt: skip
    """What outputs after a change are of those before, or of those of other parts."""
    for words, other in other_weights(spec) if spec.parts else ():
        if np.abs(subject.values(other, x) - after).max() <= room:
            return f"; {words}"
    said = explain(after, before, ("sample", "output"), room, "values")
    if any(difference.evidence.get("axis") == "sample" for difference in said or []):
        return ""
    return f"; {'; '.join(map(str, said))}" if said else ""
