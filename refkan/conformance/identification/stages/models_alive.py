r"""Stage 0, continued: what models share with each other, and with what they returned.

A model is its knots and its coefficients: neither what was built after it nor what was asked in between may change
its results, and an array that was returned stays as it is. Two models of equal shape are alive at once, the second
with other knots and coefficients; what the first returns then tells which of them it has.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray, IntArray
from refkan.conformance.adapters.answers import as_mapping, as_real
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.gradients.slopes import places
from refkan.conformance.identification.knots_in_use import recursion
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import BLOCK, NoAnswerError, Subject

SHAPES = ((1, 2), (2, 1), (1, 1))
"""Outputs and inputs of layers whose arrays have axes of length one."""


def refused_shapes(subject: Subject) -> Iterator[Difference]:
    """Layers of one output or one input that give no answer."""
    for Q, P in SHAPES:
        spec = subject.spec((Q, P))
        for n in (BLOCK, 1):
            try:
                subject.values(spec, subject.samples(spec, n))
            except NoAnswerError as error:
                words = f"{Q} output{'s' * (Q > 1)}, {P} input{'s' * (P > 1)}, {n} sample{'s' * (n > 1)}"
                yield Difference("setting refused", {"reason": str(error)}, (words,), "measured")
                return


def overwritten_results(subject: Subject, spec: LayerSpec, x: FloatArray, other: FloatArray) -> Iterator[Difference]:
    """Arrays that were returned, after the next call."""
    model, dy = subject.build(spec), np.ones((len(x), spec.n_outputs))
    asks: dict[str, Any] = {"forward": lambda at: subject.adapter.forward(model, at)}
    if "coefficients" in subject.declared.derivatives:
        asks["vjp"] = lambda at: as_mapping(subject.adapter.vjp(model, at, dy.copy()), "coefficients")["coefficients"]
    if "inputs" in subject.declared.derivatives:
        asks["vjp in inputs"] = lambda at: as_mapping(subject.adapter.vjp(model, at, dy.copy()), "inputs")["inputs"]
    for name, ask in asks.items():
        try:
            returned = ask(x.copy())
            before = as_real(name, returned).copy()
            ask(other.copy())
            after = as_real(name, returned)
        except Exception:  # of the backend: other stages tell it
            continue
        if not np.array_equal(before, after, equal_nan=True):
            yield Difference("results overwritten", {"method": name})


def changed_by_calls(subject: Subject, spec: LayerSpec, x: FloatArray) -> Iterator[Difference]:
    """Results of a model after gradients were asked of it: coefficients that take a step change by that of a layer."""
    x, declared = x[:BLOCK], subject.declared.derivatives
    dy, shapes = np.ones((len(x), spec.n_outputs)), {"coefficients": spec.coefficients.shape, "inputs": x.shape}
    shapes = {name: shape for name, shape in shapes.items() if name in declared}
    asks: dict[str, Any] = {
        "vjp": (bool(shapes), lambda model: subject.gradients(model, x, dy, shapes)),
        "second": ("second" in declared, lambda model: subject.second(model, x, dy, np.ones(x.shape))),
        "gauss_newton": (
            "gauss-newton" in declared, lambda model: subject.gauss_newton(model, x[:2], spec.coefficients.size)
        ),
    }  # fmt: skip
    for method, (is_declared, ask) in asks.items():
        model = subject.build(spec)
        before = subject.raw(model, x, spec.n_outputs)
        try:
            answer = ask(model) if is_declared else {}
        except NoAnswerError:  # the stage of gradients tells it
            continue
        change = subject.raw(model, x, spec.n_outputs) - before
        size = float(np.abs(before).max())
        if not np.abs(change).max() > subject.tolerance(size):
            continue
        how = f"outputs are others afterwards, by {np.abs(change).max() / size:.1e} of the largest"
        k = 1 + float((change * before).sum() / (before * before).sum())
        if np.abs(change - (k - 1) * before).max() <= 2.0**-20 * np.abs(change).max():
            how = f"outputs are multiplied by {k:.6g} afterwards"
        if method == "vjp" and "coefficients" in shapes:
            step = subject.values(replace(spec, coefficients=answer["coefficients"]), x)
            k = float((change * step).sum() / max(float((step * step).sum()), 1e-300))
            if np.abs(change - k * step).max() <= 2.0**-20 * np.abs(change).max():
                how = f"{k:.6g} times their gradient is added to the coefficients"
        yield Difference("changed by a call", {"method": method, "how": how})
        return


def shared_by_models(subject: Subject, spec: LayerSpec, x: FloatArray, y: FloatArray) -> Iterator[Difference]:
    """What the model built last changes in one that was built before, and in what it returns itself."""
    knots = spec.knots if subject.declared.domain else spec.knots * 1.25
    C = np.roll(spec.coefficients, 1, axis=2)[::-1].copy()
    others = {
        "coefficients": replace(spec, coefficients=C), "knots": replace(spec, knots=knots),
        "coefficients and knots": replace(spec, knots=knots, coefficients=C),
    }  # fmt: skip
    for k, (words, other) in enumerate(others.items(), 1):
        model = subject.build(spec)
        first = subject.raw(model, x, spec.n_outputs)
        built = subject.build(other)
        again = subject.raw(model, x, spec.n_outputs)
        if np.array_equal(again, first, equal_nan=True):
            z = subject.raw(built, x, spec.n_outputs)
            alone = subject.raw(built, np.concatenate([x, x[k : k + 1]]), spec.n_outputs)[:-1]  # nobody had this batch
            room = subject.tolerance(float(np.nanmax(np.abs(alone))))
            if words != "coefficients and knots" and np.nanmax(np.abs(z - alone)) > room:
                sentence = f"results of a model are those of another one of other {words} at the same samples"
                yield Difference("stale cache", {"what": sentence})
                return
            continue
        last = subject.raw(built, x, spec.n_outputs)
        how = f"a model has the {words} of the one built after it" if np.array_equal(again, last, equal_nan=True) else (
            f"results of a model change when one of other {words} is built")  # fmt: skip
        yield Difference("models share state", {"how": how})
        return


def drift_with_parts(subject: Subject) -> Iterator[Difference]:
    """Two calls of layers with one part."""
    for part in subject.declared.parts:
        spec = subject.with_parts(parts=[part])
        x, model = subject.samples(spec, BLOCK), subject.build(spec)
        first, again = (subject.raw(model, x, spec.n_outputs) for _ in range(2))
        differ = (first != again) & ~(np.isnan(first) & np.isnan(again))
        if differ.any():
            evidence = {"of": f"two calls of layers with {part}", "count": int(differ.sum()), "total": first.size}
            size = float(np.abs(again - first).max() / np.abs(first).max())
            yield Difference("not deterministic", {**evidence, "size": size})
            return


def block(
    subject: Subject, spec: LayerSpec, x: FloatArray, rows: IntArray, y: FloatArray, right: FloatArray
) -> Difference:  # fmt: skip
    """Rows that are others than alone: which, and what each of them is."""
    n, row = len(x), int(rows[0])
    how = _of_others(subject, spec, x, rows, y, right) if y[rows].any() else "zero"
    last = rows.size == n - row
    steps = np.unique(np.diff(rows))
    where = "the last ones" if last else f"one row in {steps[0]}" if steps.size == 1 < steps[0] else "others are right"
    evidence = {"samples": n, "row": row, "count": int(rows.size), "how": how, "where": where}
    return Difference("incomplete block" if last and (row > 0 or n == 1) else "rows by position", evidence)


def _of_others(
    subject: Subject, spec: LayerSpec, x: FloatArray, rows: IntArray, y: FloatArray, right: FloatArray
) -> str:  # fmt: skip
    """What rows are: those of other samples, with the intervals of the row beside, on the knots of one input."""
    near = 2.0**-30 * np.abs(right).max()
    apart = np.abs(y[rows[:BLOCK], None] - right[None, : 4 * BLOCK]).max(axis=2)
    if (apart.min(axis=1) <= near).all():
        return f"those of other samples, the first that of row {int(apart[0].argmin())}"
    m = places(spec, x)
    for words, step in (("before", -1), ("after", 1)):
        beside = np.clip(rows + step, 0, len(x) - 1)
        pieces = [recursion(t, spec.order, x[rows, p], m[beside, p]) for p, t in enumerate(spec.knots)]
        if np.abs(np.einsum("psi,qpi->sq", np.stack(pieces), spec.coefficients) - y[rows]).max() <= near:
            return f"computed with the intervals of the row {words}"
    for p, t in enumerate(spec.knots):
        all_alike = replace(spec, knots=np.repeat(t[None], spec.n_inputs, axis=0))
        if np.abs(subject.truth(all_alike, x[rows])[0] - y[rows]).max() <= near:
            return f"those of a layer whose inputs all have the knots of input {p}"
    return "not those of their samples"
