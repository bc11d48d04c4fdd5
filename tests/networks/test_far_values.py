"""Points so far outside that tails of single functions are no numbers any more, against the truth in rationals."""

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.networks.sweeps import far_values
from refkan.networks.sweeps.statistics_sweep import Statistics

LARGEST = np.finfo(np.float64).max
POINTS = np.array([[1e308, 1e308], [-1e308, 1e308], [LARGEST, -LARGEST], [1e307, -3e306], [0.3, 1e306], [1e200, 0.5]])

NETWORKS = {
    "affine": rk.kan([2, 3, 1], 3, 4),
    "relu": rk.kan([2, 3, 1], 4, 4, basis="scaled-relu"),
    "min-max": rk.kan([2, 3, 1], 3, 4, node_map="min-max"),
    "none": rk.kan([2, 3, 1], 2, 4, node_map="none"),
    "free knots": rk.kan([2, 3, 1], 3, 4, free_knots=True),
    "chebyshev": rk.chebyshev_kan([2, 3, 1], 4),
}


def nearest(exact):
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NETWORKS)
def test_values_are_those_of_the_truth_or_infinite_where_these_are_no_numbers(name, seed):
    rng = np.random.default_rng(seed)
    net, theta = NETWORKS[name].initialize(rng, rng.uniform(size=(20, 2)))
    exact = [nearest(row[0]) for row in truth.of(net, theta, POINTS).value]
    for engine in ("plain", "auto"):
        with rk.use_engine(engine):
            np.testing.assert_allclose(net(theta, POINTS).ravel(), exact, rtol=1e-12)


@pytest.mark.parametrize("reach", [0.0, 0.3, 100.0])
def test_they_are_the_values_where_nothing_overflows(reach, rng):
    for name in ("affine", "min-max", "chebyshev"):
        net, theta = NETWORKS[name].initialize(rng, rng.uniform(size=(20, 2)))
        x = rng.uniform(-reach, 1 + reach, (9, 2))
        constants = Statistics(net, theta).constants
        y = net(theta, x)
        np.testing.assert_allclose(
            far_values.far_values(net, theta, x, constants), y, rtol=0, atol=1e-13 * np.abs(y).max()
        )


def test_sigmoids_bring_activations_back(rng):
    """The first layer overflows, with its sign."""
    net, theta = rk.kan([2, 3, 1], 3, 4, node_map="sigmoid").initialize(rng, rng.uniform(size=(20, 2)))
    near = np.sign(POINTS[:3]) * 1e9
    np.testing.assert_allclose(net(theta, POINTS[:3]), net(theta, near), rtol=1e-12)
