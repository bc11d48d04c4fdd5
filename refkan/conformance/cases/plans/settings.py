"""The settings that families of cases consist of: layers and networks, each told by its name and a few numbers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import Setting, generator
from refkan.conformance.cases.families import INTERVALS, POINTS, coefficients, cotangents, points, spec_with
from refkan.conformance.cases.specs import LayerSpec

FIRST_DERIVATIVES = ("values", "input-gradients", "coefficient-gradients")
SMOOTH = (*FIRST_DERIVATIVES, "second-derivatives")
ZERO = ("input-gradients", "second-derivatives")
"""What is not asked of pieces of degree 0, whose derivatives in x are zero."""


class Plan:
    """Settings of one format, with the quantities that are asked of each, in the order in which they are judged.

    The name of a setting is the seed of its numbers, which are drawn in the order knots, coefficients, parts, samples,
    cotangent, direction.

    Parameters
    ----------
    dtype : str
    frame : Frame
    """

    def __init__(self, dtype: str, frame: Frame = ANY) -> None:
        self.dtype, self.frame = dtype, frame
        self.settings: list[tuple[Setting, list[str]]] = []

    def _add(
        self, name: str, specs: tuple[LayerSpec, ...], x: FloatArray, rng: np.random.Generator,
        quantities: Sequence[str], **more: Any,
    ) -> None:  # fmt: skip
        asked = (*quantities, *(f"{part}-gradients" for part in specs[0].parts))
        chosen = [quantity for quantity in asked if specs[0].degree or quantity not in ZERO]
        dy = cotangents((len(x), specs[-1].n_outputs), rng)
        direction = cotangents(x.shape, rng)
        if more.get("manner") == "expanded-cotangents":
            dy = np.resize(dy[0], dy.shape)
        self.settings.append((Setting(name, specs, x, dy, direction, **more), chosen))

    def basis(self, degree: int, kind: str, region: str, rule: str = "natural") -> None:
        """Plan a layer of one input, and an output for each basis function: C is the identity."""
        where = f"{region}-{rule}" if region in ("outside", "far") else region
        name = f"{self.dtype}/basis/degree-{degree}/{kind}/{where}"
        rng, order = generator(name), degree + 1
        t = self.frame.knots(kind, order, self.dtype, rng)
        spec = LayerSpec(t[None], np.eye(t.size - order)[:, None], order, rule, self.dtype, kind_of(kind))
        x = points(region, t, order, self.dtype, rng, POINTS)[:, None]
        self._add(name, (spec,), x, rng, SMOOTH, region=region)

    def layer(
        self, degree: int, kind: str, word: str = "", quantities: Sequence[str] = SMOOTH,
        shape: tuple[int, int] = (3, 2), count: int = POINTS, region: str = "interior", outside: str = "natural",
        parts: Sequence[str] = (), intervals: int = INTERVALS, scale: float = 1.0, knots: FloatArray | None = None,
        data: Callable[[FloatArray], FloatArray] = np.asarray, **more: Any,
    ) -> None:  # fmt: skip
        """Plan a layer of Q outputs and P inputs.

        Its knots may be given, or multiplied together with the samples by a power of two; `data` changes the samples.
        """
        name = "/".join(filter(None, (f"{self.dtype}/layer/degree-{degree}/{kind}/{shape[0]}x{shape[1]}", word)))
        rng, frame = generator(name), self.frame if knots is None else ANY
        spec = layer_spec(self.dtype, degree, kind, shape, rng, intervals=intervals, frame=frame)
        spec = replace(spec, outside=outside, knots=spec.knots if knots is None else knots)
        spec = spec_with(spec, parts, rng)
        x = data(samples(spec, region, rng, count) * scale)
        self._add(name, (replace(spec, knots=spec.knots * scale),), x, rng, quantities, region=region, **more)

    def network(
        self, degree: int, kind: str, widths: Sequence[int], count: int, quantities: Sequence[str] = SMOOTH,
        parts: Sequence[str] = (), **more: Any,
    ) -> None:  # fmt: skip
        """Plan a network of these widths, whose activations stay inside the domains of the layers that follow."""
        shape, word = "-".join(map(str, widths)), "-".join(("with", *parts)) if parts else ""
        name = "/".join(filter(None, (f"{self.dtype}/network/degree-{degree}/{kind}/{shape}", word)))
        rng = generator(name)
        layers = [self._inner(degree, kind, (Q, P), rng) for P, Q in pairwise(widths)]
        specs = tuple(spec_with(layer, parts, rng, 2.0**-4) for layer in layers)
        self._add(name, specs, samples(specs[0], "interior", rng, count), rng, quantities, **more)

    def _inner(self, degree: int, kind: str, shape: tuple[int, int], rng: np.random.Generator) -> LayerSpec:
        # B-splines sum to one: coefficients below 1/4 keep the sum over up to three inputs within (-1, 1).
        spec = layer_spec(self.dtype, degree, kind, shape, rng, 0.25, frame=self.frame)
        return replace(spec, coefficients=self.frame.coefficients(spec.coefficients, self.dtype))


def kind_of(family: str) -> str:
    """The kind of knots of a family of them."""
    return "uniform" if family.startswith("uniform") else family


def layer_spec(
    dtype: str, degree: int, kind: str, shape: tuple[int, int], rng: np.random.Generator, size: float = 1.0,
    intervals: int = INTERVALS, frame: Frame = ANY,
) -> LayerSpec:  # fmt: skip
    """Return a layer of Q outputs and P inputs with random coefficients; arbitrary knots differ between inputs."""
    order, (Q, P) = degree + 1, shape
    rows = [frame.knots(kind, order, dtype, rng, intervals) for _ in range(P)]
    if kind_of(kind) == "uniform":
        rows = rows[:1] * P
    C = coefficients((Q, P, rows[0].size - order), dtype, rng, size)
    return LayerSpec(np.array(rows), C, order, "natural", dtype, kind_of(kind))


def samples(spec: LayerSpec, region: str, rng: np.random.Generator, count: int) -> FloatArray:
    """Return samples (count, P), each column in a region of its own knot vector, in an order of its own."""
    columns = [points(region, row, spec.order, spec.dtype, rng, count) for row in spec.knots]
    return np.stack([rng.permutation(column) for column in columns], axis=1)
