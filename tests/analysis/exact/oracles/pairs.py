"""Networks to compare with another: its parameters, layers, domains or maps moved a little."""

from dataclasses import replace

import numpy as np

import refkan as rk
from tests.analysis.exact.oracles import draws


def other_network(rng, net, theta):
    """A network near the other one, or far from it, of the same inputs and outputs."""
    kind = rng.choice(["ulp", "coefficient", "refined", "basis", "knots", "tails", "maps", "same"])
    if kind == "ulp":
        other = theta.copy()
        m = rng.integers(len(theta))
        other[m] = np.nextafter(other[m], np.inf)
        return net, other
    if kind == "coefficient":
        return net, np.where(rng.uniform(size=theta.shape) < 0.3, theta * 1.5, theta)
    if kind == "same":
        return net, theta
    try:
        if kind == "refined":
            fine = net.refine(2)
            return fine, net.convert(theta, fine)
        if kind == "basis":
            other = net.to_basis("relu" if net.basis == "spline" else "spline")
            return other, net.convert(theta, other)
    except (ValueError, TypeError, rk.KnotError):
        return net, theta
    if kind == "maps":
        return moved_maps(rng, net), theta
    layers = list(net.layers)
    k = int(rng.integers(len(layers)))
    chosen = layers[k]
    if not isinstance(chosen, (rk.SplineLayer, rk.ReluLayer)) or chosen.free_knots:
        return net, theta * (1 + 2.0**-50)
    if kind == "tails":
        layers[k] = replace(chosen, outside=str(rng.choice(draws.TAILS[:3])))
    else:
        spaces = list(chosen.spaces)
        knots = np.array(spaces[0].knots)
        i = int(rng.integers(len(knots)))
        knots[i] = np.nextafter(knots[i], np.inf)
        try:
            layers[k] = replace(chosen, spaces=(rk.SplineSpace(knots, chosen.order), *spaces[1:]))
        except (rk.KnotError, ValueError):
            return net, theta
    return rk.Network(tuple(layers), net.node_maps, net.statistics), theta


def moved_maps(rng, net):
    """The network with a constant of each node map moved by an ulp, upwards or downwards."""
    maps = []
    for m in net.node_maps:
        for name in ("scale", "domains"):
            if hasattr(m, name):
                constants = np.array(getattr(m, name))
                index = tuple(int(rng.integers(k)) for k in constants.shape)
                constants[index] = np.nextafter(constants[index], rng.choice([-np.inf, np.inf]))
                m = replace(m, **{name: constants})
        maps.append(m)
    return rk.Network(net.layers, tuple(maps), net.statistics)
