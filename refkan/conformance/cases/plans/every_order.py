"""Cases of the orders 1 to 6 in the families that earlier versions have for some orders only."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.families import INTERVALS, POINTS, spec_with
from refkan.conformance.cases.plans.settings import (
    FIRST_DERIVATIVES,
    SMOOTH,
    Plan,
    layer_spec,
    network_layer,
    samples,
    setting,
)
from refkan.conformance.cases.specs import PARTS, LayerSpec

DTYPE = "float64"
CONSTANT = ("values", "coefficient-gradients")
"""What is asked of pieces of degree 0, whose derivatives in x are zero."""


def plan(frame: Frame = ANY) -> Plan:
    """Layers on knots of each kind, outside the domain, with parts, in long batches; networks; matrices."""
    return [*_layers(frame), *_networks(frame)]


def _layers(frame: Frame) -> Plan:
    plan: Plan = []

    def add(
        degree: int, kind: str, word: str = "", region: str = "interior", count: int = POINTS,
        quantities: tuple[str, ...] = SMOOTH, parts: tuple[str, ...] = (), scale: float = 1.0,
        intervals: int = INTERVALS, **of_spec: Any,
    ) -> None:  # fmt: skip
        name = "/".join(filter(None, (f"{DTYPE}/layer/degree-{degree}/{kind}/3x2", word)))
        rng = generator(name)
        spec = layer_spec(DTYPE, degree, kind, (3, 2), rng, intervals=intervals, frame=frame)
        spec = spec_with(replace(spec, **of_spec), parts, rng)
        x = samples(spec, region, rng, count) * scale
        spec = replace(spec, knots=spec.knots * scale)
        asked = (*quantities, *(f"{part}-gradients" for part in parts))
        chosen = [quantity for quantity in asked if degree or quantity in CONSTANT or quantity[:-10] in PARTS]
        plan.append((setting(name, spec, x, rng, region=region, oracle="float64"), chosen))

    for kind in ("uniform", "arbitrary"):
        add(0, kind)
    for degree in (0, 1, 2, 4, 5):
        add(degree, "clamped")
        if degree:
            add(degree, "repeated")
        if degree != 2:
            add(degree, "uniform", "with-base-scale-bias", parts=("base", "scale", "bias"))
        add(degree, "uniform", "257-samples", count=257, quantities=FIRST_DERIVATIVES)
        add(degree, "arbitrary", "40-intervals", count=70, quantities=FIRST_DERIVATIVES, intervals=40)
        if degree in (0, 2, 4, 5) and not frame.domain:
            for word, scale in (("tiny", 2.0**-20), ("huge", 2.0**20)):
                add(degree, "arbitrary", f"{word}-spans", scale=scale)
    for degree in (4, 5):
        for rule in ("linear", "polynomial"):
            for kind in ("uniform", "arbitrary"):
                add(degree, kind, f"outside-{rule}", "outside", outside=rule)
    for degree in (0, 4, 5):
        add(degree, "arbitrary", "matrix", quantities=("gauss-newton",))
    # Of pieces of degree 0 the matrix is one of zeros and ones.
    return [(s, ("gauss-newton",) if s.name.endswith("/matrix") else asked) for s, asked in plan]


def _networks(frame: Frame) -> Plan:
    plan: Plan = []
    for degree in (1, 4, 5):
        name = f"{DTYPE}/network/degree-{degree}/uniform/2-3-2"
        rng = generator(name)
        specs: tuple[LayerSpec, ...] = tuple(
            network_layer(DTYPE, degree, "uniform", (Q, P), rng, frame) for P, Q in pairwise((2, 3, 2))
        )
        plan.append((setting(name, specs, samples(specs[0], "interior", rng, 4), rng, oracle="float64"), SMOOTH))
    return plan
