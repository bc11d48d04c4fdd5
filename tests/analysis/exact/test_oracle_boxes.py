"""`enclose`, `extrema`, `lipschitz_constant` and `sup_difference` against exact numbers of an independent oracle."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from tests.analysis.exact.oracles import attacks, draws, pairs
from tests.analysis.exact.oracles import polynomials as P

pytestmark = pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value", "ignore:.*jump")


def drawn(seed):
    """A generator, a network of one to three layers and its parameters."""
    rng = np.random.default_rng([7, seed])
    depth = int(rng.choice([1, 2, 2, 3]))
    one_input = rng.uniform() < 0.5
    widths = [1 if one_input else int(rng.integers(1, 4))] + [int(rng.integers(1, 4)) for _ in range(depth)]
    maps = ("none", "affine") if one_input else ("none", "affine", "affine", "sigmoid", "mean-std", "min-max")
    return rng, *draws.network(rng, widths, maps, (1, 2, 3) if depth == 3 else None, tame=rng.uniform() < 0.4)


def with_pieces(seed):
    """As `drawn`, of continuous functions that the oracle writes as pieces of a degree below 20."""
    rng = np.random.default_rng([8, seed])
    while True:
        widths = [1, 2, 1] if rng.uniform() < 0.6 else [int(rng.integers(1, 4)), int(rng.integers(1, 3))]
        net, theta = draws.network(rng, widths, ("none", "affine"), (2, 3, 4), tame=rng.uniform() < 0.6)
        if not attacks.jumps(net):
            return rng, net, theta


def boxes_and_points(rng, net, count):
    """Boxes, and four points of each."""
    for _ in range(count):
        box = draws.box(rng, net)
        yield box, draws.points(rng, net, box, 4)


def enclosures(seed, counts, boxes):
    """All layers, maps, tails and units; boxes of a point, an ulp, across ends, far out."""
    rng, net, theta = drawn(seed)
    for box, points in boxes_and_points(rng, net, boxes):
        yield from attacks.attack_enclosure(net, theta, box, points, counts)


def samples(seed, counts, boxes):
    """From inside, where there are no exact pieces: several inputs and layers, sigmoids, steps."""
    rng, net, theta = drawn(seed + 1000)
    for box, points in boxes_and_points(rng, net, boxes):
        yield from attacks.attack_samples(net, theta, box, points, counts)


def extremes(attack, seed, counts, boxes):
    """Greatest values, or slopes, are those of exact pieces: both ends of the certificate, and the tolerance."""
    rng, net, theta = with_pieces(seed)
    for _ in range(boxes):
        yield from attack(net, theta, draws.box(rng, net), counts)


def differences(seed, counts, boxes):
    """Of networks an ulp apart, refined, in another basis, on other knots, with other tails."""
    rng, net, theta = with_pieces(seed) if seed % 2 else drawn(seed)
    for _ in range(boxes if attacks.fixed(net, theta) else 0):
        box, other = draws.box(rng, net), pairs.other_network(rng, net, theta)
        points = draws.points(rng, net, box, 2) + draws.points(rng, other[0], box, 2)
        yield from attacks.attack_difference((net, theta), other, box, counts, points)


LAYERS = {
    "silu": ("silu", "silu", "spline"),
    "dense": ("dense",),
    "free": ("free",),
    "all": (*draws.POLYNOMIALS, "silu", "dense", "free"),
    "chebyshev": ("chebyshev",),
    "statistics": draws.POLYNOMIALS,
}


def of_layers(kind, seed, counts, boxes):
    """SiLU edges with scales of any size and sign, activations at kinks, knots that moved, sigmoids and statistics."""
    rng = np.random.default_rng([15, list(LAYERS).index(kind), seed])
    widths = [int(n) for n in rng.integers(1, 4, int(rng.integers(2, 4)))]
    maps = ("sigmoid", "mean-std") if kind == "statistics" else draws.MAPS
    net, theta = draws.network(rng, widths, maps, (2, 3, 4), tame=rng.uniform() < 0.7, kinds=LAYERS[kind])
    at_theta = attacks.fixed(net, theta)
    for box, points in boxes_and_points(rng, at_theta[0], boxes) if at_theta else ():
        yield from attacks.attack_enclosure(net, theta, box, points, counts)
        yield from attacks.attack_samples(net, theta, box, points[:2], counts)
        other = pairs.other_network(rng, net, theta)
        yield from attacks.attack_difference((net, theta), other, box, counts, points[:2])


ATTACKS = {
    **{kind: (partial(of_layers, kind), "enclose") for kind in LAYERS},
    "enclosures": (enclosures, "enclose"),
    "extrema": (partial(extremes, attacks.attack_extrema), "extrema"),
    "lipschitz": (partial(extremes, attacks.attack_lipschitz), "lipschitz"),
    "differences": (differences, "sup_difference"),
    "samples": (samples, "extrema"),
}
"""(seed, counts, boxes) -> false claims, and which certificate it asks for most."""


@pytest.mark.parametrize("name", ATTACKS)
def test_no_certificate_is_false(name):
    """Boxes of networks of every kind against numbers of the oracle."""
    attack, certificate = ATTACKS[name]
    counts, networks = attacks.Counts(), {"enclosures": 16, "extrema": 8, "lipschitz": 8}.get(name, 3)
    false = [(seed, text) for seed in draws.cases(networks) for text in attack(seed, counts, boxes=2)]
    assert not false, f"{len(false)}: {false[:3]} of {counts}"
    answered = counts[certificate] + counts[f"{certificate}, not to the tolerance"]
    assert answered > counts[f"{certificate} refused"], counts
    assert name != "enclosures" or counts["numbers"] > 500, counts


def close_in(seed):
    """With a tolerance: as near to the ranges as was asked."""
    rng = np.random.default_rng([9, seed])
    widths = [[1, 2, 1], [2, 2]][seed % 2]
    net, theta = draws.network(rng, widths, ("none", "affine"), (3, 4), tame=True)
    box = draws.domains(net.layers[0])
    bounds = rk.exact.enclose(net, theta, box, derivatives=1, tolerance=1e-3, budget=3000)
    for q, terms in enumerate(attacks.exact_outputs(net, theta, box) if bounds.reached else ()):
        ends = [attacks.greatest(terms)[:2], *(f.each(P.derivative).extremes() for f in terms)]
        for (low, high), bound in zip(ends, [bounds.value[q], *bounds.first[q]], strict=True):
            asked = 1.001e-3 * float(max(high - low, max(-low, high) / 2**20)) + 1e-14
            slack = max(-low, high) * attacks.MARGIN  # of the oracle's cuts
            assert attacks.exact_number(bound[0]) <= low + slack, seed
            assert high - slack <= attacks.exact_number(bound[1]), seed
            assert float(low) - bound[0] <= asked, seed
            assert bound[1] - float(high) <= asked, seed
    return bounds.reached


def test_bounds_close_in_on_exact_ranges():
    reached = [close_in(seed) for seed in draws.cases(4)]
    assert any(reached)


@pytest.mark.parametrize("node_map", ["none", "affine", "sigmoid", "mean-std", "min-max"])
@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
def test_widths_fall_with_the_box(node_map, outside):
    """Halved 24 times around any point, bounds of continuous functions are 2^-20 as wide, but for rounding."""
    rng = np.random.default_rng([10, len(node_map), len(outside)])
    for _ in draws.cases(1):
        net, theta = rk.kan([2, 2, 1], 3, 2, node_map=node_map, outside=outside).initialize(
            rng, rng.uniform(size=(9, 2))
        )
        centre, half = rng.uniform(-0.3, 1.3, 2), 0.25
        widths = []
        for k in (0, 24):
            box = np.stack([centre - half / 2**k, centre + half / 2**k], axis=1)
            bounds = rk.exact.enclose(net, theta, box)
            widths.append([np.ptp(bounds.value, axis=-1).max(), np.ptp(bounds.first, axis=-1).max()])
        size = 1 + np.abs(bounds.value).max(), 1 + np.abs(bounds.first).max()
        assert np.all(np.array(widths[1]) <= np.array(widths[0]) / 2**20 + 1e-12 * np.array(size)), widths
