"""O2: starts have the deviations of the formulas, the effective rank is that of eigenvalues, spoilt numbers refute."""

import numpy as np
import pytest

import refkan as rk
from validation.literature import power_law_starts
from validation.literature.power_law_starts import (
    BASELINE,
    EXPONENTS,
    LARGE,
    STARTS,
    effective_rank,
    network,
    start,
)

X = np.random.default_rng(0).uniform(-1, 1, (40, 2))


@pytest.mark.parametrize("name", STARTS)
def test_deviations_are_those_of_the_formulas(name):
    net, theta = start(network(LARGE), np.random.default_rng(1), X, name)
    for layer, where in zip(net.layers[1:3], net.slices[1:3], strict=True):
        blocks = layer.unpack(theta[where])
        assert np.all(blocks["w_s"] == 1)
        terms = 32 * (20 + 3 + 1)
        if name == BASELINE:
            expected_b, expected_r = 0.1, np.sqrt(6 / 64 / 3)
        else:
            expected_r, expected_b = (terms**-power for power in EXPONENTS[name])
        assert blocks["coefficients"].std() == pytest.approx(expected_b, rel=0.05)
        assert blocks["w_b"].std() == pytest.approx(expected_r, rel=0.1)


def test_effective_rank_is_that_of_the_eigenvalues():
    net, theta = start(network("2-4-1 G=5"), np.random.default_rng(2), X, BASELINE)
    values = rk.spectrum(rk.LeastSquares(net, X, X[:, :1]), theta, which="ntk").values
    assert effective_rank(net, theta, X) == pytest.approx(values.sum() ** 2 / np.sum(values**2), rel=1e-10)


def test_training_from_a_start_lowers_the_loss():
    place = {"network": "2-4-1 G=5", "start": "0.25/1", "samples": "40", "rate": "1e-2", "line": "15"}
    one, more = (power_law_starts.run_cell(power_law_starts.GRID.cell(0, **place, steps=n)) for n in ("1", "30"))
    assert more["loss"] < 0.5 * one["loss"]
    assert one["rank at start"] == more["rank at start"] == pytest.approx(one["rank after"], rel=0.2)
