"""`enclose`, `extrema`, `lipschitz_constant` and `sup_difference` against exact numbers of an independent oracle.

REFKAN_EXAMPLES=k in the environment draws k times as many networks.
"""

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


def test_enclosures_hold_exact_values_and_derivatives():
    """All layers, maps, tails and units; boxes of a point, an ulp, across ends, far out."""
    false, counts = [], attacks.Counts()
    for seed in draws.cases(16):
        rng, net, theta = drawn(seed)
        for _ in range(4):
            box = draws.box(rng, net)
            points = draws.points(rng, net, box, 4)
            false += [(seed, text) for text in attacks.attack_enclosure(net, theta, box, points, counts)]
    assert counts["numbers"] > 1000, counts
    assert not false, f"{len(false)} of {counts['numbers']}: {false[:3]}"


KINDS = {
    "silu": ("silu", "silu", "spline"),
    "dense": ("dense",),
    "free": ("free",),
    "all": (*draws.POLYNOMIALS, "silu", "dense", "free"),
    "chebyshev": ("chebyshev",),
    "statistics": draws.POLYNOMIALS,
}


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_every_kind_of_layer(kind):
    """SiLU edges with scales of any size and sign, activations at kinks, knots that moved, sigmoids and statistics."""
    false, counts = [], attacks.Counts()
    for seed in draws.cases(6):
        rng = np.random.default_rng([15, list(KINDS).index(kind), seed])
        widths = [int(n) for n in rng.integers(1, 4, int(rng.integers(2, 4)))]
        maps = ("sigmoid", "mean-std") if kind == "statistics" else draws.MAPS
        net, theta = draws.network(rng, widths, maps, (2, 3, 4), tame=rng.uniform() < 0.7, kinds=KINDS[kind])
        at_theta = attacks.fixed(net, theta)
        if at_theta is None:
            continue
        box = draws.box(rng, at_theta[0])
        points = draws.points(rng, at_theta[0], box, 4)
        false += [(seed, text) for text in attacks.attack_enclosure(net, theta, box, points, counts)]
        false += [(seed, text) for text in attacks.attack_samples(net, theta, box, points[:2], counts)]
        other = pairs.other_network(rng, net, theta)
        false += [(seed, text) for text in attacks.attack_difference((net, theta), other, box, counts, points[:2])]
    assert counts["numbers"], counts
    assert not false, f"{len(false)} of {counts}: {false[:3]}"


@pytest.mark.parametrize("attack", [attacks.attack_extrema, attacks.attack_lipschitz])
def test_greatest_values_and_slopes_are_those_of_exact_pieces(attack):
    """Both ends of the certificate, and the tolerance that was asked for."""
    false, counts = [], attacks.Counts()
    for seed in draws.cases(6):
        rng, net, theta = with_pieces(seed)
        false += [(seed, text) for _ in range(2) for text in attack(net, theta, draws.box(rng, net), counts)]
    name = attack.__name__.removeprefix("attack_")
    assert counts[name] > counts[f"{name} refused"], counts
    assert not false, f"{len(false)} of {counts[name]}: {false[:3]}"


def test_differences_are_those_of_exact_pieces():
    """Of networks an ulp apart, refined, in another basis, on other knots, with other tails."""
    false, counts = [], attacks.Counts()
    for seed in draws.cases(12):
        rng, net, theta = with_pieces(seed) if seed % 2 else drawn(seed)
        if attacks.fixed(net, theta) is None:
            continue
        box = draws.box(rng, net)
        other = pairs.other_network(rng, net, theta)
        points = draws.points(rng, net, box, 2) + draws.points(rng, other[0], box, 2)
        false += [(seed, text) for text in attacks.attack_difference((net, theta), other, box, counts, points)]
    assert counts["sup_difference"] > counts["sup_difference refused"], counts
    assert not false, f"{len(false)} of {counts['sup_difference']}: {false[:3]}"


def test_ranges_and_slopes_of_any_network_hold_those_at_points():
    """From inside, where there are no exact pieces: several inputs and layers, sigmoids, steps."""
    false, counts = [], attacks.Counts()
    for seed in draws.cases(6):
        rng, net, theta = drawn(seed + 1000)
        box = draws.box(rng, net)
        points = draws.points(rng, net, box, 4)
        false += [(seed, text) for text in attacks.attack_samples(net, theta, box, points, counts)]
    assert counts["extrema"], counts
    assert not false, f"{len(false)} of {counts}: {false[:3]}"


def test_bounds_close_in_on_exact_ranges():
    """With a tolerance: as near to the ranges as was asked. Without: the width falls with the box."""
    for seed in draws.cases(4):
        rng = np.random.default_rng([9, seed])
        widths = [[1, 2, 1], [2, 2]][seed % 2]
        net, theta = draws.network(rng, widths, ("none", "affine"), (3, 4), tame=True)
        box = draws.domains(net.layers[0])
        bounds = rk.exact.enclose(net, theta, box, derivatives=1, tolerance=1e-3, budget=3000)
        if not bounds.reached:
            continue
        for q, terms in enumerate(attacks.exact_outputs(net, theta, box)):
            ends = [attacks.greatest(terms)[:2], *(f.each(P.derivative).extremes() for f in terms)]
            for (low, high), bound in zip(ends, [bounds.value[q], *bounds.first[q]], strict=True):
                asked = 1.001e-3 * float(max(high - low, max(-low, high) / 2**20)) + 1e-14
                assert low - bound[0] <= asked, seed
                assert bound[1] - high <= asked, seed


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
