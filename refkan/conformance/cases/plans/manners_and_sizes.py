"""Cases of other ways of calling a layer, and of numbers of samples that codes overlook."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import MANNERS, generator
from refkan.conformance.cases.families import POINTS
from refkan.conformance.cases.plans.settings import FIRST_DERIVATIVES, SMOOTH, Plan, layer_spec, samples, setting
from refkan.conformance.cases.truths.precision import round_to

DTYPE = "float64"

SQUARE = (3, 4)
"""Numbers N = P = Q: an axis mixed up with another one changes no shape."""

BATCHES = (0, 1000, 1001, 1025, 2500)
"""Samples: none, and around and beyond chunks of a thousand."""

OF_GRADIENTS = ("input-gradients", "coefficient-gradients")
WIDENED = ("values", "coefficient-gradients")
"""What is asked with samples of a lower format: gradients in them would be rounded to it."""


def plan(frame: Frame = ANY) -> Plan:
    """Square layers of as many samples, batches, and manners."""
    return [*_sizes(frame), *_manners(frame)]


def _sizes(frame: Frame) -> Plan:
    plan: Plan = []
    for kind in ("uniform", "arbitrary"):
        for size in SQUARE:
            name = f"{DTYPE}/layer/degree-3/{kind}/{size}x{size}/{size}-samples"
            rng = generator(name)
            spec = layer_spec(DTYPE, 3, kind, (size, size), rng, frame=frame)
            plan.append((setting(name, spec, samples(spec, "interior", rng, size), rng), SMOOTH))
    for count in BATCHES:
        name = f"{DTYPE}/layer/degree-3/uniform/3x2/{count}-samples"
        rng = generator(name)
        spec = layer_spec(DTYPE, 3, "uniform", (3, 2), rng, frame=frame)
        x = samples(spec, "interior", rng, count)
        plan.append((setting(name, spec, x, rng, oracle="float64"), FIRST_DERIVATIVES))
    return plan


def _manners(frame: Frame) -> Plan:
    plan: Plan = []
    for manner in filter(None, MANNERS):
        name = f"{DTYPE}/layer/degree-3/uniform/3x2/{manner}"
        rng = generator(name)
        spec = layer_spec(DTYPE, 3, "uniform", (3, 2), rng, frame=frame)
        made = setting(name, spec, samples(spec, "interior", rng, POINTS), rng, manner=manner)
        quantities: tuple[str, ...] = FIRST_DERIVATIVES
        if manner.endswith("-samples"):
            made = replace(made, x=np.rint(made.x) if manner == "integer-samples" else round_to("float32", made.x))
            quantities = WIDENED if manner == "float32-samples" else ("values",)
        elif manner == "expanded-cotangents":
            made = replace(made, dy=np.resize(made.dy[0], made.dy.shape))
        if manner.endswith(("-cotangents", "-backward")):
            quantities = OF_GRADIENTS
        plan.append((made, quantities))
    return plan
