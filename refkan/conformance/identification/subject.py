"""The layer under question: specs that its adapter accepts, and answers; what has no answer is said, not raised."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.adapters.answers import as_mapping, as_real, checked, describe, entry, own_copy
from refkan.conformance.cases.cases import Case, Setting, generator
from refkan.conformance.cases.families import coefficients, spec_with
from refkan.conformance.cases.plans.settings import kind_of
from refkan.conformance.cases.specs import PARTS, LayerSpec, attribute
from refkan.conformance.cases.truths.precision import DTYPES, EPS, round_to
from refkan.conformance.identification.stages_and_differences import Stage

ROUNDINGS = 2.0**12
"""Of two sums of the same numbers in other orders, in eps: room for what no stage may call a difference."""


CANCELLED = 2.0**-36
"""Relative error of sums of truncated powers on the few intervals that stages ask with."""

BLOCK = 64
"""Samples are asked for in whole blocks where nothing else is asked."""


class NoAnswerError(Exception):
    """The adapter refused, raised, or returned something that is no answer; the message says what was asked."""


class Subject:
    """A layer, asked.

    Parameters
    ----------
    adapter : Adapter
    dtype : str, optional
        The format; by default the finest that is declared.
    """

    def __init__(self, adapter: Adapter, dtype: str = "") -> None:
        self.adapter, self.declared = adapter, adapter.capabilities
        self.dtype = dtype or next((name for name in DTYPES if name in self.declared.dtypes), "float64")
        self.eps = EPS[self.dtype]
        self.blur = self.offset = self.grain = 0.0
        self.noise = CANCELLED * (self.declared.form == "truncated powers")
        self.behind, self.depends = "", ""
        self.differing, self.wrong_gradients, self.unanswered = list[str](), frozenset[str](), frozenset[str]()
        self.nonlinear = ""
        self.place = ""
        self.apart, self.names, self.told = False, set[str](), set[str]()
        self.in_pieces = False
        self.position: tuple[int, int] | None = None
        self.right, self.blurred = list[tuple[int, str]](), list[tuple[int, str]]()
        self.undone: Callable[[FloatArray], FloatArray] = lambda y: y
        self.overwritten = ""
        self.by_rows = self.renewed = False
        self._kept: dict[Any, FloatArray] = {}
        self._specs: dict[int, tuple[Any, Any]] = {}

    def note(self, name: str, stage: Stage) -> None:
        """Remember what later stages must know of one that found differences."""
        self.names |= {difference.name for difference in stage.differences}
        if not stage.differences:
            return
        self.differing.append(name)
        first = stage.differences[0]
        self.in_pieces = self.in_pieces or first.name in ("incomplete block", "rows by position")
        mixed = first.name in ("samples mixed", "samples reordered", "rows by position")
        if mixed and not self.by_rows and "one row is" not in str(first):
            self.depends = "results of a sample depend on other samples, or on other calls"
        if first.name == "not deterministic" and name == "calls" and "layers with" not in first.evidence["of"]:
            self.noise = 8 * float(first.evidence["size"])

    @property
    def differs(self) -> str:
        """The first stage in which values differed, "" if there is none."""
        return next((name for name in self.differing if name != "gradients"), "")

    @property
    def rough(self) -> float:
        """How far values are from smooth, relative to the largest: by arithmetic, or by rounded points."""
        return max(self.noise, self.blur)

    def tolerance(self, size: float) -> float:
        """What two results of that size, equal but for rounding, may differ by."""
        return size * max(ROUNDINGS * self.eps, 16 * self.rough)

    @property
    def degrees(self) -> list[int]:
        """Degrees that are declared, smallest first."""
        return sorted({d for d in self.declared.degrees if d in range(6)})

    @property
    def degree(self) -> int:
        """The degree that most stages ask with: 3 if it is declared, else the next one below or above."""
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
        """The kind that most stages ask with: inputs have knots of their own where that is possible."""
        if not self.kinds:
            raise NoAnswerError("no kind of knots that is known is declared")
        return "arbitrary" if "arbitrary" in self.kinds else self.kinds[0]

    def spec(
        self, shape: tuple[int, int], C: Any = None, degree: int | None = None, kind: str = "", intervals: int = 6,
        outside: str = "natural", **parts: Any,
    ) -> LayerSpec:  # fmt: skip
        """Return a layer (Q, P) with knots as cases have them and coefficients C, by default random ones."""
        degree, kind = self.degree if degree is None else degree, kind or self.kind
        rng = generator(f"identify/{degree}/{kind}/{intervals}")
        rows = [self.declared.frame.knots(kind, degree + 1, self.dtype, rng, intervals) for _ in range(shape[1])]
        rows = rows[:1] * shape[1] if kind.startswith("uniform") else rows
        if C is None:
            C = coefficients((*shape, rows[0].size - degree - 1), self.dtype, rng)
        return LayerSpec(np.array(rows), C, degree + 1, outside, self.dtype, kind_of(kind), **parts)

    def with_parts(self, shape: tuple[int, int] = (3, 2), parts: Sequence[str] | None = None, **more: Any) -> LayerSpec:
        """Return a layer with declared parts, none of them neutral; factors have both signs."""
        plain = self.spec(shape, **more)
        named = [part for part in PARTS if part in (self.declared.parts if parts is None else parts)]
        spec = spec_with(plain, named, generator("identify/parts"))
        signs: dict[str, Any] = {}
        for part in {"scale", "node-scale"} & set(named):
            weights = spec.part(part)
            signs[attribute(part)] = weights * np.where(np.arange(weights.size) % 3 == 1, -1, 1).reshape(weights.shape)
        return replace(spec, **signs)

    @staticmethod
    def single(spec: LayerSpec, C: FloatArray, p: int = 0) -> LayerSpec:
        """Return a layer of one input with coefficients C on the knots of input p of another."""
        return LayerSpec(spec.knots[p : p + 1], C, spec.order, spec.outside, spec.dtype, spec.kind)

    def samples(self, spec: LayerSpec, count: int, seed: int = 0) -> FloatArray:
        """Return points (count, P) within the intervals of the domain, exact in the format, the same each time."""
        rng = generator(f"identify/samples/{seed}")
        columns = []
        for t in spec.knots:
            points = np.unique(t[spec.order - 1 : t.size - spec.order + 1])
            m = np.resize(np.arange(points.size - 1), count)
            share = rng.integers(8, 57, count) / 64.0
            columns.append(rng.permutation(round_to(self.dtype, points[m] + np.diff(points)[m] * share)))
        return np.stack(columns, axis=1)

    def answering(self) -> Any:
        """Return the model of a layer that answers for samples: what else is refused is then a matter of its own."""
        spec = self.spec((3, 2))
        model = self.build(spec)
        self.raw(model, self.samples(spec, BLOCK), spec.n_outputs)
        return model

    def asked(self, operation: str, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call a method of the adapter; what it raises becomes a reason, what it overwrites is remembered.

        A model that calls change, as a stage found, is built anew for each of them.
        """
        if arguments and id(arguments[0]) in self._specs:
            arguments = (self.adapter.built(self._specs[id(arguments[0])][1]), *arguments[1:])
        kept = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")  # of the backend
                answer = own_copy(method(*arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # of the backend
            raise NoAnswerError(f"{operation}: {describe(error)}") from error
        for given, before in zip(arguments, kept, strict=True):
            if isinstance(given, np.ndarray) and not np.array_equal(given, before, equal_nan=True):
                self.overwritten = operation
        return answer

    def _read(self, operation: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:  # of what the backend returned
            raise NoAnswerError(f"{operation}: {describe(error)}") from error

    def build(self, spec: LayerSpec | tuple[LayerSpec, ...]) -> Any:
        """Build a model that nobody has used."""
        model = self.asked("build", self.adapter.built, spec)
        if self.renewed:
            self._specs[id(model)] = model, spec
        return model

    def raw(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """Return the outputs (N, Q) at x (N, P), as the layer gives them: of each row by itself where rows mix."""
        if self.by_rows and len(x) > 1:
            rows, back = np.unique(x, axis=0, return_inverse=True)
            return np.concatenate([self.laid_out(model, row[None], n_outputs) for row in rows])[back.ravel()]
        return self.laid_out(model, x.copy(order="K"), n_outputs)

    def laid_out(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """The same, at samples in the layout in memory that they have."""
        y = self.asked("forward", self.adapter.forward, model, x)
        return self._read("forward", lambda: checked("forward", y, (len(x), n_outputs), ""))

    def in_blocks(self, model: Any, x: FloatArray, n_outputs: int) -> FloatArray:
        """The same, of samples repeated up to whole blocks of 64."""
        return self.raw(model, np.resize(x, (-(-len(x) // BLOCK) * BLOCK, x.shape[1])), n_outputs)[: len(x)]

    def values(self, spec: LayerSpec, x: FloatArray, model: Any = None) -> FloatArray:
        """Return the outputs of a layer, without the map behind it if one was identified."""
        model = self.build(spec) if model is None else model
        rows = BLOCK if self.in_pieces and len(x) > BLOCK else max(len(x), 1)
        pieces = [self.raw(model, x[k : k + rows], spec.n_outputs) for k in range(0, max(len(x), 1), rows)]
        y = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        with np.errstate(all="ignore"):
            return self.undone(y)

    def gradients(self, model: Any, x: FloatArray, dy: FloatArray, shapes: dict[str, Any]) -> dict[str, FloatArray]:
        """Return the gradients of sum dy * y under the names of `shapes`."""
        if self.by_rows and len(x) > 1:
            of_one = {name: (1, *shape[1:]) if name == "inputs" else shape for name, shape in shapes.items()}
            each = [self.gradients(model, x[s : s + 1], dy[s : s + 1], of_one) for s in range(len(x))]
            arrays = {name: [gradients[name] for gradients in each] for name in shapes}
            return {name: np.concatenate(of) if name == "inputs" else np.sum(of, axis=0) for name, of in arrays.items()}
        answer = self.asked("vjp", self.adapter.vjp, model, x.copy(), dy.copy())
        return {name: self.read_gradient(answer, name, shape) for name, shape in shapes.items()}

    def read_gradient(self, answer: Any, name: str, shape: tuple[int, ...]) -> FloatArray:
        """Return one of the gradients that `vjp` returned."""
        out: FloatArray = self._read("vjp", lambda: entry(as_mapping(answer, name), name, shape, ""))
        return out

    def second(self, model: Any, x: FloatArray, dy: FloatArray, direction: FloatArray) -> FloatArray:
        """Return the derivative of the input gradient along a direction."""
        if self.by_rows and len(x) > 1:
            rows = [slice(s, s + 1) for s in range(len(x))]
            return np.concatenate([self.second(model, x[row], dy[row], direction[row]) for row in rows])
        answer = self.asked("second", self.adapter.second, model, x.copy(), dy.copy(), direction.copy())
        out: FloatArray = self._read("second", lambda: checked("second", answer, x.shape, ""))
        return out

    def gauss_newton(self, model: Any, x: FloatArray, size: int) -> FloatArray:
        """Return J^T J / N."""
        if self.by_rows and len(x) > 1:
            return np.asarray(np.mean([self.gauss_newton(model, row[None], size) for row in x], axis=0))
        answer = self.asked("gauss_newton", self.adapter.gauss_newton, model, x.copy())
        out: FloatArray = self._read("gauss_newton", lambda: checked("gauss_newton", answer, (size, size), ""))
        return out

    def state(self, model: Any) -> tuple[FloatArray, FloatArray]:
        """Return the knots and coefficients that a model says it has."""
        answer = self.asked("state", self.adapter.state, model)
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise NoAnswerError(
                f"state: must return knots and coefficients, two arrays; returned a {type(answer).__name__}"
            )
        knots, C = answer
        return self._read("state", lambda: (as_real("knots", knots), as_real("coefficients", C)))

    def changed(self, kind: str, model: Any, *arguments: Any) -> Any:
        """Return a model after `refine` or `update`."""
        method = self.adapter.refine if kind == "refine" else self.adapter.update
        successor = self.asked(kind, method, model, *arguments)
        if successor is None:
            raise NoAnswerError(f"{kind}: returned None")
        return successor

    def truth(
        self, spec: LayerSpec, x: FloatArray, right_end: str = "", form: str = ""
    ) -> tuple[FloatArray, FloatArray]:  # fmt: skip
        """Return the values that are right, (N, Q), and what errors are allowed in them."""
        setting = Setting(
            "identify", (spec,), x, np.zeros((len(x), spec.n_outputs)), np.zeros(x.shape), oracle="float64",
            right_end=right_end or self.declared.right_end,
        )  # fmt: skip
        case = Case(setting, "values")
        return case.expected, case.allowed(form or self.declared.form)

    def basis(self, spec: LayerSpec, x: FloatArray, p: int = 0) -> FloatArray:
        """Return the layer's own basis functions on the knots of input p at x (N,): (N, dim).

        Each is asked of a layer of one input whose two outputs have the same unit coefficients: neither the order of
        outputs nor of inputs has a part in it. Samples are repeated up to whole blocks of 64.
        """
        at = np.resize(x, -(-x.size // BLOCK) * BLOCK)[:, None]
        key = (spec.knots[p].tobytes(), spec.order, spec.outside, spec.kind, at.tobytes())
        if key not in self._kept:
            units = np.vstack([np.zeros(spec.dim), np.eye(spec.dim)])
            none, *columns = (self._alone(spec, u, at, p) for u in units)
            self._kept[key] = np.stack(columns, axis=1) - none[:, None]
        return self._kept[key][: x.size]

    def _alone(self, spec: LayerSpec, unit: FloatArray, at: FloatArray, p: int) -> FloatArray:
        """A function through the one input of a layer, or at the position of a larger one where the wiring is right."""
        if self.position is None:
            return self.values(self.single(spec, np.stack([unit, unit])[:, None], p), at)[:, 0]
        C = np.zeros((3, 2, unit.size))
        C[self.position] = unit
        single = self.single(spec, np.stack([unit, unit])[:, None], p)
        two = replace(single, knots=np.repeat(single.knots, 2, axis=0), coefficients=C)
        return self.values(two, np.repeat(at, 2, axis=1))[:, self.position[0]]

    def edges(self, spec: LayerSpec, x: FloatArray) -> FloatArray:
        """Return what each edge adds, by the layer's own basis functions: (N, Q, P)."""
        if spec.kind == "uniform" or (spec.knots == spec.knots[0]).all():
            flat = self.basis(spec, x.T.ravel()).reshape(x.shape[1], len(x), spec.dim)
        else:
            flat = np.stack([self.basis(spec, x[:, p], p) for p in range(x.shape[1])])
        return np.einsum("qpi,psi->sqp", spec.coefficients, flat)
