"""Layers that a proof is about, and the regions that their inputs run over: intervals between knots, and knots."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise, product
from typing import Any

import numpy as np

from refkan.conformance.adapters.adapter import Capabilities
from refkan.conformance.cases import LayerSpec
from refkan.conformance.cases.specs import PARTS, PER_NODE, attribute
from refkan.conformance.programs.fields.signs import Interval

Region = Interval | Fraction
"""Where one input is: anywhere in an open interval, or at a point."""

Sample = tuple[Region, ...]
"""The region of each input."""

Batch = tuple[Sample, ...]
"""The samples of one run."""

MOST_SAMPLES = 64
"""Samples of one run; layers with more combinations of regions take several runs."""


@dataclass(frozen=True)
class Layer:
    """A layer, and for each run the regions of all inputs of all samples.

    Attributes
    ----------
    name : str
    spec : LayerSpec
    batches : tuple of Batch
    """

    name: str
    spec: LayerSpec
    batches: tuple[Batch, ...]


def regions_of(spec: LayerSpec, p: int, outside: bool, right_end: str, far: bool = False) -> list[Region]:
    """Return the regions of an input: intervals and breakpoints of the domain, and what lies outside if it is asked.

    With `far` only what lies beyond all knots is taken of the outside.

    The right end is left out where a backend declares that it is not closed.
    """
    knots = [Fraction(t) for t in spec.knots[p].tolist()]
    a, b = knots[spec.order - 1], knots[-spec.order]
    inside = sorted({t for t in knots if a <= t <= b})
    regions: list[Region] = [Interval(low, high) for low, high in pairwise(inside)]
    regions += inside if right_end == "closed" else inside[:-1]
    if not outside:
        return regions
    beyond = [sorted({t for t in knots if t <= a}), sorted({t for t in knots if t >= b})]
    if spec.outside != "natural":
        beyond = [[a], [b]]
    left, right = beyond
    if not far:
        regions += [Interval(low, high) for side in beyond for low, high in pairwise(side)]
        regions += [t for side in beyond for t in side if t not in (a, b)]
    regions += [Interval(None, left[0]), Interval(right[-1], None)]
    return regions


def knot_vector(kind: str, degree: int, intervals: int, domain: tuple[float, float]) -> list[float]:
    """Return knots of a kind: equally spaced ones, others with all digits, with ends or a breakpoint repeated."""
    a, b = domain
    numbers = np.arange(-degree, intervals + degree + 1) / intervals
    if kind == "uniform":
        return list(a + (b - a) * numbers)
    moved = numbers + np.random.default_rng(intervals + 10 * degree).uniform(-0.3, 0.3, numbers.size) / intervals
    moved[degree], moved[degree + intervals] = 0.0, 1.0
    if kind == "clamped":
        moved[:degree], moved[degree + intervals + 1 :] = 0.0, 1.0
    if kind == "repeated":
        moved[degree + 2] = moved[degree + 1]
    return [float(t) for t in a + (b - a) * np.clip(moved, None if kind != "clamped" else 0.0, None)]


def divided(batch: Batch, number: int, p: int, at: Fraction) -> tuple[Batch, list[Sample]]:
    """Split the interval of an input of a sample, and the same ones of others.

    The batch with the parts below the point, and samples with the point and the parts above it, are returned.
    """
    region = batch[number][p]
    low, high = region  # type: ignore[misc]  # an interval

    def with_part(sample: Sample, part: Region) -> Sample:
        return (*sample[:p], part, *sample[p + 1 :])

    same = [sample for sample in batch if sample[p] == region]
    below = tuple(with_part(s, Interval(low, at)) if s[p] == region else s for s in batch)
    return below, [with_part(s, part) for part in (at, Interval(at, high)) for s in same]


SIZES = {
    "one input, two outputs": (1, 2),
    "two inputs, three outputs": (2, 3),
    "as many inputs as functions": (0, 2),
    "as many inputs, outputs and samples": (3, 3),
}
"""P and Q; for P = 0 it is the number of basis functions."""


def layers(capabilities: Capabilities, quick: bool = False) -> Iterator[Layer]:
    """Yield the layers of a proof: all declared degrees and kinds of knots with one input, other sizes with one degree.

    With one or two inputs every combination of regions is a sample; with more inputs samples go through the regions
    of each input in turn.
    """
    kinds = [kind for kind in ("uniform", "arbitrary", "clamped", "repeated") if kind in capabilities.knots]
    degrees = sorted(capabilities.degrees)
    middle = degrees[len(degrees) // 2]
    plain = kinds[0]
    for kind in kinds:
        for degree in degrees if not quick else [middle]:
            if degree > 0 or kind != "repeated":  # step functions have simple knots alone
                yield _layer(capabilities, kind, degree, "one input, two outputs")
    for size in list(SIZES)[1:]:
        degree = min(degrees) if size == "as many inputs as functions" else middle
        yield _layer(capabilities, plain, degree, size)
    yield _layer(capabilities, plain, middle, "one input, two outputs", one_sample=True)


def _layer(capabilities: Capabilities, kind: str, degree: int, size: str, one_sample: bool = False) -> Layer:
    intervals = capabilities.intervals or (4 if kind == "repeated" or size.startswith("one") else 2)
    domain = capabilities.domain or (0.0, 1.0)
    dim = intervals + degree
    P, Q = SIZES[size]
    P = P or dim
    rng = np.random.default_rng(17 + degree)
    rows = [knot_vector(kind, degree, intervals, domain)] * P
    outside = capabilities.outside[0] if capabilities.outside else "natural"
    numbers = rng.integers(-31, 32, (Q, P, dim)) / 16
    shapes = {part: (Q,) if part in PER_NODE else (Q, P) for part in PARTS if part in capabilities.parts}
    parts: dict[str, Any] = {attribute(part): rng.integers(1, 16, shape) / 8 for part, shape in shapes.items()}
    spec = LayerSpec(np.array(rows), numbers, degree + 1, outside=outside, kind=kind, **parts)
    choices = [regions_of(spec, p, bool(capabilities.outside), capabilities.right_end, far=P > 1) for p in range(P)]
    name = f"degree {degree}, {kind} knots, {intervals} intervals, {size}"
    if one_sample:
        return Layer(f"{name}, one sample", spec, tuple(((region,),) for region in choices[0]))
    if size == "as many inputs, outputs and samples":
        rows_of = [tuple(row[(s + p) % len(row)] for p, row in enumerate(choices)) for s in range(len(choices[0]))]
        rows_of += rows_of[: -len(rows_of) % P]
        return Layer(name, spec, tuple(tuple(rows_of[k : k + P]) for k in range(0, len(rows_of), P)))
    if P <= 2:
        samples = list(product(*choices))
    else:
        samples = [tuple(row[(s + p) % len(row)] for p, row in enumerate(choices)) for s in range(len(choices[0]))]
    rest = iter(samples)
    batches = []
    while batch := tuple(islice(rest, MOST_SAMPLES)):
        batches.append(batch)
    return Layer(name, spec, tuple(batches))
