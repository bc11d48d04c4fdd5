"""What certificates claim of a box, held against exact numbers; each attack returns the claims that it found false."""

from functools import lru_cache

import flint
import numpy as np

import refkan as rk
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.jets import Balls, Rationals
from tests.analysis.exact.oracles.networks import OracleNetwork
from tests.analysis.exact.oracles.one_input import one_input_network, one_layer_network

REFUSALS = rk.ConvergenceError, ValueError  # what a certificate may raise; anything else is a fault
MARGIN = flint.fmpq(1, 2**64)  # of the oracle's own cuts, relative to the function


def fixed(net, theta):
    """The network with the maps and knots that it has at theta, and its parameters; None where there are none."""
    if any(m.uses_statistics for m in net.node_maps):
        try:
            net = net.freeze(theta)
        except (rk.DegenerateNodeError, ValueError):
            return None
    parts = []
    for blocks in net.unpack(np.asarray(theta, float)):
        parts += [block.ravel() for name, block in blocks.items() if name != "s"]
    return net.with_fixed_knots(theta), np.concatenate(parts)


def is_rational(net):
    """Whether its values are, at rational points."""
    layers = all(getattr(layer, "activation", "relu") not in ("tanh", "silu") for layer in net.layers)
    return layers and not any(isinstance(layer, rk.SiluLayer) for layer in net.layers)


BITS = 900
"""Of balls: the oracle's own error, which they hold, is far below what any float64 certificate can tell apart."""


in_balls = flint.ctx.workprec(BITS)
"""A decorator: balls have so many bits inside."""


class Points:
    """Exact values and derivatives at points: rational numbers, or balls of `BITS` bits where there are others."""

    def __init__(self, net, theta):
        rational = is_rational(net) and all(m.name != "sigmoid" for m in net.node_maps)
        self.oracle, self.kept = OracleNetwork(net, theta, Rationals if rational else Balls), {}

    def __call__(self, x):
        """Jets of the outputs: value, first (P,) and second derivatives (P, P)."""
        if tuple(x) not in self.kept:
            self.kept[tuple(x)] = self.oracle.in_inputs(x)
        return self.kept[tuple(x)]


@lru_cache(maxsize=4)
def points_of(net, theta):
    """The values of a network with the maps and knots that it has at theta, bytes of floats; None where it has none."""
    at_theta = fixed(net, np.frombuffer(theta))
    return None if at_theta is None else Points(*at_theta)


def exact_number(x):
    """A float as a rational number of flint."""
    return flint.fmpq(*float(x).as_integer_ratio())


def holds(bound, number):
    """Whether low <= number <= high, for a number in the ball as far as can be told; NaN holds nothing."""
    low, high = map(float, bound)
    if np.isnan(low) or np.isnan(high) or low > high or not (isinstance(number, flint.fmpq) or number.is_finite()):
        return False
    above = np.isneginf(low) or not number < exact_number(low)
    return above and (np.isposinf(high) or not number > exact_number(high))


@in_balls
def attack_enclosure(net, theta, box, points, counts):
    """`enclose`: values, first and second derivatives at points of the box."""
    exact = points_of(net, theta.tobytes())
    if exact is None:
        return []
    bounds, out = counts.certificate("enclose", rk.exact.enclose, net, theta, box)
    for x in points if bounds is not None else ():
        for q, y in enumerate(exact(x)):
            claims = [("value", bounds.value[q], y.v)]
            claims += [(f"first {p}", bounds.first[q, p], g) for p, g in enumerate(y.g)]
            claims += [(f"second {p} {r}", bounds.second[q, p, r], y.h[p, r]) for p, r in np.ndindex(y.h.shape)]
            for name, bound, number in claims:
                counts["numbers"] += 1
                if not holds(bound, number):
                    place = [str(v) for v in x]
                    out.append(f"enclose: {name} of output {q} at {place}: {_text(number)} not in {bound}")
    return out


def _text(x):
    if isinstance(x, flint.arb):
        return x.str(25)
    try:
        return f"{int(x.numerator) / int(x.denominator)!r}"
    except OverflowError:
        return "beyond float64"


@in_balls
def attack_samples(net, theta, box, points, counts, tolerance=1e-2, budget=60):
    """`extrema` and `lipschitz_constant` of any network against values and slopes at points, from inside."""
    exact = points_of(net, theta.tobytes())
    if exact is None:
        return []
    found = [exact(x) for x in points]
    size = max(max(abs(y.v) for y in at) for at in found)
    # At an end of the box the slope may be the one beyond it, which no quotient of the box sees.
    within = [all(a < t < b or a == b for t, (a, b) in zip(x, box.tolist(), strict=True)) for x in points]
    inner = [at for at, inside in zip(found, within, strict=True) if inside]
    steepest = max((sum(g * g for y in at for g in y.g) for at in inner), default=flint.fmpq(0))
    out = []
    if 0 < size < 10**290:
        certified, out = counts.certificate("extrema", rk.exact.extrema, net, theta, box, tolerance, budget)
        for at in found if certified else ():
            for q, y in enumerate(at):
                if not holds((certified[0][q, 0], certified[1][q, 1]), y.v):
                    out.append(f"extrema: output {q} is {_text(y.v)}, certified {certified[0][q]}, {certified[1][q]}")
    if jumps(net) or not 0 < steepest < 10**250:
        return out
    arguments = net, theta, box, tolerance, budget
    certified, more = counts.certificate("lipschitz", rk.exact.lipschitz_constant, *arguments)
    if certified and not np.isposinf(certified[1]) and exact_number(certified[1]) ** 2 * (2**60 + 1) < steepest * 2**60:
        more.append(f"lipschitz: certified to {certified[1]}, a square is {_text(steepest)}")
    return out + more


def exact_outputs(net, theta, box):
    """Terms [q][p], functions of one input each whose sum is output q; None if there is no such form."""
    kinds = rk.SplineLayer, rk.ReluLayer, rk.ChebyshevLayer
    if not all(isinstance(layer, kinds) and not layer.free_knots for layer in net.layers):
        return None
    if len(net.layers) == 1:
        return one_layer_network(net, theta, box)
    if net.widths[0] == 1 and all(m.name in ("none", "affine") for m in net.node_maps):
        return [[f] for f in one_input_network(net, theta, *box[0])]
    return None


def jumps(net):
    """Whether a layer may jump: order 1, or knots that repeat."""
    return any(
        any(space.order == 1 or np.any(np.diff(space.knots) == 0) for space in layer.spaces)
        for layer in net.layers
        if not isinstance(layer, (rk.ChebyshevLayer, rk.DenseLayer))
    )


def greatest(terms):
    """Infimum, supremum and size of a sum of functions of different inputs."""
    ends = [f.extremes() for f in terms]
    return sum(a for a, _ in ends), sum(b for _, b in ends), sum(f.size() for f in terms)


def between(low, high, number, slack):
    """Whether low - slack <= number <= high + slack, floats as they are."""
    if np.isnan(low) or np.isnan(high) or low > high:
        return False
    return (np.isneginf(low) or exact_number(low) <= number + slack) and (
        np.isposinf(high) or number - slack <= exact_number(high)
    )


def attack_extrema(net, theta, box, counts, tolerance=1e-6, budget=400):
    """`extrema` against exact least and greatest values, and its tolerance."""
    terms = exact_outputs(net, theta, box)
    exact = [greatest(t) for t in terms]
    size = max(s for *_, s in exact)
    if not 0 < size < 10**300:
        return []
    certified, out = counts.certificate("extrema", rk.exact.extrema, net, theta, box, tolerance, budget)
    if certified is None:
        return out
    minima, maxima = certified
    for q, (low, high, size) in enumerate(exact):
        asked = max(tolerance * float(max(high - low, max(-low, high) / 2**20)), 2.0**-1022)  # the least normal float
        for name, bound, number in (("least", minima[q], low), ("greatest", maxima[q], high)):
            if not between(*map(float, bound), number, size * MARGIN):
                out.append(f"extrema: {name} {q} is {_text(number)}, certified {bound}")
            rounding = asked * 1e-12 + 2 * np.spacing(np.abs(bound).max())
            if certified.reached and bound[1] - bound[0] > asked + rounding:
                out.append(f"extrema: {name} {q} is known to {bound[1] - bound[0]}, asked {asked}")
    return out


def exact_lipschitz(net, theta, box):
    """The square of the greatest Frobenius norm of dF/dx, and its size."""
    terms = exact_outputs(net, theta, box)
    total, size = 0, 0
    for p in range(len(terms[0])):
        squares = [f * f for f in (row[p].each(P.derivative) for row in terms)]
        column = sum(squares[1:], squares[0])
        total += column.extremes()[1]
        size += column.size()
    return total, size


def attack_lipschitz(net, theta, box, counts, tolerance=1e-3, budget=400):
    """`lipschitz_constant` against the greatest slopes of exact pieces."""
    if np.any(box[:, 0] == box[:, 1]):
        return []
    exact, size = exact_lipschitz(net, theta, box)
    if not 0 < size < 10**250:
        return []
    certified, out = counts.certificate("lipschitz", rk.exact.lipschitz_constant, net, theta, box, tolerance, budget)
    if certified is None:
        return out
    low, high = certified
    slack = size * MARGIN
    if not (np.isfinite(low) and 0 <= low <= high) or exact_number(low) ** 2 > exact + slack:
        return [f"lipschitz: square of the constant is {_text(exact)}, certified from {low} (square {low * low})"]
    if not np.isposinf(high) and exact_number(high) ** 2 < exact - slack:
        return [f"lipschitz: square of the constant is {_text(exact)}, certified to {high} (square {high * high})"]
    if certified.reached and high > low * (1 + tolerance * 1.001) + 1e-300:
        return [f"lipschitz: [{low}, {high}] is said to be within {tolerance}"]
    return []


@in_balls
def attack_difference(pair, other, box, counts, points=(), tolerance=1e-6, budget=100):
    """`sup_difference` against exact pieces of both networks, or against points from below."""
    one, two = exact_outputs(*pair, box), exact_outputs(*other, box)
    exact = size = None
    if one is not None and two is not None and not (jumps(pair[0]) or jumps(other[0])):
        ends = []
        for f, g in zip(one, two, strict=False):
            if len(f) != len(g):
                break
            ends.append(greatest([a - b for a, b in zip(f, g, strict=False)]))
        else:
            exact = max(max(-low, high) for low, high, _ in ends)
            size = sum(h.size() for row in (*one, *two) for h in row)
    arguments = *pair, *other, box, tolerance, budget
    certified, out = counts.certificate("sup_difference", rk.exact.sup_difference, *arguments)
    if certified is None:
        return out
    low, high = map(float, certified)
    if not 0 <= low <= high:
        return [f"sup_difference: certified [{low}, {high}]"]
    if exact is not None and not between(low, high, exact, size * MARGIN**2):
        return [f"sup_difference: certified [{low}, {high}], exact {_text(exact)}"]
    if np.isinf(high):
        return []
    f, g = (points_of(net, theta.tobytes()) for net, theta in (pair, other))
    for x in points:
        for v, w in zip(f(x), g(x), strict=False):
            number = abs(v.v - w.v)
            if number > exact_number(high):
                return [f"sup_difference: certified up to {high}, {_text(number)} at {[str(t) for t in x]}"]
    return []


class Counts(dict):
    """How many claims were held against the oracle, and how many refused."""

    def __missing__(self, key):
        return 0

    def certificate(self, name, function, *arguments, **options):
        """What a certificate says, or None, and false claims: none if it refuses in a way that it may."""
        try:
            out = function(*arguments, **options)
        except REFUSALS as error:
            self[f"{name} refused"] += 1
            self[f"    {name}: {type(error).__name__}: {str(error)[:70]}"] += 1
            return None, []
        except Exception as error:
            return None, [f"{name}: {type(error).__name__}: {error}"]
        self[name if getattr(out, "reached", True) else f"{name}, not to the tolerance"] += 1
        return out, []
