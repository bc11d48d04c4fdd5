r"""Why a layer is not linear in its coefficients.

* A map after the sum, y = h(u) with u linear: u = (f(e C) - f(-e C)) / (2 e s) + O(e^2). Basis functions sum to one, so
  constant coefficients c give u = P c, and thus s; h is accepted if its values at P c = u give y.
* A map before the sum, of each coefficient by itself: f(a) + f(b) = f(a + b) still holds if a and b share no index.
  Constant coefficients show the map.
* Coefficients of an edge, or of more, act together: f does not add up over indices; f(2 C) = 2^k f(C) gives the degree
  k of homogeneity, which is 0 if they are divided by a norm; the norm is then searched for.
* Edges act together: f does not add up over inputs, as for products or the largest.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from refkan.base import Array, FloatArray
from refkan.conformance.identification.known_maps import INVERSES, Map, in_words
from refkan.conformance.identification.reported import Difference, Stage, bisected, close, factor_of, largest, measured
from refkan.conformance.identification.subject import Subject

EPSILON = 2.0**-16
"""Size of coefficients so small that an outer map is its tangent."""

ASKED = 24
"""Number of values at which constant coefficients show the outer map."""

CONSTANTS = np.concatenate(
    [-(2.0 ** np.arange(1, -13, -1)), [0.0], 2.0 ** np.arange(-12.0, 2.0), np.arange(1, 33) / 13]
)
"""Coefficients at which a map of single ones is measured."""

BISECTIONS = 16
"""Steps of bisection for the size below which coefficients are treated as zero."""

NOTHING = 2.0**-10
"""Share of what an edge adds by itself, below which it counts as left out."""

TOGETHER: dict[str, Callable[[FloatArray, tuple[int, ...]], FloatArray]] = {
    "divided by their norm": lambda C, axes: C / np.sqrt((C * C).sum(axis=axes, keepdims=True)),
    "divided by the largest of them": lambda C, axes: C / np.abs(C).max(axis=axes, keepdims=True),
    "divided by the sum of their sizes": lambda C, axes: C / np.abs(C).sum(axis=axes, keepdims=True),
    "divided by their sum": lambda C, axes: C / C.sum(axis=axes, keepdims=True),
    "divided by their standard deviation": lambda C, axes: C / C.std(axis=axes, keepdims=True),
    "divided by the largest singular value of the layer": lambda C, axes: C / np.linalg.norm(C.reshape(len(C), -1), 2),
    "sorted": lambda C, axes: np.sort(C, axis=axes[-1]) if len(axes) == 1 else C,
    "the weights of softmax": lambda C, axes: np.exp(C) / np.exp(C).sum(axis=axes, keepdims=True),
}
"""What may replace the coefficients of a group."""

GROUPS = {"the layer": (0, 1, 2), "an edge": (2,), "an output": (1, 2), "an input": (0, 2)}


def _centred(y: FloatArray) -> FloatArray:
    return np.asarray(y - y.mean(axis=1, keepdims=True))


OUTPUTS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "less their mean over the root of their variance plus 1e-5": lambda y: (
        _centred(y) / np.sqrt(y.var(axis=1, keepdims=True) + 1e-5)
    ),
    "less their mean over their standard deviation": lambda y: _centred(y) / y.std(axis=1, keepdims=True),
    "softmax of the sums": lambda y: np.exp(y) / np.exp(y).sum(axis=1, keepdims=True),
    "the logarithm of softmax of the sums": lambda y: y - np.log(np.exp(y).sum(axis=1, keepdims=True)),
    "divided by their norm": lambda y: y / np.linalg.norm(y, axis=1, keepdims=True),
    "divided by the largest": lambda y: y / np.abs(y).max(axis=1, keepdims=True),
    "divided by the root of the mean of their squares plus 1e-6": lambda y: (
        y / np.sqrt((y * y).mean(axis=1, keepdims=True) + 1e-6)
    ),
}
"""What outputs of a sample may be together."""


class Nonlinear:
    """A layer f(C) at 64 samples, with f(0) = z."""

    def __init__(self, subject: Subject, f: Map, a: FloatArray, left: float) -> None:
        self.subject, self.f, self.a, self.left = subject, f, a, left
        self.y, self.zero = f(a), f(0 * a)
        self.room = min(2.0**-10, left / 16) * largest(self.y)

    def adds_up(self, chosen: Array) -> bool:
        """Whether results add up over two disjoint sets of coefficients."""
        half, two = self.a * (2 * chosen), self.a * ~chosen
        return close(self.f(half) + self.f(two) - self.zero, self.f(half + two), self.room / 16)

    def constant(self, c: float) -> FloatArray:
        """Results for constant coefficients c on the inputs that have any."""
        return self.f(np.where(np.asarray(self.a.any(axis=(0, 2)))[:, None], np.full(self.a.shape, c), 0.0))

    def behind(self, of: str = "outputs pass through it") -> Difference | None:
        """An outer map, by sizes at which it equals its tangent: small ones, or large ones."""
        P = max(int(self.a.any(axis=(0, 2)).sum()), 1)
        for e in (EPSILON, 1 / EPSILON):
            slope = float(np.median(self.constant(e / P) - self.constant(-e / P))) / (2 * e)
            if not abs(slope) >= 2.0**-8:
                continue
            u = (self.f(e * self.a) - self.f(-e * self.a)) / (2 * e * slope)
            if not np.isfinite(u).all():  # beyond the range of the format
                continue
            shown = np.linspace(0, u.size - 1, ASKED).astype(int)
            asked = np.array([np.median(self.constant(v / P)) for v in u.ravel()[shown]])
            if largest(asked - self.y.ravel()[shown]) > self.room:
                continue
            name = in_words(u.ravel(), self.y.ravel(), self.room / 4)
            if name.startswith("identity"):  # within these coefficients
                continue
            if name.startswith("zero for"):
                name = f"zero for sizes below {self._threshold(lambda v: self.constant(v / P), u.ravel()):.3g}"
            return Difference("extra map", {"map": name, "what": of})
        return None

    def _threshold(self, y: Callable[[float], FloatArray], at: FloatArray) -> float:
        """The size below which y(v) = y(0), by bisection between measured values."""
        moved = np.array([float(np.median(y(v) - self.zero)) != 0 for v in at])
        low, high = (float(f(np.abs(at[s]))) for f, s in ((np.max, ~moved), (np.min, moved)))
        return bisected(low, high, lambda v: bool(np.median(y(v) - self.zero) != 0), BISECTIONS)

    def each(self) -> str:
        """The map of single coefficients, in words."""
        c = np.unique(CONSTANTS)
        m = np.array([float(np.median(self.constant(v) - self.zero)) for v in c]) / self.a.shape[1]
        words = in_words(c, m, 1e-9 if (np.abs(m - c) <= 1e-9).any() else min(1e-6, self.room))
        if words.startswith("zero for"):
            return f"those below {self._threshold(self.constant, c):.3g} in size are treated as zero"
        return f"each goes through {words}"

    def together(self) -> str:
        """How coefficients act together, in words."""
        ratio = (self.f(2 * self.a) - self.zero) / np.where(self.y == self.zero, 1.0, self.y - self.zero)
        typical = abs(np.median(ratio))
        k = float(np.log2(max(typical, 2.0**-60)))
        q, p, _ = np.indices(self.a.shape)
        both = self.a / (1 + q + 3 * p), self.a * (1 + q * p)  # no two edges alike
        y = np.concatenate([self.f(C) for C in both])
        for words, turned in TOGETHER.items():
            for group, axes in GROUPS.items():
                layers = [turned(C, axes) for C in both]
                ours = np.concatenate([self._linear(C) for C in layers]) if np.isfinite(layers).all() else 0 * y
                if close(factor_of(y, ours) * ours, y, 2.0**-20 * largest(y)):
                    return f"the coefficients of {group} are {words}"
        size = f": twice the coefficients give 2^{k:.3g} times the result"
        return "coefficients act together" + size * bool(np.ptp(ratio) < 1e-3 * typical)

    def _linear(self, C: FloatArray) -> FloatArray:
        """The requested layer: what a wrong one would be without its norms."""
        return self.subject.truth(*self.subject.layer(C.shape[:2], C=C))[0]

    def left_out(self) -> str:
        """The size below which an edge, or single coefficients, are ignored next to larger ones; "" if none are."""
        shape = self.a.shape
        alone = self.a[0, 0] / largest(self.a[0, 0])
        last = np.indices(shape[:2]).sum(axis=0)[..., None] == sum(shape[:2]) - 2
        others, edge = alone * ~last, alone * last
        unit = self.f(edge) - self.zero

        def share(v: float, size: float) -> float:
            """The share that an edge with v times the coefficients of the others has of what it should add."""
            added = self.f(size * (others + v * edge)) - self.f(size * others)
            return float((added * unit).sum() / (unit * unit).sum()) / (v * size)

        thresholds = []
        for size in (1.0, 4.0):
            kept = [abs(share(2.0**-k, size)) > NOTHING for k in range(ASKED)]
            if all(kept) or not kept[0]:
                return ""
            low = 2.0 ** -kept.index(False)
            of_size = partial(share, size=size)
            high = bisected(low, 2 * low, lambda v, of=of_size: abs(of(v)) > NOTHING, BISECTIONS)  # type: ignore[misc]
            thresholds.append(high)
        what = "edges" if abs(share(1.001 * high, size) - 1) < 2.0**-10 else "coefficients"
        same = abs(thresholds[0] - thresholds[1]) < 0.01 * thresholds[0]
        return f"{what} smaller than {high:.3g} of the largest of the layer are left out" if same else ""

    def outputs(self) -> str:
        """What all outputs satisfy for any coefficients, in words."""
        both = self.a, self.a[:, :, ::-1]
        for words, of in OUTPUTS.items():
            if all(close(of(self._linear(C)), self.f(C), 2.0**-20 * largest(self.y)) for C in both):
                return f"outputs are {words}"
        y = np.stack([self.y, self.f(-self.a), self.f(self.a[:, :, ::-1])])
        for words, common in (("they", y.sum(axis=2)), ("their squares", (y * y).sum(axis=2))):
            if np.ptp(common) <= 1e-3 * largest(y):
                return f"{words} add up to {float(common.mean()):.4g}"
        return self.together()

    def how_not_added(self) -> str:
        """How outputs or edges act together, in words; "" if they do not."""
        q, p, _ = np.indices(self.a.shape)
        if not self.adds_up(q == 0):
            return f"outputs depend on each other: {self.outputs()}"
        return "" if self.adds_up(p == 0) else self.edges()

    def edges(self) -> str:
        """How edges are combined if not by their sum, in words."""
        P = self.a.shape[1]
        parts = np.stack([self._linear(self.a * (np.arange(P) == p)[:, None]) for p in range(P)])
        others = {
            "multiplied": parts.prod(axis=0), "replaced by the largest": parts.max(axis=0),
            "replaced by the smallest": parts.min(axis=0),
            "replaced by the root of the sum of squares": np.sqrt((parts**2).sum(axis=0)),
        }  # fmt: skip
        words = next((words for words, other in others.items() if close(self.y, other, self.room)), "")
        return f"edges are {words} instead of added" if words else (
            "edges of different inputs are not combined by a sum")  # fmt: skip


def in_other_sizes(
    subject: Subject, f: Map, a: FloatArray, left: float
) -> tuple[list[Difference], Subject]:  # fmt: skip
    """Return how a layer is nonlinear that is linear at the sizes that other stages use; those go on as before."""
    stage, _ = nonlinear(subject, f, a, left)
    if stage.differences[0].name == "coefficients mapped":  # of units, which other stages ask with
        subject = replace(subject, unit=0.25)
    return list(stage.differences), subject


def nonlinear(subject: Subject, f: Map, a: FloatArray, left: float) -> tuple[Stage, Subject]:
    """Return which nonlinear function of its coefficients the layer is, and what can still be asked of it."""
    n = Nonlinear(subject, f, a, left)
    if not (n.y != n.zero).any():
        how = "outputs are zero for such small coefficients"
        return Stage("arithmetic", how, measured("not linear", left=left, how=how)), subject
    behind = n.behind()
    if behind:
        return _behind(subject, behind)
    left_out = n.left_out()
    _, _, i = np.indices(a.shape)
    if not left_out and n.adds_up(i % 2 == 0):
        how = f"linear except for a map of single coefficients: {n.each()}"
        unit = float(np.median(n.constant(1.0) - n.zero)) / a.shape[1]
        undone = (lambda y: y / unit) if unit else None
        subject = replace(subject, undone=undone, nonlinear=NOT_LINEAR)
        return Stage("arithmetic", how, measured("coefficients mapped", left=left, how=how)), subject
    how = left_out or n.how_not_added()
    if how:
        subject = replace(subject, nonlinear=NOT_LINEAR, depends=NOT_LINEAR)
        return Stage("arithmetic", how, measured("not linear", left=left, how=how)), subject
    first = Nonlinear(subject, f, a * (np.arange(a.shape[1]) == 0)[:, None], left)
    inner = first.behind("each spline does")
    if inner:
        reason = f"not tested behind {inner.evidence['map']}"
        subject = replace(_undone(subject, inner), nonlinear=reason, depends=reason)
        return Stage("arithmetic", f"{inner.evidence['map']} of each spline", (inner,)), subject
    subject = replace(subject, nonlinear=NOT_LINEAR, depends=NOT_LINEAR)
    how = n.together()
    return Stage("arithmetic", how, measured("not linear", left=left, how=how)), subject


NOT_LINEAR = "not tested: the layer is not linear in its coefficients"


def _undone(subject: Subject, behind: Difference) -> Subject:
    """The layer behind a map of its outputs, which is undone if its inverse is known."""
    name = behind.evidence["map"]
    if name not in INVERSES:
        return replace(subject, behind=name)
    return replace(subject, behind=name, undone=INVERSES[name], noise=2.0**-36)


def _behind(subject: Subject, behind: Difference) -> tuple[Stage, Subject]:
    """The result for a layer with a map of its outputs."""
    name = behind.evidence["map"]
    subject = _undone(subject, behind)
    if not subject.noise:
        reason = f"not tested behind {name}"
        subject = replace(subject, nonlinear=reason, depends="" if "relu" in reason else reason)
    return Stage("arithmetic", f"{name} of a sum that is linear in its coefficients", (behind,)), subject
