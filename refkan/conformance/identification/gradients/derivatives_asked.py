r"""Derivatives of one kind of a layer: as returned, as they should be, and those of its own function.

With cotangents of one output, and of one sample for derivatives in weights, each number is a derivative of one output
at one sample. Those of the layer's own function are the right ones where its values are right. Elsewhere those in x
follow by interpolation at Chebyshev points about x, exact for pieces of a lower degree, those in coefficients are unit
responses, and those in a part are derivatives of the interpolating polynomial in one weight, exact where outputs are
linear in it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray, lazy
from refkan.conformance.cases import PARTS, PER_NODE, QUANTITIES, LayerSpec, reweighted
from refkan.conformance.identification.gradients.situations import EDGES, Situation
from refkan.conformance.identification.known_layer import ROUNDINGS
from refkan.conformance.identification.known_maps import MAPS
from refkan.conformance.identification.reported import close, largest
from refkan.conformance.identification.stages.wiring import responses
from refkan.conformance.identification.subject import NoAnswerError, Subject

GRADIENTS = {
    "coefficients": "coefficient-gradients", "inputs": "input-gradients", "second": "second-derivatives",
    "knots": "knot-gradients", **{part: f"{part}-gradients" for part in PARTS},
}  # fmt: skip
"""Quantities of cases by the names of derivatives, which are those of capabilities and of parts."""

OWNERS = {name: f"gradients in {name}" if name in PARTS else GRADIENTS[name].replace("-", " ") for name in GRADIENTS}
"""What they are called in sentences."""

ORDERS = {"inputs": 1, "second": 2}

NODES = 9
"""Number of Chebyshev points for a derivative."""

CHEBYSHEV = np.cos(np.pi * np.arange(NODES) / (NODES - 1))

FEW = 64
"""Largest number of samples times outputs for which each gets a cotangent of its own."""

RADIUS = 2.0**-3
"""Offsets from a weight at which outputs are interpolated."""

SMOOTH = 2.0**-26
"""Error of derivatives by interpolation in weights, relative to the largest."""


class Derivatives:
    """Derivatives in the "inputs", "second" derivatives, or those in "coefficients" or in a part.

    Parameters
    ----------
    subject : Subject
    situation : Situation
        Of one layer.
    name : str
    model : optional
        The model of the layer; built if it is not given.
    answered : array, optional
        The answer for the cotangents and the direction of the situation, if known.
    """

    def __init__(
        self, subject: Subject, situation: Situation, name: str, model: Any = None, answered: FloatArray | None = None
    ) -> None:  # fmt: skip
        self.subject, self.situation, self.name, self.given = subject, situation, name, model
        self.spec, self.x, self._answered = situation.spec, situation.x, answered
        self.owner = OWNERS[name] + situation.of
        self.order = ORDERS.get(name, 0)
        shape = self.spec.coefficients.shape
        axes = EDGES if name == "coefficients" else EDGES[: 1 if name in PER_NODE else 2]
        self.axes = ("sample", "input") if self.order else ("input", "knot") if name == "knots" else axes
        self.shape: tuple[int, ...] = self.x.shape if self.order else shape[: len(axes)]
        if name == "knots":
            self.shape = self.spec.n_inputs, self.spec.intervals - 1
        self.few = bool(self.order) or (name != "knots" and len(self.x) * self.spec.n_outputs <= FEW)

    @lazy
    def model(self) -> Any:
        """The model under test, built only if something may be wrong."""
        return self.situation.model(self.subject) if self.given is None else self.given

    @property
    def inside(self) -> bool:
        """Whether all samples lie in their domains."""
        low, high = self.spec.domains.T
        return bool(((self.x >= low) & (self.x <= high)).all())

    def answer(self, dy: FloatArray, along: FloatArray | None = None, x: Any = None, model: Any = None) -> FloatArray:
        """The answer of the layer, or that of another model or at other samples."""
        x, model = self.x if x is None else x, self.model if model is None else model
        if self.name == "second":
            return self.subject.second(model, x, dy, np.ones(x.shape) if along is None else along)
        return self.subject.gradients(model, x, dy, {self.name: x.shape if self.order else self.shape})[self.name]

    @lazy
    def answered(self) -> FloatArray:
        """The answer for the cotangents and the direction of the situation."""
        if self._answered is not None:
            return self._answered
        return self.answer(self.situation.cotangents, self.situation.direction)

    def truth(self, dy: FloatArray, along: FloatArray, quantities: Any = None) -> FloatArray:
        """The right answer, or that of a layer with other quantities."""
        of = self.situation.quantities if quantities is None else quantities
        return np.asarray(QUANTITIES[GRADIENTS[self.name]].of(of, dy, along))

    @lazy
    def is_true(self) -> bool:
        """Whether the answer is that of the requested layer, whatever its own function is."""
        right = self.truth(self.situation.cotangents, self.situation.direction)
        return close(self.answered, right, self._room(right))

    def _room(self, right: FloatArray) -> float:
        size = largest(right)
        blurred = 2.0 ** max(6, 8 * self.order) * self.subject.rough
        return max(64 * ROUNDINGS * self.subject.eps * size, blurred * size, 2.0**-20 * self.subject.eps)

    @lazy
    def right(self) -> bool:
        """Whether the layer's own function has the right derivatives, whatever is added to its values."""
        return self._exact or close(self._measured[0], self.single(self.truth), self._measured[1])

    @lazy
    def _exact(self) -> bool:
        """Whether values are those requested."""
        y, true = self.subject.values(self.spec, self.x, self.model), self.situation.quantities.values
        return close(y, true, self.subject.tolerance(largest(true)))

    def single(self, of: Callable[[FloatArray, FloatArray], FloatArray]) -> FloatArray:
        """Answers (N, Q, ...) for cotangents of one output, of all samples or one, along unit directions."""
        N, Q = len(self.x), self.spec.n_outputs
        if self.order:
            along = self.situation.direction if self.order == 2 else np.ones(self.x.shape)
            units = [np.repeat(np.eye(Q)[q][None], N, axis=0) for q in range(Q)]
            return np.stack([of(dy, along) / along for dy in units], axis=1)
        units = list(np.eye(N * Q).reshape(-1, N, Q))
        return np.stack([of(dy, dy) for dy in units]).reshape(N, Q, *self.shape)

    @lazy
    def theirs(self) -> FloatArray:
        """One by one, as answered."""
        return self.single(self.answer)

    @lazy
    def own(self) -> tuple[FloatArray, float]:
        """Derivatives of the layer's own function one by one, NaN where it is not smooth; and the room for rounding."""
        if not self.right:
            return self._measured
        ours = self.single(self.truth)
        return ours, self._room(ours) / 16 if self._exact else self._measured[1]

    @lazy
    def _measured(self) -> tuple[FloatArray, float]:
        """The same, from answers only."""
        if self.order == 2 and "inputs" in self.subject.declared.derivatives:
            ours = self._of_slopes
        elif self.order:
            ours = _derivatives(self.subject, self.spec, self.x, self.order)
        else:
            ours = self._in_weights()
        size = largest(ours[np.isfinite(ours)])
        if not size and not np.isfinite(ours).any():
            raise NoAnswerError("values are not smooth enough to differentiate")
        blurred = 2.0 ** (8 * self.order) * self.subject.rough
        near = max(2.0 ** (-32 + 10 * self.order), self.subject.eps * 2.0**30, blurred) if self.order else 0.0
        near = near if self.order or not self._curved else SMOOTH
        return ours, max(near * size, self.subject.tolerance(4 * size))

    @lazy
    def _of_slopes(self) -> FloatArray:
        """Second derivatives as derivatives of the returned input gradients."""
        along = self.situation.direction
        slopes = _derivatives_along(self.subject, self.spec, self.x, along, self.slopes)
        return np.moveaxis(slopes / along[:, :, None], 1, 2)

    @property
    def follows(self) -> bool:
        """Whether second derivatives are those of the wrong input gradients, and so nothing new."""
        if self.order < 2 or "input-gradients" not in self.subject.wrong_gradients:
            return False
        off = np.abs(self.theirs - self._of_slopes)
        return bool((off <= 2.0**-22 * largest(self.theirs))[np.isfinite(off)].all() and np.isfinite(off).any())

    @property
    def _curved(self) -> bool:
        """Whether outputs are not linear in weights."""
        return bool({"part not linear", "part applied twice"} & self.subject.names)

    def slopes(self, at: FloatArray) -> FloatArray:
        """The returned input gradients by outputs, (N, P, Q)."""
        units = [np.repeat(unit[None], len(at), axis=0) for unit in np.eye(self.spec.n_outputs)]
        each = [self.subject.gradients(self.model, at, dy, {"inputs": at.shape})["inputs"] for dy in units]
        return np.stack(each, axis=2)

    def _in_weights(self) -> FloatArray:
        """Derivatives of outputs in each weight, from values at neighbouring weights."""
        subject = self.subject
        spec = self.spec
        x = self.x
        h = 2.0**-17
        behind: Any = 1.0
        if subject.behind:  # the slope of the map behind the layer, (N, Q)
            u = subject.values(spec, x)
            of = MAPS[subject.behind]
            behind = ((of(u + h) - of(u - h)) / (2 * h)).reshape(*u.shape, *(1,) * len(self.shape))
        if self.name == "coefficients":
            return np.asarray(responses(subject, spec, x) * behind)
        u = RADIUS * CHEBYSHEV if self._curved else np.array([0.0, 1.0])
        ours = np.zeros((len(x), spec.n_outputs, *self.shape))
        for index in np.ndindex(*self.shape):
            weights = np.repeat(spec.part(self.name)[None], len(u), axis=0)
            weights[(slice(None), *index)] += u
            y = np.stack([subject.values(reweighted(spec, {self.name: of}), x) for of in weights])
            ours[(slice(None), slice(None), *index)] = np.tensordot(_weights_at_zero(1, u), y, axes=1)
        return np.asarray(ours * behind)

    def whole(self, dy: FloatArray, along: FloatArray) -> FloatArray:
        """Derivatives of the layer's own function for other cotangents and directions."""
        if self.right:
            return self.truth(dy, along)
        ours = np.where(np.isfinite(self.own[0]), self.own[0], 0.0)
        if not self.order:
            return np.asarray(np.einsum("sq,sq...->...", dy, ours))
        return np.einsum("sq,sqp->sp", dy, ours) * (along if self.order == 2 else 1.0)

    @lazy
    def expected(self) -> FloatArray:
        """Derivatives of the layer's own function for the cotangents and the direction of the situation."""
        return self.whole(self.situation.cotangents, self.situation.direction)

    @lazy
    def room(self) -> float:
        """Room for rounding in the answer."""
        if self._exact:
            return self._room(self.expected)
        return self.own[1] * float(np.abs(self.situation.cotangents).sum(axis=None if not self.order else 1).max())

    @lazy
    def wrong(self) -> Any:
        """Which entries of the answer are wrong."""
        wrong = ~(np.abs(self.answered - self.expected) <= self.room)
        smooth = np.isfinite(self.own[0]).all(axis=1) if self.order and not self.right else True
        return wrong & smooth

    def of(self, spec: LayerSpec, x: FloatArray, turn: int = 0) -> "Derivatives":
        """The same for another layer, other samples and other cotangents."""
        situation = replace(self.situation, spec=spec, x=x, dy=None, seed=self.situation.seed + turn)
        return Derivatives(self.subject, situation, self.name, self.given)

    def again(self) -> "Derivatives":
        """The same for other samples, cotangents and coefficients."""
        spec, N = self.spec, len(self.x)
        x = self.subject.samples(spec, N + N // 2, 6) if self.inside else self.x[::-1][: max(2 * N // 3, 1)]
        if self.given is None:
            spec = replace(spec, coefficients=np.roll(spec.coefficients, 1, axis=2))
        return self.of(spec, x, 1)

    def in_another_degree(self) -> "Derivatives | None":
        """The same in another degree, the next lower or higher one, if it is declared."""
        degrees = [d for d in self.subject.degrees if d > self.order and d != self.spec.degree]
        if not degrees or self.given is not None or not self.inside:
            return None
        degree = min(degrees, key=lambda d: (abs(d - self.spec.degree), d))
        spec = self.subject.with_parts(self.spec.coefficients.shape[:2], self.spec.parts, degree=degree)
        return self.of(spec, self.subject.samples(spec, len(self.x), 6))

    @property
    def sizes(self) -> dict[str, float]:
        """Sizes of the layer and of the batch that a factor may equal."""
        spec = self.spec
        count = len(self.x)
        Q, P, dim = self.spec.coefficients.shape
        sizes: dict[str, float] = {
            "samples": count, "outputs": Q, "inputs": P, "the samples times the outputs": count * Q,
            "the number of samples less one": max(count - 1, 1), "the number of samples plus one": count + 1,
            "the samples times the inputs": count * P, "the outputs times the inputs": Q * P,
            "the degree": max(spec.degree, 1), "the degree less one": max(spec.degree - 1, 1), "the order": spec.order,
            "the order over the degree": spec.order / max(spec.degree, 1),
            "coefficients of an edge": dim, "intervals": spec.intervals, "the coefficients": Q * P * dim,
        }  # fmt: skip
        if spec.kind == "uniform":
            domain = float(np.ptp(spec.domain))
            t = spec.knots[0]
            r = spec.order
            sizes |= {"the spacing h": float(t[r] - t[r - 1]), "the length of the domain": domain,
                      "the half of the domain, (b - a)/2,": domain / 2}  # fmt: skip
        return sizes


def _derivatives(subject: Subject, spec: LayerSpec, x: FloatArray, order: int) -> FloatArray:
    """Derivatives (N, Q, P) of the layer's own outputs in each input; NaN where two radii disagree."""
    model = subject.build(spec)

    def values(at: FloatArray) -> FloatArray:
        return subject.in_blocks(model, at, spec.n_outputs)

    along = np.eye(spec.n_inputs)
    return np.stack([_derivatives_along(subject, spec, x, v + 0 * x, values, order) for v in along], axis=2)


def _weights_at_zero(order: int, u: FloatArray) -> FloatArray:
    """Weights of values at points u that give the first or second derivative of their interpolant at 0."""
    return np.asarray(np.linalg.solve(np.vander(u, increasing=True).T, np.eye(u.size)[order] * order))


def _derivatives_along(
    subject: Subject, spec: LayerSpec, x: FloatArray, v: FloatArray, of: Callable[[FloatArray], FloatArray],
    order: int = 1,
) -> FloatArray:  # fmt: skip
    """Derivatives (N, ...) along directions v (N, P) of what `of` returns at points; NaN where two radii disagree.

    There a breakpoint that is not a knot lies next to x, or at x: one radius has nodes only to the right of x.
    """
    near = [np.abs(x[:, p, None] - np.unique(t)).min(axis=1) for p, t in enumerate(spec.knots)]
    room = np.minimum(np.stack(near, axis=1), np.ptp(spec.domains, axis=1) / 8)
    radius = (room / np.maximum(np.abs(v), 2.0**-40)).min(axis=1)

    def interpolated(u: FloatArray) -> FloatArray:
        weights, at = _weights_at_zero(order, u), x[:, None] + (radius[:, None] * u)[:, :, None] * v[:, None]
        y = of(at.reshape(-1, x.shape[1]))
        y = y.reshape(len(x), NODES, *y.shape[1:])
        return np.asarray(np.moveaxis(np.tensordot(weights, y, axes=(0, 1)), 0, -1) / radius**order)

    wide, narrow = interpolated(0.9 * CHEBYSHEV), interpolated(0.9 / 8 * (1 + CHEBYSHEV))
    close = np.abs(wide - narrow) <= 2.0 ** (-26 + 8 * (order - 1)) * largest(wide) + 64 * subject.rough
    return np.asarray(np.moveaxis(np.where(close, wide, np.nan), -1, 0))
