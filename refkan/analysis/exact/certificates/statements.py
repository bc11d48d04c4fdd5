r"""Statements about a network over a box, each with a witness from which it is simple to check again.

Bounds over leaves are those of first order: natural enclosures, narrowed by F(c) + S (x - c), S the slopes over the
leaf. A program over rational numbers that does the same operations has bounds that lie within these, as these are
rounded outwards at every one of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from refkan.analysis.exact.certificates.leaves import INPUTS, Enclosed, Leaves, cut_into_leaves
from refkan.analysis.exact.enclosures.float_intervals import Intervals, joined, quiet
from refkan.analysis.exact.enclosures.network_intervals import EdgeStep, IntervalNetwork, interval_network
from refkan.analysis.exact.enclosures.polynomial_pieces import nearest
from refkan.analysis.exact.enclosures.subdivision import of_greatest, of_range
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, influence, units
from refkan.base import FloatArray, Frozen, ShortRepr, lazy

SAMPLED = 1024
"""Random points at which values and slopes are looked at first."""

CORNERS = 6
"""Inputs up to which the corners of the box are among them."""

SHOWN = 4
"""Points of the steepest slopes that are tried in every round."""

STEP = 2.0**-20
"""Distance of two points that show a slope, relative to the longest side of the box, or to all."""

OVERFLOW = "a number overflows: take a smaller box"

Statement = dict[str, Any]


class NotProvenError(Exception):
    """What cannot be stated: why, and what would help."""


class Posed(Frozen):
    """A network, a box (P, 2), where its inputs are cut first, and how close and how costly bounds may be."""

    steps: IntervalNetwork
    first: EdgeStep
    box: FloatArray
    knots: list[FloatArray]
    tolerance: float
    budget: int

    @classmethod
    def of(cls, net: Any, theta: FloatArray, box: FloatArray, tolerance: float, budget: int) -> "Posed":
        """Read a network whose first layer has knots, or domains.

        Raises
        ------
        ValueError
            If an edge jumps.
        """
        steps = interval_network(net, theta)
        edges = [step for step in steps.steps if isinstance(step, EdgeStep)]
        if min(int(step.edges.together.smoothness.min()) for step in edges) < 0:
            raise ValueError("a certificate needs a continuous network; an edge jumps where too many knots coincide")
        cuts = [getattr(family, "knots", family.domain) for family in edges[0].layer.families]
        knots = [np.unique([nearest(t) for t in row]) for row in cuts]
        return cls(steps, edges[0], box, knots, tolerance, budget)

    def moves(self, p: int) -> bool:
        """Whether anything depends on an input: derivatives that are not exactly zero."""
        edge, silu = self.first.edges.inputs[p], self.first.silu
        splines = any(np.any(table[1]) for table in (edge.middles, edge.radii))
        return bool(splines or (silu is not None and silu[:, p].any()))

    def over(self, boxes: Intervals, order: int = 1) -> Expansion:
        """Values and slopes over boxes (B, P), and at their middles."""
        return self.steps.sweep(boxes, order, limits=True)

    def at(self, points: FloatArray) -> Expansion:
        """Values and slopes at points (N, P)."""
        return self.over(Intervals(points, points))

    @lazy
    def sample(self) -> tuple[FloatArray, Expansion]:
        """Random points of the box, of few inputs its corners too, and what the network is there."""
        low, high = self.box.T
        x = np.clip(low + (high - low) * np.random.default_rng(0).uniform(size=(SAMPLED, low.size)), low, high)
        if len(self.box) <= CORNERS:
            x = np.concatenate([x, np.array([*product(*self.box)])])
        return x, self.at(x)

    def slopes(self, number: TaylorIntervals) -> Intervals:
        """Slopes (B, Q, P)."""
        return joined([number.derivative(unit).value for unit in units(len(self.box))], 2)

    @property
    def sides(self) -> FloatArray:
        """The lengths (P,) of the box."""
        lengths: FloatArray = self.box[:, 1] - self.box[:, 0]
        return lengths

    def pairs_along(self, x: FloatArray, directions: FloatArray) -> tuple[FloatArray, Intervals]:
        """Pairs of points (K, 2, P) of the box around x (K, P), and the differences of the outputs (K, Q)."""
        steps = STEP * directions
        pairs = np.clip(np.stack([x - steps, x + steps], axis=1), *self.box.T)
        values = self.at(pairs.reshape(-1, len(self.box))).centre.value.reshape(len(x), 2, -1)
        return pairs, values[:, 1] - values[:, 0]

    def leaves(self, enclosed: Enclosed, wanted: Callable[[], tuple[float, float]]) -> Leaves:
        """Leaves of the box on which a quantity keeps within bounds, as far as the budget allows."""
        return cut_into_leaves(enclosed, self.box, self.knots, wanted, self.budget)

    def remark(self, leaves: Leaves) -> dict[str, str]:
        """What is to be said of bounds that are not as close as asked for."""
        if leaves.reached:
            return {}
        reason = f"the tolerance {self.tolerance:g} is not reached with {leaves.parts} leaves"
        return {"remark": f"{reason}: more --leaves come closer"}


@dataclass(eq=False)
class Attained(ShortRepr):
    """The largest number that is attained, as far as it is known, and where."""

    value: float = -np.inf
    point: FloatArray | None = None

    def improve(self, points: FloatArray, values: Intervals) -> None:
        """Take the best of points (K, ...) with values (K,), if it is better."""
        k = int(values.lo.argmax())
        if values.lo[k] > self.value:
            self.value, self.point = float(values.lo[k]), points[k]


def hexadecimal(numbers: Any) -> Any:
    """Floats, in lists of any depth, as text that is exact; None where no number is known."""
    if numbers is None:
        raise NotProvenError(OVERFLOW)
    if not isinstance(numbers, float | int):
        return [hexadecimal(each) for each in np.asarray(numbers).tolist()]
    if not np.isfinite(numbers):
        raise NotProvenError(OVERFLOW)
    return float(numbers).hex()


@quiet()
def range_of_output(posed: Posed, q: int) -> Statement:
    """The least and the greatest value of an output: bounds on leaves, and points that come close to them."""
    least, greatest = Attained(), Attained()

    def attain(x: FloatArray, values: Intervals) -> None:
        least.improve(x, -values)
        greatest.improve(x, values)

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        whole = posed.over(boxes)
        attain(boxes.middle, whole.centre.value[:, q])
        of_output = Expansion(whole.centre[:, q], whole.over[:, q], whole.reach, whole.smoothness)
        return of_output.over.value, np.nan_to_num(influence(of_output, 0))

    def wanted() -> tuple[float, float]:
        low, high = -least.value, greatest.value
        room = float(of_range(posed.tolerance)(np.array(low), np.array(high)))
        return low - room, high + room

    x, at = posed.sample
    attain(x, at.centre.value[:, q])
    leaves = posed.leaves(enclosed, wanted)
    points = {"least_at": least.point, "greatest_at": greatest.point}
    values = {"low": leaves.low, "least": -least.value, "greatest": greatest.value, "high": leaves.high}
    exact = {name: hexadecimal(value) for name, value in (points | values).items()}
    return {"kind": "range", "output": q, **exact, "leaves": leaves.text, **posed.remark(leaves)}


@quiet()
def monotonicity(posed: Posed, q: int, p: int) -> Statement:
    """Whether an output rises or falls with an input everywhere, or does neither, which two pairs of points show."""
    same = {"output": q, "input": p}
    if posed.sides[p] == 0:
        raise NotProvenError(f"input {p + 1} has one value in the box: nothing rises or falls with it")
    if not posed.moves(p):
        return {"kind": "monotone", **same, "direction": "constant", "slope": hexadecimal(0.0), "leaves": "."}
    x, at = posed.sample
    slope = posed.slopes(at.centre)[:, q, p].middle
    extremes = [int(slope.argmax()), int(slope.argmin())]
    high, low = (float(slope[k]) for k in extremes)
    if not np.isfinite([low, high]).all():
        raise NotProvenError(OVERFLOW)
    pairs, moves = posed.pairs_along(x[extremes], np.eye(len(posed.box))[[p, p]] * posed.sides.max())
    if moves.lo[0, q] > 0 and moves.hi[1, q] < 0:
        rises, falls = (hexadecimal(pair) for pair in pairs)
        return {"kind": "not monotone", **same, "rises": rises, "falls": falls}
    falling = high <= -low

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        over = posed.slopes(posed.over(boxes).over)[:, q, p]
        if falling:
            over = -over
        return over, _bending(posed, boxes)

    # Any bound above zero will do; a tenth of the least slope that was met is not much harder to have.
    least, direction = low, "increasing"
    if falling:
        least, direction = -high, "decreasing"
    leaves = posed.leaves(enclosed, lambda: (max(0.1 * least, 0.0), np.inf))
    if not leaves.low > 0:
        remedy = "it may be constant in parts of the box"
        if least > 0:
            remedy = "take more --leaves, or a smaller box"
        raise NotProvenError(
            f"slopes at {len(x)} points lie in [{low:.3g}, {high:.3g}], and {leaves.parts} leaves do not decide their "
            f"sign: {remedy}"
        )
    proven = {"direction": direction, "slope": hexadecimal(leaves.low)}
    return {"kind": "monotone", **same, **proven, "leaves": leaves.text}


def _bending(posed: Posed, boxes: Intervals) -> FloatArray:
    """How much slopes move along each input."""
    return np.nan_to_num(influence(posed.over(boxes, 2), 1))


@quiet()
def lipschitz(posed: Posed, scaled: bool = False) -> Statement:
    """The Lipschitz constant in Euclidean norms: two points below, the Frobenius norm of slopes on leaves above.

    The scaled one is that of u -> F(a + D u), a the lower corner of the box and D its sides: its slopes are S D, and
    distances |D^-1 (x - x')|. An input whose side is zero has no part in either.
    """
    if not posed.sides.any():
        raise NotProvenError("the box is a single point; two points are needed")
    best, P = Attained(), len(posed.box)
    kind, sides = "lipschitz", Intervals.of(np.ones(P))
    wide, reach = np.arange(P), posed.sides.max()
    if scaled:
        kind, sides = "scaled lipschitz", Intervals.of(posed.box[:, 1]) - Intervals.of(posed.box[:, 0])
        wide, reach = np.flatnonzero(posed.sides > 0), posed.sides

    def show(x: FloatArray, slopes: FloatArray) -> None:
        """Pairs of points around those of the steepest slopes, along the direction in which the outputs move most."""
        slopes = np.where(np.isfinite(slopes), slopes, 0.0)
        steepest = np.argsort(-np.linalg.norm(slopes, axis=(1, 2)))[:SHOWN]
        compare(x[steepest], np.linalg.svd(slopes[steepest])[2][:, 0] * reach)

    def compare(x: FloatArray, directions: FloatArray) -> None:
        pairs, moves = posed.pairs_along(x, directions)
        apart = (Intervals.of(pairs[:, 1]) - Intervals.of(pairs[:, 0]))[:, wide].over(sides[wide])
        best.improve(pairs, moves.norm(1).over(apart.norm(1)))

    def enclosed(boxes: Intervals) -> tuple[Intervals, FloatArray]:
        expansion = posed.over(boxes)
        show(boxes.middle, posed.slopes(expansion.centre).middle * sides.middle)
        return (posed.slopes(expansion.over) * sides).norm((1, 2)), _bending(posed, boxes)

    def wanted() -> tuple[float, float]:
        return -np.inf, best.value + float(of_greatest(posed.tolerance)(np.zeros(()), np.array(best.value)))

    x, at = posed.sample
    compare(posed.box.T[:1], posed.sides[None] / STEP)  # opposite corners, which differ however thin the box is
    show(x, posed.slopes(at.centre).middle * sides.middle)
    leaves = posed.leaves(enclosed, wanted)
    low, high = hexadecimal([max(best.value, 0.0), leaves.high])
    bounds = {"low": low, "high": high, "points": hexadecimal(best.point)}
    return {"kind": kind, **bounds, "leaves": leaves.text, **posed.remark(leaves)}


def largest_residual(posed: Posed, q: int, x: FloatArray, y: FloatArray) -> Statement:
    """The largest |F_q(x_s) - y_s| of samples."""
    sizes = (posed.at(x).centre.value[:, q] - Intervals.of(y[:, q])).absolute()
    s = int(sizes.lo.argmax())
    bounds = {"low": hexadecimal(float(sizes.lo[s])), "high": hexadecimal(float(sizes.hi.max()))}
    return {"kind": "residual", "output": q, **bounds, "sample": s}


def over_box(posed: Posed) -> Iterator[tuple[str, Callable[[], Statement]]]:
    """What is to be stated about a network over a box, by name."""
    outputs, inputs = range(posed.steps.n_outputs), range(posed.steps.n_inputs)
    for q in outputs:
        yield f"range of output {q + 1}", partial(range_of_output, posed, q)
    for q, p in product(outputs, inputs):
        yield f"monotonicity of output {q + 1} in input {p + 1}", partial(monotonicity, posed, q, p)
    yield "Lipschitz constant", partial(lipschitz, posed)
    if np.ptp(posed.sides):
        yield "Lipschitz constant in units of the sides of the box", partial(lipschitz, posed, scaled=True)


MOST_INPUTS = len(INPUTS)
