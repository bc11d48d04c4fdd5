r"""Statements about a network over a box, each with a witness from which it is simple to check again.

Bounds over leaves are those of first order: natural enclosures, narrowed by F(c) + S (x - c), S the slopes over the
leaf. A program over rational numbers that does the same operations has bounds that lie within these, as these are
rounded outwards at every one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.analysis.exact.certificates.leaves import INPUTS, Leaves, cut_into_leaves
from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined, quiet
from refkan.analysis.exact.enclosures.network_intervals import EdgeStep, IntervalNetwork, interval_network
from refkan.analysis.exact.enclosures.polynomial_pieces import Sides
from refkan.analysis.exact.enclosures.scalar_functions import Derivatives
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, influence
from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.base.short_reprs import ShortRepr

SAMPLED, CLIMBERS, TRIALS, ROUNDS = 1024, 4, 64, 24
"""Points at which large values and slopes are sought; the best of a round, trials around each, and rounds."""

CORNERS = 6
"""Inputs up to which the corners of the box are among them."""

LEVEL = 2.0**-20
"""The part of the largest value that a range counts as at least."""

STEP = 2.0**-20
"""Distance of two points that show a slope, relative to the side of the box."""

Statement = dict[str, Any]


class NotProvenError(Exception):
    """What cannot be stated: why, and what would help."""


@dataclass(frozen=True, eq=False)
class SeparateEdges(EdgeStep):
    """A layer whose splines and multiples of silu are bounded one by one, without their common mean value form."""

    def of_input(self, p: int, x: Intervals, order: int, sides: Sides = "right") -> Derivatives:  # noqa: D102
        return self.edges[p].enclose(x, order, sides) if self.silu is None else self._with_silu(p, x, order, sides)

    def moves(self, p: int) -> bool:
        """Whether anything depends on an input: derivatives that are not exactly zero."""
        pieces = self.edges[p]
        splines = any(np.any(table[1]) for table in (pieces.middles, pieces.radii))
        return bool(splines or (self.silu is not None and self.silu[:, p].any()))


@dataclass(frozen=True, eq=False)
class Posed(ShortRepr):
    """A network, a box (P, 2), where its inputs are cut first, and how close and how costly bounds may be."""

    steps: IntervalNetwork
    box: FloatArray
    knots: list[FloatArray]
    tolerance: float
    budget: int

    @classmethod
    def of(cls, net: Any, theta: FloatArray, box: FloatArray, tolerance: float, budget: int) -> Posed:
        """Read a network whose first layer has knots, or domains."""
        steps = interval_network(net, theta)
        apart = [SeparateEdges(**vars(step)) if isinstance(step, EdgeStep) else step for step in steps.steps]
        first = apart[0]
        assert isinstance(first, SeparateEdges)
        knots = [np.array(sorted({*map(float, _cuts_of(family))})) for family in first.layer.families]
        return cls(replace(steps, steps=tuple(apart)), box, knots, tolerance, budget)

    @property
    def unit(self) -> list[tuple[int, ...]]:
        """Exponents of the inputs, in their order."""
        return [tuple(int(k == p) for k in range(len(self.box))) for p in range(len(self.box))]

    def at(self, points: Any) -> Expansion:
        """Values and slopes at points (N, P)."""
        x = np.asarray(points, np.float64)
        return self.steps.sweep(Intervals(x, x), 1, limits=True)

    def slopes(self, expansion: Expansion, where: str = "over") -> Intervals:
        """Slopes (B, Q, P)."""
        number = getattr(expansion, where)
        zero = Intervals.of(np.zeros_like(number.value.lo))
        return joined([number.parts.get(index, zero) for index in self.unit], 2)

    @lazy
    def sample(self) -> tuple[FloatArray, Expansion]:
        """Random points of the box, its middle and, of few inputs, its corners, and what the network is there."""
        P = len(self.box)
        corners = np.array(np.meshgrid(*[[0.0, 1.0]] * P)).reshape(P, -1).T if P <= CORNERS else np.empty((0, P))
        shares = np.random.default_rng(0).uniform(size=(SAMPLED, P))
        x = self.inside(np.concatenate([corners, np.full((1, P), 0.5), shares]))
        return x, self.at(x)

    def inside(self, shares: FloatArray) -> FloatArray:
        """Points of the box at shares of its sides, those beyond 0 and 1 moved to the box."""
        low, high = self.box.T
        return np.clip(low + shares * (high - low), low, high)

    def highest(self, height: Callable[[Expansion], FloatArray]) -> FloatArray:
        """A point (P,) of the box where a function of values and slopes is large, by random steps that grow shorter."""
        x, expansion = self.sample
        heights, rng = height(expansion), np.random.default_rng(1)
        for k in range(ROUNDS):
            best = np.argsort(-heights)[:CLIMBERS]
            steps = rng.normal(size=(TRIALS, CLIMBERS, len(self.box))) * 2.0 ** (-3 - k)
            trial = np.clip(x[best] + steps * (self.box[:, 1] - self.box[:, 0]), *self.box.T).reshape(-1, len(self.box))
            x, heights = np.concatenate([x[best], trial]), np.concatenate([heights[best], height(self.at(trial))])
        return x[np.argmax(heights)]


def _cuts_of(family: Any) -> Any:
    return getattr(family, "knots", family.domain)


def hexadecimal(numbers: Any) -> Any:
    """Floats, in lists of any depth, as text that is exact."""
    if isinstance(numbers, np.ndarray):
        numbers = numbers.tolist()
    return float(numbers).hex() if isinstance(numbers, float | int) else [hexadecimal(each) for each in numbers]


@dataclass(eq=False)
class Attained(ShortRepr):
    """A value that the network attains, and where: the best that is known."""

    value: float
    point: FloatArray


@quiet()
def range_of_output(posed: Posed, q: int) -> Statement:
    """The least and the greatest value of an output: bounds on leaves, and points that come close to them."""
    best = [Attained(np.inf, posed.box[:, 0]), Attained(-np.inf, posed.box[:, 0])]

    def attain(x: FloatArray, values: Intervals) -> None:
        for k, end, which in ((0, values.hi, np.argmin), (1, values.lo, np.argmax)):
            at = int(which(end))
            if (end[at] > best[k].value) == bool(k) and end[at] != best[k].value:
                best[k] = Attained(float(end[at]), x[at])

    for sign in (-1.0, 1.0):
        x = posed.highest(lambda at, sign=sign: sign * at.centre.value.middle[:, q])[None]  # type: ignore[misc]
        attain(x, posed.at(x).centre.value[:, q])

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        expansion = posed.steps.sweep(boxes, 1, limits=True)
        attain(boxes.middle, expansion.centre.value[:, q])
        of_output = Expansion(expansion.centre[:, q], expansion.over[:, q], expansion.reach, expansion.smoothness)
        return of_output.over.value, np.nan_to_num(influence(of_output, 0))

    def wanted() -> tuple[float, float]:
        least, greatest = (each.value for each in best)
        room = posed.tolerance * max(greatest - least, LEVEL * max(abs(least), abs(greatest)))
        return least - room, greatest + room

    leaves = _finite(cut_into_leaves(enclosed, posed.box, posed.knots, wanted, posed.budget))
    found = {"low": leaves.low, "least": best[0].value, "least_at": best[0].point}
    found |= {"greatest": best[1].value, "greatest_at": best[1].point, "high": leaves.high}
    exact = {name: hexadecimal(value) for name, value in found.items()}
    return {"kind": "range", "output": q, **exact, "leaves": leaves.text}


@quiet()
def monotonicity(posed: Posed, q: int, p: int) -> Statement:
    """Whether an output rises or falls with an input everywhere, or does neither, which two pairs of points show."""
    first = posed.steps.steps[0]
    assert isinstance(first, SeparateEdges)
    same = {"output": q, "input": p}
    if not first.moves(p):
        return {"kind": "monotone", **same, "direction": "constant", "slope": hexadecimal(0.0), "leaves": "."}
    x, at = posed.sample
    slope = posed.slopes(at, "centre")[:, q, p].middle
    low, high = float(slope.min()), float(slope.max())
    if low < 0 < high:
        pairs = [_pair(posed, x[k], p) for k in (int(slope.argmax()), int(slope.argmin()))]
        moves = [posed.at(pair).centre.value[:, q] for pair in pairs]
        rise, fall = (move[1:] - move[:1] for move in moves)
        if rise.lo[0] > 0 and fall.hi[0] < 0:
            return {"kind": "not monotone", **same, "rises": hexadecimal(pairs[0]), "falls": hexadecimal(pairs[1])}
    sign = 1.0 if high > -low else -1.0

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        over = posed.slopes(posed.steps.sweep(boxes, 1, limits=True))[:, q, p]
        return (over if sign > 0 else -over), _bending(posed, boxes)

    # Any bound above zero will do; a tenth of the least slope found is not much harder to have.
    least = low if sign > 0 else -high
    leaves = cut_into_leaves(enclosed, posed.box, posed.knots, lambda: (max(0.1 * least, 0.0), np.inf), posed.budget)
    if not leaves.low > 0:
        remedy = "take more leaves, or a smaller box" if least > 0 else "it may be constant in parts of the box"
        raise NotProvenError(
            f"slopes at {len(x)} points lie in [{low:.3g}, {high:.3g}], and {leaves.count} leaves do not decide their "
            f"sign: {remedy}"
        )
    found = {"direction": "increasing" if sign > 0 else "decreasing", "slope": hexadecimal(leaves.low)}
    return {"kind": "monotone", **same, **found, "leaves": leaves.text}


def _pair(posed: Posed, x: FloatArray, p: int) -> FloatArray:
    """Two points around x in the box, apart along input p alone, the lower one first."""
    step = STEP * (posed.box[p, 1] - posed.box[p, 0])
    pair = np.stack([x, x])
    pair[:, p] = np.clip([x[p] - step, x[p] + step], *posed.box[p])
    return pair


def _bending(posed: Posed, boxes: Intervals) -> FloatArray:
    """How much slopes move along each input."""
    return np.nan_to_num(influence(posed.steps.sweep(boxes, 2, limits=True), 1))


@quiet()
def lipschitz(posed: Posed) -> Statement:
    """The Lipschitz constant in Euclidean norms: two points below, the Frobenius norm of slopes on leaves above."""

    def norms(at: Expansion) -> FloatArray:
        return np.linalg.norm(posed.slopes(at, "centre").middle, axis=(1, 2))

    best = Attained(0.0, posed.box.T.copy())

    def show(x: FloatArray) -> None:
        """Points on both sides of x, along the direction in which the outputs move most."""
        direction = np.linalg.svd(posed.slopes(posed.at(x[None]), "centre").middle[0])[2][0]
        step = STEP * direction * (posed.box[:, 1] - posed.box[:, 0]).max()
        pair = np.clip(x + np.stack([-step, step]), *posed.box.T)
        values = posed.at(pair).centre.value
        quotient = (values[1] - values[0]).norm(0).over((Intervals.of(pair[1]) - Intervals.of(pair[0])).norm(0))
        if float(quotient.lo) > best.value:
            best.value, best.point = float(quotient.lo), pair

    show(posed.highest(norms))

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        expansion = posed.steps.sweep(boxes, 1, limits=True)
        middle = norms(expansion)
        if middle.max() > best.value:
            show(boxes.middle[int(middle.argmax())])
        return posed.slopes(expansion).norm((1, 2)), _bending(posed, boxes)

    def wanted() -> tuple[float, float]:
        return -np.inf, best.value * (1 + posed.tolerance)

    leaves = _finite(cut_into_leaves(enclosed, posed.box, posed.knots, wanted, posed.budget))
    bounds = {"low": hexadecimal(best.value), "high": hexadecimal(leaves.high)}
    return {"kind": "lipschitz", **bounds, "points": hexadecimal(best.point), "leaves": leaves.text}


def _finite(leaves: Leaves) -> Leaves:
    if not np.isfinite([leaves.low, leaves.high]).all():
        raise NotProvenError("the bounds overflow: take a smaller box")
    return leaves


def largest_residual(posed: Posed, q: int, x: FloatArray, y: FloatArray) -> Statement:
    """The largest |F_q(x_s) - y_s| of samples."""
    sizes = (posed.at(x).centre.value[:, q] - Intervals.of(y[:, q])).absolute()
    s = int(sizes.lo.argmax())
    bounds = {"low": hexadecimal(float(sizes.lo[s])), "high": hexadecimal(float(sizes.hi.max()))}
    return {"kind": "residual", "output": q, **bounds, "sample": s}


def over_box(posed: Posed) -> Iterator[tuple[str, Callable[[], Statement]]]:
    """What is to be stated about a network over a box, by name."""
    P, Q = posed.steps.n_inputs, posed.steps.n_outputs
    for q in range(Q):
        yield f"range of output {q + 1}", lambda q=q: range_of_output(posed, q)  # type: ignore[misc]
    for q in range(Q):
        for p in range(P):
            name = f"monotonicity of output {q + 1} in input {p + 1}"
            yield name, lambda q=q, p=p: monotonicity(posed, q, p)  # type: ignore[misc]
    yield "Lipschitz constant", lambda: lipschitz(posed)


MOST_INPUTS = len(INPUTS)
