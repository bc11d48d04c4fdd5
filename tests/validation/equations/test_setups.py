"""Set-ups of differential equations: their residuals at the exact solution, their points, what is refused."""

from inspect import signature
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan.training.problems import allen_cahn as allen_cahn_equation
from refkan.training.problems import burgers as burgers_equation
from refkan.training.problems import poisson as poisson_equation
from tests.shared.refusals import refusals, refused
from validation.equations.published import PROBLEMS
from validation.equations.recipes.ordinary_setups import ORDINARY, ordinary_setup
from validation.equations.recipes.poisson_setup import poisson_data, poisson_residual, poisson_setup
from validation.equations.recipes.space_time_setups import (
    allen_cahn_residual,
    allen_cahn_setup,
    burgers_residual,
    burgers_setup,
)
from validation.equations.recipes.trainers import Redrawn

SMALL = {
    "poisson": lambda: poisson_setup(7),
    "poisson without level set": lambda: poisson_setup(7, level_set=False),
    "burgers": lambda: burgers_setup((8, 8), 8),
    "allen-cahn": lambda: allen_cahn_setup(60, 20, 10),
    **{name: (lambda name=name: ordinary_setup(name, 40)) for name in ORDINARY},
}


@pytest.fixture(params=SMALL, scope="module")
def small(request):
    return SMALL[request.param]()


def test_references_that_set_ups_share_cannot_be_changed():
    setup = burgers_setup((8, 8), 8)
    values = setup.reference(setup.grid)
    assert values is burgers_setup((4, 4), 4).reference(setup.grid)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1.0


def test_partials_are_the_derivatives_of_the_residuals(small):
    problem, theta = small.start(small.kan(intervals=2), np.random.default_rng(0), check=True)
    assert np.isfinite(problem.loss(theta))
    assert problem.net.n_params == theta.size


def exact_quantities(name):
    """Points and exact value and derivatives there, by other means than the residuals use."""
    rng, h = np.random.default_rng(1), 1e-20
    if name == "poisson":
        points = rng.uniform(-1, 1, (50, 2))
        k = np.where(points[:, 0] < 0, np.pi, 2 * np.pi)
        u = poisson_equation.solution(points)[:, 0]
        u_x, u_y = poisson_equation.gradient(points).T
        inputs = poisson_equation.level_set_input(points)
        return inputs, (u, u_x, u_y, -(k**2) * u, -9 * np.pi**2 * u, poisson_data(inputs))
    if name == "burgers":
        points = np.column_stack([rng.uniform(-1, 1, 50), rng.uniform(0.05, 1, 50)])
        u, u_x = burgers_equation.solution(points), burgers_equation.slope(points)
        u_t = burgers_equation.solution(points + np.array([0, 1j * h])).imag / h
        u_xx = burgers_equation.slope(points + np.array([1j * h, 0])).imag / h
        return points, tuple(q[:, 0] for q in (u, u_x, u_t, u_xx))
    reference, d = allen_cahn_equation.reference(512, 1e-5), 1e-3
    points = np.column_stack([rng.uniform(-1, 1, 20), rng.uniform(0.2, 0.9, 20)])

    def at(dx, dt):
        return reference(points + np.array([dx, dt]))[:, 0]

    u_t = (8 * (at(0, d) - at(0, -d)) - (at(0, 2 * d) - at(0, -2 * d))) / (12 * d)
    u_xx = (at(d, 0) - 2 * at(0, 0) + at(-d, 0)) / d**2
    return points, (at(0, 0), (at(d, 0) - at(-d, 0)) / (2 * d), u_t, u_xx)


CASES = {
    "poisson": (poisson_residual, 1e-10),
    "burgers": (burgers_residual, 1e-7),
    # Differences of a solution with fronts of width 1e-2 are off by (d/width)^2 of u_xx/10^4, and the solution by 8e-9.
    "allen-cahn": (allen_cahn_residual, 5e-3),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exact_solution_has_no_residual(name):
    residual, tolerance = CASES[name]
    points, quantities = exact_quantities(name)
    scale = max(np.abs(q).max() for q in (quantities[2], quantities[3], np.ones(1)))
    assert np.abs(residual(points, *quantities)).max() <= tolerance * scale
    for k, quantity in enumerate(quantities):
        spoilt = [-q if j == k else q for j, q in enumerate(quantities)]
        used = {"poisson": (3, 4), "burgers": (1, 2, 3), "allen-cahn": (0, 2)}[name]
        if k in used and np.abs(quantity).max() > 1e-3:
            assert np.abs(residual(points, *spoilt)).max() > 2 * tolerance * scale, f"quantity {k} does not matter"


@pytest.mark.parametrize("name", ORDINARY)
def test_manufactured_solutions_have_no_residual(name):
    problem, term = ORDINARY[name], ordinary_setup(name, 50).terms[0]
    x = term.sides[0].points
    r = term.residual(x, problem.solution(x)[:, 0], None, problem.second_derivative(x)[:, 0], term.known)
    assert np.abs(r).max() <= 1e-12 * np.abs(problem.second_derivative(x)).max()


def test_the_flux_across_the_interface_is_that_of_either_side():
    term = poisson_setup(9).terms[1]
    points = term.sides[0].points
    np.testing.assert_array_equal([side.first[0] for side in term.sides], [[1, 0, -1], [1, 0, 1]])
    flux = [poisson_equation.gradient(points[:, :2], side)[:, 0] for side in poisson_equation.SIDES]
    u = np.zeros(len(points))
    assert np.abs(term.residual(points, u, flux[0], u, flux[1])).max() < 1e-13
    assert np.abs(term.residual(points, u, flux[1], u, flux[0])).max() > 1


def test_conditions_vanish_at_the_exact_solution():
    for setup in (poisson_setup(9), burgers_setup((8, 8), 16), ordinary_setup("helmholtz-1d-wave", 20)):
        for term in setup.terms[1:]:
            if len(term.sides) == 1:
                points = term.sides[0].points
                variables = points[:, : len(setup.ranges)]
                keywords = {} if term.known is None else {"data": term.known}
                u = np.asarray(setup.reference(variables))[:, 0]
                assert np.abs(term.residual(points, u, **keywords)).max() < 1e-12, term.name


@pytest.mark.parametrize("name", [name for name in SMALL if name != "poisson"])
def test_equations_are_given_derivatives_along_the_axes(name):
    """Each under the name that the residual has for it: u_x, u_t, u_yy."""
    setup = SMALL[name]()
    problem, theta = setup.start(setup.kan(intervals=2), np.random.default_rng(0))
    for side in (side for term in setup.terms for side in term.sides if side.first is not None):
        assert np.isin(side.first, (-1, 0, 1)).all()
        assert (np.abs(side.first).sum(axis=-1) == 1).all()
    term, points = setup.terms[0], setup.terms[0].sides[0].points
    jet = problem.net.jet(theta, points, np.eye(points.shape[1]))
    quantities = {"x": points, "u": jet.value[:, 0], "data": term.known}
    for k, axis in enumerate("xt" if "u_t" in signature(term.residual).parameters else "xy"[: points.shape[1]]):
        quantities |= {f"u_{axis}": jet.first[:, k, 0], f"u_{axis * 2}": jet.second[:, k, 0]}
    expected = term.residual(**{name: quantities[name] for name in signature(term.residual).parameters})
    np.testing.assert_allclose(problem.misfit(theta)["equation"][:, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_level_refines_the_one_before(name):
    intervals = PROBLEMS[name]().shape.intervals
    assert all(fine % coarse == 0 < coarse < fine for coarse, fine in pairwise(intervals))


def test_numbers_of_points_and_parameters_are_those_of_the_paper():
    p, b, a = poisson_setup(), burgers_setup(), allen_cahn_setup()
    assert [term.n_points for term in p.terms] == [2401, 49, 200]
    assert [p.kan(intervals=n).n_params for n in p.shape.intervals] == [140, 220, 380, 700]
    assert [term.n_points for term in b.terms] == [4096, 64, 128]
    assert [b.kan(intervals=n).n_params for n in b.shape.intervals] == [3680, 5980, 10580]
    assert [term.n_points for term in a.terms] == [20000, 501, 101]
    assert [term.weight for term in a.terms] == [0.1, 1.0, 1.0]
    drawn = a.terms[0].sides[0].points
    assert np.all(np.abs(drawn.min(axis=0) - [-1, 0]) < 1e-3)
    assert np.all(np.abs(drawn.max(axis=0) - 1) < 1e-3)
    assert [term.weight for term in p.terms] == [0.01, 0.1, 1.0]
    assert len(np.unique(p.terms[2].sides[0].points, axis=0)) == 200
    assert (np.abs(p.terms[2].sides[0].points[:, :2]).max(axis=1) == 1).all()
    assert poisson_setup(97).terms[0].n_points == 97**2
    named = [PROBLEMS[name]() for name in ("poisson", "burgers", "allen-cahn", next(iter(ORDINARY)))]
    assert [setup.terms[0].n_points for setup in named] == [2401, 4096, 20000, 400]


def test_points_lie_in_the_domain_and_end_points_where_they_belong(small):
    for term in small.terms:
        for side in term.sides:
            for column, (low, high) in enumerate(small.domain or small.ranges):
                assert side.points[:, column].min() >= low
                assert side.points[:, column].max() <= high
    if small.name in ("burgers", "allen-cahn"):
        assert (small.terms[1].sides[0].points[:, 1] == 0).all()
    drawn = small.draw(np.random.default_rng(0), 30)
    assert drawn.shape == (30, small.kan().widths[0])


test_bad_set_ups_are_refused = refusals(
    (lambda: burgers_setup((1, 8)), r"points\[0\]"),
    (lambda: burgers_setup((8,)), "points must be a pair"),
    (lambda: burgers_setup(weights=(1.0, 1.0)), r"weights must be one for each of equation, initial, boundary; got \("),
    (lambda: allen_cahn_setup(weights=1.0), "weights must be one for each of equation, initial, periodic; got 1.0"),
    (lambda: poisson_setup(weights=(1.0, 0.0, 1.0)), r"weights\[1\] must be finite and positive"),
    (lambda: ordinary_setup("helmholtz-1d-wave", weights=()), "weights must be one for each of equation, boundary"),
    (lambda: burgers_setup().start(burgers_setup().kan(order=2), np.random.default_rng(0)), "order"),
    (lambda: poisson_setup().start(rk.kan([2, 1], 4, 2), np.random.default_rng(0)), "2"),
)


def test_without_the_level_set_the_slope_itself_is_asked_to_vanish_on_the_interface():
    """A smooth network has one slope at x = 0, so that eps u_x is continuous for u_x = 0 alone."""
    setup = poisson_setup(9, level_set=False)
    problem, theta = setup.start(setup.kan(), np.random.default_rng(0))
    points = setup.terms[1].sides[0].points
    slope = problem.net.jet(theta, points, [[1.0, 0.0]], orders=1).first[:, 0, 0]
    np.testing.assert_allclose(problem.misfit(theta)["interface"][:, 0], 0.5 * slope, rtol=1e-12)
    setup = poisson_setup(9)
    problem, theta = setup.start(setup.kan(), np.random.default_rng(0))
    points = setup.terms[1].sides[0].points
    jet = problem.net.jet(theta, points, [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], orders=1)
    jump = 0.5 * jet.first[:, 0, 0] - 1.5 * jet.first[:, 1, 0]
    np.testing.assert_allclose(problem.misfit(theta)["interface"][:, 0], jump, rtol=1e-10, atol=1e-12)


def test_weights_of_terms_are_given_by_their_names():
    setup = poisson_setup(7)
    *others, last = setup.terms
    weights = [term.weight for term in setup.weighted(**{last.name: 7.5}).terms]
    assert weights == [*(term.weight for term in others), 7.5]
    names = ", ".join(term.name for term in setup.terms)
    refused(lambda: setup.weighted(loss=2.0), f"weights must be for terms {names}; got 'loss'")


@pytest.mark.parametrize("pair", [(1.0, 1.0), (1.0, 0.0)])
def test_ranges_of_points_that_are_drawn_again_rise(pair):
    refused(lambda: Redrawn(((0.0, 1.0), pair), 0), rf"ranges must be pairs .* got ranges\[1\] = \({pair[0]}, ")
