"""Layers, samples and settings that families of cases are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.backend_frames import ANY, Frame
from refkan.conformance.cases.cases import Setting
from refkan.conformance.cases.families import INTERVALS, coefficients, cotangents, points
from refkan.conformance.cases.specs import LayerSpec

Plan = list[tuple[Setting, Sequence[str]]]

FIRST_DERIVATIVES = ("values", "input-gradients", "coefficient-gradients")
SMOOTH = (*FIRST_DERIVATIVES, "second-derivatives")


def setting(
    name: str, specs: LayerSpec | tuple[LayerSpec, ...], x: FloatArray, rng: np.random.Generator, **more: Any
) -> Setting:
    """Complete a setting with a cotangent and a direction."""
    specs = (specs,) if isinstance(specs, LayerSpec) else specs
    dy = cotangents((x.shape[0], specs[-1].n_outputs), rng)
    return Setting(name, specs, x, dy, cotangents(x.shape, rng), **more)


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


def network_layer(
    dtype: str, degree: int, kind: str, shape: tuple[int, int], rng: np.random.Generator, frame: Frame = ANY
) -> LayerSpec:  # fmt: skip
    """Return a layer whose outputs stay inside the domain of the next."""
    # B-splines sum to one: coefficients below 1/4 keep the sum over up to three inputs within (-1, 1).
    spec = layer_spec(dtype, degree, kind, shape, rng, 0.25, frame=frame)
    return replace(spec, coefficients=frame.coefficients(spec.coefficients, dtype))
