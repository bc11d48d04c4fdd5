r"""Refinement and grid updates: the function must stay what it was, and everything must be right afterwards.

Two questions are asked after a change. First, whether the function is still that of before, on the samples that the
change was given and between them: a refinement to a multiple of the intervals contains the old space, so that nothing
need change; other refinements and updates cannot keep every function, and the amount is reported. Second, whether
values and gradients agree with the knots and coefficients that the model says it has now.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.backend_frames import Frame
from refkan.conformance.cases.cases import Case, Change, Setting, generator
from refkan.conformance.cases.families import cotangents, points, spec_with
from refkan.conformance.cases.plans.settings import layer_spec
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LOW, round_to

AFTER = ("values-after", "input-gradients-after", "coefficient-gradients-after")

PROBES = 24

PARTS = (("base",), ("scale",), ("bias",), ("base", "scale"))
"""Parts of layers that are refined and updated."""


def cases(dtype: str, frame: Frame, version: int) -> list[Case]:
    """Return all cases with a state change in one format and version of the catalogue."""
    if dtype in LOW:
        return []

    def refined(degree: int, data: str, intervals: int = 12, count: int = 200) -> list[Case]:
        name = f"{dtype}/refine/degree-{degree}/{data}"
        return _of_change(name, dtype, degree, intervals, count, Frame(None, frame.domain))

    def updated(degree: int, data: str, count: int = 200) -> list[Case]:
        return _of_change(f"{dtype}/update/degree-{degree}/{data}", dtype, degree, 0, count, frame)

    out = [*refined(2, "6-to-12"), *refined(3, "6-to-12"), *refined(3, "6-to-18", 18), *refined(3, "6-to-9", 9)]
    out += [*refined(3, "6-to-24-from-20-samples", 24, 20), *updated(2, "random-data"), *updated(3, "random-data")]
    out += [*updated(3, "few-data", 20), *updated(3, "discrete-data"), *updated(3, "constant-data")]
    for parts in PARTS if version >= 2 else ():
        word = "-".join(("with", *parts))
        out += _with_parts(refined(3, f"6-to-12/{word}"), parts) + _with_parts(updated(3, f"random-data/{word}"), parts)
    for degree in (1, 4, 5) if version >= 3 and dtype == "float64" else ():
        out += refined(degree, "6-to-12") + updated(degree, "random-data")
    return out


def _with_parts(cases: list[Case], parts: tuple[str, ...]) -> list[Case]:
    """Those cases that ask whether the function stays, of layers that have something beside their splines."""
    out = []
    for case in cases:
        s = case.setting
        if case.quantity == "values" and s.region == "interior" and not case.extra_needs:
            specs = (spec_with(s.spec, parts, generator(s.name.rpartition("/")[0])),)
            inside = s.x[(s.x < s.spec.domain[1]).all(axis=1)]  # a convention at b is one on splines alone
            x = np.resize(inside, s.x.shape)
            out.append(replace(case, setting=replace(s, specs=specs, x=x, oracle="float64")))
    return out


def _of_change(name: str, dtype: str, degree: int, intervals: int, count: int, frame: Frame) -> list[Case]:
    """Cases of a refinement to so many intervals, or of an update where there are none."""
    rng, (Q, P) = generator(name), (3, 2)
    spec = layer_spec(dtype, degree, "uniform", (Q, P), rng, frame=frame)
    a, b = spec.domain
    data = round_to(dtype, a + (b - a) * rng.integers(0, 1025, (count, P)) / 1024.0)
    data[0], data[1] = a, b  # the data reach both ends
    if name.endswith("discrete-data"):
        data = np.resize(data[[0, 1, 2, 3, 4]], data.shape)
    if name.endswith("constant-data"):
        data = np.resize(data[2:3], data.shape)
    kind, nested = "refine" if intervals else "update", intervals % spec.intervals == 0
    change = Change(kind, data, intervals, nested)
    probes = {"on-samples": np.resize(data, (PROBES, P))}
    if not name.endswith("constant-data"):
        probes["off-samples"] = _points("interior", spec, rng)
    out = []
    for where, x in probes.items():
        dy, direction = cotangents((PROBES, Q), rng), cotangents(x.shape, rng)
        out.append(Case(Setting(f"{name}/{where}", (spec,), x, dy, direction, change=change), "values"))
    for rule in ("linear", "polynomial"):
        x, specs = _points("outside", spec, rng), (replace(spec, outside=rule),)
        place = Setting(f"{name}/outside-{rule}", specs, x, dy, direction, "outside", change=change)
        out.append(Case(place, "values"))
    after = Setting(name, (spec,), x, dy, direction, oracle="float64", change=change)
    if kind == "refine" and nested:
        out.append(Case(after, "refinement", {"state": True}))
    for quantity in AFTER:
        needs: dict[str, Any] = {"state": True}
        if quantity != "values-after":
            needs["derivatives"] = quantity.split("-")[0] + "s"
        out.append(Case(after, quantity, needs))
    return out


def _points(region: str, spec: LayerSpec, rng: np.random.Generator) -> FloatArray:
    columns = [points(region, t, spec.order, spec.dtype, rng, PROBES) for t in spec.knots]
    return np.stack(columns, axis=1)


def recheck(case: Case, knots: Any, coefficients: Any) -> Case:
    """Return the ordinary case that `values-after` and its kin stand for: of the layer that the model says it is now.

    Raises
    ------
    ValueError
        If the state is not that of a spline layer; the message says why.
    """
    setting = case.setting
    knots = np.asarray(knots, np.float64)
    C = np.asarray(coefficients, np.float64)
    bad = ~np.isfinite(C)
    if bad.any():
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        raise ValueError(f"coefficients are not finite after the change: [{', '.join(map(str, index))}] = {C[index]}")
    spec = LayerSpec(knots, C, setting.spec.order, "natural", setting.dtype, "arbitrary")
    rng = generator(case.key)
    x = round_to(setting.dtype, _points("interior", replace(spec, dtype="float64"), rng))
    at = Setting(setting.name, (spec,), x, setting.dy, setting.direction, oracle="float64")
    return Case(at, case.quantity.removesuffix("-after"))
