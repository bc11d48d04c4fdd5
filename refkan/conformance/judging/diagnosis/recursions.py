"""Hypotheses on how basis functions are evaluated: intervals, ends, repeated knots, rules outside, truncated powers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.errors import KnotError
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.specs import RULES
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis, error_ratio, supposed, through, with_layers
from refkan.conformance.judging.diagnosis.of_results.kept import of_case, once
from refkan.conformance.judging.findings import Evidence, Hint
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace


class ByRecursion(NumpyLayer):
    """Derivatives by differentiating each step of the recursion, as automatic differentiation does."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Basis functions, or a derivative of them; the rule outside is "natural" or "polynomial"."""
        t, r = self.t[p], self.order
        pieces = self.pieces(x, t)
        levels = [pieces]
        levels += [np.zeros_like(pieces)] * derivative
        for k in range(2, r + 1):
            low, high = self.widths(t, k, pieces)
            left, right = self.ratio(x[:, None] - t[:-k], low), self.ratio(t[k:] - x[:, None], high)
            slopes = self.ratio(np.ones(1), low), self.ratio(np.ones(1), high)
            lifted = []
            for d, b in enumerate(levels):
                value = left * b[:, :-1] + right * b[:, 1:]
                if d:
                    value = value + d * (slopes[0] * levels[d - 1][:, :-1] - slopes[1] * levels[d - 1][:, 1:])
                lifted.append(self.settled(value))
            levels = lifted
        return levels[derivative]

    def widths(self, t: Any, k: int, pieces: Any) -> tuple[Any, Any]:
        """Denominators of the two terms of order k, (dim,) or (N, dim)."""
        return t[k - 1 : -1] - t[:-k], t[k:] - t[1 : t.size - k + 1]

    def settled(self, value: Any) -> Any:
        """What becomes of the values of a step."""
        return value


class HalfOpenPieces(NumpyLayer):
    """All intervals are closed on the left and open on the right, the last one too."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators of t_i <= x < t_{i+1}."""
        return ((x[:, None] >= t[:-1]) & (x[:, None] < t[1:])).astype(self.number)


class HalfOpen(HalfOpenPieces, ByRecursion):
    """The same, by differentiating the recursion."""

    alone = HalfOpenPieces


class NothingAtRightEnd(NumpyLayer):
    """No interval holds x = b: all basis functions are zero there."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Basis functions, or a derivative of them."""
        return super().basis(p, x, derivative) * (x != self.t[p][-self.order])[:, None]


class ZeroAtRightEnd(NothingAtRightEnd, ByRecursion):
    """The same, by differentiating the recursion."""

    alone = NothingAtRightEnd


class LeftContinuousPieces(NumpyLayer):
    """Intervals are open on the left and closed on the right."""

    def pieces(self, x: Any, t: Any) -> Any:
        """Indicators of t_i < x <= t_{i+1}."""
        return ((x[:, None] > t[:-1]) & (x[:, None] <= t[1:])).astype(self.number)


class LeftContinuous(LeftContinuousPieces, ByRecursion):
    """The same, by differentiating the recursion."""

    alone = LeftContinuousPieces


class Raw(HalfOpen):
    """0/0 is NaN, and spreads."""

    def ratio(self, numerator: Any, denominator: Any) -> Any:
        """Divide without a guard."""
        return numerator / (denominator + 0 * numerator)


class NanToZero(Raw):
    """0/0 is NaN, and what becomes NaN at a step of the recursion is set to 0 with all its terms."""

    def settled(self, value: Any) -> Any:
        """NaN to 0."""
        return np.nan_to_num(value)


class NanToZeroAtLast(Raw):
    """0/0 is NaN, and basis functions that became NaN are set to 0."""

    def basis(self, p: int, x: Any, derivative: int = 0) -> Any:
        """Basis functions, then NaN to 0."""
        return np.nan_to_num(super().basis(p, x, derivative))


class OtherWidths(ByRecursion):
    """Denominators of another function in the recursion."""

    left, right = "left", "right"

    def widths(self, t: Any, k: int, pieces: Any) -> tuple[Any, Any]:
        """Denominators of the two terms, (dim,) or (N, dim)."""
        m = pieces.argmax(axis=1)
        left, right = super().widths(t, k, pieces)
        interval = t[np.minimum(m + k - 1, t.size - 1)] - t[m]
        named = {
            "left": left, "right": right, "wide": t[k:] - t[:-k],
            "interval": np.broadcast_to(interval[:, None], (m.size, t.size - k)),
        }  # fmt: skip
        return named[self.left], named[self.right]


def nan_hints(evidence: Evidence) -> tuple[Hint, ...]:
    """Name NaN: from repeated knots where 0/0 in the recursion gives it, too."""
    case, theirs = evidence.case, evidence.theirs
    bad = ~np.isfinite(theirs)
    if not bad.any():
        return ()
    text = f"{int(bad.sum())} of {theirs.size} results are not finite"
    if any((np.diff(spec.knots, axis=1) == 0).any() for spec in case.setting.specs):
        raw = Hypothesis("", "", partial(through, case, Raw)).outcome()
        if raw is not None and (np.isnan(raw) & np.isnan(theirs)).any():
            text = f"{text}, and knots repeat; 0/0 in the recursion gives NaN there too"
            return (Hint("NaN from repeated knots", text),)
    if case.setting.is_outside and evidence.right_inside:
        return (Hint("only outside the domain", f"{text}, outside the domain"),)
    return (Hint("NaN" if np.isnan(theirs).any() else "infinite results", text),)


@of_case
def repeated(case: Case) -> Iterator[Hypothesis]:
    """Repeated knots whose 0/0 was set to 0 too late."""
    if any((np.diff(spec.knots, axis=1) == 0).any() for spec in case.setting.specs):
        text = "0/0 of repeated knots becomes NaN and then 0, together with the terms beside it"
        for layer in (NanToZero, NanToZeroAtLast):
            yield Hypothesis("NaN from repeated knots", text, partial(through, case, layer))


@of_case
def ends(case: Case) -> Iterator[Hypothesis]:
    """Points at knots that count to the interval on the other side."""
    if case.setting.is_outside or case.quantity == "knot-gradients":
        return
    text = "all basis functions are zero at x = b, which belongs to no interval"
    yield Hypothesis("right end open", text, partial(through, case, ZeroAtRightEnd))
    text = "x = b belongs to no interval of the domain, or to the one beyond"
    yield Hypothesis("right end open", text, partial(through, case, HalfOpen))
    text = "points at knots belong to the interval on their left"
    yield Hypothesis("left limit at knots", text, partial(through, case, LeftContinuous))


def outside(evidence: Evidence) -> Iterator[Hypothesis]:
    """Another rule outside the domain."""
    if evidence.case.setting.is_outside and evidence.right_inside:
        yield from _other_rules(evidence)


@of_case
def _other_rules(case: Case) -> Iterator[Hypothesis]:
    s = case.setting
    name = "only outside the domain"
    for rule in RULES:
        if rule != s.spec.outside:
            text = f"theirs follow the rule {rule!r} instead of {s.spec.outside!r}"
            other = partial(replace, outside=rule)
            yield Hypothesis(name, text, partial(with_layers, case, other))
    low, high = s.spec.domains.T
    x = np.clip(s.x, low, high)
    text = f"theirs stay constant beyond the ends instead of following the rule {s.spec.outside!r}"
    if case.quantity in ("values", "coefficient-gradients"):
        yield Hypothesis(name, text, lambda: supposed(case, x=x))
    text = f"theirs are zero outside instead of following the rule {s.spec.outside!r}"
    yield Hypothesis(name, text, lambda: np.zeros_like(case.expected))
    text = "theirs lack the parts that lie beyond the last knot interval of the domain on one side"
    yield Hypothesis(name, text, partial(through, case, HalfOpen))


def outside_at_all(evidence: Evidence) -> tuple[Hint, ...]:
    """What remains to be said of a case outside the domain."""
    if not evidence.case.setting.is_outside or not evidence.right_inside:
        return ()
    rule = evidence.case.setting.spec.outside
    return (Hint("only outside the domain", f"theirs follow none of the rules known here; declared: {rule!r}"),)


@of_case
def denominators(case: Case) -> Iterator[Hypothesis]:
    """Denominators of the recursion made from the wrong knots."""
    if case.quantity not in ("values", "input-gradients", "coefficient-gradients"):
        return
    for left, right in DENOMINATORS:
        names = {"left": left, "right": right}
        told = " and ".join(f"the {side} term has {WIDTHS[name]}" for side, name in names.items() if name != side)
        layer = type("OtherWidths", (OtherWidths,), names)
        yield Hypothesis("wrong denominators", f"in the recursion {told}", partial(through, case, layer))


WIDTHS = {
    "left": "the denominator of the left one, t[i+k-1] - t[i]",
    "right": "the denominator of the right one, t[i+k] - t[i+1]",
    "wide": "the length of the whole support, t[i+k] - t[i]",
    "interval": "t[m+k-1] - t[m], m the interval of x",
}

DENOMINATORS = (
    ("left", "left"), ("right", "right"), ("right", "left"), ("left", "wide"), ("wide", "right"), ("wide", "wide"),
    ("interval", "interval"), ("left", "interval"), ("interval", "right"),
)  # fmt: skip


def cancellation(evidence: Evidence) -> Iterator[Hypothesis]:
    """Digits lost as truncated powers lose them: the same sum in the same format errs by a similar amount."""
    case, theirs = evidence.case, evidence.theirs
    s = case.setting
    if case.quantity not in ("values", "coefficient-gradients") or len(s.specs) > 1 or not np.isfinite(theirs).all():
        return
    try:
        predicted = once(case, _truncated, partial(_truncated, case))
        allowed = case.allowed("truncated powers")
    except KnotError:  # repeated knots have no such basis
        return
    theirs_off, ours_off = (error_ratio(case, case.expected, results) for results in (theirs, predicted))
    if (
        not (np.abs(theirs - case.expected) <= allowed).all()
        or not 1 / 100 <= theirs_off / max(ours_off, 1e-300) <= 100
    ):
        return
    wrong = np.abs(theirs - case.expected) > case.tolerance
    lost = np.abs(predicted - case.expected) > case.tolerance / ROOM_OF_LOST
    if (wrong & lost).sum() >= WRONG_AND_LOST * wrong.sum():  # the sum errs in the same places, those to the right
        text = f"digits are lost as in a sum of truncated powers, which here loses {ours_off:.1e} times what is allowed"
        yield Hypothesis("cancellation of truncated powers", text, lambda: theirs)


WRONG_AND_LOST = 0.9
"""Of the wrong results, the part where the sum of truncated powers must err too."""

ROOM_OF_LOST = 4
"""By which its error may be below what is allowed there: the same sum rounds otherwise in another order."""


def _truncated(case: Case) -> FloatArray:
    s = case.setting
    spec = s.spec
    number: Any = np.float64 if s.dtype == "float64" else np.float32
    values = np.zeros(s.dy.shape, number)
    gradients = np.zeros(spec.coefficients.shape, number)
    for p, t in enumerate(spec.knots):
        A = ChangeOfBasis(SplineSpace(t, spec.order)).dense().astype(number)
        rise = np.maximum(s.x[:, p, None].astype(number) - t[: spec.dim].astype(number), 0)
        powers = rise**spec.degree if spec.degree else (rise >= 0).astype(number)
        values += powers @ (spec.coefficients[:, p].astype(number) @ A).T
        gradients[:, p] = s.dy.astype(number).T @ powers @ A.T
    return np.asarray(values if case.quantity == "values" else gradients, np.float64)
