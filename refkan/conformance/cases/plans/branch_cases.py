"""Cases of layers with a SiLU branch, scales of edges, scales and biases of outputs, none of them neutral."""

from __future__ import annotations

from itertools import pairwise

from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.families import POINTS, spec_with
from refkan.conformance.cases.plans.settings import SMOOTH, Plan, layer_spec, network_layer, samples, setting
from refkan.conformance.cases.specs import PARTS
from refkan.conformance.cases.truths.precision import LOW

TOGETHER = (
    *((part,) for part in PARTS), ("base", "scale"), ("node-scale", "bias"), ("base", "scale", "bias"), PARTS,
)  # fmt: skip
"""Parts that layers have together: each alone, those of pykan's and efficient-kan's edges, affine maps, those of
jaxkan, all."""


def plan(dtype: str, frame: Frame = ANY) -> Plan:
    """Layers with each of these sets of parts, and networks of them."""
    out: Plan = []
    for parts in TOGETHER:
        word = "-".join(("with", *parts))
        quantities = (*SMOOTH, *(f"{part}-gradients" for part in parts))
        for degree, kind in ((3, "uniform"), (3, "arbitrary"), (2, "uniform")):
            if dtype in LOW and (degree, kind) != (3, "uniform"):
                continue
            name = f"{dtype}/layer/degree-{degree}/{kind}/3x2/{word}"
            rng = generator(name)
            spec = spec_with(layer_spec(dtype, degree, kind, (3, 2), rng, frame=frame), parts, rng)
            x = samples(spec, "interior", rng, POINTS)
            out.append((setting(name, spec, x, rng, oracle="float64"), quantities))
        if dtype in LOW or len(parts) == 1:
            continue
        name = f"{dtype}/network/degree-2/uniform/2-3-2/{word}"
        rng = generator(name)
        layers = [network_layer(dtype, 2, "uniform", (Q, P), rng, frame) for P, Q in pairwise((2, 3, 2))]
        specs = tuple(spec_with(layer, parts, rng, 2.0**-4) for layer in layers)
        out.append((setting(name, specs, samples(specs[0], "interior", rng, 4), rng, oracle="float64"), quantities))
    return out
