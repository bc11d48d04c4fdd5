r"""Stage 0, continued: what models share with each other, and with their results.

A model is its knots and its coefficients: neither models built after it nor calls in between may change its results,
and arrays once returned must not change. Two models of equal shape exist at once, the second with other knots and
coefficients; the results of the first then show which of them it uses.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, IntArray, lazy
from refkan.conformance.adapters.answers import as_mapping, as_real
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.knots_in_use import places, recursion
from refkan.conformance.identification.known_maps import counted
from refkan.conformance.identification.reported import Difference, close, factor_of, largest, not_equal, only
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

NEAR = (2.0**-12, 2.0**-22, 2.0**-34)
"""Distances of samples from those of an earlier call, relative to the largest."""

ROOM = 16
"""Factor on the rounding of sums, for sums in another order."""


def same_rows(subject: Subject, y: FloatArray, z: FloatArray) -> Array:
    """Rows that agree up to the rounding of sums in another order, with room for cancellation."""
    size = float(np.nanmax(np.abs(y))) if np.isfinite(y).any() else 1.0
    near = np.abs(y - z) <= max(np.sqrt(subject.eps), ROOM * subject.grain) * size
    return np.asarray((near | (np.isnan(y) & np.isnan(z))).all(axis=1))


KEPT = 16
"""Rows that stay while the others change."""


class Answer(Frozen):
    """The answer to a question: differences, and what is known of the layer then."""

    differences: Sequence[Difference] = ()
    known: Mapping[str, Any] = field(default_factory=dict)


class Batch(Frozen):
    """A layer (3, 2) and 256 samples x, 64 four times."""

    subject: Subject

    @lazy
    def spec(self) -> LayerSpec:
        """The layer."""
        return self.subject.spec((3, 2))

    @lazy
    def x(self) -> FloatArray:
        """The samples."""
        return np.resize(self.subject.samples(self.spec, BLOCK), (4 * BLOCK, 2))

    @lazy
    def other(self) -> FloatArray:
        """Other samples, the ends of the domain among them."""
        other = self.subject.samples(self.spec, 4 * BLOCK, 1)
        if not self.subject.refused:
            other[: 2 * KEPT] = np.repeat(self.spec.domains.T, KEPT, axis=0)
        return other

    @lazy
    def model(self) -> Any:
        """The model that most questions are put to."""
        return self.subject.build(self.spec)

    @lazy
    def results(self) -> tuple[FloatArray, FloatArray]:
        """Its first results, at other samples and then at x."""
        return self.raw(self.other), self.raw(self.x)

    @property
    def first(self) -> FloatArray:
        """Its results at other samples."""
        return self.results[0]

    @property
    def y(self) -> FloatArray:
        """Its results at x."""
        return self.results[1]

    def raw(self, at: FloatArray, model: Any = None) -> FloatArray:
        """Results of the model, or of another one."""
        return self.subject.raw(self.model if model is None else model, at, 3)

    def fresh(self, at: FloatArray, spec: LayerSpec | None = None) -> FloatArray:
        """Results of a new model."""
        return self.subject.raw(self.subject.build(spec or self.spec), at, 3)

    def differ(self, y: FloatArray, z: FloatArray) -> Array:
        """Rows that differ."""
        return ~same_rows(self.subject, y, z)

    def with_row(self, row: FloatArray) -> FloatArray:
        """The samples with one of them replaced."""
        moved = self.x.copy()
        moved[5] = row
        return moved


def near_earlier(batch: Batch) -> Answer:
    """Whether samples close to those of an earlier call get the results of that call."""
    model = batch.subject.build(batch.spec)
    size = largest(batch.x)
    y = batch.raw(batch.x, model)
    for near in NEAR:  # the largest first
        moved = batch.x + near * size
        again = batch.raw(moved, model)
        fresh = batch.fresh(moved)
        rows = (again == y).all(axis=1) & (fresh != y).any(axis=1) & y.any(axis=1)
        if rows.mean() > 0.1 and (np.abs(fresh - y).max(axis=1) > 64 * np.abs(again - y).max(axis=1))[rows].all():
            what = f"samples that differ by {near * size:.1e} from those of an earlier call have their results"
            return Answer(only("stale cache", what=what))
    return Answer()


def order_by_input(batch: Batch) -> str:
    """The order of the samples of each input if it is not that of the batch, in words; "" if it is."""
    told = []
    for p in range(2):
        one = replace(batch.spec, coefficients=batch.spec.coefficients * (np.arange(2) == p)[:, None])
        y, column = batch.fresh(batch.x, one), batch.x[:, p]
        for words, order in {"ascending": np.argsort(column), "descending": np.argsort(-column)}.items():
            if not batch.differ(y, batch.subject.truth(one, batch.x[order])[0]).any():
                told.append(words)
    return f": those of each input come in {told[0]} order" if len(told) == 2 and told[0] == told[1] else ""


def stretched_knots(batch: Batch, moved: FloatArray) -> str:
    """The domain in use when a row lies beyond it, if functions are evaluated at k x + c, in words; else ""."""
    told = []
    if not batch.spec.degree:
        return ""
    for (a, b), x, at in zip(batch.spec.domains, moved.T, batch.subject.points(batch.spec, moved).T, strict=True):
        seen = (at > a) & (at < b) & (np.arange(len(x)) != 5)
        if seen.sum() < BLOCK:
            return ""
        k, c = np.polyfit(x[seen], at[seen], 1)
        if largest(k * x[seen] + c - at[seen]) > 1e-9 * (b - a) or abs(k - 1) + abs(c) < 1e-6:
            return ""
        low, high = (a - c) / k, (b - c) / k
        told.append(f"[{low:.6g}, {high:.6g}] instead of [{a:.6g}, {b:.6g}]")
    return "knots are stretched with the samples: domains are " + " and ".join(told)


SHAPES = ((1, 2), (2, 1), (1, 1))
"""Numbers of outputs and inputs for which arrays have axes of length one."""


def refused_shapes(batch: Batch) -> Answer:
    """Layers with one output or one input that give no answer."""
    for Q, P in SHAPES:
        spec = batch.subject.spec((Q, P))
        for n in (BLOCK, 1):
            try:
                batch.subject.values(spec, batch.subject.samples(spec, n))
            except NoAnswerError as error:
                words = f"{counted(Q, 'output')}, {counted(P, 'input')}, {counted(n, 'sample')}"
                return Answer([Difference("setting refused", {"reason": str(error)}, (words,), "measured")])
    return Answer()


def overwritten_results(batch: Batch) -> Answer:
    """Whether returned arrays change with the next call."""
    subject = batch.subject
    model = batch.subject.build(batch.spec)
    dy = np.ones(batch.y.shape)
    asks: dict[str, Any] = {"forward": lambda at: subject.adapter.forward(model, at)}

    def gradients(name: str) -> Callable[[FloatArray], Any]:
        return lambda at: as_mapping(subject.adapter.vjp(model, at, dy.copy()), name)[name]

    for name, method in (("coefficients", "vjp"), ("inputs", "vjp in inputs")):
        if name in subject.declared.derivatives:
            asks[method] = gradients(name)
    told = list[Difference]()
    for name, ask in asks.items():
        try:
            returned = ask(batch.x.copy())
            before = as_real(name, returned).copy()
            ask(batch.other.copy())
            after = as_real(name, returned)
        except Exception:  # of the backend: other stages tell it
            continue
        if not np.array_equal(before, after, equal_nan=True):
            told += only("results overwritten", method=name)
    return Answer(told)


def changed_by_calls(batch: Batch) -> Answer:
    """Whether a call of the gradients changes the model, as by a step of its coefficients."""
    subject = batch.subject
    spec = batch.spec
    x = batch.x[:BLOCK]
    declared = batch.subject.declared.derivatives
    dy, shapes = np.ones((len(x), spec.n_outputs)), {"coefficients": spec.coefficients.shape, "inputs": x.shape}
    shapes = {name: shape for name, shape in shapes.items() if name in declared}
    asks: dict[str, Any] = {
        "vjp": (shapes, lambda model: subject.gradients(model, x, dy, shapes)),
        "second": ("second" in declared, lambda model: subject.second(model, x, dy, np.ones(x.shape))),
        "gauss_newton": (
            "gauss-newton" in declared, lambda model: subject.gauss_newton(model, x[:2], spec.coefficients.size)
        ),
    }  # fmt: skip
    for method, (is_declared, ask) in asks.items():
        model = subject.build(spec)
        before = batch.raw(x, model)
        try:
            answer = ask(model) if is_declared else {}
        except NoAnswerError:  # the stage of gradients tells it
            continue
        change = batch.raw(x, model) - before
        size, most = largest(before), largest(change)
        if not most > subject.tolerance(size):
            continue
        how = f"outputs differ afterwards, by {most / size:.1e} of the largest"
        k = factor_of(change, before)
        if close(change, k * before, 2.0**-20 * most):
            how = f"outputs are multiplied by {1 + k:.6g} afterwards"
        if method == "vjp" and "coefficients" in shapes:
            step = subject.values(replace(spec, coefficients=answer["coefficients"]), x)
            k = factor_of(change, step)
            if close(change, k * step, 2.0**-20 * most):
                how = f"{k:.6g} times their gradient is added to the coefficients"
        return Answer(only("changed by a call", method=method, how=how))
    return Answer()


def shared_by_models(batch: Batch) -> Answer:
    """What a model shares with the one built before it, and whether its own results suffer."""
    subject, spec, x = batch.subject, batch.spec, batch.x
    knots = {"knots": spec.knots if subject.declared.domain else spec.knots * 1.25}
    a, b = spec.domains.T[:, :, None]
    share = np.clip((spec.knots - a) / (b - a), 0.0, 1.0)
    inner = {"knots": spec.knots + (spec.kind == "arbitrary") * (b - a) * (share**1.25 - share)}  # on the same domain
    C = {"coefficients": np.roll(spec.coefficients, 1, axis=2)[::-1].copy()}
    others: list[tuple[str, Any]] = [("coefficients", C), ("knots", knots), ("knots", inner)]
    others.append(("coefficients and knots", knots | C))
    for k, (words, more) in enumerate(others, 1):
        model = subject.build(spec)
        first = batch.raw(x, model)
        built = subject.build(replace(spec, **more))
        again = batch.raw(x, model)
        last = batch.raw(x, built)
        if not np.array_equal(again, first, equal_nan=True):
            how = f"results of a model change when one with other {words} is built"
            if np.array_equal(again, last, equal_nan=True):
                how = f"a model has the {words} of the one built after it"
            return Answer(only("models share state", how=how))
        alone = batch.raw(np.concatenate([x, x[k : k + 1]]), built)[:-1]  # nobody had this batch
        if len(more) == 1 and np.nanmax(np.abs(last - alone)) > subject.tolerance(float(np.nanmax(np.abs(alone)))):
            what = f"results of a model are those of one with other {words} at the same samples"
            return Answer(only("stale cache", what=what))
        others_asked = words == "knots" and (more["knots"] != spec.knots).any()
        if others_asked and np.array_equal(alone, first) and subject.is_right(spec, x):  # it makes none of its own
            told = only("models share state", how="a model has the knots of one of the same sizes built before it")
            return Answer(told, {"depends": "layers have the knots of those built before them"})
    return Answer()


def drift_with_parts(batch: Batch) -> Answer:
    """Two calls of layers with one part."""
    subject = batch.subject
    for part in subject.declared.parts:
        spec = subject.with_parts(parts=[part])
        x, model = subject.samples(spec, BLOCK), subject.build(spec)
        told = not_equal(f"two calls of layers with {part}", batch.raw(x, model), batch.raw(x, model))
        if told:
            return Answer(told)
    return Answer()


def block(batch: Batch, x: FloatArray, rows: IntArray, y: FloatArray, right: FloatArray) -> list[Difference]:
    """Rows that differ from their results by themselves: which ones, and what they are."""
    n, row = len(x), int(rows[0])
    how = _of_others(batch, x, rows, y, right) if y[rows].any() else "zero"
    last = rows.size == n - row
    steps = np.unique(np.diff(rows))
    where = "the last ones" if last else f"one row in {steps[0]}" if steps.size == 1 < steps[0] else "others are right"
    name = "incomplete block" if last and (row > 0 or n == 1) else "rows by position"
    return only(name, samples=n, row=row, count=int(rows.size), how=how, where=where)


def _of_others(batch: Batch, x: FloatArray, rows: IntArray, y: FloatArray, right: FloatArray) -> str:
    """What rows are: those of other samples, or with the intervals of the next row, or on the knots of one input."""
    spec, near = batch.spec, 2.0**-30 * largest(right)
    apart = np.abs(y[rows[:BLOCK], None] - right[None, : 4 * BLOCK]).max(axis=2)
    if (apart.min(axis=1) <= near).all():
        return f"those of other samples, the first that of row {int(apart[0].argmin())}"
    k = factor_of(y[rows], right[rows])
    if close(y[rows], k * right[rows], near):
        return f"{k:.6g} times theirs"
    m = places(spec, x)
    for words, step in (("before", -1), ("after", 1)):
        beside = np.clip(rows + step, 0, len(x) - 1)
        pieces = [recursion(t, spec.order, x[rows, p], m[beside, p]) for p, t in enumerate(spec.knots)]
        if close(np.einsum("psi,qpi->sq", np.stack(pieces), spec.coefficients), y[rows], near):
            return f"computed with the intervals of the row {words}"
    return "not those of their samples"
