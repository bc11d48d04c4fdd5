"""Bounds of errors in Burgers' and reaction-diffusion equations against solutions that are known."""

import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.solutions.evolution_errors import EvolutionEquation, _grown
from refkan.training.problems import allen_cahn, burgers
from tests.shared.refusals import refused
from tests.shared.tables import each_row

PI = float(np.pi)
SQUARE = [[0.0, 1.0], [0.0, 1.0]]


def coefficients(function, order, intervals, domain=(0.0, 1.0)):
    """Of a spline near a function."""
    space, x = rk.SplineSpace.uniform(order, intervals, domain), np.linspace(*domain, 300)
    return np.linalg.lstsq(rk.bsplines.design_matrix(space, x).toarray(), function(x), rcond=None)[0]


def product(noise=0.0, box=SQUARE, decay=1.0, order=6, intervals=8):
    """exp(-decay t) sin(pi x) in two layers: ((a + b)^2 - (a - b)^2)/4, but for some noise in all coefficients."""
    net = rk.kan([2, 2, 1], order, [intervals, 1], node_map="none", outside="polynomial", domain=box)
    a = coefficients(lambda x: np.sin(PI * x), order, intervals, box[0])
    b = coefficients(lambda t: np.exp(-decay * t), order, intervals, box[1])
    quarter = coefficients(lambda z: z * z / 4, order, 1)
    theta = np.concatenate([a, b, a, -b, quarter, -quarter])
    return net, theta + noise * np.random.default_rng(0).normal(size=theta.shape)


def error_of(net, theta, exact, box=SQUARE, points=61):
    """The greatest error, and the greatest mean over x, on a grid."""
    x, t = (np.linspace(*side, points) for side in box)
    grid = np.stack(np.meshgrid(x, t), axis=-1).reshape(-1, 2)
    error = np.abs(net(theta, grid)[:, 0] - np.asarray(exact(grid[:, 0], grid[:, 1]))).reshape(points, points)
    return error.max(), np.trapezoid(error, x, axis=1).max() / (x[-1] - x[0])


def u(x, t):
    """As numbers, and as expressions."""
    return np.exp(-t) * np.sin(PI * x)


NU = 0.25
EQUATIONS = {
    "burgers": (
        {"flux": lambda v: v * v / 2},
        lambda x, t: u(x, t) * (NU * PI * PI - 1) + u(x, t) * np.exp(-t) * np.cos(PI * x) * PI,
    ),
    "bistable": ({"reaction": lambda v: v - v**3}, lambda x, t: u(x, t) * (NU * PI * PI - 2) + u(x, t) ** 3),
    "both": (
        {"flux": lambda v: v**3 / 8, "reaction": lambda v: v.sin()},
        lambda x, t: (
            u(x, t) * (NU * PI * PI - 1) + u(x, t) ** 2 * np.exp(-t) * np.cos(PI * x) * (3 * PI / 8) - u(x, t).sin()
        ),
    ),
}


@pytest.mark.parametrize(("equation", "noise"), [("burgers", 1e-3), *((equation, 0.0) for equation in EQUATIONS)])
def test_two_layers_near_a_known_solution(equation, noise):
    terms, source = EQUATIONS[equation]
    net, theta = product(noise)
    bound = rk.exact.certified_evolution(
        net, theta, lambda x: (x * PI).sin(), u, SQUARE, NU, source=source, cells=16, **terms
    )
    greatest, mean = error_of(net, theta, u)
    assert bound.unproven == ""
    assert greatest <= bound.greatest <= max(0.02, 150 * greatest)
    assert mean <= bound.mean <= max(0.005, 50 * mean)
    assert bound.mean < bound.greatest


@pytest.mark.filterwarnings("ignore:.*jumps at the knots")
@pytest.mark.parametrize(("order", "boundary"), [(3, lambda x, t: x * t), (3, None), (4, None)])
def test_cells_hold_the_residual_and_what_it_is_made_of(order, boundary):
    """Of splines whose derivatives jump inside the cells, at points; p from its definition."""
    rng, (a, b), nu = np.random.default_rng(4), (0.25, 1.75), 0.3
    net = rk.kan([2, 2, 1], order, 2, node_map="none", domain=[[0, 2], [0, 1]], outside="polynomial")
    theta = rng.normal(size=net.n_params)
    equation = EvolutionEquation(
        interval_network(net, theta), np.array([[a, b], [0.0, 1.0]]), boundary, nu,
        lambda u: u * u / 2, lambda u: u**3 / 8, lambda x, t: x * t * t, 4,
    )  # fmt: skip

    def jet(x, t):
        """v, v_x, v_t, v_xx, v_xt (N)."""
        at = net.jet(theta, np.stack([x, t], axis=1), first=[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        (v_xx, v_tt, both), firsts = at.second[..., 0].T, at.first[..., 0].T
        return at.value[:, 0], *firsts[:2], v_xx, (both - v_xx - v_tt) / 2

    low = rng.uniform([a, 0.0], [b, 1.0], (60, 2))
    high = low + rng.uniform(size=(60, 2)) * 10.0 ** -rng.integers(0, 3, (60, 1)) * ([b, 1.0] - low)
    cells = equation.over_cells(Intervals(low, high))
    x, t = (low + rng.uniform(size=(5, 60, 2)) * (high - low)).reshape(-1, 2).T
    (v, v_x, v_t, v_xx, _), left, right = jet(x, t), jet(0 * x + a, t), jet(0 * x + b, t)
    s, length = (x - a) / (b - a), b - a
    if boundary is None:  # the differences of v and v_x between the ends, and their derivatives in t
        of_value, of_slope, of_value_t, _, of_slope_t = np.array(right) - np.array(left)
        bend = (s * s - s) * length / 2
        p, p_t = of_value * (s - 0.5) + of_slope * bend, of_value_t * (s - 0.5) + of_slope_t * bend
        p_x, p_xx = of_value / length + of_slope * (s - 0.5), of_slope / length
    else:
        p = (left[0] - a * t) * (1 - s) + (right[0] - b * t) * s
        p_t = (left[2] - a) * (1 - s) + (right[2] - b) * s
        p_x, p_xx = (right[0] - b * t - left[0] + a * t) / length, 0.0
    w, w_x = v - p, v_x - p_x
    rho = v_t - p_t + w * w_x - nu * (v_xx - p_xx) - w**3 / 8 - x * t * t
    for k, number in enumerate((rho, p, w, w_x)):
        number = number.reshape(5, 60)
        assert np.all((cells.lo[:, k] - 1e-10 <= number) & (number <= cells.hi[:, k] + 1e-10)), k


def test_rates_are_the_greatest_within_m_of_the_network():
    """exp' and exp' - exp'' w_x for w in [0, 1/2] and w_x in [-2, 1], at numbers up to 1/2 + M."""
    steps = interval_network(rk.kan([2, 1], 3, 1), np.zeros(6))
    w, slope = (Intervals(*np.array(ends)[:, None]) for ends in ((0.0, 0.5), (-2.0, 1.0)))
    for flux in (None, lambda u: u.exp()):
        equation = EvolutionEquation(steps, np.array(SQUARE), None, 1.0, flux, lambda u: u.exp(), None, 4)
        rates, most = equation.rates(w, slope, 1.0), np.exp(1.5)
        assert rates == pytest.approx((most, most * (3 if flux else 1)), rel=1e-13)
        assert min(rates) > most


def test_zero_is_its_own_solution():
    bound = rk.exact.certified_evolution(
        rk.kan([2, 1], 3, 1), np.zeros(6), lambda x: 0, lambda x, t: 0, SQUARE, 1e-3, flux=lambda u: u * u, cells=2
    )
    assert bound.unproven == ""
    assert bound.mean <= bound.greatest < 1e-300


@pytest.mark.parametrize(
    ("k", "start", "source", "cells", "room"),
    [(8, 1 / 64, 0, 64, 1.05), (8, 1 / 64, 0, 2, 1.6), (-8, 1 / 64, 1 / 16, 64, 1.05), (0, 0, 1, 32, 1.05)],
)
def test_errors_grow_as_reactions_and_sources_make_them(k, start, source, cells, room):
    """v = 0, u = A(t) sin(pi x) of u_t = nu u_xx + k u + f sin(pi x): A' = k A + f, but for a little diffusion."""
    t = np.linspace(0, 1, 101)
    rate = k - 1e-3 * PI**2
    exact = np.max(start * np.exp(rate * t) + source * np.expm1(rate * t) / rate)
    bound = rk.exact.certified_evolution(
        rk.kan([2, 1], 3, 1), np.zeros(6), lambda x: (x * PI).sin() * start, lambda x, t: 0, SQUARE, 1e-3,
        reaction=lambda v: v * k, source=lambda x, t: (x * PI).sin() * source, cells=cells,
    )  # fmt: skip
    assert bound.unproven == ""
    assert exact <= bound.greatest <= 1.1 * exact
    assert exact * 2 / PI <= bound.mean <= room * bound.greatest * 2 / PI


@each_row(
    "slope, a, reaction, nu, room",
    (-3.0, 1, lambda u: u * 0, 1e-3, 1.6),
    (3.0, 1, lambda u: u * 0, 1e-3, 1.05),
    (1.0, 0, lambda u: u * u, 1e-2, 8),
    (3.0, 1, lambda u: u * 3, 1e-2, 1.6),
)
def test_errors_grow_where_a_network_descends_or_a_reaction_is_steep(slope, a, reaction, nu, room):
    """v = s x solves u_t + a u u_x = nu u_xx + G(u) + f; u has its values at both ends and another beginning."""
    net, d, line = rk.kan([2, 1], 3, 1, domain=[[-1, 1], [0, 1]]), 2.0**-6, np.array([-2.0, 0.0, 2.0])
    bound = rk.exact.certified_evolution(
        net, [*slope * line, 0, 0, 0], lambda x: x * slope + (1 - x * x) * d, lambda x, t: x * slope,
        [[-1, 1], [0, 1]], nu, flux=lambda v: v * v * (a / 2), reaction=reaction,
        source=lambda x, t: x * (a * slope**2) - reaction(x * slope), cells=32,
    )  # fmt: skip
    x = np.linspace(-1, 1, 401)
    h = x[1] - x[0]

    def rate(t, e):
        """e_t = nu e_xx - a (u^2/2 - v^2/2)_x + G(u) - G(v) for u = v + e, zero at both ends."""
        flux = a * (slope * x + e / 2) * e
        change = reaction(slope * x + e) - reaction(slope * x)
        change[[0, -1]] = 0
        change[1:-1] += nu * np.diff(e, 2) / h**2 - (flux[2:] - flux[:-2]) / (2 * h)
        return change

    e = np.abs(solve_ivp(rate, (0, 1), (1 - x * x) * d, t_eval=np.linspace(0, 1, 11), rtol=1e-6, atol=1e-10).y)
    greatest, mean = e.max(), (e.sum(axis=0) * h / 2).max()
    assert 0.98 * greatest <= bound.greatest <= room * greatest
    assert 0.98 * mean <= bound.mean <= bound.greatest
    assert room > 2 or bound.mean <= 1.6 * mean


def test_burgers_equation_of_the_problems():
    """The solution of Cole and Hopf, and one of the heat equation in two layers as a network."""
    nu, box = 0.5, [[-1.0, 1.0], [0.0, 0.25]]
    net, theta = product(box=box, decay=nu * PI**2)
    theta[-12:] *= -1
    bound = rk.exact.certified_evolution(
        net, theta, lambda x: -(x * PI).sin(), lambda x, t: 0, box, nu, flux=lambda v: v * v / 2, cells=16
    )
    greatest, mean = error_of(
        net, theta, lambda x, t: burgers.solution(np.stack([x, t], 1), nu, tolerance=1e-5)[:, 0], box
    )
    assert greatest <= bound.greatest <= 8 * greatest
    assert mean <= bound.mean <= 8 * mean


def test_the_periodic_reaction_of_the_problems():
    """A network that does not move, beside a solution that is rounded where it had a kink."""
    nu, box = 0.05, [[-1.0, 1.0], [0.0, 0.05]]
    reference = allen_cahn.reference(modes=64, tolerance=1e-2, diffusion=nu)
    early = coefficients(lambda x: reference(np.stack([x, 0 * x + 0.02], 1))[:, 0], 6, 16, box[0])
    net, theta = rk.kan([2, 1], 6, 16, domain=box), np.concatenate([early, np.zeros(21)])
    bound = rk.exact.certified_evolution(
        net, theta, lambda x: x * x * (x * PI).cos(), None, box, nu, reaction=lambda v: (v - v**3) * 5, cells=16
    )
    greatest, mean = error_of(net, theta, lambda x, t: reference(np.stack([x, t], 1))[:, 0], box)
    assert greatest <= bound.greatest <= 8 * greatest
    assert mean <= bound.mean <= 15 * mean  # the greatest |p| counts in it
    assert 0 < bound.boundary < 0.1


def test_what_is_not_proven_is_said():
    """u_t = u_xx + u^3 may blow up: errors of v = 0 have no bound from some time on; means neither."""
    net, zero = rk.kan([2, 1], 3, 1), np.zeros(6)
    start = lambda x: (x * PI).sin()  # noqa: E731
    bound = rk.exact.certified_evolution(
        net, zero, start, lambda x, t: 0, SQUARE, 1.0, reaction=lambda v: v**3, cells=32
    )
    assert bound.greatest == bound.mean == np.inf
    assert re.match(r"from t = 0\.\d+ on no bound M confirms itself", bound.unproven)
    bound = rk.exact.certified_evolution(net, zero, start, lambda x, t: 0, SQUARE, 1.0, lambda v: v.exp(), cells=8)
    assert bound.unproven == ""
    assert 2 / PI <= bound.mean <= 2 / PI * 1.3  # of fluxes nothing enters the mean
    falling, line = rk.kan([2, 1], 3, 1), np.array([1.5, -1.5, -4.5])
    bound = rk.exact.certified_evolution(
        falling, [*line, *zero[:3]], lambda x: x * -3 + (x * PI).sin(), lambda x, t: x * -3, SQUARE, 1.0,
        lambda v: v.exp(), source=lambda x, t: (x * -3).exp() * -3, cells=8,
    )  # fmt: skip
    assert bound.greatest == np.inf
    assert "no bound M confirms itself" in bound.unproven
    assert 2 / PI <= bound.mean <= 2 / PI * 1.3
    bound = rk.exact.certified_evolution(net, zero, lambda x: 1, lambda x, t: 1, SQUARE, 1.0, cells=2)
    assert bound.greatest >= bound.boundary >= 1  # p is all of the error


def test_a_network_is_made_periodic_by_the_least_polynomial():
    """Of v = x, p = x - 1/2 has half the difference of the ends."""
    net, line = rk.kan([2, 1], 3, 1), [-0.5, 0.5, 1.5]
    bound = rk.exact.certified_evolution(net, [*line, 0, 0, 0], lambda x: 0, None, SQUARE, 1.0, cells=4)
    assert 0.5 <= bound.boundary < 0.5 + 1e-12


def test_bounds_over_slabs_hold_those_of_the_equation():
    """y' = k y + R from h on, k of both signs and zero."""
    for k in (-5.0, 0.0, 3.0, np.inf, np.nan):
        most, end = _grown(1.0, 2.0, k, Intervals.of(0.25))
        if not np.isfinite(k):
            assert most == end == np.inf
            continue
        t = np.linspace(0, 0.25, 50)
        y = np.exp(k * t) + (2 * np.expm1(k * t) / k if k else 2 * t)
        assert y.max() <= most
        assert y[-1] <= end <= 1.5 * y[-1]


def test_what_is_no_evolution():
    net, theta = product()
    zero = lambda *x: 0  # noqa: E731
    evolution = rk.exact.certified_evolution
    refused(lambda: evolution(rk.kan([1, 1], 4, 1), np.zeros(4), zero, zero, [[0, 1]], 1.0), "net must map x and t")
    refused(lambda: evolution(rk.kan([2, 1], 2, 2), [0, 1, 0, 0, 0, 0], zero, zero, SQUARE, 1.0), "continuous first")
    refused(lambda: evolution(net, theta, zero, zero, [[0, 1], [1, 1]], 1.0), "sides of positive length")
    for diffusion in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="diffusion must be finite"):
            evolution(net, theta, zero, zero, SQUARE, diffusion)
    with pytest.raises(TypeError, match="reaction must be made of its arguments"):
        evolution(net, theta, zero, zero, SQUARE, 1.0, reaction=lambda v: float(v), cells=2)


@pytest.mark.parametrize("boundary", [None, lambda x, t: 0.0])
def test_expansions_have_the_degree_that_is_asked_for(boundary):
    """Slopes of the ends, of which p is made where they repeat, cost one."""
    steps = interval_network(rk.kan([2, 1], 4, 2), np.zeros(10))
    box = np.array(SQUARE)
    equation = EvolutionEquation(steps, box, boundary, 0.1, None, None, None, 3)
    for part in equation.expanded(Intervals(box[None, :, 0], box[None, :, 1])):
        assert (part.centre.order, part.over.order) == (3, 3)
