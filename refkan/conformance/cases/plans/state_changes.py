r"""Refinement and grid updates: the function must stay what it was, and everything must be right afterwards.

Two questions are asked after a change. First, whether the function is still that of before, on the samples that the
change was given and between them: a refinement to a multiple of the intervals contains the old space, so that nothing
need change; other refinements and updates cannot keep every function, and the amount is reported. Second, whether
values and gradients agree with the knots and coefficients that the model says it has now.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import Case, Change, Setting, generator
from refkan.conformance.cases.families import coefficients, cotangents, points, spec_with
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LOW, round_to

AFTER = ("values-after", "input-gradients-after", "coefficient-gradients-after")

PROBES = 24


def cases(dtype: str, frame: Frame = ANY) -> list[Case]:
    """Return all cases with a state change in one format."""
    out: list[Case] = []
    if dtype in LOW:
        return out
    for degree, word, intervals, count in (
        (2, "6-to-12", 12, 200), (3, "6-to-12", 12, 200), (3, "6-to-18", 18, 200), (3, "6-to-9", 9, 200),
        (3, "6-to-24-from-20-samples", 24, 20),
    ):  # fmt: skip
        name = f"{dtype}/refine/degree-{degree}/{word}"
        out += _of_change(name, dtype, degree, "refine", intervals, count, Frame(None, frame.domain))
    for degree, data, count in (
        (2, "random-data", 200), (3, "random-data", 200), (3, "few-data", 20), (3, "discrete-data", 200),
        (3, "constant-data", 200),
    ):  # fmt: skip
        out += _of_change(f"{dtype}/update/degree-{degree}/{data}", dtype, degree, "update", 0, count, frame)
    return out


def with_parts(dtype: str, frame: Frame = ANY) -> list[Case]:
    """Refinement and update of layers that have something beside their splines: the function must stay."""
    out: list[Case] = []
    for parts in (("base",), ("scale",), ("bias",), ("base", "scale")) if dtype not in LOW else ():
        word = "-".join(("with", *parts))
        for kind, data, intervals in (("refine", "6-to-12", 12), ("update", "random-data", 0)):
            name = f"{dtype}/{kind}/degree-3/{data}/{word}"
            of = Frame(None, frame.domain) if kind == "refine" else frame
            for case in _of_change(name, dtype, 3, kind, intervals, 200, of):
                s = case.setting
                if case.quantity == "values" and s.region == "interior" and not case.extra_needs:
                    specs = (spec_with(s.spec, parts, generator(name)),)
                    inside = s.x[(s.x < s.spec.domain[1]).all(axis=1)]  # a convention at b is one on splines alone
                    x = np.resize(inside, s.x.shape)
                    out.append(replace(case, setting=replace(s, specs=specs, x=x, oracle="float64")))
    return out


def of_other_orders(dtype: str, frame: Frame = ANY) -> list[Case]:
    """The degrees that `cases` leaves out."""
    out: list[Case] = []
    for degree in (1, 4, 5):
        name, of = f"{dtype}/refine/degree-{degree}/6-to-12", Frame(None, frame.domain)
        out += _of_change(name, dtype, degree, "refine", 12, 200, of)
        out += _of_change(f"{dtype}/update/degree-{degree}/random-data", dtype, degree, "update", 0, 200, frame)
    return out


def _of_change(
    name: str, dtype: str, degree: int, kind: str, intervals: int, count: int, frame: Frame
) -> list[Case]:  # fmt: skip
    rng, order = generator(name), degree + 1
    P, Q = 2, 3
    t = frame.knots("uniform", order, dtype, rng)
    spec = LayerSpec(
        np.array([t] * P), coefficients((Q, P, t.size - order), dtype, rng), order, "natural", dtype, "uniform"
    )
    a, b = spec.domain
    data = round_to(dtype, a + (b - a) * rng.integers(0, 1025, (count, P)) / 1024.0)
    data[0], data[1] = a, b  # the data reach both ends
    if name.endswith("discrete-data"):
        data = np.resize(data[[0, 1, 2, 3, 4]], data.shape)
    if name.endswith("constant-data"):
        data = np.resize(data[2:3], data.shape)
    change = Change(kind, data, intervals, nested=intervals % spec.intervals == 0)
    out = []
    probes = {"on-samples": np.resize(data, (PROBES, P))}
    if not name.endswith("constant-data"):
        probes["off-samples"] = np.stack([points("interior", t, order, dtype, rng, PROBES) for _ in range(P)], axis=1)
    for where, x in probes.items():
        place = Setting(
            f"{name}/{where}", (spec,), x, cotangents((PROBES, Q), rng), cotangents(x.shape, rng), change=change
        )
        out.append(Case(place, "values"))
    for rule in ("linear", "polynomial"):
        x = np.stack([points("outside", t, order, dtype, rng, PROBES) for _ in range(P)], axis=1)
        place = replace(
            place, name=f"{name}/outside-{rule}", specs=(replace(spec, outside=rule),), x=x, region="outside"
        )
        out.append(Case(place, "values"))
    after = Setting(name, (spec,), place.x, place.dy, place.direction, oracle="float64", change=change)
    if kind == "refine" and change.nested:
        out.append(Case(after, "refinement", {"state": True}))
    for quantity in AFTER:
        needs: dict[str, Any] = {"state": True}
        if quantity != "values-after":
            needs["derivatives"] = quantity.split("-")[0] + "s"
        out.append(Case(after, quantity, needs))
    return out


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
    columns = [points("interior", row, spec.order, "float64", rng, PROBES) for row in spec.knots]
    x = round_to(setting.dtype, np.stack(columns, axis=1))
    at = Setting(setting.name, (spec,), x, setting.dy, setting.direction, oracle="float64")
    return Case(at, case.quantity.removesuffix("-after"))
