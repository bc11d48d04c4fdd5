r"""Of a layer that is not linear in its coefficients: by what it fails to be.

* Behind the sum, y = h(u) with u linear: u = (f(e C) - f(-e C)) / (2 e s) + O(e^2). Functions that sum to one make P c
  of constant coefficients c, which gives s; and h counts if, asked for at P c = u, it gives y.
* Before it, each coefficient by itself: f(a) + f(b) = f(a + b) still holds where a and b share no index. The map
  is asked for by constant coefficients.
* Coefficients of an edge, or of more, together: f does not add up over indices; f(2 C) = 2^k f(C) tells the degree k of
  homogeneity, 0 if they are divided by a norm, which is looked for.
* Edges together: f does not add up over inputs: products, or the largest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.identification.known_maps import INVERSES, Map, map_of
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import BLOCK, Subject

EPSILON = 2.0**-16
"""Of coefficients, so small that an outer map is its tangent."""

ASKED = 24
"""Values of which the outer map is asked for by constant coefficients."""

CONSTANTS = np.concatenate(
    [-(2.0 ** np.arange(1, -13, -1)), [0.0], 2.0 ** np.arange(-12.0, 2.0), np.arange(1, 33) / 13]
)
"""Coefficients at which a map of single ones is asked for."""

BISECTIONS = 16
"""Of the size below which coefficients are taken for zero."""

NORMS: dict[str, Callable[[FloatArray, tuple[int, ...]], FloatArray]] = {
    "their norm": lambda C, axes: np.sqrt((C * C).sum(axis=axes, keepdims=True)),
    "the largest of them": lambda C, axes: np.abs(C).max(axis=axes, keepdims=True),
    "the sum of their sizes": lambda C, axes: np.abs(C).sum(axis=axes, keepdims=True),
    "their sum": lambda C, axes: C.sum(axis=axes, keepdims=True),
    "their standard deviation": lambda C, axes: C.std(axis=axes, keepdims=True),
}
GROUPS = {"an edge": (2,), "an output": (1, 2), "an input": (0, 2), "the layer": (0, 1, 2)}


class Nonlinear:
    """A layer f(C) at 64 samples, with f(0) = z."""

    def __init__(self, subject: Subject, f: Map, a: FloatArray, left: float) -> None:
        self.subject, self.f, self.a, self.left = subject, f, a, left
        self.y, self.zero = f(a), f(0 * a)
        self.room = 2.0**-10 * float(np.abs(self.y).max())

    def adds_up(self, chosen: Array) -> bool:
        """Whether results add up over two sets of coefficients that share none."""
        one, two = self.a * (2 * chosen), self.a * ~chosen
        return bool(np.abs(self.f(one) + self.f(two) - self.zero - self.f(one + two)).max() <= self.room / 16)

    def constant(self, c: float) -> FloatArray:
        """Results with constant coefficients c."""
        return self.f(np.full(self.a.shape, c))

    def behind(self) -> Difference | None:
        """An outer map."""
        P, e = self.a.shape[1], EPSILON
        slope = float(np.median(self.constant(e / P) - self.constant(-e / P))) / (2 * e)
        if abs(slope) < 2.0**-8:
            return None
        u = (self.f(e * self.a) - self.f(-e * self.a)) / (2 * e * slope)
        shown = np.linspace(0, u.size - 1, ASKED).astype(int)
        asked = np.array([np.median(self.constant(v / P)) for v in u.ravel()[shown]])
        if np.abs(asked - self.y.ravel()[shown]).max() > self.room:
            return None
        mapped = map_of(u.ravel(), self.y.ravel(), self.room / 4)
        if mapped is not None and mapped[0] == "identity":  # within these coefficients
            return None
        if mapped is None:
            at = ", ".join(f"{v:.4g} of {w:.4g}" for v, w in zip(asked[:3], u.ravel()[shown[:3]], strict=True))
            return Difference("extra map", {"map": "an unknown map", "what": f"outputs pass through it: {at}"})
        name, k, c = mapped
        self.subject.behind = name
        if name in INVERSES and (k, c) == (1.0, 0.0):
            self.subject.undone, self.subject.noise = INVERSES[name], 2.0**-36
        scaled = (f", times {k:.6g}" if abs(k - 1) > 1e-6 else "") + (f", plus {c:.6g}" if abs(c) > 1e-6 else "")
        return Difference("extra map", {"map": name, "what": f"outputs pass through it{scaled}"})

    def each(self) -> str:
        """What single coefficients go through."""
        c = np.unique(CONSTANTS)
        m = np.array([float(np.median(self.constant(v) - self.zero)) for v in c]) / self.a.shape[1]
        if (mapped := map_of(c, m, 1e-6)) is not None and mapped[0] != "identity":
            return f"each goes through {mapped[0]}"
        kept = np.abs(m - c) <= 1e-9
        low, high = float(m.min()), float(m.max())
        if kept.any() and (np.abs(np.clip(c, low, high) - m) <= 1e-9).all():
            return f"they are cut off at {low:.6g} and {high:.6g}: clipped"
        if kept.any() and not m[~kept].any():
            low, high = float(np.abs(c[~kept]).max()), float(np.abs(c[kept & (c != 0)]).min())
            for _ in range(BISECTIONS):
                middle = (low + high) / 2
                low, high = (low, middle) if (self.constant(middle) != self.zero).any() else (middle, high)
            return f"those below {high:.3g} in size are taken for zero"
        step = float(np.abs(m[m != 0]).min(initial=np.inf))
        if np.isfinite(step) and np.abs(m / step - np.rint(m / step)).max() < 1e-6:
            return f"they are rounded to steps of {step:.6g}"
        return "each goes through a map: " + ", ".join(
            f"{w:.4g} of {v:.4g}" for v, w in zip(c[::9], m[::9], strict=True)
        )

    def together(self) -> str:
        """What coefficients do together."""
        ratio = (self.f(2 * self.a) - self.zero) / np.where(self.y == self.zero, 1.0, self.y - self.zero)
        k = float(np.log2(max(abs(np.median(ratio)), 2.0**-60)))
        if abs(k) < 1e-3 or k == -60:
            for group, axes in GROUPS.items():
                for words, norm in NORMS.items():
                    scaled = self._linear(self.a / norm(self.a, axes))
                    factor = float((scaled * self.y).sum() / (scaled * scaled).sum())
                    if np.abs(factor * scaled - self.y).max() <= self.room:
                        return f"the coefficients of {group} are divided by {words}"
            return "coefficients count by their ratios alone: they are divided by a norm of some of them"
        size = (
            f": twice the coefficients give 2^{k:.3g} times the result"
            if np.ptp(ratio) < 1e-3 * abs(np.median(ratio))
            else ""
        )
        return f"coefficients act together{size}"

    def _linear(self, C: FloatArray) -> FloatArray:
        """The layer asked for: what a wrong one would be but for its norms."""
        return self.subject.truth(
            self.subject.spec(C.shape[:2], C), self.subject.samples(self.subject.spec(C.shape[:2]), BLOCK)
        )[0]

    def outputs(self) -> str:
        """What outputs have in common, whatever the coefficients."""
        y = np.stack([self.y, self.f(-self.a), self.f(self.a[:, :, ::-1])])
        for words, common in (
            ("they add up to {:.4g}", y.sum(axis=2)),
            ("their squares add up to {:.4g}", (y * y).sum(axis=2)),
        ):
            if np.ptp(common) <= 1e-3 * np.abs(y).max():
                deviation = y.std(axis=2)
                more = (
                    f", their deviation is {deviation.mean():.4g}"
                    if np.ptp(deviation) < 1e-2 * deviation.mean()
                    else ""
                )
                return words.format(float(common.mean())) + more
        return self.together()

    def edges(self) -> str:
        """What is done with edges in place of their sum."""
        P = self.a.shape[1]
        parts = np.stack([self._linear(self.a * (np.arange(P) == p)[:, None]) for p in range(P)])
        others = {
            "multiplied": parts.prod(axis=0), "replaced by the largest": parts.max(axis=0),
            "replaced by the smallest": parts.min(axis=0),
            "replaced by the root of the sum of squares": np.sqrt((parts**2).sum(axis=0)),
        }  # fmt: skip
        for words, reduced in others.items():
            if np.abs(reduced - self.y).max() <= self.room:
                return f"edges are {words} instead of added"
        return "edges of different inputs are combined otherwise than by a sum"


def nonlinear(subject: Subject, f: Map, a: FloatArray, left: float) -> Stage:
    """Return what the layer is instead of a linear function of its coefficients."""
    n = Nonlinear(subject, f, a, left)
    if behind := n.behind():
        if not subject.noise:
            subject.nonlinear = f"not asked behind {behind.evidence['map']}"
            subject.depends = "" if "relu" in subject.nonlinear else subject.nonlinear
        return Stage("arithmetic", f"{behind.evidence['map']} of a sum that is linear in its coefficients", (behind,))
    q, p, i = np.indices(a.shape)
    if n.adds_up(i % 2 == 0):
        how, name = f"linear but for single coefficients: {n.each()}", "coefficients mapped"
        unit = float(np.median(n.constant(1.0) - n.zero)) / a.shape[1]
        subject.undone = (lambda y: y / unit) if unit else subject.undone
    elif not n.adds_up(q == 0):
        how, name = f"outputs depend on each other: {n.outputs()}", "not linear"
    elif not n.adds_up(p == 0):
        how, name = n.edges(), "not linear"
    else:
        how, name = n.together(), "not linear"
    subject.nonlinear = "not asked of a layer that is not linear in its coefficients"
    if name == "not linear":
        subject.depends = subject.nonlinear
    return Stage("arithmetic", how, (Difference(name, {"left": left, "how": how}, sure="measured"),))
