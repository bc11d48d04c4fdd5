r"""Stage 8: networks, refinement and updates, of layers that are what they were declared to be.

Between layers: with coefficients xi_i (see `points_in_use`) a spline is s(x) = x on its domain, so that two of them one
after another show what stands between them.

After a change three functions are compared: the layer's values before, its values now, and the splines on the knots
with the coefficients that it says it has now. If the third is not the first, what is stored is wrong: the knots, if
they are no knots of a spline on the same domain, else the coefficients. If the second is not the third, something else
is evaluated than what is stored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.identification.known_maps import map_of
from refkan.conformance.identification.stages.arithmetic import ROUNDED, arithmetic
from refkan.conformance.identification.stages.own_functions import identified, sampled
from refkan.conformance.identification.stages.points_in_use import point_of
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

CHANGED = 2.0**-36
"""Of the largest output, that a change of the representation may change it by: room for a least-squares solve."""


def changes(subject: Subject) -> Stage:
    """Return what networks and changes of state do."""
    declared = subject.declared
    if subject.differs:
        return Stage("changes", unknown=f"not asked where layers differ ({subject.differs})")
    if subject.right and (refused := _refused_when_empty(subject)):
        return Stage("changes", "", (Difference("empty batch", {"reason": refused}),))
    asks: list[Any] = [formats] * (len(declared.dtypes) > 1) + [network] * declared.network
    asks += [refined] * ("nested" in declared.refine or "any" in declared.refine) + [updated] * declared.update
    found, told, reasons = [], [], []
    for ask in asks:
        try:
            words, one = ask(subject)
        except NoAnswerError as error:
            reasons.append(f"{ask.__name__}: {error}")
            continue
        found += one
        told.append(words)
    return Stage("changes", "; ".join(told) or ("" if reasons else "none declared"), tuple(found), "; ".join(reasons))


def _refused_when_empty(subject: Subject) -> str:
    """Why a batch of no samples is refused, "" if it is not."""
    try:
        subject.raw(subject.build(subject.spec((3, 2))), np.zeros((0, 2)), 3)
    except NoAnswerError as error:
        return str(error)
    return ""


def formats(subject: Subject) -> tuple[str, list[Difference]]:
    """Arithmetic and functions in the other formats that are declared."""
    found, others = [], [name for name in DTYPES if name in subject.declared.dtypes and name != subject.dtype]
    for dtype in others:
        other = Subject(subject.adapter, dtype)
        told = list(arithmetic(other).differences)
        kind = "uniform" if "uniform" in other.kinds else other.kind
        told = told or identified(other, sampled(other, other.degree, kind), False)
        found += [replace(one, where=(dtype,)) for one in told]
    return f"the same in {', '.join(others)}", found


def _identity(subject: Subject, kind: str) -> LayerSpec:
    """A layer of one input and output that is x itself."""
    spec = subject.spec((1, 1), kind=kind)
    return replace(spec, coefficients=point_of(spec, np.eye(spec.dim))[None, None])


def network(subject: Subject) -> tuple[str, list[Difference]]:
    """What stands between layers, and whether gradients pass."""
    if subject.degree < 1:
        raise NoAnswerError("degree 0 has no layer that is the identity")
    layer = _identity(subject, "uniform" if "uniform" in subject.kinds else subject.kind)
    a, b = layer.domain
    x = (a + (b - a) * (np.arange(BLOCK) + 0.5) / BLOCK)[:, None]
    between = subject.values(layer, x)
    y = subject.raw(subject.build((layer, layer)), x, 1)
    composed = subject.values(layer, np.clip(between, a, b))
    if np.abs(y - composed).max() > subject.tolerance(4 * float(np.abs(composed).max())):
        mapped = map_of(between[:, 0], y[:, 0], 2.0**-30)
        if mapped is None:
            low, high = a + 0.4 * (b - a), a + 0.6 * (b - a)
            what = f"{float(y[np.abs(x - (low + high) / 2).argmin(), 0]):.6g} comes of {(low + high) / 2:.6g}"
            evidence = {"map": "an unknown map", "what": f"it stands between layers: {what}"}
        else:
            evidence = {"map": mapped[0], "what": "it stands between layers"}
        return "", [Difference("extra map", evidence)]
    specs = _narrow(subject)
    at = subject.samples(specs[0], BLOCK, 7)
    y, composed = subject.raw(subject.build(specs), at, 2), subject.values(specs[1], subject.values(specs[0], at))
    if np.abs(y - composed).max() > subject.tolerance(4 * float(np.abs(composed).max())):
        what = f"values of a network of two layers are off by {np.abs(y - composed).max():.3g}"
        return "", [Difference("network", {"what": what}, ("network",), "measured")]
    if "coefficients" not in subject.declared.derivatives or subject.gradients_differ:
        return "networks of layers one after another", []
    return "networks of layers one after another", _network_gradients(subject)


def _narrow(subject: Subject) -> tuple[LayerSpec, ...]:
    """Two layers, the outputs of the first inside the domain of the second."""
    kind, frame = "uniform" if "uniform" in subject.kinds else "", subject.declared.frame
    rows = [subject.spec((3, 2), kind=kind), subject.spec((2, 3), kind=kind)]
    return tuple(replace(s, coefficients=frame.coefficients(0.25 * s.coefficients, s.dtype)) for s in rows)


def _network_gradients(subject: Subject) -> list[Difference]:
    specs = _narrow(subject)
    x = subject.samples(specs[0], 16, 7)
    dy = np.ones((16, 2)) * np.array([0.5, -1.25])
    sizes = [s.coefficients.size for s in specs]
    model = subject.build(specs)
    flat = subject.gradients(model, x, dy, {"coefficients": (sum(sizes),)})["coefficients"]
    true = FloatQuantities(specs, x).coefficient_gradients(dy)
    found = []
    for k, (theirs, ours) in enumerate(zip(np.split(flat, [sizes[0]]), true, strict=True)):
        left = float(np.abs(theirs - ours.ravel()).max() / np.abs(ours).max())
        if left <= subject.tolerance(16.0):
            continue
        what, quantity = f"coefficient gradients of layer {k} of a network", ("coefficient-gradients",)
        name = "gradient is another" if theirs.any() else "detached gradient"
        found.append(Difference(name, {"what": what, "left": left}, ("network",), quantities=quantity))
    return found


def refined(subject: Subject) -> tuple[str, list[Difference]]:
    """Refinement to twice the intervals, which loses no function."""
    n = subject.declared.intervals or 6
    return _changed(subject, "refine", 2 * n)


def updated(subject: Subject) -> tuple[str, list[Difference]]:
    """An update of the knots to samples."""
    return _changed(subject, "update", 0)


def _changed(subject: Subject, kind: str, intervals: int) -> tuple[str, list[Difference]]:
    spec = subject.spec((3, 2), kind="uniform" if "uniform" in subject.kinds else "")
    found = [one for words, data in _data(subject, spec) for one in _after(subject, spec, kind, intervals, data, words)]
    first = sorted(found, key=lambda one: one.name.startswith("function changed"))[:1]  # what is stored says why
    return f"{kind} keeps the function" if not first else "", first


def _data(subject: Subject, spec: LayerSpec) -> list[tuple[str, FloatArray]]:
    """Samples that fill the domain, and samples of few values."""
    x = subject.samples(spec, 192, 8)
    x[0], x[1] = spec.domains[:, 0], spec.domains[:, 1]
    return [("", x), ("samples of five values", np.resize(x[[0, 1, 2, 3, 4]], x.shape))]


def _after(
    subject: Subject, spec: LayerSpec, kind: str, intervals: int, data: FloatArray, words: str
) -> list[Difference]:  # fmt: skip
    x = subject.samples(spec, BLOCK, 9)
    model = subject.build(spec)
    before = subject.values(spec, x, model)
    size = float(np.abs(before).max())
    allowed = max(CHANGED, ROUNDED * subject.eps)
    model = subject.changed(kind, model, *((intervals, data.copy()) if kind == "refine" else (data.copy(),)))
    after = subject.values(spec, x, model)
    what = f"{kind}" + (f" on {words}" if words else "")
    quantity = ("values", "refinement", "values-after", "input-gradients-after", "coefficient-gradients-after")

    def told(name: str, **evidence: Any) -> list[Difference]:
        return [Difference(name, {"change": what, **evidence}, (kind,), "measured", quantity)]

    stored = None
    if subject.declared.state:
        knots, C = subject.state(model)
        if not np.isfinite(knots).all() or (np.diff(knots, axis=1) < 0).any():
            return told("stored knots", what="knots are not finite, or decrease")
        if not np.isfinite(C).all():
            lost = f"{int((~np.isfinite(C)).sum())} of {C.size} stored coefficients are not finite"
            if (np.diff(np.sort(knots, axis=1)) == 0).any():
                why = {"what": f"{lost}, as {kind} made knots that coincide"}
                return [Difference("NaN from repeated knots", why, (kind,), "measured", quantity)]
            return told("stored coefficients", what=lost)
        try:
            now = LayerSpec(knots, C, spec.order, "natural", spec.dtype, "arbitrary")
        except ValueError as error:
            return told("stored knots", what=str(error))
        stored = FloatQuantities((now,), x).values
    if not np.isfinite(after).all():
        return told("stored coefficients", what="values are not finite")
    left = float(np.abs(after - before).max()) / size
    ratio = float((after * before).sum() / (before * before).sum())
    detail = f"; values are multiplied by {ratio:.6g}" if np.abs(after - ratio * before).max() <= allowed * size else ""
    where = (kind,)
    if stored is not None:
        evaluated, kept = float(np.abs(after - stored).max()) / size, float(np.abs(stored - before).max()) / size
        if evaluated > allowed:
            if kept <= allowed:
                text = f"what is stored is right, values are off by {evaluated:.1e} of their size"
                return [*_other_knots(spec, x, after, knots, C, text, kind, quantity)]
            if left <= allowed:
                held = _fitted(now, x, after) <= 2.0**-20 * size
                name, what = ("stored coefficients", "coefficients") if held else ("stored knots", "knots")
                return told(name, what=f"values are as before, and the {what} that are told are not theirs")
            return told("no longer a spline", what=f"values are not those of what is stored, by {evaluated:.1e}")
    if left <= allowed:
        return []
    if stored is not None:
        held = _fitted(now, x, before) <= 2.0**-20 * size
        detail += "; the stored knots can hold it: the coefficients are wrong" if held else "; the knots cannot hold it"
    name = f"function changed by {kind}"
    return [
        Difference(
            name, {"left": left, "detail": detail + (f" on {words}" if words else "")}, where, "measured", quantity
        )
    ]


def _fitted(spec: LayerSpec, x: FloatArray, y: FloatArray) -> float:
    """How far the best spline on the knots of a layer is from outputs."""
    columns = [FloatQuantities((replace(spec, coefficients=unit[None]),), x).values[:, 0] for unit in _units(spec)]
    A = np.stack(columns, axis=1)
    return float(np.abs(A @ np.linalg.lstsq(A, y, rcond=None)[0] - y).max())


def _units(spec: LayerSpec) -> FloatArray:
    size = spec.n_inputs * spec.dim
    return np.eye(size).reshape(size, spec.n_inputs, spec.dim)


def _other_knots(
    spec: LayerSpec, x: FloatArray, after: FloatArray, knots: FloatArray, C: FloatArray, text: str, kind: str,
    quantity: tuple[str, ...],
) -> list[Difference]:  # fmt: skip
    """The splines of the stored coefficients on equally spaced knots."""
    a, b = knots[:, spec.order - 1, None], knots[:, -spec.order, None]
    n = knots.shape[1] - 2 * spec.order + 1
    equal = a + (b - a) / n * np.arange(1 - spec.order, n + spec.order)
    values = FloatQuantities((LayerSpec(equal, C, spec.order, "natural", spec.dtype, "arbitrary"),), x).values
    if np.abs(values - after).max() <= CHANGED * np.abs(after).max():
        return [Difference("equal spacing assumed", {}, (kind,), "exact", quantity)]
    return [Difference("no longer a spline", {"change": kind, "what": text}, (kind,), "measured", quantity)]
