"""What certificates claim of a box, held against exact numbers; each attack returns the claims that it found false."""

from fractions import Fraction

import mpmath
import numpy as np

import refkan as rk
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.networks import Digits, OracleNetwork
from tests.analysis.exact.oracles.one_input import one_input_network, one_layer_network

REFUSALS = rk.ConvergenceError, ValueError  # what a certificate may raise; anything else is a fault
MARGIN = Fraction(1, 2**64)  # of the oracle's own cuts, relative to the function


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


class Points:
    """Exact values and derivatives at points, over Fractions, or by two precisions where there are sigmoids."""

    def __init__(self, net, theta):
        self.rational = is_rational(net) and all(m.name != "sigmoid" for m in net.node_maps)
        self.net, self.theta = net, theta
        if self.rational:
            self.oracle = OracleNetwork(net, theta)

    def __call__(self, x, second=True):
        """Pairs (number, its own error) of value (Q,), first (Q, P) and second (Q, P, P)."""
        if self.rational:
            jets = self.oracle.in_inputs(x, second)
            return [
                [(y.v, 0), [(g, 0) for g in y.g], [[(h, 0) for h in row] for row in y.h] if second else []]
                for y in jets
            ]
        results = []
        for digits in (200, 260):
            with mpmath.workdps(digits):
                results.append(OracleNetwork(self.net, self.theta, Digits).in_inputs(x, second))
        with mpmath.workdps(260):

            def pair(a, b):
                return b, 4 * abs(a - b)

            if not second:
                return [
                    [pair(y.v, z.v), [pair(a, b) for a, b in zip(y.g, z.g, strict=True)], []]
                    for y, z in zip(*results, strict=True)
                ]
            return [
                [
                    pair(y.v, z.v),
                    [pair(a, b) for a, b in zip(y.g, z.g, strict=False)],
                    [[pair(a, b) for a, b in zip(*rows, strict=False)] for rows in zip(y.h, z.h, strict=False)],
                ]
                for y, z in zip(*results, strict=False)
            ]


def holds(bound, pair):
    """Whether low <= number <= high, but for the oracle's own error; NaN holds nothing."""
    (low, high), (number, error) = map(float, bound), pair
    if np.isnan(low) or np.isnan(high) or low > high:
        return False
    above = np.isneginf(low) or number + error >= (Fraction(low) if isinstance(number, Fraction) else low)
    below = np.isposinf(high) or number - error <= (Fraction(high) if isinstance(number, Fraction) else high)
    return bool(above and below)


def attack_enclosure(net, theta, box, points, counts):
    """`enclose`: values, first and second derivatives at points of the box."""
    at_theta = fixed(net, theta)
    if at_theta is None:
        return []
    bounds, out = counts.certificate("enclose", rk.exact.enclose, net, theta, box)
    if bounds is None:
        return out
    exact = Points(*at_theta)
    with mpmath.workdps(260):
        for x in points:
            for q, (value, first, second) in enumerate(exact(x)):
                claims = [("value", bounds.value[q], value)]
                claims += [(f"first {p}", bounds.first[q, p], y) for p, y in enumerate(first)]
                claims += [
                    (f"second {p} {r}", bounds.second[q, p, r], y)
                    for p, row in enumerate(second)
                    for r, y in enumerate(row)
                ]
                for name, bound, pair in claims:
                    counts["numbers"] += 1
                    if not holds(bound, pair):
                        found = mpmath.nstr(pair[0], 25) if not isinstance(pair[0], Fraction) else _text(pair[0])
                        out.append(f"enclose: {name} of output {q} at {[str(v) for v in x]}: {found} not in {bound}")
    return out


def _text(x):
    try:
        return f"{float(x)!r}"
    except OverflowError:
        return "beyond float64"


def attack_samples(net, theta, box, points, counts, tolerance=1e-2, budget=100):
    """`extrema` and `lipschitz_constant` of any network against values and slopes at points, from inside."""
    at_theta = fixed(net, theta)
    if at_theta is None:
        return []
    with mpmath.workdps(260):
        found = [Points(*at_theta)(x, second=False) for x in points]
        size = max(max(abs(y[0][0]) for y in at) for at in found)
        # At an end of the box the slope may be the one beyond it, which no quotient of the box sees.
        within = [all(a < t < b or a == b for t, (a, b) in zip(x, box.tolist(), strict=True)) for x in points]
        inner = [at for at, inside in zip(found, within, strict=True) if inside]
        steepest = max((sum(g * g for _, first, _ in at for g, _ in first) for at in inner), default=0)
        out = []
        if 0 < size < 1e290:
            certified, out = counts.certificate("extrema", rk.exact.extrema, net, theta, box, tolerance, budget)
            for at in found if certified else ():
                for q, ((v, error), *_) in enumerate(at):
                    if not holds((certified[0][q, 0], certified[1][q, 1]), (v, error)):
                        out.append(f"extrema: output {q} is {_text(v)}, certified {certified[0][q]}, {certified[1][q]}")
        if jumps(net) or not 0 < steepest < 1e250:
            return out
        arguments = net, theta, box, tolerance, budget
        certified, more = counts.certificate("lipschitz", rk.exact.lipschitz_constant, *arguments)
        if certified and not (
            np.isposinf(certified[1]) or _square(certified[1], steepest) * (2**60 + 1) >= steepest * 2**60
        ):
            more.append(f"lipschitz: certified to {certified[1]}, a square is {_text(steepest)}")
    return out + more


def _square(x, like):
    """The square of a float as a number of the type of the other."""
    return (Fraction(x) if isinstance(like, Fraction) else mpmath.mpf(x)) ** 2


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
    return (np.isneginf(low) or Fraction(low) <= number + slack) and (
        np.isposinf(high) or number - slack <= Fraction(high)
    )


def attack_extrema(net, theta, box, counts, tolerance=1e-6, budget=400):
    """`extrema` against exact least and greatest values, and its tolerance."""
    terms = exact_outputs(net, theta, box)
    exact = [greatest(t) for t in terms]
    size = max(s for *_, s in exact)
    if not 0 < size < Fraction(10) ** 300:
        return []
    certified, out = counts.certificate("extrema", rk.exact.extrema, net, theta, box, tolerance, budget)
    if certified is None:
        return out
    minima, maxima = certified
    for q, (low, high, size) in enumerate(exact):
        asked = tolerance * float(max(high - low, max(-low, high) / 2**20, Fraction(2) ** -1022))
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
    total, size = Fraction(0), Fraction(0)
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
    if not 0 < size < Fraction(10) ** 250:
        return []
    certified, out = counts.certificate("lipschitz", rk.exact.lipschitz_constant, net, theta, box, tolerance, budget)
    if certified is None:
        return out
    low, high = certified
    slack = size * MARGIN
    if not (np.isfinite(low) and 0 <= low <= high) or Fraction(low) ** 2 > exact + slack:
        return [f"lipschitz: square of the constant is {_text(exact)}, certified from {low} (square {low * low})"]
    if not np.isposinf(high) and Fraction(high) ** 2 < exact - slack:
        return [f"lipschitz: square of the constant is {_text(exact)}, certified to {high} (square {high * high})"]
    if certified.reached and high > low * (1 + tolerance * 1.001) + 1e-300:
        return [f"lipschitz: [{low}, {high}] is said to be within {tolerance}"]
    return []


def attack_difference(pair, other, box, counts, points=(), tolerance=1e-6, budget=400):
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
    f, g = Points(*fixed(*pair)), Points(*fixed(*other))
    with mpmath.workdps(260):
        for x in points:
            for (v, *_), (w, *_) in zip(f(x), g(x), strict=False):
                number = abs(v[0] - w[0]) if type(v[0]) is type(w[0]) else abs(mp(v[0]) - mp(w[0]))
                error = v[1] + w[1]
                top = Fraction(high) if isinstance(number, Fraction) else mpmath.mpf(high)
                if number - error > top:
                    return [f"sup_difference: certified up to {high}, {_text(number)} at {[str(v) for v in x]}"]
    return []


def mp(x):
    """Any number as one of mpmath."""
    return mpmath.mpf(x.numerator) / x.denominator if isinstance(x, Fraction) else x


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
