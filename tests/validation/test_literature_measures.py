"""Rows O2, O4, O5 and those on spectral bias: their parts by other formulas, and what refutes them."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

import refkan as rk
from refkan.claims import Beside
from refkan.claims.estimates import agree
from validation.ledger import row
from validation.literature import (
    autocorrelated_inputs,
    clamped_truncated_powers,
    power_law_starts,
    rates_by_method,
    spectral_bias_and_error,
)
from validation.literature.autocorrelated_inputs import WAYS, condition, into_domain, windows
from validation.literature.clamped_truncated_powers import bound, errors, powers, run, unity
from validation.literature.placed_knots import gaussian_width
from validation.literature.placed_knots.gaussian_width import CONDITION, EXCESS
from validation.literature.power_law_starts import BASELINE, EXPONENTS, LARGE, STARTS, effective_rank, network, start
from validation.literature.spectral_bias_and_error import (
    EQUATION,
    PROBLEMS,
    breadths,
    posed,
)


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


def test_the_cells_of_a_full_run_are_judged_though_the_large_network_has_fewer_seeds():
    better = {"loss": 1.0, "error": 1e-3, "rank at start": 5.0, "rank after": 4.0}
    worse = {"loss": 9.0, "error": 5e-3, "rank at start": 5.0, "rank after": 2.0}
    cells = power_law_starts.cells(quick=False)
    made = power_law_starts.verdict({cell: worse if cell["start"] == BASELINE else better for cell in cells})
    assert not made.surviving_mutations
    assert set(made.controls.values()) == {"holds"}
    assert len(made.readings) == 2 * len(EXPONENTS)
    holds = {reading["choice"]["kernel"]: reading["holds"] for reading in made.readings}
    assert holds == {"fitted": True, "large": None}  # of three seeds
    assert made.readings[0]["cells"][0]["unit"] == "relative L2 error"


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_the_sum_is_the_b_spline(degree):
    u = np.linspace(0, degree + 1, 200)[1:-1]
    expected = BSpline.basis_element(np.arange(degree + 2.0))(u)
    np.testing.assert_allclose(powers(u, degree), expected, rtol=0, atol=bound(degree) * 2.0**-53)


def test_the_bound_is_the_sum_of_the_terms_at_the_right_end():
    assert bound(3) == pytest.approx(10 * (64 + 4 * 27 + 6 * 8 + 4) / 6)
    assert f"{bound(3):.0f}" in row("O5").criterion


def test_beyond_the_support_the_clamp_gives_zero_and_the_plain_sum_does_not():
    u = np.random.default_rng(0).uniform(4, 100, 500)
    assert np.all(powers(u, 3) == 0)
    assert np.max(np.abs(powers(u, 3, clamped=False))) > 1e-12
    assert np.all(powers(u - 105, 3) == 0)


def test_relative_errors_grow_towards_the_right_end():
    found = errors(3, 16, "double")
    assert found["right end"]["relative"] > 1e6 > found["right end"]["absolute"]


def test_departures_from_one_are_of_the_published_size():
    assert 1e-7 < unity(100) < 1e-5 < 1e-2 < unity(64, clamped=False)


def test_a_broken_sum_refutes_the_claim(monkeypatch):
    right = clamped_truncated_powers.powers

    def wrong(u, degree, clamped=True):  # the factor of the package, in double precision
        return right(u, degree, clamped) * u.dtype.type(0.16666667 * 6)

    monkeypatch.setattr(clamped_truncated_powers, "powers", wrong)
    (spoilt,) = run(True)
    holding = [r["choice"] for r in spoilt.readings if r["holds"]]
    assert holding == [{"error": "absolute", "precision": "single"}]


def test_breadth_of_known_spectra():
    assert breadths(np.eye(7)) == pytest.approx({"effective-rank": 7.0, "count": 7.0})
    assert breadths(np.diag([1.0, 2e-4, 0.5e-4])) == pytest.approx({"effective-rank": 1.0, "count": 2.0}, rel=1e-3)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_are_posed_as_they_say(problem):
    loss, theta, errors = posed(problem, "spline r=4 n=8", 0, 40)
    kernel = loss.ntk(theta)
    assert kernel.shape == ((22, 22) if problem == EQUATION else (40, 40))
    silent = errors(np.zeros_like(theta))
    assert silent == pytest.approx((1.0, 1.0))  # a network that is zero misses everything


def cells(values):
    """Cells with one number for all of nine seeds."""
    return [Beside(*name.split(" | "), dict.fromkeys(range(9), value)) for name, value in values.items()]


O3 = {f"s = {s:g} | {EXCESS}": 10.0 for s in (1, 1.5, 2)} | {f"s = {s:g} | {CONDITION}": 2.0**23 for s in (1, 1.5, 2)}
O4 = {f"lags, rho = {high} over {low} | ratio": 1.0 for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 0.99))}
O4 |= {"DCT, worst rho over lags, rho = 0 | ratio": 4.0}
O8 = {"gd | slope": 0.75, "adam | slope": 1.25, "levenberg-marquardt | slope": -0.25}
O9 = {"breadth | ratio": 2.0, "error | ratio": 2.0}
BEYOND = [
    (judged, on_bounds, name, number)
    for judged, on_bounds, numbers in (
        (gaussian_width.JUDGED["O3"], O3, [10.01] * 3 + [2.0**23 + 1] * 3),
        (autocorrelated_inputs.JUDGED["O4"], O4, [0.99] * 3 + [4.01]),
        (rates_by_method.JUDGED["O8"], O8, [0.74, 1.26, -0.26]),
        (spectral_bias_and_error.JUDGED["O9"], O9, [1.99] * 2),
    )
    for name, number in zip(on_bounds, numbers, strict=True)
]


@pytest.mark.parametrize(("judged", "on_bounds", "name", "number"), BEYOND)
def test_a_statement_holds_on_its_bounds_and_not_beyond_one(judged, on_bounds, name, number):
    assert agree(judged.estimates(cells(on_bounds))) is True
    assert agree(judged.estimates(cells(on_bounds | {name: number}))) is False
