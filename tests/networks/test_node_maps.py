"""Node maps: constants from data, and their derivatives against complex steps."""

import numpy as np
import pytest

import refkan as rk
from refkan.networks import node_maps
from refkan.networks.node_maps.kinds import MeanStdMap, MinMaxMap, SigmoidMap
from tests.shared.factories import EPS, NODE_MAPS, complex_gradient
from tests.shared.refusals import NAN, refusals, refused

DOMAINS = np.array([[0.0, 1.0], [-2.0, 2.0], [5.0, 5.5]])
STATISTICS_MAPS = ("mean-std", "min-max")


def activations(n=20, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)) * [1.0, 100.0, 1e-3] + [0.0, 7.0, -2.0]


def bound(name, Y=None, domains=DOMAINS):
    return node_maps.NODE_MAPS[name].bind(activations() if Y is None else Y, domains, 0)


def mapped(node_map, y, Y):
    return node_map.value(y, node_map.constants(Y, 0) if node_map.uses_statistics else None)


def test_the_names_are_those_of_the_papers_maps():
    assert set(node_maps.NODE_MAPS) == set(NODE_MAPS)
    for key, node_map in node_maps.NODE_MAPS.items():
        assert node_map.name == key
        assert node_map.uses_statistics == (key in STATISTICS_MAPS)
        assert node_map.bound == (key == "none")
        assert bound(key).bound


@pytest.mark.parametrize(("name", "margin"), [("affine", 2.0**-10), ("min-max", 0.0)])
def test_affine_and_min_max_take_the_range_onto_the_domain_less_a_margin(name, margin):
    Y = activations()
    z = mapped(bound(name), Y, Y)
    a, b = DOMAINS.T
    a, b = a + margin * (b - a), b - margin * (b - a)
    # scale y + shift cancels where y is large next to its spread.
    atol = 4 * EPS * (np.abs(a) + (b - a) * np.abs(Y).max(axis=0) / np.ptp(Y, axis=0) + np.abs(b))
    assert np.all(np.abs(z.min(axis=0) - a) <= atol)
    assert np.all(np.abs(z.max(axis=0) - b) <= atol)
    line = a + (b - a) * (Y - Y.min(axis=0)) / np.ptp(Y, axis=0)
    assert np.all(np.abs(z - line) <= 2 * atol)


def test_mean_std_takes_kappa_deviations_to_the_ends_of_the_domain():
    Y = activations()
    z = mapped(bound("mean-std"), Y, Y)
    a, b = DOMAINS.T
    np.testing.assert_allclose(z.mean(axis=0), 0.5 * (a + b), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0, ddof=0), 0.5 * (b - a) / 2.5, rtol=1e-12)
    expected = 0.5 * (a + b) + 0.5 * (b - a) * (Y - Y.mean(axis=0)) / (2.5 * Y.std(axis=0, ddof=0))
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_sigmoid_fills_the_domain():
    node_map = bound("sigmoid")
    a, b = DOMAINS.T
    y = np.array([-1e4, -1.0, 0.0, 2.0, 1e4])[:, None] * np.ones(3)
    z = node_map.value(y)
    np.testing.assert_array_equal(z[0], a)
    np.testing.assert_array_equal(z[-1], b)
    np.testing.assert_allclose(z[2], 0.5 * (a + b), rtol=EPS)
    np.testing.assert_allclose(z, a + (b - a) / (1 + np.exp(-np.clip(y, -700, 700))), rtol=4 * EPS, atol=EPS)


def test_none_changes_nothing():
    y = activations()
    np.testing.assert_array_equal(bound("none").value(y), y)
    np.testing.assert_array_equal(bound("none").slope(y), 1)


@pytest.mark.parametrize("name", STATISTICS_MAPS)
@pytest.mark.parametrize("n", [2, 3, 11])
def test_vjp_of_the_constants_against_complex_steps(name, n, rng):
    Y = activations(n, seed=2)
    node_map = bound(name, Y)
    dscale, dshift = rng.standard_normal((2, 3))

    def value(Y):
        scale, shift = node_map.constants(Y, 0)
        return np.sum(dscale * scale + dshift * shift)

    # One node after the other, relative to the contributions of each; subtracting the mean or the minimum loses the
    # digits that the offset of a node takes from its spread.
    scale = node_map.constants(Y, 0)[0]
    size = scale * (np.abs(dscale) * scale + np.abs(dshift) * (1 + scale * np.abs(Y).max(axis=0)))
    error = np.abs(node_map.constants_vjp(Y, dscale, dshift) - complex_gradient(value, Y))
    lost = 1 + np.abs(Y).max(axis=0) / np.ptp(Y, axis=0)
    assert np.all(error <= 16 * EPS * lost * size), error / size


@pytest.mark.parametrize("name", STATISTICS_MAPS)
def test_constants_of_a_single_node_leave_its_activations_alone(name, rng):
    """Transposed, one column is one row of the same memory."""
    Y, domain = rng.normal(size=(7, 1)), np.array([[0.0, 1.0]])
    node_map = bound(name, Y, domain)
    before = Y.copy()
    scale, shift = node_map.constants(Y, 0)
    for which, units in enumerate((([1.0], [0.0]), ([0.0], [1.0]))):
        exact = complex_gradient(lambda y, k=which: node_map.constants(y, 0)[k][0], before)
        found = node_map.constants_vjp(Y, *map(np.array, units))
        np.testing.assert_allclose(found, exact, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(Y, before)
    assert node_map.constants(Y, 0) == (scale, shift)


@pytest.mark.parametrize("name", ["affine", *STATISTICS_MAPS])
def test_batches_that_no_map_is_bound_to(name):
    def bind(Y):
        return lambda: node_maps.NODE_MAPS[name].bind(Y, DOMAINS, 4)

    Y = activations()
    for value in (0.0, 0.1, 1e8):
        Y[:, 1] = value
        refused(bind(Y), "DegenerateNodeError: node 1 after layer 4 has (range|standard deviation) .* constant")
    # The activations of a spline whose coefficients are all equal differ by rounding alone.
    rounded = np.tile([0.3], (6, 3)) * (1 + EPS * np.array([0, 1, -1, 0, 2, 0]))[:, None]
    refused(bind(rounded), "DegenerateNodeError: constant")
    refused(bind(activations(1)), "DegenerateNodeError: node 0 after layer 4")
    refused(bind(activations(0)), f"node map '{name}' after layer 4 needs at least one sample; got none")


@pytest.mark.parametrize("name", ["affine", *STATISTICS_MAPS])
def test_a_small_but_real_spread_is_accepted(name):
    Y = np.linspace(1.0, 1.0 + 1e-9, 5)[:, None] * np.ones(3)
    z = mapped(node_maps.NODE_MAPS[name].bind(Y, DOMAINS, 0), Y, Y)
    assert np.all(np.ptp(z, axis=0) > 0.1)


@pytest.mark.parametrize("name", ["affine", *STATISTICS_MAPS])
def test_a_spread_beyond_float64_is_refused(name):
    """Else the scale were 0, and the node constant."""
    Y = activations()
    Y[:2, 1] = -1.5e308, 1.5e308
    answer = "DegenerateNodeError: node 1 after layer 0 has (range|standard deviation) inf on the data, beyond float64"
    with np.errstate(over="ignore", invalid="ignore"):
        refused(lambda: node_maps.NODE_MAPS[name].bind(Y, DOMAINS, 0), answer)


# --- constants of the wrong length, which compiled loops would read beyond their end


def joined(node_map):
    space = rk.SplineSpace.uniform(order=2, intervals=2)
    layers = rk.SplineLayer((space,), n_outputs=3), rk.SplineLayer((space,) * 3, n_outputs=1)
    return rk.Network(layers, (node_map,))


@pytest.mark.parametrize("n", [1, 2, 4])
def test_constants_and_domains_must_be_those_of_the_nodes(n):
    for node_map, argument in (
        (node_maps.AffineMap(np.full(n, 0.5), np.zeros(n)), "scale"),
        (SigmoidMap(np.tile([0.0, 1.0], (n, 1))), "domains"),
        (MeanStdMap(np.tile([0.0, 1.0], (n, 1))), "domains"),
        (MinMaxMap(np.tile([0.0, 1.0], (n, 1))), "domains"),
    ):
        message = f"{argument} of node map '{node_map.name}' after layer 0 must have one entry .* the 3 nodes; got {n}"
        refused(lambda node_map=node_map: joined(node_map), message)


test_constants_that_are_none = refusals(
    (lambda: node_maps.AffineMap(np.ones(3)), "must be given together; got no shift"),
    (lambda: SigmoidMap([0.0, 1.0]), r"domains must have 2 dimensions; got shape \(2,\)"),
    (lambda: MinMaxMap([[1.0, 0.0]]), r"domains must hold pairs \(a, b\) with a < b"),
    (lambda: MeanStdMap([[0.0, NAN]]), r"domains must be finite; got domains\[0, 1\]"),
)


test_maps_without_statistics_take_no_constants = refusals(
    *((ask, count, "TypeError: 'affine' takes no constants from statistics") for ask, count in (
        ("constants", 2), ("constants_vjp", 3), ("constants_jvp", 2), ("constants_hvp", 4), ("constants_curvature", 3),
    )),
    call=lambda ask, count: getattr(bound("affine"), ask)(*range(count)),
)  # fmt: skip


@pytest.mark.parametrize("dtype", [int, np.float32])
def test_constants_of_other_types_are_widened(dtype):
    node_map = node_maps.AffineMap(np.ones(6, dtype)[::2], [0, 0, 0])
    assert node_map.scale.dtype == node_map.shift.dtype == np.float64
    net = joined(node_map)
    x, theta = np.full((4, 1), 0.5), np.linspace(0.0, 1.0, net.n_params)
    wide = joined(node_maps.AffineMap(np.ones(3), np.zeros(3)))
    np.testing.assert_array_equal(net(theta, x), wide(theta, x))
    assert np.all(np.isfinite(net.jacobian(theta, x)))
