"""All cases: basis functions, layers, networks, knots, matrices, state changes, in each format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice
from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import VERSION, Case, Setting, generator
from refkan.conformance.cases.families import POINTS, points
from refkan.conformance.cases.plans import branch_cases, every_order, manners_and_sizes, state_changes
from refkan.conformance.cases.plans.settings import (
    FIRST_DERIVATIVES,
    SMOOTH,
    Plan,
    kind_of,
    layer_spec,
    network_layer,
    samples,
    setting,
)
from refkan.conformance.cases.specs import RULES, LayerSpec
from refkan.conformance.cases.truths.precision import DTYPES, LOW

DEGREES = {
    "float64": (0, 1, 2, 3, 4, 5), "float32": (0, 1, 2, 3), "tf32": (1, 3), "bfloat16": (1, 3), "float16": (1, 3),
}  # fmt: skip
"""Fewer in lower formats: compiled backends take a second for each shape and format."""


SINCE = {"float16": 2, "tf32": 3}
"""Versions from which on there are cases of a format."""


def catalogue(
    dtypes: Iterable[str] = DTYPES, select: Iterable[str] = (), version: int = VERSION, frame: Frame = ANY
) -> list[Case]:  # fmt: skip
    """Return all cases of some formats, in the order in which they are judged.

    Parameters
    ----------
    dtypes : sequence of {"float64", "float32", "tf32", "bfloat16", "float16"}
    select : sequence of str
        Only cases whose key contains all of these.
    version : int
        Later versions hold the cases of earlier ones and more: 2 has parts beside the splines, and float16; 3 has every
        order in every family, batches from none to thousands, other ways of calling a layer, and tf32.
    frame : Frame
        The number of intervals and the domain of backends that have no others: `capabilities.frame`.

    Examples
    --------
    >>> from refkan.conformance import catalogue
    >>> cases = catalogue(["float64"], select=["degree-3", "uniform/interior"])
    >>> [case.key for case in cases][:2]
    ['float64/basis/degree-3/uniform/interior/values', 'float64/basis/degree-3/uniform/interior/input-gradients']
    """
    check_annotated(catalogue, locals())
    plan: Plan = []
    state: list[Case] = []
    if version not in range(1, VERSION + 1):
        raise ValueError(f"version must be one of 1 to {VERSION}; got {version!r}")
    for dtype in dtypes:
        check_choice("dtype", dtype, DTYPES)
        if version < SINCE.get(dtype, 1):
            continue
        for build in (basis, layers, sizes, spans, networks, knot_gradients, matrices):
            plan += build(dtype, frame)
        state += state_changes.cases(dtype, frame)
        if version >= 2:
            plan += branch_cases.plan(dtype, frame)
            state += state_changes.with_parts(dtype, frame)
        if version >= 3 and dtype == "float64":
            plan += every_order.plan(frame) + manners_and_sizes.plan(frame)
            state += state_changes.of_other_orders(dtype, frame)
    wanted = tuple(select)
    cases = [Case(setting, quantity) for setting, quantities in plan for quantity in quantities]
    return [case for case in cases + state if all(part in case.key for part in wanted)]


def basis(dtype: str, frame: Frame = ANY) -> Plan:
    """One input, and an output for each basis function: C is the identity."""
    plan: Plan = []
    for degree in DEGREES[dtype]:
        for kind in ("uniform", "uniform-fine", "arbitrary", "clamped", "repeated"):
            if (degree == 0 and kind == "repeated") or (kind == "uniform-fine" and (dtype in LOW or frame.domain)):
                continue
            for region in ("interior", "knots", "ends"):
                if kind == "uniform-fine" and region != "interior":
                    continue  # off the knots: (x - a)/h may round across one
                if kind == "uniform" and region == "knots" and not frame.exact:
                    continue
                plan.append(_basis(dtype, degree, kind, region, "natural", frame))
            if kind == "repeated":
                continue
            for rule in RULES if degree in (1, 2, 3) else RULES[:1]:
                for region in ("outside", "far") if kind in ("uniform", "arbitrary", "clamped") else ():
                    if (dtype, region, rule) == ("float16", "far", "polynomial"):
                        continue  # beyond the range of float16
                    plan.append(_basis(dtype, degree, kind, region, rule, frame))
    return plan


def _basis(
    dtype: str, degree: int, kind: str, region: str, rule: str, frame: Frame
) -> tuple[Setting, Sequence[str]]:  # fmt: skip
    where = f"{region}-{rule}" if region in ("outside", "far") else region
    name = f"{dtype}/basis/degree-{degree}/{kind}/{where}"
    rng, order = generator(name), degree + 1
    t = frame.knots(kind, order, dtype, rng)
    dim = t.size - order
    spec = LayerSpec(t[None], np.eye(dim)[:, None], order, rule, dtype, kind_of(kind))
    x = points(region, t, order, dtype, rng, POINTS)[:, None]
    quantities = ("values", "coefficient-gradients") if degree == 0 else SMOOTH
    return setting(name, spec, x, rng, region=region), quantities


def layers(dtype: str, frame: Frame = ANY) -> Plan:
    """Layers of several shapes, knots and memory layouts; discrete and constant data."""
    plan: Plan = []

    def add(name: str, degree: int, kind: str, shape: tuple[int, int], count: int = POINTS, **more: Any) -> None:
        name = f"{dtype}/layer/{name}"
        rng = generator(name)
        data = more.pop("data", None)
        spec = layer_spec(dtype, degree, kind, shape, rng, frame=frame)
        x = samples(spec, "interior", rng, count)
        if data is not None:
            x = data(x)
        quantities = SMOOTH if (*shape, count) == (3, 2, POINTS) else FIRST_DERIVATIVES
        plan.append((setting(name, spec, x, rng, **more), quantities))

    for degree in filter(None, DEGREES[dtype]):
        add(f"degree-{degree}/uniform/3x2", degree, "uniform", (3, 2))
        add(f"degree-{degree}/arbitrary/3x2", degree, "arbitrary", (3, 2))
        if dtype not in LOW and not frame.domain:
            add(f"degree-{degree}/uniform-fine/3x2", degree, "uniform-fine", (3, 2))
    for kind in ("clamped", "repeated"):
        add(f"degree-3/{kind}/3x2", 3, kind, (3, 2))
    for kind in ("uniform", "arbitrary"):
        add(f"degree-3/{kind}/3x3", 3, kind, (3, 3))
        add(f"degree-3/{kind}/1x1", 3, kind, (1, 1))
        add(f"degree-3/{kind}/5x7", 3, kind, (5, 7))
        add(f"degree-3/{kind}/3x2/one-sample", 3, kind, (3, 2), 1)
        for layout in ("strided", "transposed"):
            add(f"degree-3/{kind}/3x2/{layout}", 3, kind, (3, 2), layout=layout)
        add(f"degree-3/{kind}/3x2/discrete-data", 3, kind, (3, 2), data=lambda x: np.resize(x[:3], x.shape))
        add(f"degree-3/{kind}/3x2/constant-data", 3, kind, (3, 2), data=lambda x: np.resize(x[:1], x.shape))
    return plan


def sizes(dtype: str, frame: Frame = ANY) -> Plan:
    """Numbers of samples around the sizes of blocks, many intervals, and results compared bit by bit."""
    plan: Plan = []
    if dtype in LOW:
        return plan
    for count in (31, 32, 33, 255, 256, 257) if dtype == "float64" else (33, 257):
        name = f"{dtype}/layer/degree-3/uniform/3x2/{count}-samples"
        rng = generator(name)
        spec = layer_spec(dtype, 3, "uniform", (3, 2), rng, frame=frame)
        x = samples(spec, "interior", rng, count)
        plan.append((setting(name, spec, x, rng, oracle="float64"), FIRST_DERIVATIVES))
    for kind in ("uniform", "arbitrary"):
        name = f"{dtype}/layer/degree-3/{kind}/2x2/64-intervals"
        rng = generator(name)
        spec = layer_spec(dtype, 3, kind, (2, 2), rng, intervals=64, frame=frame)
        plan.append((setting(name, spec, samples(spec, "interior", rng, 70), rng, oracle="float64"), FIRST_DERIVATIVES))
    name = f"{dtype}/layer/degree-3/uniform/3x4/repeated-runs"
    rng = generator(name)
    spec = layer_spec(dtype, 3, "uniform", (3, 4), rng, frame=frame)
    x = samples(spec, "interior", rng, 4097)
    plan.append((setting(name, spec, x, rng, oracle="float64"), ("repeatability",)))
    return plan


def spans(dtype: str, frame: Frame = ANY) -> Plan:
    """Tiny, huge and graded spans: everything scaled by a power of two, or spans of one vector differing by 2^9."""
    plan: Plan = []
    if frame.domain or dtype == "float16":  # scaled domains; and of float16 the range ends at 65504
        return plan
    exponent = 10 if dtype in LOW else 20
    for degree in (1, 3):
        for kind in ("uniform", "arbitrary"):
            for word, scale in (("tiny", 2.0**-exponent), ("huge", 2.0**exponent)):
                name = f"{dtype}/layer/degree-{degree}/{kind}/3x2/{word}-spans"
                rng = generator(name)
                spec = layer_spec(dtype, degree, kind, (3, 2), rng, frame=frame)
                x = samples(spec, "interior", rng, POINTS) * scale
                scaled = replace(spec, knots=spec.knots * scale)
                plan.append((setting(name, scaled, x, rng), SMOOTH))
        if dtype not in LOW:
            name = f"{dtype}/layer/degree-{degree}/arbitrary/3x2/graded-spans"
            rng = generator(name)
            spec = layer_spec(dtype, degree, "arbitrary", (3, 2), rng)
            gaps = 2.0 ** -np.resize([1.0, 10.0, 3.0, 10.0, 1.0, 7.0], spec.knots.shape[1] - 1)
            t = np.concatenate([[0.0], np.cumsum(gaps)])
            graded = replace(spec, knots=np.array([t - t[degree], t - t[degree] - 1.0]))
            plan.append((setting(name, graded, samples(graded, "interior", rng, POINTS), rng), SMOOTH))
    return plan


def networks(dtype: str, frame: Frame = ANY) -> Plan:
    """Compositions of layers whose activations stay inside the next domain."""
    plan: Plan = []
    if dtype in LOW:
        return plan
    shapes = (((2, 3, 2), 2, 4), ((1, 2, 2, 1), 3, 3))
    for widths, degree, count in shapes if dtype == "float64" else shapes[:1]:
        for kind in ("uniform", "arbitrary"):
            name = f"{dtype}/network/degree-{degree}/{kind}/{'-'.join(map(str, widths))}"
            rng = generator(name)
            specs = tuple(network_layer(dtype, degree, kind, (Q, P), rng, frame) for P, Q in pairwise(widths))
            x = samples(specs[0], "interior", rng, count)
            few = ("gauss-newton",) if len(widths) == 3 and degree == 2 else ()
            plan.append((setting(name, specs, x, rng), (*SMOOTH, *few)))
    return plan


def knot_gradients(dtype: str, frame: Frame = ANY) -> Plan:
    """Gradients in interior breakpoints, off the knots."""
    plan: Plan = []
    for degree in filter(None, DEGREES[dtype]):
        for kind in ("uniform", "arbitrary", "clamped"):
            name = f"{dtype}/layer/degree-{degree}/{kind}/3x2/moving-knots"
            rng = generator(name)
            spec = layer_spec(dtype, degree, kind, (3, 2), rng, frame=frame)
            plan.append((setting(name, spec, samples(spec, "interior", rng, POINTS), rng), ("knot-gradients",)))
    return plan


def matrices(dtype: str, frame: Frame = ANY) -> Plan:
    """Gauss-Newton matrices of layers."""
    plan: Plan = []
    for degree in filter(None, DEGREES[dtype][:4]):
        for kind in ("uniform", "arbitrary"):
            name = f"{dtype}/layer/degree-{degree}/{kind}/3x2/matrix"
            rng = generator(name)
            spec = layer_spec(dtype, degree, kind, (3, 2), rng, frame=frame)
            plan.append((setting(name, spec, samples(spec, "interior", rng, POINTS), rng), ("gauss-newton",)))
    return plan
