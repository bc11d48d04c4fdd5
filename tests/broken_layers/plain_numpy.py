r"""A plain layer in NumPy, computed in the format of the spec: right, and the base of the broken layers.

All basis functions at all samples by the recursion of Cox and de Boor, derivatives by the difference formula, as most
codes do it. In lower formats each operation is done in float32 and rounded.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.cases.specs import PARTS, RULES, LayerSpec, as_specs
from refkan.conformance.cases.truths.precision import LOW, round_to
from refkan.conformance.cases.truths.quantities import silu
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolong
from tests.broken_layers.latest import latest

STEPS = ("given", "q", "ratio", "pieces", "lift", "differentiate", "_recursion")
"""Methods of a layer on which the values of its functions depend, beside points and knots."""


class NumpyLayer:
    """A layer with knots t (P, K) and coefficients C (Q, P, dim) in the format of the spec."""

    def __init__(self, spec: LayerSpec) -> None:
        self.spec, self.order, self.outside = spec, spec.order, spec.outside
        self.emulated = spec.dtype in LOW
        self.number = np.float64 if spec.dtype == "float64" else np.float32
        self.t: Any = self.given(spec.knots)
        self.C: Any = self.given(spec.coefficients)

    def given(self, values: Any) -> Any:
        """Take numbers into the format of the layer."""
        return np.asarray(values).astype(self.number)

    def q(self, values: Any) -> Any:
        """Round the result of one operation."""
        return round_to(self.spec.dtype, values).astype(np.float32) if self.emulated else values

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """Divide, with 0/0 = 0."""
        if denominator.all():
            return self.q((numerator / denominator).astype(self.number, copy=False))
        zero = denominator == 0
        return self.q(np.where(zero, 0, numerator / np.where(zero, 1, denominator)).astype(self.number))

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators (N, K-1) of the knot interval in force at x."""
        r = self.order
        a, b = t[r - 1], t[-r]
        m = t.searchsorted(x, side="right") - 1
        last = t.searchsorted(b, side="left") - 1
        m = np.where(x == b, last, m)
        if self.outside != "natural":
            m = np.clip(m, t.searchsorted(a, side="right") - 1, last)
        return (np.arange(t.size - 1) == m[:, None]).astype(self.number)

    def lift(self, b: Any, x: Any, t: Any, k: int) -> Any:
        """Values of order k from those of order k - 1."""
        q = self.q
        left = self.ratio(q(x[:, None] - t[:-k]), q(t[k - 1 : -1] - t[:-k]))
        right = self.ratio(q(t[k:] - x[:, None]), q(t[k:] - t[1 : t.size - k + 1]))
        return q(q(left * b[:, :-1]) + q(right * b[:, 1:]))

    def differentiate(self, b: Any, t: Any, k: int) -> Any:
        """Derivatives of order k from those of one order less, of functions of order k - 1."""
        q = self.q
        left = self.ratio(b[:, :-1], q(t[k - 1 : -1] - t[:-k]))
        right = self.ratio(b[:, 1:], q(t[k:] - t[1 : t.size - k + 1]))
        return q(self.number(k - 1) * q(left - right))

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Basis functions of input p, or a derivative of them, at x (N,): (N, dim)."""
        t, r = self.t[p], self.order
        a, b = t[r - 1], t[-r]
        if self.outside == "linear" and np.any((x < a) | (x > b)):
            at = np.clip(x, a, b)
            away = (x != at)[:, None]
            value, slope = (self._polynomials(at, t, d) for d in (0, 1))
            tangent = self.q(value + self.q(self.q(x - at)[:, None] * slope))
            inside = self._polynomials(at, t, derivative)
            return np.where(away, (tangent, slope, 0 * slope)[min(derivative, 2)], inside)
        return self._polynomials(x, t, derivative)

    def _polynomials(self, x: Any, t: Any, derivative: int) -> Any:
        return self._made_once(STEPS, self._recursion, x, t, derivative)

    def _made_once(
        self, steps: tuple[str, ...], compute: Callable[..., Any], x: Any, t: Any, derivative: int
    ) -> Any:  # fmt: skip
        spec = (self.spec.dtype, self.order, self.outside, derivative)
        key = (*spec, x.tobytes(), t.tobytes(), x.dtype, t.dtype)
        return latest(self, steps, key, compute, x, t, derivative).copy()

    def _recursion(self, x: Any, t: Any, derivative: int) -> Any:
        r = self.order
        if derivative >= r:
            return np.zeros((x.size, t.size - r), self.number)
        b = self.pieces(x, t)
        for k in range(2, r - derivative + 1):
            b = self.lift(b, x, t, k)
        for k in range(r - derivative + 1, r + 1):
            b = self.differentiate(b, t, k)
        return b

    def splines(self, x: Any, derivative: int) -> list[Any]:
        """The splines or a derivative of them, for each input p: (N, Q)."""
        return [self.sum(self.basis(p, x[:, p], derivative), self.C[:, p].T) for p in range(x.shape[1])]

    def edges(self, x: Any, derivative: int) -> list[Any]:
        """f_qp or a derivative of it, for each input p: (N, Q)."""
        splines = self.splines(x, derivative)
        if not self.spec.parts:
            return splines
        q, base, scale, node_scale = self.q, *map(self.part, ("base", "scale", "node-scale"))
        branch = self.given(silu(self.wide(x))[derivative])
        return [
            q(node_scale * q(q(base[:, p] * branch[:, p : p + 1]) + q(scale[:, p] * spline)))
            for p, spline in enumerate(splines)
        ]

    def part(self, name: str) -> Any:
        """A part of the layer beside the splines, neutral where it has none."""
        return self.given(self.spec.part(name))

    @staticmethod
    def wide(x: Any) -> FloatArray:
        """In float64: transcendental functions are rounded once."""
        return np.asarray(x, np.float64)

    def part_gradients(self, x: Any, dy: Any) -> dict[str, Any]:
        """Gradients in the parts that the layer has."""
        x, dy = self.given(x), self.given(dy)
        q, base, scale, node_scale = self.q, *map(self.part, ("base", "scale", "node-scale"))
        branch, splines = self.given(silu(self.wide(x), 0)[0]), np.stack(self.splines(x, 0), axis=2)
        inner = q(q(base * branch[:, None]) + q(scale * splines))
        gradients = {
            "base": self.sum(q(node_scale[:, None] * dy.T), branch),
            "scale": q(q(q(dy * node_scale)[:, :, None] * splines).sum(axis=0)),
            "node-scale": q(q(dy[:, :, None] * inner).sum(axis=(0, 2))),
            "bias": q(dy.sum(axis=0)),
        }
        return {name: gradients[name] for name in self.spec.parts}

    def sum(self, A: Any, B: Any) -> Any:
        """Matrix product, in bfloat16 with sums in float32 rounded once, as hardware does it."""
        return self.q(A @ B)

    def __call__(self, x: Any) -> Any:
        """Outputs (N, Q)."""
        total = self.number(0)
        for part in self.edges(self.given(x), 0):
            total = self.q(total + part)
        return total if "bias" not in self.spec.parts else self.q(total + self.part("bias"))

    def pull_back(self, x: Any, dy: Any, derivative: int = 1) -> Any:
        """Sum over q of dy_q times a derivative of f_qp: (N, P)."""
        dy = self.given(dy)
        return np.stack([self.q((dy * part).sum(axis=1)) for part in self.edges(self.given(x), derivative)], axis=1)

    def coefficient_gradient(self, x: Any, dy: Any) -> Any:
        """dC[q, p, i] = sum_s dy[s, q] b_i(x[s, p])."""
        x, dy = self.given(x), self.given(dy)
        gradient = np.stack([self.sum(dy.T, self.basis(p, x[:, p])) for p in range(x.shape[1])], axis=1)
        return gradient if not self.spec.parts else self.q(self.given(self.spec.gain)[:, :, None] * gradient)

    def jacobian(self, x: Any) -> FloatArray:
        """Jacobian (N Q, M) in the coefficients."""
        rows = np.stack([self.basis(p, self.given(x)[:, p]) for p in range(self.t.shape[0])], axis=1)
        J = np.einsum("qo,op,spi->sqopi", np.eye(self.C.shape[0]), self.spec.gain, rows)
        return J.reshape(rows.shape[0] * self.C.shape[0], -1)


class PlainNumpy(Adapter):
    """The plain layer in NumPy: all rules outside, all kinds of knots; refinement and updates insert knots."""

    name = "plain NumPy"
    capabilities = Capabilities(
        degrees=(0, 1, 2, 3, 4, 5),
        knots=("uniform", "arbitrary", "clamped", "repeated"),
        outside=RULES,
        dtypes=("float64", "float32", "tf32", "bfloat16", "float16"),
        derivatives=("inputs", "coefficients", "second", "gauss-newton"),
        refine=("nested",),
        update=True,
        network=True,
        promotes=True,
        state=True,
        parts=PARTS,
    )
    layer: type[NumpyLayer] = NumpyLayer

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build a list of layers."""
        return [self.layer(each) for each in as_specs(spec)]

    def _activations(self, model: Any, x: Any) -> list[Any]:
        z = [x]
        for layer in model:
            z.append(layer(z[-1]))
        return z

    def forward(self, model: Any, x: Any) -> Any:
        """Apply the layers."""
        return self._activations(model, x)[-1]

    def vjp(self, model: Any, x: Any, dy: Any) -> Mapping[str, Any]:
        """Sweep back through the layers; what the last one puts out is not needed."""
        z = self._activations(model[:-1], x)
        gradients: dict[str, list[Any]] = {}
        for layer, at in zip(reversed(model), reversed(z), strict=True):
            own = {"coefficients": layer.coefficient_gradient(at, dy)}
            own |= layer.part_gradients(at, dy) if layer.spec.parts else {}
            for name, part in own.items():
                gradients.setdefault(name, []).insert(0, part)
            dy = layer.pull_back(at, dy)
        return {"inputs": dy} | {name: parts if len(model) > 1 else parts[0] for name, parts in gradients.items()}

    def second(self, model: Any, x: Any, dy: Any, direction: Any) -> Any:
        """Differentiate the sweep back along a direction."""
        z, tangents = self._activations(model[:-1], x), [model[0].given(direction)]
        for layer, at in zip(model[:-1], z[:-1], strict=True):
            parts = layer.edges(layer.given(at), 1)
            tangents.append(sum(part * tangents[-1][:, p : p + 1] for p, part in enumerate(parts)))
        g, gd = model[-1].given(dy), None
        for k in reversed(range(len(model))):
            curved = model[k].q(model[k].pull_back(z[k], g, 2) * tangents[k])
            gd = curved if gd is None else model[k].q(curved + model[k].pull_back(z[k], gd))
            g = model[k].pull_back(z[k], g) if k else None
        return gd

    def gauss_newton(self, model: Any, x: Any) -> Any:
        """J^T J / N."""
        z = self._activations(model, x)
        n_outputs = z[-1].shape[1]
        blocks = []
        for q in range(n_outputs):
            dy = np.eye(n_outputs)[np.full(len(x), q)]
            parts: list[Any] = []
            for layer, at in zip(reversed(model), reversed(z[:-1]), strict=True):
                shape = (len(x), *layer.C.shape[:1], -1)
                rows = layer.jacobian(at).reshape(*shape)
                parts.insert(0, np.einsum("sq,sqm->sm", dy, rows))
                dy = layer.pull_back(at, dy)
            blocks.append(np.concatenate(parts, axis=1))
        J = np.stack(blocks, axis=1).reshape(len(x) * n_outputs, -1)
        return J.T @ J / len(x)

    def refine(self, model: Any, intervals: int, x: Any) -> Any:
        """Refine exactly, without the samples."""
        (layer,) = model
        return self._moved(layer, [space.refine(intervals // space.intervals) for space in self._spaces(layer)])

    def update(self, model: Any, x: Any) -> Any:
        """Insert a knot in the middle of each of the two intervals that hold most samples: no function is lost."""
        (layer,) = model
        finer = []
        for space, column in zip(self._spaces(layer), x.T, strict=True):
            counts, _ = np.histogram(column, space.breakpoints)
            chosen = np.argsort(-counts, kind="stable")[:2]
            finer.append(space.insert((space.breakpoints[chosen] + space.breakpoints[chosen + 1]) / 2))
        return self._moved(layer, finer)

    def state(self, model: Any) -> tuple[Any, Any]:
        """Knots and coefficients."""
        (layer,) = model
        return layer.t, layer.C

    def _spaces(self, layer: NumpyLayer) -> list[SplineSpace]:
        return [SplineSpace(row, layer.order) for row in layer.t]

    def _moved(self, layer: NumpyLayer, finer: list[SplineSpace]) -> Any:
        """Carry the coefficients over exactly, in float64, and round them to the format."""
        pairs = enumerate(zip(self._spaces(layer), finer, strict=True))
        C = np.stack([prolong(old, new, layer.C[:, p].astype(np.float64)) for p, (old, new) in pairs], axis=1)
        knots = np.array([space.knots for space in finer])
        return [self.layer(replace(layer.spec, knots=knots, coefficients=C, kind="arbitrary"))]
