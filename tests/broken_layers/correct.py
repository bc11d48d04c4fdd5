"""Correct layers that round in other ways, and random configurations on which no correct layer may raise an alarm."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.cases.cases import Case, Setting
from refkan.conformance.cases.families import coefficients, cotangents, knot_vector, points
from refkan.conformance.cases.specs import RULES, LayerSpec
from tests.broken_layers.plain_numpy import STEPS, NumpyLayer, PlainNumpy


class Piecewise(NumpyLayer):
    """On each interval a polynomial in (x - t_m), made once in float64 and kept in the format."""

    def _polynomials(self, x: Any, t: Any, derivative: int) -> Any:
        return self._made_once((*STEPS, "_powers"), self._powers, x, t, derivative)

    def _powers(self, x: Any, t: Any, derivative: int) -> Any:
        r = self.order
        if derivative >= r:
            return np.zeros((x.size, t.size - r), self.number)
        pieces = self.pieces(x, t)
        m = pieces.argmax(axis=1)
        used, place = np.unique(m, return_inverse=True)
        out = self.number(0)
        for k in reversed(range(derivative, r)):
            taylor = np.array([self._taylor(t, int(j), k) for j in used]).reshape(used.size, t.size - r)[place]
            factor = np.prod(np.arange(k - derivative + 1, k + 1))
            out = self.q(out * self.q(x - t[m])[:, None]) + self.given(factor * taylor)
        return self.q(out * pieces.any(axis=1)[:, None])  # nothing beyond all knots

    def _taylor(self, t: Any, m: int, k: int) -> FloatArray:
        """Taylor coefficients of order k at t_m of all functions on interval m, made once."""
        return _taylor(t.astype(np.float64).tobytes(), self.order, m, k)


EXACT = NumpyLayer(LayerSpec([[0.0, 1.0]], [[[0.0]]], 1))
"""Steps of the recursion in float64."""


@lru_cache(5000)
def _taylor(knots: bytes, r: int, m: int, k: int) -> FloatArray:
    """Taylor coefficients of order k at t_m of all functions of order r on interval m."""
    t = np.frombuffer(knots)
    b: Any = (np.arange(t.size - 1) == m)[None].astype(np.float64)
    for level in range(2, r - k + 1):
        b = EXACT.lift(b, t[m : m + 1], t, level)
    for level in range(r - k + 1, r + 1):
        b = EXACT.differentiate(b, t, level)
    return np.asarray(b[0] / np.prod(np.arange(1, k + 1)))


class Cardinal(NumpyLayer):
    """For equal spacing: the position (x - a)/h, and the recursion on integers."""

    def _polynomials(self, x: Any, t: Any, derivative: int) -> Any:
        h = self.given(t[self.order] - t[self.order - 1])
        position = self.q(self.q(x - t[0]) / h)
        functions = super()._polynomials(position, self.given(np.arange(t.size)), derivative)
        return self.q(functions / self.q(h**derivative))


def random_settings(dtype: str, count: int, seed: int = 200) -> Iterator[Setting]:
    """Layers and samples of random degree, kind of knots, number of intervals, rule outside, shape and region.

    Degrees are 0 to 5 (to 3 in bfloat16), widths 1 to 3, intervals 4, 8 or 12 (6 for repeated knots and in bfloat16,
    whose few bits do not hold more), samples 1 to 8; knots, positions within spans, coefficients and cotangents are
    random numbers of the format. No samples lie far outside in float16, in which powers of their distance overflow.
    """
    rng = np.random.default_rng(seed)
    regions = ["interior", "knots", "ends", "outside", "far"][: 4 if dtype == "float16" else 5]
    for k in range(count):
        degree = int(rng.integers(0, 6 if dtype != "bfloat16" else 4))
        kind = str(rng.choice(["uniform", "arbitrary", "clamped", "repeated"][: 4 if degree else 3]))
        rule = str(rng.choice(RULES))
        P, Q, n = (int(v) for v in rng.integers(1, 4, 3))
        n = 4 * n if kind != "repeated" and dtype != "bfloat16" else 6
        rows = [knot_vector(kind, degree + 1, dtype, rng, n) for _ in range(P)]
        rows = rows[:1] * P if kind == "uniform" else rows
        C = coefficients((Q, P, rows[0].size - degree - 1), dtype, rng)
        spec = LayerSpec(np.array(rows), C, degree + 1, rule, dtype, kind)
        region = str(rng.choice(regions))
        size = int(rng.integers(1, 9))
        x = np.stack([points(region, row, degree + 1, dtype, rng, size) for row in spec.knots], axis=1)
        yield Setting(f"random-{k}", (spec,), x, cotangents((size, Q), rng), cotangents(x.shape, rng), region)


def random_cases(dtype: str, count: int) -> Iterator[tuple[Adapter, list[Case]]]:
    """Random settings, each with a correct adapter, three ways of evaluation in turn, and the cases to be judged."""
    for k, setting in enumerate(random_settings(dtype, count)):
        ways: list[type[NumpyLayer]] = [NumpyLayer, Piecewise]
        if setting.spec.kind == "uniform":
            ways.append(Cardinal)
        adapter = PlainNumpy()
        adapter.layer = ways[k % len(ways)]
        adapter.name = f"{adapter.layer.__name__}, configuration {k}"
        quantities = ["values", "coefficient-gradients"]
        if setting.spec.degree:
            quantities += ["input-gradients", "second-derivatives"]
        yield adapter, [Case(setting, quantity) for quantity in quantities]
