"""Random and adversarial networks, boxes and points of boxes."""

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np

import refkan as rk
from refkan.base.errors import KnotError
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import MeanStdMap, MinMaxMap, SigmoidMap, Unmapped

TAILS = ("linear", "polynomial", "natural", "error")
UNITS = (1.0, 1.0, 1.0, 1.0, 3e-7, 1e10, 2.0**-480, 1e-150, 1e150)


def cases(count):
    """Numbers of cases, from which each draws its own seed."""
    return range(count)


def space(rng, order, n, unit, repeat=True):
    """A spline space of any sort of knots, in a unit."""
    kind = rng.choice(["uniform", "uniform", "dyadic", "random", "near", "clamped" if repeat else "random"])
    if kind == "dyadic":
        return rk.SplineSpace.uniform(order, n, (-unit, n * unit / 2))
    low, length = unit * rng.uniform(-2, 1), unit * rng.uniform(0.2, 3)
    if kind == "uniform":
        return rk.SplineSpace.uniform(order, n, (low, low + length))
    inner = np.sort(rng.uniform(low, low + length, n + 1))
    if kind == "near" and n > 1:  # neighbours a few ulps apart
        inner[1] = inner[0] + 4 * np.spacing(inner[0])
        inner = np.sort(inner)
    if kind == "clamped":
        knots = np.r_[[inner[0]] * (order - 1), inner, [inner[-1]] * (order - 1)]
    else:
        steps = length * rng.uniform(0.1, 1, (2, order - 1)).cumsum(axis=1)
        knots = np.r_[(inner[0] - steps[0])[::-1], inner, inner[-1] + steps[1]]
    try:
        return rk.SplineSpace(knots, order)
    except KnotError:
        return rk.SplineSpace.uniform(order, n, (-unit, unit))


def coefficients(rng, shape, unit):
    """Coefficients of a layer: of all sizes, many of them zero or dyadic, which puts hidden activations onto knots."""
    kind = rng.choice(["normal", "normal", "dyadic", "dyadic", "sparse", "mixed", "ulps"])
    c = rng.normal(size=shape)
    if kind == "dyadic":
        c = rng.integers(-4, 5, shape) / 4
    if kind == "sparse":
        c = c * (rng.uniform(size=shape) < 0.4)
    if kind == "mixed":
        c = c * 10.0 ** rng.integers(-12, 3, shape)
    if kind == "ulps":
        c = 1 + rng.integers(-2, 3, shape) * 2.0**-52
    return c * unit


POLYNOMIALS = ("spline", "spline", "spline", "relu", "scaled", "chebyshev")
"""Kinds of layers that are made of polynomials, as often as they are drawn."""


def dense(rng, inputs, outputs, unit):
    """A dense layer of any activation, with weights and biases that put some activations onto the kink."""
    activation = str(rng.choice(["relu", "relu3", "tanh", "silu", "identity"]))
    found = rk.DenseLayer(inputs, outputs, activation, bool(rng.uniform() < 0.7))
    return found, np.clip(coefficients(rng, (found.n_params,), unit), -1e100, 1e100)


def layer(rng, inputs, outputs, unit_in, unit_out, outside=None, order=None, kinds=POLYNOMIALS, repeat=True):
    """A layer and its parameters."""
    outside = outside or str(rng.choice(TAILS[:3]))
    order = order or int(rng.choice([1, 2, 2, 3, 3, 4, 4, 5, 6]))
    n = int(rng.choice([1, 1, 2, 3, 4]))
    kind = rng.choice(kinds)
    if kind == "dense":
        return dense(rng, inputs, outputs, unit_out)
    if kind in ("silu", "free"):
        order, outside = max(order, 2), "linear" if kind == "free" else outside
        spaces = tuple(rk.SplineSpace.uniform(order, n, (-unit_in, unit_in)) for _ in range(inputs))
        found = rk.SplineLayer(spaces, outputs, outside, free_knots=bool(kind == "free"))
        blocks = {"coefficients": coefficients(rng, found.blocks["coefficients"], unit_out)}
        blocks |= {"s": rng.normal(size=found.blocks["s"])} if kind == "free" else {}
        if kind == "silu" or rng.uniform() < 0.3:
            found = rk.SiluLayer(found)
            blocks |= {name: coefficients(rng, found.blocks[name], 1.0) for name in ("w_b", "w_s")}
        return found, np.clip(np.nan_to_num(found.pack(**blocks)), -1e300, 1e300)
    if kind == "chebyshev":
        ends = [sorted(unit_in * rng.uniform(-2, 2, 2)) for _ in range(inputs)]
        found = rk.ChebyshevLayer(ends, outputs, max(order - 1, 1), "linear" if outside == "natural" else outside)
    elif kind == "spline":
        spaces = tuple(space(rng, order, n, unit_in, repeat) for _ in range(inputs))
        found = rk.SplineLayer(spaces, outputs, outside)
    else:
        spaces = tuple(space(rng, order, n, unit_in, False) for _ in range(inputs))
        if (order - 1) * abs(np.log10(unit_in)) > 280:  # powers of such lengths are no numbers of float64
            kind = "scaled"
        found = rk.ReluLayer(spaces, outputs, outside, scaled=bool(kind == "scaled"))
        if kind == "relu":
            unit_out = unit_out / 10.0 ** np.clip((order - 1) * np.log10(unit_in), -200, 200)
    c = coefficients(rng, found.blocks["coefficients"], unit_out)
    return found, np.clip(np.nan_to_num(c), -1e300, 1e300)


def domains(found):
    """Domains (P, 2) of a layer; where a dense one bends, or nearly does."""
    if isinstance(found, rk.DenseLayer):
        return np.array([[-1.0, 1.0]] * found.n_inputs)
    return np.array(found.ends) if isinstance(found, rk.ChebyshevLayer) else np.array(found.domains)


def node_map(rng, kind, after, unit):
    """A map of activations of the size `unit` into the domains of the layer after it."""
    ends = domains(after)
    if kind == "none":
        return Unmapped()
    if kind == "affine":
        with np.errstate(over="ignore"):
            scale = (ends[:, 1] - ends[:, 0]) / unit / rng.choice([1.0, 2.0, 3.0, 0.25])
        shift = rng.choice([ends.mean(axis=1), ends[:, 0], ends[:, 1]])
        return AffineMap(np.clip(scale * rng.choice([-1, 1], scale.shape), -1e300, 1e300), shift)
    return {"sigmoid": SigmoidMap, "mean-std": MeanStdMap, "min-max": MinMaxMap}[kind](ends)


MAPS = ("none", "affine", "affine", "sigmoid", "mean-std", "min-max")


def network(rng, widths, maps=MAPS, orders=None, tame=False, kinds=POLYNOMIALS):
    """A network of any layers and maps, and its parameters; `tame`: units of one, knots that do not repeat."""
    units = [1.0 if tame else float(rng.choice(UNITS)) for _ in range(2 * len(widths))]
    if not tame and rng.uniform() < 0.08:
        units[-1] = float(rng.choice([1e290, 1e-310, 5e-324]))
    outside = str(rng.choice(TAILS))
    layers, maps_, parameters = [], [], []
    for k, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        kind = str(rng.choice(maps))
        if rng.uniform() < 0.3 and outside != "error":
            outside = str(rng.choice(TAILS[:3]))
        if k and kind == "none":
            units[2 * k] = units[2 * k - 1]
        order = None if orders is None else int(rng.choice(orders))
        found, c = layer(rng, inputs, outputs, units[2 * k], units[2 * k + 1], outside, order, kinds, not tame)
        if k:
            maps_.append(node_map(rng, kind, found, units[2 * k - 1]))
        layers.append(found)
        parameters.append(c.ravel())
    statistics = None
    if any(m.uses_statistics for m in maps_):
        ends = domains(layers[0])
        statistics = rng.uniform(ends[:, 0], ends[:, 1], (5, widths[0]))
    return rk.Network(tuple(layers), tuple(maps_), statistics), np.concatenate(parameters)


def without_margin(net):
    """The network whose affine maps of [0, 1] take the least and the greatest activation to its ends, but for rounding.

    That `initialize` leaves 2^-10 free at both ends is undone.
    """
    c = (1 + 1e-15) / (1 - 2.0**-9)
    maps = tuple(replace(m, scale=c * m.scale, shift=0.5 + c * (m.shift - 0.5)) for m in net.node_maps)
    return replace(net, node_maps=maps)


def breaks(first, p):
    """Where the functions of input p may change: knots, or the ends of the domain."""
    if isinstance(first, rk.DenseLayer):
        return [-1.0, 0.0, 1.0]
    return list(map(float, first.ends[p] if isinstance(first, rk.ChebyshevLayer) else first.spaces[p].knots))


def box(rng, net):
    """A box of inputs (P, 2): the domain, a part, a point, an ulp, across an end, beside a knot, or far out."""
    first, out = net.layers[0], []
    for p, (a, b) in enumerate(domains(first)):
        kind = rng.choice(["domain", "part", "part", "point", "ulp", "across", "knot", "knots", "far", "beyond"])
        if first.outside == "error" and kind in ("across", "far", "beyond"):
            kind = "part"
        marks = [k for k in breaks(first, p) if first.outside != "error" or a <= k <= b]
        x, y = np.sort(rng.uniform(a, b, 2))
        if kind == "domain":
            x, y = a, b
        elif kind == "point":
            x = y = float(rng.choice([x, *marks]))
        elif kind == "ulp":
            x = float(rng.choice([x, *marks]))
            y = np.nextafter(x, np.inf)
        elif kind == "across":
            end, width = float(rng.choice([a, b])), (b - a) * float(rng.choice([1e-14, 0.1, 1.0, 30.0]))
            x, y = end - width, end + width * rng.uniform()
        elif kind == "knot":
            x = float(rng.choice(marks))
            y = x + (b - a) * float(rng.choice([1e-12, 0.1]))
            if rng.uniform() < 0.5:
                x, y = 2 * x - y, x
        elif kind == "knots":
            x, y = np.sort(rng.choice(marks, 2))
        elif kind == "far":
            x = float(rng.choice([1e3, -1e3, 1e10, -1e200, 1e200])) * (b - a)
            y = float(rng.choice([x, x + abs(x) * 1e-10, abs(x) + (b - a), 1e201 * (b - a)]))
        elif kind == "beyond":
            x, y = b, b + (b - a) * rng.uniform(0, 2)
        x, y = np.clip(np.nan_to_num([x, y]), -1e300, 1e300)
        if first.outside == "error":
            x, y = np.clip([x, y], a, b)
        out.append(sorted((float(x), float(y))))
    return np.array(out)


def points(rng, net, sides, count):
    """Rational points of a box: ends, knots, an ulp beside both, midpoints, thirds, and random ones."""
    columns = []
    for p, (low, high) in enumerate(sides):
        marks = [k for k in breaks(net.layers[0], p) if low <= k <= high]
        near = [np.nextafter(k, direction) for k in [low, high, *marks] for direction in (-np.inf, np.inf)]
        low_, high_ = Fraction(low), Fraction(high)
        inside = [
            low_ + (high_ - low_) * s for s in (Fraction(1, 2), Fraction(1, 3), Fraction(int(rng.integers(1, 97)), 97))
        ]
        choices = [low, high, *marks, *(float(x) for x in near if low <= x <= high)]
        columns.append((choices, inside))
    out = []
    for _ in range(count):
        point = []
        for choices, inside in columns:
            pool = choices if rng.uniform() < 0.6 else inside
            point.append(Fraction(pool[int(rng.integers(len(pool)))]))
        out.append(point)
    return out
