"""Functions of an input that depend on the samples, or on the knots, of other inputs."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases import LayerSpec
from refkan.conformance.identification.knots_in_use import knots_of, recursion
from refkan.conformance.identification.reported import close, first_close, fitted, largest
from refkan.conformance.identification.subject import Subject
from refkan.splines.knots import greville_points

Responses = Callable[[Subject, LayerSpec, FloatArray], FloatArray]

OF_ALL: dict[str, Callable[[FloatArray], FloatArray]] = {
    "the mean of the knots of all inputs": lambda t: t.mean(axis=0),
    "the smallest of the knots of all inputs": lambda t: t.min(axis=0),
    "the largest of the knots of all inputs": lambda t: t.max(axis=0),
    "equally spaced from the smallest knot of all inputs to the largest": lambda t: np.linspace(
        t.min(), t.max(), t.shape[1]
    ),
    "those of each input added up": lambda t: t.sum(axis=0),
}
"""Knots that depend on those of other inputs."""


def knots_of_all(subject: Subject, spec: LayerSpec, x: FloatArray, responses: Responses) -> str:
    """What knots are in use if those of one input change the functions of another, its samples as before; else ""."""
    if spec.kind.startswith("uniform") or not spec.degree or subject.declared.domain is not None:
        return ""
    alone = replace(spec, coefficients=spec.coefficients * np.array([[1.0], [0.0]]))
    moved = replace(alone, knots=spec.knots * np.array([[1.0], [0.75]]))
    still, room = x.copy(), subject.tolerance(largest(x))
    still[:, 1] = x[:, 1].mean() / 4
    before, after = (subject.values(layer, still) for layer in (alone, moved))
    if largest(before - subject.values(alone, x)) > room or close(before, after, room):
        return ""
    theirs = responses(subject, spec, still)[:, 0, 0, 0]
    at = x[:, 0]
    r = spec.order
    knots = ((words, of(spec.knots)) for words, of in OF_ALL.items())
    others = ((words, recursion(t, r, at)) for words, t in knots)
    if words := first_close(theirs, others, subject.tolerance(64.0)):
        return f"knots in use are {words}"
    if (used := knots_of(at, theirs, spec, r, 2.0**-40)) is None:
        return "functions of an input depend on the knots of others"
    told = ", ".join(f"{v:.6g}" for v in used[1:-1])
    return f"functions of an input are on knots that depend on those of others: {told} for input 0"


ROWS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "the sum of the inputs": lambda x: np.repeat(x.sum(axis=1, keepdims=True), x.shape[1], axis=1),
    "the mean of the inputs": lambda x: np.repeat(x.mean(axis=1, keepdims=True), x.shape[1], axis=1),
    "inputs less their mean": lambda x: x - x.mean(axis=1, keepdims=True),
    "inputs less their mean, over their deviation": lambda x: (
        (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    ),
    "inputs over their norm": lambda x: x / np.sqrt((x * x).sum(axis=1, keepdims=True)),
    "inputs over their root mean square": lambda x: x / np.sqrt((x * x).mean(axis=1, keepdims=True)),
    "inputs over the largest of them": lambda x: x / np.abs(x).max(axis=1, keepdims=True),
    "softmax of the inputs": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    "sums of the inputs up to each": lambda x: np.cumsum(x, axis=1),
}
"""Points that depend on a whole row of samples."""


def point_of_rows(subject: Subject) -> str:
    """At which points functions are taken if that of one input depends on the others, by splines s(x) = x; else ""."""
    spec, x = subject.layer((1, 3), 2)
    ones = np.arange(3)[:, None]
    low, high = spec.domains.T
    if not spec.degree:
        return ""
    lines = [np.where(ones == p, greville_points(t, spec.degree + 1), 0.0)[None] for p, t in enumerate(spec.knots)]
    at = np.stack([subject.values(replace(spec, coefficients=line), x)[:, 0] for line in lines], axis=1)
    inside = ((at > low + 1e-3) & (at < high - 1e-3)).all(axis=1)
    alone = np.stack([np.polyval(np.polyfit(x[:, p], at[:, p], 5), x[:, p]) for p in range(3)], axis=1)
    if inside.sum() < 8 or np.abs(alone - at)[inside].max() <= 1e-3:
        return ""
    for words, row in ROWS.items():
        shown = ((row(x) > low) & (row(x) < high)).all(axis=1)
        if shown.sum() >= 8 and close(row(x)[shown], at[shown], 1e-4):
            return f"functions are taken at {words}"
    A = np.concatenate([x, np.ones((len(x), 1))], axis=1)[inside]
    if (k := fitted(A, at[inside], 1e-9)) is None:
        return "functions of an input are taken at points that depend on others"
    told = "; ".join(f"input {p} at " + " ".join(f"{v:+.4g} x_{j}" for j, v in enumerate(k[:3, p]) if abs(v) > 1e-9)
                     + f" {k[3, p]:+.4g}" * bool(abs(k[3, p]) > 1e-9) for p in range(3))  # fmt: skip
    return f"functions are taken at sums of inputs: {told}"
