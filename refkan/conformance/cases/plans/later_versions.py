"""What later versions of the catalogue add: parts beside the splines; every order, batches and ways of calling."""

from functools import partial
from typing import Any

import numpy as np

from refkan.conformance.cases.cases import MANNERS
from refkan.conformance.cases.plans.settings import FIRST_DERIVATIVES, SMOOTH, Plan
from refkan.conformance.cases.specs import PARTS
from refkan.conformance.cases.truths.precision import LOW, round_to

TOGETHER = (
    *((part,) for part in PARTS), ("base", "scale"), ("node-scale", "bias"), ("base", "scale", "bias"), PARTS,
)  # fmt: skip
"""Parts that layers have together: each alone, those of pykan's and efficient-kan's edges, affine maps, those of
jaxkan, all."""

SQUARE = (3, 4)
"""Numbers N = P = Q: an axis mixed up with another one changes no shape."""

BATCHES = (0, 1000, 1001, 1025, 2500)
"""Samples: none, and around and beyond chunks of a thousand."""

OF_GRADIENTS = ("input-gradients", "coefficient-gradients")
WIDENED = ("values", "coefficient-gradients")
"""What is asked with samples of a lower format: gradients in them would be rounded to it."""


def add(plan: Plan, version: int) -> None:
    """Add what versions up to this one have beside the first."""
    if version >= 2:
        parts(plan)
    if version >= 3 and plan.dtype == "float64":
        every_order(plan)
        batches(plan)
        manners(plan)


def parts(plan: Plan) -> None:
    """Layers with a SiLU branch, scales of edges, scales and biases of outputs, none neutral; networks of them."""
    low = plan.dtype in LOW
    for together in TOGETHER:
        word = "-".join(("with", *together))
        for degree, kind in ((3, "uniform"), (3, "arbitrary"), (2, "uniform"))[: 1 if low else 3]:
            plan.layer(degree, kind, word, parts=together, oracle="float64")
        if not low and len(together) > 1:
            plan.network(2, "uniform", (2, 3, 2), 4, parts=together, oracle="float64")


def every_order(plan: Plan) -> None:
    """The orders 1 to 6 in the families that earlier versions have for some orders only."""

    def add(degree: int, kind: str, word: str = "", quantities: tuple[str, ...] = SMOOTH, **more: Any) -> None:
        plan.layer(degree, kind, word, quantities, oracle="float64", **more)

    for kind in ("uniform", "arbitrary"):
        add(0, kind)
    for degree in (0, 1, 2, 4, 5):
        add(degree, "clamped")
        if degree:
            add(degree, "repeated")
        if degree != 2:
            add(degree, "uniform", "with-base-scale-bias", parts=("base", "scale", "bias"))
        add(degree, "uniform", "257-samples", FIRST_DERIVATIVES, count=257)
        add(degree, "arbitrary", "40-intervals", FIRST_DERIVATIVES, count=70, intervals=40)
        if degree in (0, 2, 4, 5) and not plan.frame.domain:
            for word, scale in (("tiny", 2.0**-20), ("huge", 2.0**20)):
                add(degree, "arbitrary", f"{word}-spans", scale=scale)
    for degree in (4, 5):
        for rule in ("linear", "polynomial"):
            for kind in ("uniform", "arbitrary"):
                add(degree, kind, f"outside-{rule}", region="outside", outside=rule)
    for degree in (0, 4, 5):
        add(degree, "arbitrary", "matrix", ("gauss-newton",))
    for degree in (1, 4, 5):
        plan.network(degree, "uniform", (2, 3, 2), 4, oracle="float64")


def batches(plan: Plan) -> None:
    """Square layers of as many samples, and numbers of samples that codes overlook."""
    for kind in ("uniform", "arbitrary"):
        for size in SQUARE:
            plan.layer(3, kind, f"{size}-samples", shape=(size, size), count=size)
    for count in BATCHES:
        plan.layer(3, "uniform", f"{count}-samples", FIRST_DERIVATIVES, count=count, oracle="float64")


def manners(plan: Plan) -> None:
    """Other ways of calling a layer."""
    for manner in filter(None, MANNERS):
        if manner == "float32-samples":
            plan.layer(3, "uniform", manner, WIDENED, data=partial(round_to, "float32"), manner=manner)
        elif manner == "integer-samples":
            plan.layer(3, "uniform", manner, ("values",), data=np.rint, manner=manner)
        else:
            of_gradients = manner.endswith(("-cotangents", "-backward"))
            plan.layer(3, "uniform", manner, OF_GRADIENTS if of_gradients else FIRST_DERIVATIVES, manner=manner)
