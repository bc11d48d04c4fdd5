r"""Of a layer that is not linear in its coefficients: by what it fails to be.

* Behind the sum, y = h(u) with u linear: u = (f(e C) - f(-e C)) / (2 e s) + O(e^2). Functions that sum to one make P c
  of constant coefficients c, which gives s; and h counts if, asked for at P c = u, it gives y.
* Before it, each coefficient by itself: f(a) + f(b) = f(a + b) still holds where a and b share no index. The map
  is asked for by constant coefficients.
* Outputs, inputs or coefficients together: f does not add up over them; f(2 C) = 2^k f(C) tells the degree k of
  homogeneity: 0 if they are divided by a norm, P if the functions of P inputs are multiplied.
"""

import numpy as np

from refkan.base.array_types import Array, FloatArray
from refkan.conformance.identification.known_maps import INVERSES, Map, in_words
from refkan.conformance.identification.stages_and_differences import Difference, Stage
from refkan.conformance.identification.subject import Subject

EPSILON = 2.0**-16
"""Of coefficients, so small that an outer map is its tangent."""

ASKED = 24
"""Values of which the outer map is asked for by constant coefficients."""

CONSTANTS = np.concatenate(
    [-(2.0 ** np.arange(1, -13, -1)), [0.0], 2.0 ** np.arange(-12.0, 2.0), np.arange(1, 33) / 13]
)
"""Coefficients at which a map of single ones is asked for."""


class Nonlinear:
    """A layer f(C) at 64 samples, with f(0) = z."""

    def __init__(self, subject: Subject, f: Map, a: FloatArray, left: float) -> None:
        self.subject, self.f, self.a = subject, f, a
        self.y, self.zero = f(a), f(0 * a)
        self.room = min(2.0**-10, left / 16) * float(np.abs(self.y).max())

    def adds_up(self, chosen: Array) -> bool:
        """Whether results add up over two sets of coefficients that share none."""
        half, two = self.a * (2 * chosen), self.a * ~chosen
        return bool(np.abs(self.f(half) + self.f(two) - self.zero - self.f(half + two)).max() <= self.room / 16)

    def constant(self, c: float) -> float:
        """The result with constant coefficients c, of the inputs that have any."""
        inputs = np.asarray(self.a.any(axis=(0, 2)))[:, None]
        return float(np.median(self.f(np.where(inputs, np.full(self.a.shape, c), 0.0))))

    def behind(self, of: str = "outputs pass through it") -> Difference | None:
        """An outer map, by sizes at which it is its tangent: small ones, or large ones."""
        P = max(int(self.a.any(axis=(0, 2)).sum()), 1)
        for e in (EPSILON, 1 / EPSILON):
            slope = (self.constant(e / P) - self.constant(-e / P)) / (2 * e)
            if not abs(slope) >= 2.0**-8:
                continue
            u = (self.f(e * self.a) - self.f(-e * self.a)) / (2 * e * slope)
            shown = np.linspace(0, u.size - 1, ASKED).astype(int)
            asked = np.array([self.constant(v / P) for v in u.ravel()[shown]])
            if np.abs(asked - self.y.ravel()[shown]).max() > self.room:
                continue
            name = in_words(u.ravel(), self.y.ravel(), self.room / 4)
            if name.startswith(("identity", "a constant")):  # within these coefficients
                continue
            self.subject.behind = name
            if name in INVERSES:
                self.subject.undone, self.subject.noise = INVERSES[name], 2.0**-36
                self.subject.undoes = True
            return Difference("extra map", {"map": name, "what": of})
        return None

    def each(self) -> str:
        """What single coefficients go through."""
        c = np.unique(CONSTANTS)
        m = (np.array([self.constant(v) for v in c]) - np.median(self.zero)) / self.a.shape[1]
        return in_words(c, m, 1e-9 if (np.abs(m - c) <= 1e-9).any() else min(1e-6, self.room))

    def degree(self) -> str:
        """Of what power of the coefficients results are multiples, in words."""
        ratio = np.abs(self.f(2 * self.a) - self.zero) / np.maximum(np.abs(self.y - self.zero), 1e-300)
        if np.ptp(ratio) > 1e-3 * np.median(ratio):
            return ""
        k = float(np.log2(max(float(np.median(ratio)), 2.0**-60)))
        return f": twice the coefficients give 2^{k:.3g} times the result" + ", as if divided by a norm" * (
            abs(k) < 1e-3
        )


def in_other_sizes(subject: Subject, f: Map, a: FloatArray, left: float) -> list[Difference]:
    """Return what a layer is that is linear at the sizes of other stages, which go on as before."""
    names = ("nonlinear", "depends", "behind", "undone", "undoes", "noise")
    kept = {name: getattr(subject, name) for name in names}
    differences = nonlinear(subject, f, a, left).differences
    if differences[0].name == "coefficients mapped":  # of units, which other stages ask with
        subject.unit = 0.25
    for name, value in kept.items():
        setattr(subject, name, value)
    return list(differences)


def nonlinear(subject: Subject, f: Map, a: FloatArray, left: float) -> Stage:
    """Return what the layer is instead of a linear function of its coefficients."""
    n = Nonlinear(subject, f, a, left)
    if behind := n.behind():
        if not subject.noise:
            subject.nonlinear = f"not asked behind {behind.evidence['map']}"
            subject.depends = "" if "relu" in subject.nonlinear else subject.nonlinear
        return Stage("arithmetic", f"{behind.evidence['map']} of a sum that is linear in its coefficients", (behind,))
    q, p, i = np.indices(a.shape)
    name = "not linear"
    if n.adds_up(i % 2 == 0):
        how, name = f"linear but for single coefficients: each goes through {n.each()}", "coefficients mapped"
        unit = (n.constant(1.0) - float(np.median(n.zero))) / a.shape[1]
        subject.undone, subject.undoes = ((lambda y: y / unit), True) if unit else (subject.undone, subject.undoes)
    elif not n.adds_up(q == 0):
        how = f"outputs depend on each other{n.degree()}"
    elif not n.adds_up(p == 0):
        how = f"edges of different inputs are combined otherwise than by a sum{n.degree()}"
    elif inner := Nonlinear(subject, f, a * (np.arange(a.shape[1]) == 0)[:, None], left).behind("each spline does"):
        subject.nonlinear = subject.depends = f"not asked behind {inner.evidence['map']}"
        return Stage("arithmetic", f"{inner.evidence['map']} of each spline", (inner,))
    else:
        how = f"the coefficients of an edge act together{n.degree()}"
    subject.nonlinear = "not asked of a layer that is not linear in its coefficients"
    if name == "not linear":
        subject.depends = subject.nonlinear
    return Stage("arithmetic", how, (Difference(name, {"left": left, "how": how}, sure="measured"),))
