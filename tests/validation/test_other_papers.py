"""Rows O6, O7, O8, O10 and O11: their parts against closed forms, and mistakes that refute them."""

from math import comb
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.claims import Beside
from refkan.claims.estimates import agree
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row
from tests.validation.replays import measured_in
from validation.literature import optimizers_on_equations, polynomial_sums, rates_by_method
from validation.literature.answers import refitted
from validation.literature.placed_knots import curvature_knots, rates_of_extended_grids

CHOICE = {"extension": "exact", "method": "levenberg-marquardt", "samples": "900", "degree": "3"}


def measured_on(grids, samples, run):
    """Five seeds of one run under the first reading."""
    grid, reading = rates_of_extended_grids.GRID, rates_of_extended_grids.EVERY[0]
    places = {"samples": samples, "grids": grids} | {name: run[name] for name in ("degree",) if name in run}
    return {grid.cell(seed, **reading, **places): run for seed in range(5)}


@each_row("off, holds", (0.299, True), (-0.299, True), (0.301, False), (-0.301, False))
def test_exponents_of_powers(off, holds):
    grids, found = list(rates_of_extended_grids.RATE_GRIDS), {}
    for k, p in ((1, 2.0 + off), (2, 3.0), (3, 4.0)):
        run = {"grids": grids, "test": [2.0 * G**-p for G in grids], "degree": str(k)}
        found |= measured_on("rates", "1000", run)
    cells = rates_of_extended_grids.exponents(found, rates_of_extended_grids.EVERY[0])
    assert [cell.median for cell in cells] == pytest.approx([2.0 + off, 3.0, 4.0])
    assert agree(rates_of_extended_grids.JUDGED["O11"].corrected(cells)) is holds


@each_row(
    "errors, least, nothing_beyond",
    ([1.0, 0.1, 0.01, 0.5], True, True),  # 39, 69, 159 and 309 parameters for 100 samples
    ([1.0, 0.1, 0.015625, 0.03125], True, True),  # exactly twice
    ([1.0, 0.1, 0.01, 0.015], False, True),  # the finest not clearly worse
    ([0.01, 0.1, 0.2, 0.5], False, True),  # least far below the threshold
    ([1.0, 0.1, 0.04, 0.01], False, False),  # least beyond it
)
def test_thresholds(errors, least, nothing_beyond):
    found = measured_on("thresholds", "100", {"test": errors, "parameters": [39, 69, 159, 309]})
    cells = rates_of_extended_grids.thresholds(found, rates_of_extended_grids.EVERY[0])
    by = rates_of_extended_grids.JUDGED["O11"]
    assert agree(by.estimates(cells)) is least
    assert agree(by.corrected(cells)) is nothing_beyond


def test_extended_grids_train_the_network_that_they_say():
    found = rates_of_extended_grids.extend(CHOICE, 1, (5, 10, 20))
    assert found["parameters"] == [3 * (G + 3) for G in (5, 10, 20)]
    assert np.all(np.diff(found["training"]) < 0)
    # Against cubic least squares of the inner and outer functions themselves: the same order of error.
    x = np.linspace(-1, 1, 2001)
    space = rk.SplineSpace.uniform(4, 20, (-1.0, 1.0))
    B = rk.bsplines.design_matrix(space, x).toarray()
    best = np.sin(np.pi * x) - B @ np.linalg.lstsq(B, np.sin(np.pi * x))[0]
    assert 0.1 * np.sqrt(np.mean(best**2)) < found["training"][-1] < 100 * np.sqrt(np.mean(best**2))


def test_splines_of_a_lower_order_refute_the_rates():
    careless = spoilt(rates_of_extended_grids, 'int(choice["degree"]) + 1', 'int(choice["degree"])')
    for module, holds in ((rates_of_extended_grids, True), (careless, False)):
        run = module.extend(CHOICE, 1, (5, 10, 20, 40)) | {"degree": "3"}
        (cell,) = rates_of_extended_grids.exponents(measured_on("rates", "900", run), rates_of_extended_grids.EVERY[0])
        assert agree(rates_of_extended_grids.JUDGED["O11"].corrected([cell])) is holds


def test_rates_of_powers():
    steps, factors = np.arange(301), np.array([0.5, 0.9, 0.999, 1.0])
    found = rates_by_method.rates_of(steps, factors ** steps[:, None])
    assert found[0] == pytest.approx(np.log(10) / 4)  # 0.5^4 < 0.1 < 0.5^3
    assert found[1] == pytest.approx(np.log(10) / 22)
    assert found[2] == pytest.approx(-np.log(0.999))
    assert found[3] == 0.0
    late = np.array([1.0, 0.01, 0.5, 0.01, 0.01])  # it comes back
    assert rates_by_method.rates_of(np.arange(5), late[:, None])[0] == pytest.approx(np.log(10) / 3)
    assert rates_by_method.slope(np.array([1.0, 10.0, 100.0]), np.array([2.0, 20.0, 200.0])) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def modes():
    return rates_by_method.slopes(rates_by_method.GRID.cell(1, steps="300", newton="30"))


def test_gradient_descent_has_the_rates_of_its_factors(modes):
    predicted = -np.log1p(-0.5 * modes["eigenvalues"])
    # Whole steps to a tenth, seen at every few of them: no better than a third for the fastest.
    np.testing.assert_allclose(modes["gd"]["rates"], predicted, rtol=0.35)
    assert modes["gd"]["slope"] == pytest.approx(1.0, abs=0.1)
    assert abs(modes["levenberg-marquardt"]["slope"]) < 0.25


def test_a_second_order_method_in_place_of_descent_refutes_o8(monkeypatch, modes):
    true = rk.minimize

    def newton(problem, theta, method, steps, callback, **options):
        return true(problem, theta, "levenberg-marquardt", steps=steps, callback=callback)

    monkeypatch.setattr(rk, "minimize", newton)
    spoiled = rates_by_method.slopes(rates_by_method.GRID.cell(1, steps="30", newton="30"))
    for run, holds in ((modes, True), (spoiled, False)):
        slopes = Beside("gd", "slope", dict.fromkeys(range(5), run["gd"]["slope"]))
        assert agree(rates_by_method.asked_of("gd")([slopes])) is holds


def test_lifted_inputs_are_products_of_chebyshev_polynomials():
    x = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    found = polynomial_sums.lift(x, 3)
    assert found.shape == (7, comb(5, 3) - 1)
    angle = np.arccos(x)
    expected = {
        tuple(np.round(np.cos(a * angle[:, 0]) * np.cos(b * angle[:, 1]), 10))
        for a in range(4)
        for b in range(4 - a)
        if a + b
    }
    assert {tuple(np.round(column, 10)) for column in found.T} == expected


@pytest.mark.parametrize("network", ["polynomials", "kan", "mlp"])
@pytest.mark.parametrize("d", [1, 2])
def test_networks_use_their_budget_and_no_more(network, d):
    choice = {"network": network, "degree": "high", "kan": "3", "budget": "120"}
    net = polynomial_sums.network_of(choice, d)
    assert net.n_params <= 120
    more = polynomial_sums.network_of(choice | {"budget": str(net.n_params + 45)}, d)
    assert net.n_params < more.n_params
    assert more.layers[0].n_outputs > net.layers[0].n_outputs


def test_an_mlp_that_is_not_trained_is_noticed():
    place = {"network": "mlp", "target": "steep", "fresh": "500"}
    one, more = (polynomial_sums.train(polynomial_sums.GRID.cell(1, **place, steps=n))["error"] for n in ("1", "30"))
    assert more < 0.5 * one


def test_weighted_quantiles_share_the_weight_out():
    z = np.random.default_rng(0).uniform(0, 1, (4000, 1))
    state = SimpleNamespace(z=z, spaces=[rk.SplineSpace.uniform(4, 3)])
    even = curvature_knots.weighted_quantiles(8, np.ones(4000), state)[0]
    np.testing.assert_allclose(even, np.linspace(0, 1, 9), atol=0.02)
    weights = 2 * z[:, 0]  # density 2 z: quantiles are roots
    there = curvature_knots.weighted_quantiles(8, weights, state)[0]
    expected = 0.98 * np.sqrt(np.linspace(0, 1, 9)) + 0.02 * np.linspace(0, 1, 9)
    np.testing.assert_allclose(there, expected, atol=0.02)


def test_curvature_is_the_sum_of_second_derivatives():
    x = np.random.default_rng(1).uniform(0, 1, (50, 2))
    found = curvature_knots.curvature(lambda theta, x: 3 * x[:, :1] ** 2 + x[:, 1:] ** 3, None, x)
    np.testing.assert_allclose(found, 6 + 6 * x[:, 1], rtol=1e-6)


def test_refitted_networks_are_the_same_function_where_it_can_be():
    x = np.random.default_rng(2).uniform(0, 1, (300, 1))
    net, theta = rk.kan([1, 1], 4, 3).initialize(np.random.default_rng(3), x)
    fine, moved = refitted(net, theta, x, lambda state: np.linspace(0, 1, 7)[None])  # contains the old breakpoints
    np.testing.assert_allclose(fine(moved, x), net(theta, x), atol=1e-10)


def test_errors_are_those_of_the_solution():
    grid, place = optimizers_on_equations.GRID, {"problem": "helmholtz-1d-wave", "points": "60"}
    start, end = (grid.measure(grid.cell(1, **place, trained="natural-gradient", steps=n)) for n in ("1", "40"))
    assert start["steps"] == 1
    assert end["error"] < 0.1 < 0.5 < start["error"]
    # Sabotage: the error against the solution of another equation.
    other = spoilt(
        optimizers_on_equations, "expected = setup.reference", 'expected = ordinary_setup("poisson-1d-peak").reference'
    )
    cell = grid.cell(1, **place, trained="natural-gradient", steps="40")
    assert other.solve(cell)["error"] > 0.5


def test_o8_says_how_many_readings_were_not_run():
    every = rates_by_method.GRID.every()
    measured = measured_in("literature_rates_by_method")["measured"]
    size = {name: next(iter(measured))[name] for name in ("steps", "newton")}
    for count in (1, len(every)):
        cells = [rates_by_method.GRID.cell(1, **choice, **size) for choice in every[:count]]
        verdict = rates_by_method.verdict(dict.fromkeys(cells, next(iter(measured.values()))))
        assert (f"; {len(every) - count} readings not run" in verdict.measured) == (count == 1)
        assert ("not run" in verdict.measured) == (count == 1)
