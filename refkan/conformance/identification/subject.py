"""The layer under test: layers that its adapter accepts, and its answers; a missing answer is reported, not raised."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.adapters.answers import checked, entry, own_copy
from refkan.conformance.cases import Case, Setting, generator, layer_spec, spec_with, true_values
from refkan.conformance.cases.specs import PARTS, LayerSpec, reweighted
from refkan.conformance.identification.knots_in_use import points_inside
from refkan.conformance.identification.known_layer import ROUNDINGS, KnownLayer
from refkan.conformance.identification.reported import close, largest
from refkan.splines.knots import greville_points

BLOCK = 64
"""Batches have whole blocks of so many samples unless a stage tests other sizes."""

OTHER_KNOTS = 0.75
"""Factor from the knots of the tested input to those of the other one."""


class NoAnswerError(Exception):
    """The adapter refused, raised, or returned something invalid; the message names the operation."""


class Subject(KnownLayer):
    """The layer of an adapter with everything that stages ask of it."""

    @property
    def degrees(self) -> list[int]:
        """Degrees that are declared, smallest first."""
        return sorted({d for d in self.declared.degrees if d in range(6)})

    @property
    def degree(self) -> int:
        """The degree that most stages use: 3 if it is declared, else the next one below or above."""
        if not self.degrees:
            raise NoAnswerError("no degree from 0 to 5 is declared")
        return min(self.degrees, key=lambda d: (d != 3, d > 3, abs(d - 3), d == 0))

    @property
    def kinds(self) -> list[str]:
        """Kinds of knots that are declared, "uniform-fine" beside "uniform" where domains are free."""
        kinds = [kind for kind in ("uniform", "arbitrary", "clamped", "repeated") if kind in self.declared.knots]
        fine = "uniform" in kinds and self.declared.domain is None and self.dtype in ("float64", "float32")
        return kinds[:1] + ["uniform-fine"] * fine + kinds[1:]

    @property
    def kind(self) -> str:
        """The kind of knots that most stages use: inputs have different knots if possible."""
        if not self.kinds:
            raise NoAnswerError("no known kind of knots is declared")
        return "arbitrary" if "arbitrary" in self.kinds else self.kinds[0]

    def spec(
        self, shape: tuple[int, int], C: Any = None, degree: int | None = None, kind: str = "", intervals: int = 6,
        outside: str = "natural", **parts: Any,
    ) -> LayerSpec:  # fmt: skip
        """Return a layer (Q, P) with knots as cases have them and coefficients C, by default random ones."""
        degree, kind = self.degree if degree is None else degree, kind or self.kind
        rng = generator(f"identify/{degree}/{kind}/{intervals}")
        frame = self.declared.frame
        made = layer_spec(self.dtype, degree, kind, shape, rng, intervals=intervals, frame=frame)
        knots = np.repeat(made.knots[:1], shape[1], axis=0) if self.same_knots else made.knots
        return replace(made, knots=knots, coefficients=made.coefficients if C is None else C, outside=outside, **parts)

    def with_parts(self, shape: tuple[int, int] = (3, 2), parts: Sequence[str] | None = None, **more: Any) -> LayerSpec:
        """Return a layer with declared parts, none of them neutral; factors have both signs."""
        plain = self.spec(shape, **more)
        named = [part for part in PARTS if part in (self.declared.parts if parts is None else parts)]
        spec = spec_with(plain, named, generator("identify/parts"))
        weights = {part: spec.part(part) for part in ("scale", "node-scale") if part in named}
        signs = {part: np.where(np.arange(w.size) % 3 == 1, -1, 1).reshape(w.shape) for part, w in weights.items()}
        return reweighted(spec, {part: w * signs[part] for part, w in weights.items()})

    @staticmethod
    def single(spec: LayerSpec, C: FloatArray, p: int = 0) -> LayerSpec:
        """Return a layer of one input with coefficients C on the knots of input p of another."""
        return LayerSpec(spec.knots[p : p + 1], C, spec.order, spec.outside, spec.dtype, spec.kind)

    def samples(self, spec: LayerSpec, count: int, seed: int = 0) -> FloatArray:
        """Return points (count, P) within the intervals of the domain, exact in the format, the same each time."""
        knots, name = np.ascontiguousarray(spec.knots).tobytes(), f"identify/samples/{seed}"
        return points_inside(knots, spec.n_inputs, spec.order, self.dtype, count, name).copy()

    def layer(
        self, shape: tuple[int, int], seed: int = 0, count: int = BLOCK, **more: Any
    ) -> tuple[LayerSpec, FloatArray]:  # fmt: skip
        """Return a layer as `spec` does, and points within its intervals."""
        spec = self.spec(shape, **more)
        return spec, self.samples(spec, count, seed)

    def asked(self, operation: str, *arguments: Any, read: Callable[[Any], Any] = lambda answer: answer) -> Any:
        """Call a method of the adapter, and read what it returns.

        What is raised becomes a reason, what is overwritten is remembered. A model that calls are known to change is
        built anew for each call.
        """
        method = self.adapter.built if operation == "build" else getattr(self.adapter, operation)
        renewed = self.cache.get(id(arguments[0])) if arguments else None
        if renewed is not None:
            _, spec = renewed
            arguments = (self.adapter.built(spec), *arguments[1:])
        kept = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        self.calls.made[operation] += 1
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend
                answer = own_copy(method(*arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the backend
            raise NoAnswerError(self.calls.message(operation, error)) from error
        for given, before in zip(arguments, kept, strict=True):
            if isinstance(given, np.ndarray) and not np.array_equal(given, before, equal_nan=True):
                self.calls.overwritten.append(operation)
                given[...] = before  # what follows is compared with what was asked for
        try:
            return read(answer)
        except Exception as error:  # of what the backend returned
            raise NoAnswerError(self.calls.message(operation, error)) from error

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build a new model."""
        model = self.asked("build", spec)
        if self.renewed:
            self.cache[id(model)] = model, spec
        return model

    def raw(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """Return the outputs (N, Q) at x (N, P) as the layer returns them, for a few rows at a time if rows mix."""
        pieces = self._pieces(len(x))
        if not pieces:
            return self.laid_out(model, x.copy(order="K"), n_outputs)
        rows, back = np.unique(x, axis=0, return_inverse=True) if self.by_rows else (x, np.arange(len(x)))
        each = [self.laid_out(model, rows[piece].copy(), n_outputs) for piece in pieces if len(rows[piece])]
        return np.concatenate(each)[back.ravel()]

    def laid_out(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """The same, at samples in their present layout in memory."""
        return self.asked("forward", model, x, read=lambda y: checked("forward", y, (len(x), n_outputs), ""))

    def in_blocks(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """The same, with samples repeated to fill whole blocks of 64."""
        return self.raw(model, np.resize(x, (-(-len(x) // BLOCK) * BLOCK, x.shape[1])), n_outputs)[: len(x)]

    def values(self, spec: LayerSpec, x: FloatArray, model: Any = None) -> FloatArray:
        """Return the outputs of a layer, with an identified outer map undone."""
        model = self.build(spec) if model is None else model
        with np.errstate(all="ignore"):
            y = self.raw(model, x, spec.n_outputs)
            return y if self.undone is None else self.undone(y)

    def without_splines(self, spec: LayerSpec, x: FloatArray) -> FloatArray:
        """Return the outputs of a layer whose coefficients are all zero."""
        return self.values(replace(spec, coefficients=0 * spec.coefficients), x)

    def points(self, spec: LayerSpec, x: FloatArray) -> FloatArray:
        """Return the points (N, P) at which functions of degree 1 or more are evaluated, by splines s(x) = x."""
        lines = np.stack([greville_points(t, spec.order) for t in spec.knots]) * np.eye(spec.n_inputs)[:, :, None]
        layers = [replace(spec, coefficients=np.repeat(line[None], spec.n_outputs, axis=0)) for line in lines]
        return np.stack([self.values(layer, x)[:, 0] for layer in layers], axis=1)

    @staticmethod
    def by_inputs(spec: LayerSpec) -> list[LayerSpec]:
        """Return layers with the coefficients of one input each."""
        return [replace(spec, coefficients=spec.coefficients * only[:, None]) for only in np.eye(spec.n_inputs)]

    def _pieces(self, n: int) -> list[slice]:
        """The samples that are evaluated together, [] if all are."""
        return [slice(k, k + self.rows) for k in range(0, n, self.rows)] if 0 < self.rows < n else []

    def gradients(self, model: Any, x: FloatArray, dy: FloatArray, shapes: dict[str, Any]) -> dict[str, FloatArray]:
        """Return the gradients of sum dy * y under the names of `shapes`."""
        pieces = self._pieces(len(x))
        if pieces:
            of = (shapes | {name: x[rows].shape for name in ("inputs",) if name in shapes} for rows in pieces)
            each = [self.gradients(model, x[rows], dy[rows], s) for rows, s in zip(pieces, of, strict=True)]
            join = {name: np.concatenate if name == "inputs" else partial(np.sum, axis=0) for name in shapes}
            return {name: join[name]([gradients[name] for gradients in each]) for name in shapes}
        return self.laid_out_gradients(model, x.copy(), dy.copy(), shapes)

    def laid_out_gradients(self, model: Any, x: Any, dy: Any, shapes: dict[str, Any]) -> dict[str, FloatArray]:
        """The same, at samples and cotangents in their present layout in memory."""

        def read(answer: Any) -> dict[str, FloatArray]:
            return {name: entry(answer, name, shape, "") for name, shape in shapes.items()}

        return self.asked("vjp", model, x, dy, read=read)

    def second(self, model: Any, x: FloatArray, dy: FloatArray, direction: FloatArray) -> FloatArray:
        """Return the derivative of the input gradient along a direction."""
        pieces = self._pieces(len(x))
        if pieces:
            return np.concatenate([self.second(model, x[rows], dy[rows], direction[rows]) for rows in pieces])
        given = x.copy(), dy.copy(), direction.copy()
        return self.asked("second", model, *given, read=lambda answer: checked("second", answer, x.shape, ""))

    def gauss_newton(self, model: Any, x: FloatArray, size: int) -> FloatArray:
        """Return J^T J / N."""
        pieces = self._pieces(len(x))
        if pieces:
            each = [self.gauss_newton(model, x[rows], size) * len(x[rows]) for rows in pieces]
            return np.asarray(np.sum(each, axis=0) / len(x))
        return self.asked("gauss_newton", model, x.copy(), read=lambda H: checked("gauss_newton", H, (size, size), ""))

    def truth(self, spec: LayerSpec, x: FloatArray, form: str = "") -> tuple[FloatArray, FloatArray]:
        """Return the right values (N, Q) and the errors allowed in them."""
        end, form = self.declared.right_end, form or self.declared.form
        arrays = (spec.knots.tobytes(), spec.coefficients.tobytes(), x.tobytes())
        key = (*arrays, spec.order, spec.outside, spec.kind, form)
        if spec.parts or key not in self.cache:
            no_dy, still = np.zeros((len(x), spec.n_outputs)), np.zeros(x.shape)
            case = Case(Setting("identify", (spec,), x, no_dy, still, oracle="float64", right_end=end), "values")
            self.cache[key] = case.expected, case.allowed(form)
        expected, room = self.cache[key]
        return expected.copy(), room.copy()

    def asked_for(self, spec: LayerSpec, x: FloatArray, form: str = "") -> tuple[FloatArray, FloatArray]:
        """Return the requested basis functions at x (N,), (N, dim), and the errors allowed in them."""
        return self.truth(replace(spec, coefficients=np.eye(spec.dim)[:, None]), x[:, None], form)

    def basis(self, spec: LayerSpec, x: FloatArray, p: int = 0, again: bool = False) -> FloatArray:
        """Return the layer's own basis functions on the knots of input p at x (N,): (N, dim), kept unless `again`.

        Each comes from a layer with one input and two outputs with the same unit coefficients, so the order of outputs
        and of inputs plays no part. Samples are repeated to fill whole blocks of 64.
        """
        at = np.resize(x, -(-x.size // BLOCK) * BLOCK)[:, None]
        how = self.rows, self.renewed, self.unit, self.undone, self.position
        key = (spec.knots[p].tobytes(), spec.order, spec.outside, spec.kind, at.tobytes(), how)
        if again or key not in self.cache:
            self.cache[key] = self._right(self.single(spec, np.eye(spec.dim)[:, None], p), at, x.size)
        if not self.cache[key].size:
            units = np.vstack([np.zeros(spec.dim), self.unit * np.eye(spec.dim)])
            none, *columns = (self._alone(spec, u, at, p) for u in units)
            self.cache[key] = (np.stack(columns, axis=1) - none[:, None]) / self.unit
        return self.cache[key][: x.size]

    def errors(self, spec: LayerSpec, x: FloatArray) -> FloatArray:
        """Differences of the basis functions at x (N,) from those requested, (N, dim)."""
        return self.basis(spec, x) - self.asked_for(spec, x)[0]

    def is_right(self, spec: LayerSpec, x: FloatArray) -> bool:
        """Whether outputs are those of the requested layer, so that its parts need no test."""
        if self.declared.basis != BSPLINES or self.undone is not None:
            return False
        expected = true_values(spec, x)
        return close(self.values(spec, x), expected, ROUNDINGS * self.eps * largest(expected))

    def _right(self, units: LayerSpec, at: FloatArray, count: int) -> FloatArray:
        """All functions at once, one for each output, if they are right at the first points; else none."""
        none = np.zeros((0, units.dim))
        if self.position is not None or self.unit != 1.0 or self.declared.basis != BSPLINES or self.undone is not None:
            return none
        try:
            y = self.values(units, at)
        except NoAnswerError:  # some may be answered one by one
            return none
        expected, room = self.truth(units, at[:count])
        return y if close(y[:count], expected, room + self.eps / 2) else none

    def _alone(self, spec: LayerSpec, unit: FloatArray, at: FloatArray, p: int) -> FloatArray:
        """One function by a layer with one input, or at the position of a larger layer where the wiring is right."""
        single = self.single(spec, np.stack([unit, unit])[:, None], p)
        if self.position is None:
            return self.values(single, at)[:, 0]
        (q, p), C = self.position, np.zeros((3, 2, unit.size))
        C[q, p] = unit
        knots, x = np.repeat(single.knots, 2, axis=0), np.repeat(at, 2, axis=1)
        knots[1 - p], x[:, 1 - p] = self.beside(spec, single.knots[0], at[:, 0])
        return self.values(replace(single, knots=knots, coefficients=C), x)[:, q]

    def beside(self, spec: LayerSpec, t: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return knots and samples for the input next to the tested one: other knots, or the mirrored points."""
        (a, b), alike = (t[spec.order - 1], t[-spec.order]), spec.kind == "uniform" or self.declared.domain is not None
        k = 1.0 if alike else OTHER_KNOTS
        return k * t, np.clip(a + b - x if alike else x, k * a, k * b)

    def edges(self, spec: LayerSpec, x: FloatArray) -> FloatArray:
        """Return what each edge adds, (N, Q, P), by the layer's basis functions, or edge by edge if those differ."""
        if self.place:
            zero = self.without_splines(spec, x)
            return np.stack([self.values(of, x) - zero for of in self.by_inputs(spec)], axis=2)
        if spec.kind == "uniform" or (spec.knots == spec.knots[0]).all():
            flat = self.basis(spec, x.T.ravel()).reshape(x.shape[1], len(x), spec.dim)
        else:
            flat = np.stack([self.basis(spec, x[:, p], p) for p in range(x.shape[1])])
        return np.einsum("qpi,psi->sqp", spec.coefficients, flat)
