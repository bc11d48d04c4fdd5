r"""Derivatives in the inputs, first and second: of which function they are.

They are compared with those of the layer's own outputs (see `slopes`). Where no rearrangement and no factors explain
them, these questions follow:

* Are they multiples in each interval, by powers of its length; zero in a part of the domain?
* Are they of another order: values, or derivatives once more; or of no spline at all?
* With which factors of L and R are they those of the formula b_i' = (r - 1) (L_i - R_i)? By least squares.
* Are they quotients (f(x + h) - f(x)) / h = f' + h f''/2 + ..., or central ones, f' + h^2 f'''/6 + ...? The error tells
  the step h.
"""

from dataclasses import replace
from functools import partial
from math import comb, factorial, perm
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.cases.plans.settings import kind_of
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.identification.explanations import explain, placed
from refkan.conformance.identification.gradients.asked_gradients import (
    SAMPLES,
    asked_layer,
    calls_and_sums,
    cotangent,
    fewer,
    size_of_factor,
)  # fmt: skip
from refkan.conformance.identification.gradients.at_knots import at_knots
from refkan.conformance.identification.gradients.lengths_in_slopes import (
    difference_of_knots,
    length_in_words,
    lengths_of_inputs,
    one_length,
    part_of_domain,
)
from refkan.conformance.identification.gradients.situations import map_of_base, wrong_factors
from refkan.conformance.identification.gradients.slopes import (
    derivatives,
    exact_derivatives,
    places,
    terms,
    true_derivatives,
)
from refkan.conformance.identification.gradients.whole_gradients import unexplained
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.stages_and_differences import Difference
from refkan.conformance.identification.subject import NoAnswerError, Subject

WHAT = {1: "input gradients", 2: "second derivatives"}
QUANTITIES = {1: ("input-gradients", "second-derivatives", "repeatability"), 2: ("second-derivatives",)}
ADDED = 2.0**10
"""To all coefficients: derivatives stay as they are."""

DIRECTIONS = np.array([[0.5, -2.0], [1.0, 0.75], [-1.5, 1.25]])
"""Along which second derivatives are asked for, in turn: no factor of each input turns one into another."""


def of_inputs(subject: Subject, degree: int, order: int = 1) -> list[Difference]:
    """Derivatives of an order in the inputs against those of the layer's own outputs."""
    spec, x, model = asked_layer(subject, degree=degree)
    if spec.degree < order:
        return []
    if order == 1:
        first_dy, two = np.random.default_rng(6).integers(-8, 9, (2, len(x), 3)) / 4.0
        asked = partial(_asked, subject, 1, direction=np.ones(x.shape))

        def summed() -> FloatArray:
            return _own(subject, spec, x, order).transpose(1, 0, 2)[None]

        if told := calls_and_sums(subject, spec, WHAT[1], asked, x, first_dy, two, summed):
            return placed(told, quantities=QUANTITIES[1])
    told = _compared(subject, spec, x, model, order, WHAT[order])
    if not told:
        told = at_knots(
            subject, degree, WHAT[order],
            lambda of, at: _asked(subject, order, of, at, np.ones((len(at), 3)), np.ones(at.shape)),
        )  # fmt: skip
    return placed(told, quantities=QUANTITIES[order])


def of_inputs_with_parts(subject: Subject) -> list[Difference]:
    """Derivatives in the inputs of layers with parts against those of their own outputs, whole and part by part."""
    whole = subject.with_parts()
    alone = {
        "the base part": replace(whole, coefficients=0 * whole.coefficients),
        "the splines": replace(whole, base=0 * whole.part("base")),
    }
    x = subject.samples(whole, SAMPLES, 5)
    for order in (1, 2)[: 1 + ("second" in subject.declared.derivatives)]:
        if QUANTITIES[order][0] in subject.wrong_gradients:
            break  # of the splines alone they differ already
        if not _compared(subject, whole, x, subject.build(whole), order, WHAT[order]):
            continue
        for words, spec in alone.items():
            owner = f"{WHAT[order]} of {words} of layers with parts"
            if told := _compared(subject, spec, x, subject.build(spec), order, owner):
                return placed(told, quantities=QUANTITIES[order])
    return []


def _asked(
    subject: Subject, order: int, of: Any, at: FloatArray, dy: FloatArray, direction: FloatArray
) -> FloatArray:  # fmt: skip
    if order == 1:
        return subject.gradients(of, at, dy, {"inputs": at.shape})["inputs"]
    return subject.second(of, at, dy, direction)


def _own(subject: Subject, spec: LayerSpec, x: FloatArray, order: int) -> FloatArray:
    """Derivatives of the layer's own outputs: right functions have right ones."""
    known = not subject.differs and subject.right and subject.eps < 2.0**-12
    return exact_derivatives(spec, x, order) if known else derivatives(subject, spec, x, order)


def _compared(
    subject: Subject, spec: LayerSpec, x: FloatArray, model: Any, order: int, owner: str
) -> list[Difference]:  # fmt: skip
    """What derivatives are, if not those of the layer's own outputs."""
    return _asked_of(subject, spec, x, model, order, owner).told()


def _asked_of(subject: Subject, spec: LayerSpec, x: FloatArray, model: Any, order: int, owner: str) -> "Compared":
    """Derivatives by cotangents of single outputs."""
    along: FloatArray = np.resize(DIRECTIONS, x.shape) if order == 2 else np.ones(x.shape)
    units = [cotangent(len(x), spec.n_outputs, q) for q in range(spec.n_outputs)]
    theirs = np.stack([_asked(subject, order, model, x, dy, along) for dy in units], axis=1) / along[:, None]
    return Compared(subject, spec, x, theirs, _own(subject, spec, x, order), order, along, owner)


class Compared:
    """Derivatives (N, Q, P) of a layer, and those of its own function."""

    def __init__(
        self, subject: Subject, spec: LayerSpec, x: FloatArray, theirs: FloatArray, own: FloatArray, order: int,
        along: FloatArray, owner: str,
    ) -> None:  # fmt: skip
        self.subject, self.spec, self.x, self.order, self.along = subject, spec, x, order, along
        seen = np.isfinite(own)
        if not seen.any():
            raise NoAnswerError("values are not smooth enough to differentiate")
        self.what, self.seen = owner, seen
        self.exact = exact_derivatives(spec, x, order)
        size = float(np.abs(own[seen]).max())
        blurred = 2.0 ** (8 * order) * subject.rough
        self.room = max(2.0 ** (-32 + 10 * order), subject.eps * 2.0**30, blurred) * size
        self.fine = max(2.0**10 * subject.eps, blurred) * float(np.abs(self.exact).max())
        named = subject.declared.basis != BSPLINES or any(
            degree == spec.degree and kind_of(kind) == spec.kind for degree, kind in subject.right
        )
        self.right = bool(named and np.abs(own - self.exact)[seen].max() <= self.room)
        if self.right:  # the derivatives of the right function are known to rounding
            own, self.room = self.exact, max(self.fine, subject.tolerance(size))
        self.own, self.theirs = np.where(seen, own, 0.0), np.where(seen, theirs, 0.0)

    def told(self) -> list[Difference]:
        """What they are, [] if they are right."""
        if (np.abs(self.theirs - self.exact)[self.seen] <= self.fine).all():
            return []
        plain = explain(self.theirs, self.own, ("sample", "output", "input"), self.room, self.what, "detached gradient")
        if not self.right and any(difference.evidence.get("loose") for difference in plain or []):
            plain = None  # many numbers explain much
        vague = plain is None or any(difference.name.startswith("factors by") for difference in plain)
        local = plain and any(difference.evidence.get("axis") == "sample" for difference in plain)
        if plain is not None and not vague and not local:
            size = "" if self.spec.parts else size_of_factor(self.subject, plain, "inputs", self.order)
            return placed(plain, size=size)
        if self.spec.parts:
            how = self._of_parts()
            named = [Difference("wrong derivative", {"what": self.what, "how": how})] if how else plain
            return named or [unexplained(self.subject, self.what, self.theirs, self.own)]
        for question in (
            self._by_lengths,
            self._of_another_order,
            self._by_place,
            self._by_formula,
            self._by_denominators,
            self._by_powers,
            self._quotients,
        )[: 1 if plain and not local else None]:
            how = question()
            if how and (question in (self._by_place, self._quotients) or how == self._elsewhere(question.__name__)):
                name = "finite differences" if question == self._quotients else "wrong derivative"
                return [Difference(name, {"what": self.what, "how": how})]
        return plain or [unexplained(self.subject, self.what, self.theirs, self.own)]

    def _elsewhere(self, question: str) -> str:
        """The answer to a question in a layer of other knots: what holds in one setting alone is a coincidence."""
        spec = self.subject.spec((3, 2), degree=self.spec.degree, kind=self.spec.kind, intervals=fewer(self.subject))
        x, model = self.subject.samples(spec, SAMPLES, 6), self.subject.build(spec)
        return str(getattr(_asked_of(self.subject, spec, x, model, self.order, self.what), question)())

    def _of_parts(self) -> str:
        """A map of x beside the base, and factors of parts that are lacking."""
        if not self.spec.coefficients.any():
            weight = float(self.spec.part("base")[0, 0] * self.spec.part("node-scale")[0])
            if mapped := map_of_base(self.x, self.theirs[:, 0, 0] / weight, self.subject.tolerance(4.0)):
                return f"{mapped}, times the weight"
        return wrong_factors(self.spec, self.theirs, self.own, 4 * self.room)

    def _by_lengths(self) -> str:
        """Powers of the length of an interval, or of one of each input: chain rules of other variables than x."""
        t, m = self.spec.knots, places(self.spec, self.x)
        h = np.stack([row[m[:, p] + 1] - row[m[:, p]] for p, row in enumerate(t)], axis=1)
        for words, length in {"the length of the interval of x": h, **lengths_of_inputs(self.spec)}.items():
            for power in (self.order, -self.order, 1, -1):
                if (np.abs(self.theirs - self.own * (length**power)[..., None, :]) <= self.room * 4).all():
                    done = "multiplied" if power > 0 else "divided"
                    return f"they are {done} by {words}" + (", squared" if abs(power) == 2 else "")
        return ""

    def _by_place(self) -> str:
        """Factors in each interval; or zeros in a part of the domain."""
        t, m = self.spec.knots, places(self.spec, self.x)
        wrong = np.abs(self.theirs - self.own).max(axis=1) > self.room
        if not (np.abs(self.theirs).max(axis=1)[wrong] > self.room).any():
            return f"they are zero {part_of_domain(self.x, wrong)}"
        k = np.full((len(t), self.spec.intervals), np.nan)
        for p in range(len(t)):
            for j in range(self.spec.intervals):
                a, b = (v[m[:, p] == j + self.spec.degree, :, p] for v in (self.own, self.theirs))
                k[p, j] = (a * b).sum() / (a * a).sum() if (a * a).sum() > 0 else np.nan
                if a.size and np.abs(b - k[p, j] * a).max() > self.room * 4:
                    return ""
        if np.nanmax(np.ptp(k, axis=1)) <= 1e-6 * np.nanmax(np.abs(k)):
            return ""
        told = "; ".join(f"of input {p} by {', '.join(f'{v:.4g}' for v in k[p])}" for p in range(len(t)))
        return f"in each interval they are multiplied by a factor: {told}"

    def _of_another_order(self) -> str:
        """Values, another derivative, or numbers in which coefficients have no part."""
        if np.abs(np.ptp(self.theirs, axis=(0, 1))).max() <= self.room:
            return f"they are {float(self.theirs.mean()):.6g} for every sample and output, whatever the coefficients"
        words = {0: "values", 1: "first derivatives", 2: "second derivatives", 3: "third derivatives"}
        others = {f"they are the {words[k]} of edges": true_derivatives(self.spec, self.x, k)
                  for k in words if k != self.order}  # fmt: skip
        if self.order == 2:
            others["they do not depend on the direction"] = self.own / self.along[:, None]
            summed = self.along.sum(axis=1, keepdims=True) / self.along
            others["they are those along the sum of the direction over inputs"] = self.own * summed[:, None]
            others["they are those along the sizes of the direction"] = self.own * np.sign(self.along)[:, None]
            others["they are those along the direction of the next input"] = (
                self.own * (np.roll(self.along, 1, axis=1) / self.along)[:, None]
            )
        for told, other in others.items():
            more = explain(self.theirs, other, ("sample", "output", "input"), self.room, "they")
            if more is not None and not any("sample" in str(difference.evidence.get("axis")) for difference in more):
                return "; ".join([told, *(str(difference) for difference in more)])
        return ""

    def _of_functions(self) -> FloatArray:
        """Their derivatives of all functions of input 0: (N, dim)."""
        theirs = np.zeros((len(self.x), self.spec.dim))
        for i, unit in enumerate(np.eye(self.spec.dim)):
            single = self.subject.single(self.spec, np.stack([unit, unit])[:, None])
            model, at, dy = self.subject.build(single), self.x[:, :1], np.array([[1.0, 0.0]] * len(self.x))
            if self.order == 1:
                theirs[:, i] = self.subject.gradients(model, at, dy, {"inputs": at.shape})["inputs"][:, 0]
            else:
                theirs[:, i] = self.subject.second(model, at, dy, np.ones(at.shape))[:, 0]
        return theirs

    def _by_formula(self) -> str:
        """The factors of the two terms, by least squares over all functions of input 0."""
        left, right = terms(self.spec.knots[0], self.spec.order, self.x[:, 0], self.order)
        theirs, A = self._of_functions(), np.stack([left.ravel(), right.ravel()], axis=1)
        k, *_ = np.linalg.lstsq(A, theirs.ravel(), rcond=None)
        if np.abs(A @ k - theirs.ravel()).max() > 2.0**-30 * np.abs(theirs).max() or abs(k[0] + k[1]) < 1e-6:
            return ""
        k = np.where(np.abs(k) < 2.0**-30, 0.0, k)
        return f"b' is {k[0]:.4g} times its first term {k[1]:+.4g} times its second, instead of 1 and -1"

    def _by_denominators(self) -> str:
        """The lengths by which functions of one degree less are divided in b_i' = d (B_i / (..) - B_(i+1) / (..))."""
        t, r, x = self.spec.knots[0], self.spec.order, self.x[:, 0]
        if self.order != 1 or r < 3:
            return ""
        lower, theirs = recursion(t, r - 1, x, intervals_of(x, t, r)), self._of_functions()
        divided: dict[str, list[tuple[int, float]]] = {"first": [], "second": []}
        for i in range(self.spec.dim):
            A = lower[:, i : i + 2]
            shown = (np.abs(A) > 2.0**-10).sum(axis=0) > 0
            k, *_ = np.linalg.lstsq(A, theirs[:, i], rcond=1e-12)
            if np.abs(A @ k - theirs[:, i]).max() > 2.0**-30 * np.abs(theirs).max():
                return ""
            for name, v, sign, seen in zip(divided, k, (1, -1), shown, strict=True):
                if seen and v:
                    divided[name].append((i, (r - 1) * sign / v))
        one = {name: one_length(self.spec, lengths) for name, lengths in divided.items()}
        if one["first"] and one["first"] == one["second"]:
            return f"both terms are divided by {one['first']}, whatever the knots between them"
        told = []
        for name, lengths in divided.items():
            asked = (r - 1, 0) if name == "first" else (r, 1)
            used = difference_of_knots(t, lengths, asked)
            words = length_in_words(used) if used else one[name]
            if not words:
                return ""
            if used != asked:
                told.append(f"the {name} term is divided by {words} instead of {length_in_words(asked)}")
        return "; ".join(told)

    def _by_powers(self) -> str:
        """Factors of the powers of x - c in each interval, c its left end, its middle, or the start of the domain."""
        t, m, d = self.spec.knots, places(self.spec, self.x), self.spec.degree
        low, high = (np.stack([row[m[:, p] + k] for p, row in enumerate(t)], axis=1) for k in (0, 1))
        starts = {
            "the left end of its interval": low, "the middle of its interval": (low + high) / 2,
            "the start of the domain": self.spec.domains[:, 0] + 0 * low, "0": 0 * low,
        }  # fmt: skip
        for words, c in starts.items():
            z = (self.x - c)[:, None]
            powers = []
            tails = [true_derivatives(self.spec, self.x, k) for k in range(d + 1)]
            for k in range(self.order, d + 1):  # a_k of sum a_k z^k, by Taylor's formula about x
                a = sum(tails[j] * (-z) ** (j - k) * comb(j, k) / factorial(j) for j in range(k, d + 1))
                powers.append((a * z ** (k - self.order) * perm(k, self.order)).ravel())
            A = np.stack(powers, axis=1)
            w, *_ = np.linalg.lstsq(A, self.theirs.ravel(), rcond=1e-12)
            if np.abs(A @ w - self.theirs.ravel()).max() <= 64 * self.room and np.abs(w - 1).max() > 2.0**-10:
                factors = ", ".join(f"{v:.4g} for power {k}" for k, v in enumerate(w, self.order))
                return f"powers of x less {words} count with other factors: {factors}"
        return ""

    def _quotients(self) -> str:
        """The step of difference quotients, by the size of their error."""
        error, D = self.theirs - self.own, [true_derivatives(self.spec, self.x, self.order + k) for k in (1, 2)]
        if not self.right:
            return ""
        for d, kinds in zip(D, (("forward", "backward"), ("central", "")), strict=True):
            k = float((error * d).sum() / max((d * d).sum(), 1e-300))
            if np.abs(error - k * d).max() <= 0.05 * np.abs(error).max():
                h = 2 * abs(k) if kinds[1] else np.sqrt(6 * max(k, 0.0))
                kind = kinds[k < 0]
                return f"they are those of {kind} differences with a step of {h:.3g}" if kind else ""
        return self._by_rounding() if self.order == 1 else ""

    def _by_rounding(self) -> str:
        """The step of quotients by the rounding of differences: it grows as functions do to which a number is added."""
        added = replace(self.spec, coefficients=self.spec.coefficients + ADDED)
        moved = _asked_of(self.subject, added, self.x, self.subject.build(added), self.order, self.what).theirs
        steps = ADDED * self.subject.eps / max(float(np.abs(moved - self.theirs).max()), 1e-300)
        if steps > 2.0**-10 * float(np.diff(np.unique(self.spec.knots[0])).min()):
            return ""
        return f"they are off by rounding as quotients are of differences with a step of some {steps:.0e}"
