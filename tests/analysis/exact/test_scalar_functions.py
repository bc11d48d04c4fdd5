"""Functions of one variable over intervals against Taylor coefficients of 60 digits: none outside, none far inside."""

import flint
import numpy as np
import pytest

from refkan.analysis.exact.enclosures.float_intervals import EPS, Intervals
from refkan.analysis.exact.enclosures.polynomial_pieces import POLYNOMIAL
from refkan.analysis.exact.enclosures.scalar_functions import ACTIVATIONS, LEAST_SILU, sigmoid
from tests.analysis.exact.oracles.draws import cases

pytestmark = pytest.mark.filterwarnings("ignore:invalid value", "ignore:overflow")  # the library's callers are quiet

ORDER = 4
FUNCTIONS = {**ACTIVATIONS, "sigmoid": sigmoid}
ORACLES = {  # of power series in balls
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: (1 - (-2 * x).exp()) / (1 + (-2 * x).exp()),
    "silu": lambda x: x / (1 + (-x).exp()),
    "relu": lambda x: x if x[0] >= 0 else 0 * x,
    "relu3": lambda x: x * x * x if x[0] >= 0 else 0 * x,
}
MARKS = [0.0, 5e-324, 1e-300, 1e-9, *map(abs, LEAST_SILU), 0.65, 1.5, 2.4, 20.0, 37.0, 710.0, 745.0, 1e10]


def intervals(seed):
    """Points, an ulp, narrow and wide ones, at marks of both signs."""
    rng = np.random.default_rng(seed)
    at = rng.choice(MARKS, 60) * rng.choice([-1.0, 1.0], 60)
    width = rng.choice([0.0, 1e-12, 1e-3, 0.3, 2.0, 50.0], 60)
    low = np.where(rng.uniform(size=60) < 0.5, at, at - width * rng.uniform(size=60))
    high = np.where(rng.uniform(size=60) < 0.2, np.nextafter(low, np.inf), low + width)
    return low, np.maximum(low, high)


def taylor_coefficients(name, x):
    """f^(k)/k! at x, balls; of ReLU powers those of the piece on the right."""
    series = ORACLES[name](flint.arb_series([float(x), 1], ORDER + 1))
    return [series[k] for k in range(ORDER + 1)]


@pytest.fixture(autouse=True)
def digits():
    previous, flint.ctx.prec = flint.ctx.prec, 3000
    yield
    flint.ctx.prec = previous


@pytest.mark.parametrize("name", FUNCTIONS)
def test_taylor_coefficients_lie_inside_and_those_of_points_fill_the_bounds(name):
    for seed in cases(2):
        low, high = intervals([16, seed])
        c, smoothness = FUNCTIONS[name](Intervals(low, high), ORDER, "right")
        crossed = (low < 0) & (high >= 0) & name.startswith("relu")
        assert np.array_equal(smoothness, np.where(crossed, {"relu": 0, "relu3": 2}.get(name, 0), POLYNOMIAL))
        for i, (a, b) in enumerate(zip(low, high, strict=True)):
            for x in (a, b, np.clip(0.5 * a + 0.5 * b, a, b)):  # halves of the smallest numbers are rounded
                for k, exact in enumerate(taylor_coefficients(name, x)):
                    assert not exact < c[k].lo[i], (name, k, a, b, x)
                    assert not exact > c[k].hi[i], (name, k, a, b, x)
                    if a == b and abs(x) < 30:
                        assert c[k].hi[i] - c[k].lo[i] <= 100 * EPS * (1 + abs(x)) ** 3, (name, k, x)


@pytest.mark.parametrize("name", ["silu", "tanh", "sigmoid", "relu", "relu3"])
def test_values_are_the_range_and_derivatives_exceed_theirs_by_the_square_of_the_width(name):
    rng = np.random.default_rng(17)
    low = rng.uniform(-4, 4, 16)
    grid = np.linspace(0.0, 1.0, 65)[:, None]
    for width, factor in ((1.0, 0.3), (1 / 16, 0.3 / 256)):
        high = low + width
        c, _ = FUNCTIONS[name](Intervals(low, high), 2, "right")
        values = np.array([[float(taylor_coefficients(name, x)[0]) for x in row] for row in low + grid * width])
        assert np.all(c[0].lo >= values.min(axis=0) - width**2 / 64**2)
        assert np.all(c[0].hi <= values.max(axis=0) + 1e-12)
        if name not in ("relu3", "silu"):  # theirs are sums and products of ranges
            slopes = np.array(
                [[float(taylor_coefficients(name, x)[1]) for x in row] for row in (low + grid * width)[::8]]
            )
            assert np.all(c[1].hi - c[1].lo <= np.ptp(slopes, axis=0) + factor + width / 8 * np.ptp(slopes, axis=0))


def test_what_is_infinite_is_bounded_where_the_functions_are():
    everything = Intervals(np.array([-np.inf]), np.array([np.inf]))
    for name, (least, greatest) in {"silu": (LEAST_SILU[0], np.inf), "tanh": (-1, 1), "sigmoid": (0, 1)}.items():
        value = FUNCTIONS[name](everything, 2, "right")[0][0]
        assert value.lo[0] <= least
        assert value.hi[0] >= greatest
    assert FUNCTIONS["silu"](everything, 1, "right")[0][0].lo[0] == LEAST_SILU[0]
    slope = [taylor_coefficients("silu", x)[1] for x in LEAST_SILU[1:]]
    assert slope[0] < 0 < slope[1]
    value = taylor_coefficients("silu", LEAST_SILU[1])[0]
    assert 0 < value - LEAST_SILU[0] < EPS
