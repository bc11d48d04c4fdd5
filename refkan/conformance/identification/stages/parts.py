r"""Stage 5: what is beside the splines.

With all coefficients zero a layer of splines is zero. What is left, z_q(x) = sum_p k_qp h(x_p) + c_q, is fitted with
each known h, and with two of them, by least squares over 64 samples: a fit counts if it leaves nothing but rounding.
Declared parts are asked by unit weights, and explained as wiring is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import generator
from refkan.conformance.cases.families import spec_with
from refkan.conformance.cases.specs import PARTS, PER_NODE, LayerSpec, attribute
from refkan.conformance.cases.truths.branches import silu
from refkan.conformance.identification.explanations import Named, explain
from refkan.conformance.identification.known_maps import MAPS, map_of
from refkan.conformance.identification.names import differences
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, Subject

KNOWN = {"identity": lambda x: x, **MAPS}


def parts(subject: Subject) -> Stage:
    """Return what the layer has beside its splines."""
    spec = subject.spec((3, 2))
    x = subject.samples(spec, BLOCK, 4)
    zero = subject.values(replace(spec, coefficients=0 * spec.coefficients), x)
    size = max(float(np.abs(zero).max()), 1.0)
    found: list[Difference] = []
    told = "splines alone"
    if (np.abs(zero) > 256 * subject.eps).any():
        told = beside(x, zero, subject.tolerance(size))
        found.append(Difference("extra branch", {"what": told}))
    for part in subject.declared.parts if not subject.differs else ():
        found += _declared(subject, part)
    if not subject.differs and not found and len(subject.declared.parts) > 1:
        found += _together(subject)
    words = ", ".join(subject.declared.parts)
    return Stage(
        "parts", told + (f"; declared and asked: {words}" if words and not subject.differs else ""), tuple(found)
    )


def beside(x: FloatArray, y: FloatArray, tolerance: float) -> str:
    """What y (N, Q) is as a function of x (N, P), in words."""
    for names in (*combinations(KNOWN, 1), *combinations(KNOWN, 2)):
        A = np.concatenate([*(KNOWN[name](x) for name in names), np.ones((len(x), 1))], axis=1)
        k, *_ = np.linalg.lstsq(A, y, rcond=None)
        if (np.abs(A @ k - y) <= tolerance).all():
            return _fitted(names, k, x.shape[1])
    return f"a function that is none of those known, from {y.min():.4g} to {y.max():.4g}"


def _fitted(names: tuple[str, ...], k: FloatArray, P: int) -> str:
    out = []
    for j, name in enumerate(names):
        weights = k[j * P : (j + 1) * P]
        if np.abs(weights).max() > 1e-9:
            same = np.ptp(weights) < 1e-9
            out.append(
                f"{name} of x"
                + (f" times {weights.mean():.6g}" if same else f" times {weights.min():.4g} .. {weights.max():.4g}")
            )
    constant = k[-1]
    if np.abs(constant).max() > 1e-9:
        out.append(f"a constant {constant[0]:.6g}" if np.ptp(constant) < 1e-9 else "a constant for each output")
    return " and ".join(out)


def _declared(subject: Subject, part: str) -> Iterator[Difference]:
    """One declared part: its response to units, as a rearrangement of what it should be."""
    plain = subject.spec((3, 2))
    x = subject.samples(plain, BLOCK, 4)
    edges = subject.edges(plain, x)
    shape = (3,) if part in PER_NODE else (3, 2)
    neutral = plain.part(part)

    def y(weights: FloatArray, with_splines: bool) -> FloatArray:
        C = plain.coefficients * with_splines
        more: dict[str, Any] = {attribute(part): weights}
        return subject.values(subject.spec((3, 2), C, **more), x)

    splines = part in ("scale", "node-scale")
    start = y(neutral, splines)
    if splines and _same(subject, y(2 * neutral, True), 4 * start):
        yield Difference("part applied twice", {"part": part})
        return
    theirs, ours = np.zeros((len(x), 3, *shape)), np.zeros((len(x), 3, *shape))
    right = {"base": silu(x, 0)[0], "scale": edges, "node-scale": edges.sum(axis=2), "bias": np.ones((len(x), 3))}[part]
    for u in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[u] = 1
        theirs[(slice(None), slice(None), *u)] = y(neutral + unit, splines) - start
        q = u[0]
        ours[(slice(None), q, *u)] = right[:, u[1]] if part == "base" else right[(slice(None), *u)]
    axes = ("sample", "answer", "output", "input")[: theirs.ndim]
    found: list[Named] | None = explain(
        theirs, ours, axes, subject.tolerance(float(np.abs(ours).max())), f"the part {part}"
    )
    if found is not None:
        if [name for name, _ in found] == ["zero"]:
            yield Difference("part ignored", {"part": part})
        else:
            yield from differences(found)
    elif part == "base" and (mapped := map_of(x[:, 0], theirs[:, 0, 0, 0], subject.tolerance(4.0))) is not None:
        yield Difference("other activation", {"part": part, "what": mapped[0]})
    else:
        yield Difference(
            "wired otherwise", {"what": f"the part {part}", "how": "no rearrangement of it"}, sure="measured"
        )


def with_parts(subject: Subject) -> LayerSpec:
    """A layer with all declared parts, none of them neutral."""
    plain = subject.spec((3, 2))
    return spec_with(plain, [part for part in PARTS if part in subject.declared.parts], generator("identify/parts"))


def _together(subject: Subject) -> Iterator[Difference]:
    """All parts at once: whether the factor of an output multiplies its bias, too."""
    spec = with_parts(subject)
    x = subject.samples(spec, BLOCK, 4)
    inner = (spec.part("base") * silu(x, 0)[0][:, None] + spec.part("scale") * subject.edges(spec, x)).sum(axis=2)
    theirs, g, c = subject.values(spec, x), spec.part("node-scale"), spec.part("bias")
    if _same(subject, theirs, g * inner + c):
        return
    before = _same(subject, theirs, g * (inner + c))
    how = "the bias is added before the factor" if before else "together they are something else"
    yield Difference("parts in another order", {"how": how})


def _same(subject: Subject, theirs: FloatArray, ours: FloatArray) -> bool:
    """Whether results agree to far more than a part makes up, or to the rounding of a dozen terms in the format."""
    tolerance = max(2.0**-36, 16 * subject.eps)
    return bool(np.abs(theirs - ours).max() <= tolerance * max(np.abs(ours).max(), 1.0))
