"""Bounds of errors in Burgers' and reaction-diffusion equations against solutions that are known."""

import re

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.solutions.evolution_errors import _grown
from refkan.training.problems import allen_cahn, burgers

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


def test_errors_grow_as_a_reaction_makes_them():
    """v = 0, u = d exp((8 - nu pi^2) t) sin(pi x) of u_t = nu u_xx + 8 u: bounds are d exp(8), and the mean of it."""
    net = rk.kan([2, 1], 3, 1)
    bound = rk.exact.certified_evolution(
        net,
        np.zeros(6),
        lambda x: (x * PI).sin() / 64,
        lambda x, t: 0,
        SQUARE,
        1e-3,
        reaction=lambda v: v * 8,
        cells=64,
    )
    exact = np.exp(8 - 1e-3 * PI**2) / 64
    assert exact <= bound.greatest <= 1.011 * exact
    assert exact * 2 / PI <= bound.mean <= 1.05 * exact * 2 / PI


@pytest.mark.parametrize("slope", [-3.0, 3.0])
def test_errors_grow_where_a_network_descends(slope):
    """v = s x solves Burgers' equation with f = s^2 x; u has its values at both ends and another beginning."""
    net, d, nu, line = rk.kan([2, 1], 3, 1, domain=[[-1, 1], [0, 1]]), 2.0**-6, 1e-3, np.array([-2.0, 0.0, 2.0])
    bound = rk.exact.certified_evolution(
        net, [*slope * line, 0, 0, 0], lambda x: x * slope + (1 - x * x) * d, lambda x, t: x * slope,
        [[-1, 1], [0, 1]], nu, flux=lambda v: v * v / 2, source=lambda x, t: x * slope**2, cells=32,
    )  # fmt: skip
    x = np.linspace(-1, 1, 401)
    h = x[1] - x[0]

    def rate(t, e):
        """e_t = nu e_xx - (u^2/2 - v^2/2)_x for u = v + e, zero at both ends."""
        flux = (slope * x + e / 2) * e
        change = np.zeros_like(e)
        change[1:-1] = nu * np.diff(e, 2) / h**2 - (flux[2:] - flux[:-2]) / (2 * h)
        return change

    e = np.abs(solve_ivp(rate, (0, 1), (1 - x * x) * d, t_eval=np.linspace(0, 1, 11), rtol=1e-6, atol=1e-10).y)
    greatest, mean = e.max(), (e.sum(axis=0) * h / 2).max()
    assert 0.98 * greatest <= bound.greatest <= (1.6 if slope < 0 else 1.05) * greatest
    assert 0.98 * mean <= bound.mean <= 1.1 * mean


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
    with pytest.raises(ValueError, match="net must take x and t to one output"):
        evolution(rk.kan([1, 1], 4, 1), np.zeros(4), zero, zero, [[0, 1]], 1.0)
    with pytest.raises(ValueError, match="continuous first derivatives"):
        evolution(rk.kan([2, 1], 2, 2), [0, 1, 0, 0, 0, 0], zero, zero, SQUARE, 1.0)
    with pytest.raises(ValueError, match="sides of positive length"):
        evolution(net, theta, zero, zero, [[0, 1], [1, 1]], 1.0)
    for diffusion in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="diffusion must be finite"):
            evolution(net, theta, zero, zero, SQUARE, diffusion)
    with pytest.raises(TypeError, match="reaction must take no numbers"):
        evolution(net, theta, zero, zero, SQUARE, 1.0, reaction=lambda v: float(v), cells=2)
