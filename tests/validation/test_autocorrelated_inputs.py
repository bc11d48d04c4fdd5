"""O4: the process has its correlation, the condition number is that of a matrix built by hand, spoilt claims fail."""

import numpy as np
import pytest

import refkan as rk
from validation.ledger import row
from validation.literature import autocorrelated_inputs
from validation.literature.autocorrelated_inputs import WAYS, condition, into_domain, verdict, windows


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_windows_are_of_the_process(rho):
    z = windows(np.random.default_rng(0), 40_000, 3, rho, "gaussian")
    expected = rho ** np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    np.testing.assert_allclose(np.cov(z.T), expected, rtol=0, atol=0.03)
    np.testing.assert_array_equal(windows(np.random.default_rng(0), 40_000, 3, rho, "lognormal"), np.exp(z))


def test_a_dct_keeps_lengths_and_takes_correlation_away():
    z = windows(np.random.default_rng(1), 20_000, 8, 0.95, "gaussian")
    c = WAYS["DCT"](z)
    np.testing.assert_allclose(np.sum(c**2, axis=1), np.sum(z**2, axis=1), rtol=1e-12)
    off = ~np.eye(8, dtype=bool)
    assert np.abs(np.corrcoef(z.T)[off]).min() > 0.6
    assert np.abs(np.corrcoef(c.T)[off]).max() < 0.3


def test_inputs_fill_the_domain():
    v = np.random.default_rng(2).normal(size=(50, 3)) * [1.0, 10.0, 100.0]
    for domain in ("ranks", "ranges", "one-range"):
        x = into_domain(v, domain)
        assert 0 <= x.min() <= x.max() <= 1
    assert np.ptp(into_domain(v, "one-range")[:, 0]) < 0.1


def test_condition_is_that_of_a_networks_gauss_newton_matrix():
    x = np.random.default_rng(3).uniform(size=(400, 3))
    net = rk.kan([3, 1], 3, 4)
    spectrum = rk.spectrum(rk.LeastSquares(net, x, np.zeros((400, 1))), np.zeros(net.n_params))
    assert spectrum.nullity == 2
    assert condition(x, 3, 4) == pytest.approx(spectrum.condition, rel=1e-8)


def test_criterion_and_spoilt_numbers():
    assert all(text in row("O4").criterion for text in ("at least 10 times", "at most 4 times"))

    def status(lags, by_dct):
        run = dict(zip(WAYS, (lags, by_dct, lags), strict=True))
        found = verdict({autocorrelated_inputs.GRID.cell(0): run})
        assert not found.surviving_mutations
        return found.status

    flat = (1.0, 1.1, 1.2, 1.3)
    assert status((1.0, 2.0, 5.0, 10.1), flat) == "holds"
    assert status((1.0, 2.0, 5.0, 10.1), (1.0, 1.0, 1.0, 4.1)) == "holds as corrected"
    assert status((1.0, 2.0, 5.0, 9.9), flat) == "undecided"
    assert status((1.0, 7.0, 5.0, 10.1), flat) == "undecided"
