r"""One quantity of a layer: as it answers, as it should be, and that of its own function.

Derivatives of the layer's own function are the right ones where its values are right. Where they are not, those in x
follow by interpolation (see `slopes`), those in coefficients are unit responses, and those in a part are derivatives of
the interpolating polynomial in one weight, exact where outputs are linear in it. The Gauss-Newton matrix is J^T J / N
with the Jacobian in the coefficients.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.conformance.cases.families import INTERVALS
from refkan.conformance.cases.specs import PER_NODE, attribute
from refkan.conformance.identification.gradients.situations import EDGES, Situation
from refkan.conformance.identification.gradients.slopes import (
    CHEBYSHEV,
    derivatives,
    derivatives_along,
    weights_at_zero,
)  # fmt: skip
from refkan.conformance.identification.stages.wiring import responses
from refkan.conformance.identification.subject import ROUNDINGS, NoAnswerError, Subject

OWNERS = {
    "values": "outputs", "coefficients": "coefficient gradients", "inputs": "input gradients",
    "second": "second derivatives", "knots": "knot gradients", "gauss-newton": "entries of the Gauss-Newton matrix",
}  # fmt: skip

AXES = {
    "values": ("sample", "output"), "coefficients": EDGES, "inputs": ("sample", "input"), "second": ("sample", "input"),
    "knots": ("input", "knot"), "gauss-newton": ("row", "column"), **dict.fromkeys(PER_NODE, EDGES[:1]),
}  # fmt: skip

ORDERS = {"inputs": 1, "second": 2}

DRAWS = 8
"""Cotangents for which gradients in weights are rearranged: more than numbers in a combination of coefficients."""

RADIUS = 2.0**-3
"""About a weight, in which outputs are interpolated."""

SMOOTH = 2.0**-26
"""Error of derivatives by interpolation in weights, relative to the largest."""


class Derivatives:
    """A quantity: "values", derivatives in the "inputs", "second" ones, those in weights, or "gauss-newton".

    Parameters
    ----------
    subject : Subject
    situation : Situation
    name : str
    model : optional
        The model of the layer; without it, it is built.
    answered : array, optional
        The answer for the cotangents and the direction of the situation, if it is known.
    """

    def __init__(
        self, subject: Subject, situation: Situation, name: str, model: Any = None, answered: FloatArray | None = None
    ) -> None:
        self.subject, self.situation, self.name, self.given = subject, situation, name, model
        self.spec, self.x, self._answered = situation.spec, situation.x, answered
        self.owner = OWNERS.get(name, f"gradients in {name}") + situation.of
        self.order, self.axes = ORDERS.get(name, 0), AXES.get(name, EDGES[:2])
        C = self.spec.coefficients
        lengths = dict(zip(("sample", *EDGES), (len(self.x), *C.shape), strict=True))
        lengths |= {"knot": self.spec.intervals - 1, "row": C.size, "column": C.size}
        self.shape = tuple(lengths[axis] for axis in self.axes)

    @lazy
    def model(self) -> Any:
        """The model that is asked; what is known to be right asks for none."""
        return self.situation.model(self.subject) if self.given is None else self.given

    @property
    def inside(self) -> bool:
        """Whether all samples lie in the domains."""
        low, high = self.spec.domains.T
        return bool(((self.x >= low) & (self.x <= high)).all())

    @property
    def in_weights(self) -> bool:
        """Whether it is a gradient in coefficients or in a part."""
        return self.name == "coefficients" or self.name in self.spec.parts

    def answer(self, dy: FloatArray, along: FloatArray) -> FloatArray:
        """What the layer answers."""
        if self.name == "values":
            ask = self.subject.raw if self.x.flags.c_contiguous else self.subject.laid_out
            return ask(self.model, self.x, self.spec.n_outputs)
        if self.name == "gauss-newton":
            return self.subject.gauss_newton(self.model, self.x, self.spec.coefficients.size)
        if self.name == "second":
            return self.subject.second(self.model, self.x, dy, along)
        return self.subject.gradients(self.model, self.x, dy, {self.name: self.shape})[self.name]

    @lazy
    def answered(self) -> FloatArray:
        """The answer for the cotangents and the direction of the situation."""
        if self._answered is not None:
            return self._answered
        return self.answer(self.situation.cotangents, self.situation.direction)

    def truth(self, dy: FloatArray, along: FloatArray, quantities: Any = None) -> FloatArray:
        """The right answer, or that of a layer with other quantities."""
        of = self.situation.quantities if quantities is None else quantities
        if self.in_weights:
            each = of.coefficient_gradients(dy) if self.name == "coefficients" else of.part_gradients(self.name, dy)
            return np.asarray(each[0])
        by_name = {
            "values": lambda: of.values, "inputs": lambda: of.input_gradients(dy), "gauss-newton": of.gauss_newton,
            "second": lambda: of.second_derivatives(dy, along), "knots": lambda: of.knot_gradients(dy),
        }  # fmt: skip
        return np.asarray(by_name[self.name]())

    @lazy
    def is_true(self) -> bool:
        """Whether the answer is that of the layer asked for, whatever its function is."""
        right = self.truth(self.situation.cotangents, self.situation.direction)
        return bool((np.abs(self.answered - right) <= self._room(right)).all())

    def _room(self, right: FloatArray) -> float:
        size = max(float(np.abs(right).max(initial=0.0)), 2.0**-20)
        blurred = 2.0 ** (10 if self.name == "values" else max(6, 8 * self.order)) * self.subject.rough
        return max(64 * ROUNDINGS * self.subject.eps, blurred) * size

    @lazy
    def right(self) -> bool:
        """Whether the right derivatives are those of the layer's own function, whatever is added to its values."""
        if self._exact or self.name == "values":
            return True
        if self.name == "gauss-newton":
            return self.of_coefficients.right
        (ours, room), dy = self._measured, self.situation.cotangents
        true = self.by_output(self.truth) if self.order else self.truth(dy, dy)
        if not self.order:
            ours, room = np.einsum("sq,sq...->...", dy, ours), room * np.abs(dy).sum()
        return bool((np.abs(ours - true) <= room).all())

    @lazy
    def _exact(self) -> bool:
        """Whether values are those asked for."""
        y, true = self.subject.values(self.spec, self.x, self.model), self.situation.quantities.values
        return bool((np.abs(y - true) <= self.subject.tolerance(float(np.abs(true).max(initial=0.0)))).all())

    def by_output(self, of: Any) -> FloatArray:
        """Derivatives in x for cotangents of one output of all samples, in directions of length one: (N, Q, P)."""
        along = self.situation.direction if self.order == 2 else np.ones(self.x.shape)
        units = [np.repeat(unit[None], len(self.x), axis=0) for unit in np.eye(self.spec.n_outputs)]
        return np.stack([of(dy, along) / along for dy in units], axis=1)

    @lazy
    def of_coefficients(self) -> "Derivatives":
        """The gradients in the coefficients of the same layer."""
        return Derivatives(self.subject, self.situation, "coefficients", self.model)

    @property
    def jacobian(self) -> FloatArray:
        """Derivatives of the layer's own outputs in its coefficients, (N, Q, M)."""
        if self.right:
            return np.stack([of[0] for of in self.situation.quantities.jacobian()], axis=1)
        return self.of_coefficients.own[0].reshape(len(self.x), self.spec.n_outputs, -1)

    @lazy
    def own(self) -> tuple[FloatArray, float]:
        """Derivatives of each output of the layer's own function, NaN where it is not smooth; and room for rounding."""
        if not self.right:
            return self._measured
        ours = self.by_output(self.truth)
        return ours, self._room(ours) / 16 if self._exact else self._measured[1]

    @lazy
    def _measured(self) -> tuple[FloatArray, float]:
        """The same, by answers alone."""
        if self.order == 2 and "inputs" in self.subject.declared.derivatives:
            ours = self._of_slopes
        elif self.order:
            ours = derivatives(self.subject, self.spec, self.x, self.order)
        else:
            ours = self._in_weights()
        size = float(np.abs(ours[np.isfinite(ours)]).max(initial=0.0))
        if not size and not np.isfinite(ours).any():
            raise NoAnswerError("values are not smooth enough to differentiate")
        blurred = 2.0 ** (8 * self.order) * self.subject.rough
        near = max(2.0 ** (-32 + 10 * self.order), self.subject.eps * 2.0**30, blurred) if self.order else 0.0
        curved = SMOOTH if self.name in self.spec.parts else 0.0
        return ours, max(near * size, self.subject.tolerance(4 * size), curved * size)

    @lazy
    def _of_slopes(self) -> FloatArray:
        """Second derivatives, as those of the input gradients that are answered."""
        along = self.situation.direction
        slopes = derivatives_along(self.subject, self.spec, self.x, along, self.slopes)
        return np.moveaxis(slopes / along[:, :, None], 1, 2)

    @property
    def follows(self) -> bool:
        """Whether second derivatives are those of input gradients that are wrong, so that they tell nothing new."""
        if self.order < 2 or "input-gradients" not in self.subject.wrong_gradients:
            return False
        theirs, *_ = self.compared
        off = np.abs(theirs - self._of_slopes)
        return bool((off <= 2.0**-22 * np.abs(theirs).max())[np.isfinite(off)].all() and np.isfinite(off).any())

    def slopes(self, at: FloatArray) -> FloatArray:
        """The input gradients that are answered, by outputs: (N, P, Q)."""
        units = [np.repeat(unit[None], len(at), axis=0) for unit in np.eye(self.spec.n_outputs)]
        each = [self.subject.gradients(self.model, at, dy, {"inputs": at.shape})["inputs"] for dy in units]
        return np.stack(each, axis=2)

    def _in_weights(self) -> FloatArray:
        """Derivatives of outputs in each weight, by values for weights about it."""
        if self.name == "coefficients":
            return np.asarray(responses(self.subject, self.spec, self.x))
        u, name = RADIUS * CHEBYSHEV, attribute(self.name)
        ours = np.zeros((len(self.x), self.spec.n_outputs, *self.shape))
        for index in np.ndindex(*self.shape):
            weights = np.repeat(self.spec.part(self.name)[None], len(u), axis=0)
            weights[(slice(None), *index)] += u
            layers: list[dict[str, Any]] = [{name: of} for of in weights]
            y = np.stack([self.subject.values(replace(self.spec, **more), self.x) for more in layers])
            ours[(slice(None), slice(None), *index)] = np.tensordot(weights_at_zero(1, u), y, axes=1)
        return ours

    def whole(self, dy: FloatArray, along: FloatArray) -> FloatArray:
        """That of the layer's own function for other cotangents and directions."""
        if self.right:
            return self.truth(dy, along)
        if self.name == "gauss-newton":
            return matrix(self.jacobian)
        ours = np.where(np.isfinite(self.own[0]), self.own[0], 0.0)
        if not self.order:
            return np.asarray(np.einsum("sq,sq...->...", dy, ours))
        return np.einsum("sq,sqp->sp", dy, ours) * (along if self.order == 2 else 1.0)

    @lazy
    def expected(self) -> FloatArray:
        """That of the layer's own function for the cotangents and the direction of the situation."""
        return self.whole(self.situation.cotangents, self.situation.direction)

    @lazy
    def compared(self) -> tuple[FloatArray, FloatArray, float, Sequence[str]]:
        """What is answered and expected, one output at a time in x, for some cotangents in weights; room and axes."""
        if self.order:
            return self.by_output(self.answer), *self.own, ("sample", "output", "input")
        if not self.in_weights:
            return self.answered, self.expected, self.room, self.axes
        draws = [replace(self.situation, seed=k, dy=None).cotangents for k in range(DRAWS)]
        theirs, ours = (np.stack([of(dy, dy) for dy in draws]) for of in (self.answer, self.whole))
        return theirs, ours, self.room, ("point", *self.axes)

    @lazy
    def room(self) -> float:
        """For rounding in the answer."""
        if self.name in ("values", "gauss-newton") or self._exact:
            return self._room(self.expected)
        return self._measured[1] * float(
            np.abs(self.situation.cotangents).sum(axis=None if not self.order else 1).max()
        )

    @lazy
    def wrong(self) -> Any:
        """Which entries of the answer are wrong."""
        wrong = ~(np.abs(self.answered - self.expected) <= self.room)
        smooth = np.isfinite(self.own[0]).all(axis=1) if self.order and not self.right else True
        return wrong & smooth

    def again(self, sizes: bool = False) -> "Derivatives":
        """The same of other samples, cotangents and coefficients; and of another degree and other sizes, if free."""
        spec, N = self.spec, len(self.x)
        x = self.subject.samples(spec, N + N // 2, 6) if self.inside else self.x[::-1][: max(2 * N // 3, 1)]
        if sizes and self.given is None and self.inside:
            degrees = [d for d in self.subject.degrees if d > self.order and d != spec.degree]
            degree = min(degrees, key=lambda d: (abs(d - spec.degree), d), default=spec.degree)
            fewer = INTERVALS - (self.subject.declared.intervals is None)
            more = {"degree": degree, "kind": spec.kind, "intervals": fewer}
            spec = self.subject.with_parts((5, 4), spec.parts, **more)
            x = self.subject.samples(spec, N + N // 2, 6)
        elif self.given is None:
            spec = replace(spec, coefficients=np.roll(spec.coefficients, 1, axis=2))
        situation = replace(self.situation, spec=spec, x=x, dy=None, seed=self.situation.seed + 1)
        return Derivatives(self.subject, situation, self.name, self.given)


def matrix(J: FloatArray) -> FloatArray:
    """J^T J / N of a Jacobian (N, Q, M)."""
    return np.asarray(np.einsum("sqi,sqj->ij", J, J) / len(J))
