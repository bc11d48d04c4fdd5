"""For each kind of statement of a certificate, a search for what would violate it.

Searches are random points, points near ends and knots, and local searches, with values of the network in float64. What
they find is held against the statement with the truth's rational numbers (balls where values are not
rational), so that rounding neither hides a violation nor makes one.
"""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np

from refkan import truth

POINTS, ROUNDS, KEPT = 400, 4, 3
"""Random points of a box, rounds of local search, and points around which it goes on."""
BITS = 400
"""Of balls."""
DIGITS = 60
"""Of eigenvalues."""


class Exact:
    """A network with fixed maps and knots: float64 values for searches, exact ones at single points."""

    def __init__(self, net, theta, box, rng) -> None:
        layers = tuple(continued(layer) for layer in net.layers)
        self.net, self.theta, self.box, self.rng = replace(net, layers=layers), theta, np.asarray(box, float), rng
        sigmoids = any(each.name == "sigmoid" for each in net.node_maps)
        self.number = flint.arb if sigmoids else Fraction
        self.known: dict[tuple[float, ...], list[Any]] = {}

    def values(self, x) -> list[Any]:
        """All outputs at a point, exactly."""
        key = tuple(map(float, x))
        if key not in self.known:
            with flint.ctx.workprec(BITS):
                self.known[key] = self.computed(list(key))
        return self.known[key]

    def computed(self, x) -> list[Any]:
        """Values at a point; balls that say nothing where it lies on a knot behind a sigmoid."""
        try:
            return list(truth.of(self.net, self.theta, [x], number=self.number).value[0])
        except truth.UndecidedError:
            return [flint.arb("nan")] * self.net.widths[-1]

    def of(self, value: Fraction):
        """A rational number as the type of the values."""
        return value if self.number is Fraction else ball(value)

    def at(self, x) -> np.ndarray:
        """Float64 values of many points, (N, Q)."""
        with np.errstate(all="ignore"):
            try:
                return np.nan_to_num(self.net(self.theta, x), posinf=0.0, neginf=0.0)
            except (OverflowError, ValueError):
                return np.zeros((len(x), self.net.widths[-1]))

    def slopes(self, x) -> np.ndarray:
        """Float64 slopes of many points by difference quotients, (N, Q, P)."""
        low, high = self.box.T
        made = []
        for p in range(len(self.box)):
            step = np.zeros(len(self.box))
            step[p] = 1e-6 * (high[p] - low[p])
            right, left = np.minimum(x + step, high), np.maximum(x - step, low)
            apart = np.where(right[:, p] > left[:, p], right[:, p] - left[:, p], np.inf)
            made.append((self.at(right) - self.at(left)) / apart[:, None])
        return np.stack(made, axis=2)

    def starts(self) -> np.ndarray:
        """Random points, corners, and points near the knots of the first layer."""
        low, high = self.box.T
        x = low + (high - low) * self.rng.uniform(size=(POINTS, len(self.box)))
        x[: POINTS // 4] = np.where(self.rng.random((POINTS // 4, len(self.box))) < 0.5, low, high)
        first = self.net.layers[0]
        for p in range(len(self.box)):
            marks = np.array(first.spaces[p].knots if hasattr(first, "spaces") else first.ends[p], float)
            rows = self.rng.random(POINTS) < 0.3
            near = self.rng.choice(marks, rows.sum()) + (high[p] - low[p]) * 1e-9 * self.rng.integers(-1, 2, rows.sum())
            x[rows, p] = near
        return np.clip(x, low, high)

    def best(self, score) -> np.ndarray:
        """Points with the largest scores (N,): the best of the starts, and of shrinking random steps around these."""
        low, high = self.box.T
        x = self.starts()
        for k in range(ROUNDS):
            order = np.argsort(-score(x))[:KEPT]
            steps = (high - low) * 0.1**k * self.rng.normal(size=(KEPT, POINTS // 8, len(self.box)))
            moved = (x[order][:, None] + steps).reshape(-1, len(self.box))
            x = np.concatenate([x[order], np.clip(moved, low, high)])
        return x[np.argsort(-score(x))[:KEPT]]


def continued(layer):
    """The layer with its end pieces going on, where it refuses inputs outside its domain."""
    return replace(layer, outside="polynomial") if layer.outside == "error" else layer


def ball(value: Fraction):
    """A ball around a rational number."""
    return flint.arb(value.numerator) / value.denominator


def number(text: str) -> Fraction:
    """The number of a hexadecimal text."""
    return Fraction(float.fromhex(text))


def exceeds(value, bound: Fraction) -> bool:
    """Whether a rational number, or all of a ball, is above a bound."""
    if isinstance(value, Fraction | int):
        return value > bound
    return bool(value > ball(bound))


def is_below(value, bound: Fraction) -> bool:
    """Whether a rational number, or all of a ball, is below a bound."""
    return exceeds(-value, -bound)


# --- statements over a box


def attack_range(exact: Exact, said: dict[str, Any]) -> str:
    """A point where the output is below the least or above the greatest value."""
    q, low, high = said["output"], number(said["low"]), number(said["high"])
    for x in exact.best(lambda x: exact.at(x)[:, q]):
        if exceeds(exact.values(x)[q], high):
            return f"above the greatest value at {x.tolist()}"
    for x in exact.best(lambda x: -exact.at(x)[:, q]):
        if is_below(exact.values(x)[q], low):
            return f"below the least value at {x.tolist()}"
    for where, bound, wrong in (("least_at", "least", exceeds), ("greatest_at", "greatest", is_below)):
        point = [float.fromhex(text) for text in said[where]]
        if wrong(exact.values(point)[q], number(said[bound])):
            return f"{bound} is not attained at {point}"
    return ""


def pairs_along(exact: Exact, x, direction) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of points around x along a direction, within the box and from far apart to close."""
    low, high = exact.box.T
    return [
        (np.clip(x - h * direction, low, high), np.clip(x + h * direction, low, high)) for h in (1.0, 1e-2, 1e-5, 1e-8)
    ]


def attack_monotone(exact: Exact, said: dict[str, Any]) -> str:
    """Two points that differ in the input, between which the output moves less, or in the other direction."""
    q, p, slope = said["output"], said["input"], number(said["slope"])
    sign = {"increasing": 1, "decreasing": -1, "constant": 0}[said["direction"]]

    def score(x):
        slopes = exact.slopes(x)[:, q, p]
        return np.abs(slopes) if sign == 0 else -sign * slopes

    direction = np.eye(len(exact.box))[p] * np.ptp(exact.box[p])
    for x in exact.best(score):
        for a, b in pairs_along(exact, x, direction):
            apart = Fraction(b[p]) - Fraction(a[p])
            if apart <= 0:
                continue
            moved = exact.values(b)[q] - exact.values(a)[q]
            moves = exceeds(moved, Fraction(0)) or is_below(moved, Fraction(0))
            wrong = moves if sign == 0 else is_below(sign * moved, slope * apart)
            if wrong:
                return f"between {a.tolist()} and {b.tolist()}"
    return ""


def attack_not_monotone(exact: Exact, said: dict[str, Any]) -> str:
    """A pair that does not rise, or does not fall, as it is said to do."""
    q, p = said["output"], said["input"]
    for name, sign in (("rises", 1), ("falls", -1)):
        a, b = ([float.fromhex(text) for text in point] for point in said[name])
        others = [k for k in range(len(a)) if k != p and a[k] != b[k]]
        moved = sign * (exact.values(b)[q] - exact.values(a)[q])
        if others or not a[p] < b[p] or not exceeds(moved, Fraction(0)):
            return f"{name} from {a} to {b}"
    return ""


def attack_lipschitz(exact: Exact, said: dict[str, Any]) -> str:
    """Two points whose values are farther apart than the constant allows, or the pair that is said to be."""
    sides = [Fraction(b) - Fraction(a) for a, b in exact.box.tolist()]
    unit = sides if said["kind"].startswith("scaled") else [Fraction(1)] * len(sides)
    low, high = number(said["low"]), number(said["high"])
    scale = np.array([float(each) for each in unit])

    def squares(a, b):
        moved = [v - u for u, v in zip(exact.values(a), exact.values(b), strict=True)]
        apart = [(Fraction(v) - Fraction(u)) / h for u, v, h in zip(a, b, unit, strict=True) if h]
        return sum(each * each for each in moved), sum(each * each for each in apart)

    for x in exact.best(lambda x: np.linalg.norm(exact.slopes(x) * scale, 2, axis=(1, 2))):
        direction = np.linalg.svd(exact.slopes(x[None])[0] * scale)[2][0] * scale
        for a, b in pairs_along(exact, x, direction):
            moved, apart = squares(a.tolist(), b.tolist())
            if apart and exceeds(moved, high**2 * apart):
                return f"steeper between {a.tolist()} and {b.tolist()}"
    a, b = ([float.fromhex(text) for text in point] for point in said["points"])
    moved, apart = squares(a, b)
    return f"less steep between {a} and {b}" if is_below(moved, low**2 * apart) else ""


# --- statements at samples


def attack_residual(exact: Exact, said: dict[str, Any], x, y) -> str:
    """A sample with a larger residual, or all with smaller ones."""
    q, low, high = said["output"], number(said["low"]), number(said["high"])
    targets = [exact.of(Fraction(target)) for target in y[:, q].tolist()]
    sizes = [abs(exact.values(row)[q] - target) for row, target in zip(x, targets, strict=True)]
    if any(exceeds(size, high) for size in sizes):
        return "a larger residual"
    return "no residual is as large" if all(is_below(size, low) for size in sizes) else ""


def exact_jacobian(exact: Exact, x):
    """The Jacobian, over the rationals or in balls."""
    return [list(row) for row in truth.of(exact.net, exact.theta, x, number=exact.number).jacobian()]


def decimal(value):
    """A rational number, or the middle of a ball, as a number of mpmath."""
    if isinstance(value, flint.arb):
        return mpmath.mpf(value.mid().str(2 * DIGITS, radius=False))
    return mpmath.mpf(value.numerator) / value.denominator


def attack_rank(exact: Exact, said: dict[str, Any], x) -> str:
    """Another rank over the rationals, by elimination without division."""
    rank = rank_by_elimination(exact_jacobian(exact, x))
    return "" if said["low"] <= rank <= said["high"] else f"rank {rank}"


def rank_by_elimination(rows) -> int:
    """The rank of a matrix of fractions."""
    rows, rank = [list(row) for row in rows], 0
    for column in range(len(rows[0])):
        pivot = next((k for k in range(rank, len(rows)) if rows[k][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for k in range(rank + 1, len(rows)):
            if rows[k][column]:
                factor = rows[k][column] / rows[rank][column]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[rank], strict=True)]
        rank += 1
    return rank


def attack_condition(exact: Exact, said: dict[str, Any], x) -> str:
    """Eigenvalues of J^T J/N, those of the smaller of it and J J^T/N, outside of their bounds."""
    with mpmath.workdps(DIGITS):
        J = mpmath.matrix([[decimal(entry) for entry in row] for row in exact_jacobian(exact, x)])
        gram = J * J.T if J.rows <= J.cols else J.T * J
        values = sorted(mpmath.eigsy(gram / len(x), eigvals_only=True))
        room = mpmath.mpf(10) ** (5 - DIGITS) * values[-1]
        for name, value in (("largest", values[-1]), ("smallest", values[len(values) - said["rank"]])):
            low, high = (decimal(number(text)) for text in said[name])
            if not low - room <= value <= high + room:
                return f"the {name} eigenvalue is {mpmath.nstr(value, 20)}"
    return ""


OVER_BOX = {
    "range": attack_range,
    "monotone": attack_monotone,
    "not monotone": attack_not_monotone,
    "lipschitz": attack_lipschitz,
    "scaled lipschitz": attack_lipschitz,
}
AT_SAMPLES = {"rank": attack_rank, "condition": attack_condition}
KINDS = (*OVER_BOX, "residual", *AT_SAMPLES)
"""All kinds of statements that a certificate has."""


def violation(exact: Exact, said: dict[str, Any], x, y) -> str:
    """Say what violates a statement; empty if nothing was found."""
    with flint.ctx.workprec(BITS):
        try:
            return _violation(exact, said, x, y)
        except truth.UndecidedError:  # a sample on a knot behind a sigmoid
            return ""


def _violation(exact: Exact, said: dict[str, Any], x, y) -> str:
    kind = said["kind"]
    if kind in OVER_BOX:
        return OVER_BOX[kind](exact, said)
    if kind == "residual":
        return attack_residual(exact, said, x, y)
    return AT_SAMPLES[kind](exact, said, x)
