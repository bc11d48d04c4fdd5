"""Poisson's equation with a jump, and the manufactured problems: closed forms against complex steps."""

import numpy as np
import pytest

from refkan.training.problems import manufactured, poisson
from tests.shared.refusals import refusals

STEP = 1e-30
TOLERANCE = 1e-13
"""Relative to the largest value: a few eps times arguments of sines up to 16 pi."""


def derivative(function, x, direction):
    """Complex step along a direction; exact up to rounding."""
    return function(x + 1j * STEP * np.asarray(direction)).imag / STEP


def points(rng, n=200):
    x = rng.uniform(-1.0, 1.0, (n, 2))
    x[:20, 0] = rng.uniform(0.0, 1e-3, 20) * np.where(np.arange(20) % 2, 1, -1)
    return x


def close(a, b):
    assert np.abs(a - b).max() <= TOLERANCE * max(1.0, np.abs(b).max())


def test_poisson_is_what_is_printed():
    """Gradient, source, flux and boundary values belong to the printed problem."""
    rng = np.random.default_rng(5)
    x = points(rng)
    left = x[:, :1] < 0
    u = np.where(left, np.sin(np.pi * x[:, :1]), np.sin(2 * np.pi * x[:, :1])) * np.sin(3 * np.pi * x[:, 1:])
    first = np.hstack([derivative(poisson.solution, x, d) for d in np.eye(2)])
    laplacian = sum(derivative(poisson.gradient, x, d)[:, [i]] for i, d in enumerate(np.eye(2)))
    edge = np.column_stack([np.linspace(-1, 1, 41), np.ones(41)])
    boundary = np.vstack([edge, -edge, edge[:, ::-1], -edge[:, ::-1]])
    interface = np.column_stack([np.zeros(30), rng.uniform(-1, 1, 30)])
    across = np.pi * np.sin(3 * np.pi * interface[:, 1])
    close(poisson.solution(x), u)
    close(poisson.coefficient(x), np.where(left, 1.0, 0.5))
    close(poisson.gradient(x), first)
    close(poisson.source(x), poisson.coefficient(x) * laplacian)
    close(poisson.source(x), np.where(left, -10.0, -6.5) * np.pi**2 * u)
    for side in poisson.SIDES:
        close((poisson.coefficient(interface, side) * poisson.gradient(interface, side))[:, 0], across)
    close(poisson.gradient(interface, "right")[:, 0], 2 * across)
    close(poisson.solution(boundary), 0.0 * boundary[:, :1])


def test_the_level_set_and_its_seeds(rng):
    x = points(rng, 50)
    inputs, seeds = poisson.level_set_input(x), poisson.level_set_seeds(x)
    np.testing.assert_array_equal(inputs, np.column_stack([x, np.abs(x[:, 0])]))
    for k, direction in enumerate(np.eye(2)):
        np.testing.assert_allclose(derivative(poisson.level_set_input, x, direction), seeds[:, k], rtol=1e-15)
    for side, sign in (("left", -1.0), ("right", 1.0)):
        at = poisson.level_set_seeds([[0.0, 0.3], [-0.2, 0.3], [-0.0, 0.3]], side)
        np.testing.assert_array_equal(at[:, 0, 2], [sign, -1.0, sign])


PROBLEMS = [("POISSON_1D", name) for name in manufactured.POISSON_1D]
PROBLEMS += [("HELMHOLTZ_1D", name) for name in manufactured.HELMHOLTZ_1D]


@pytest.mark.parametrize(("group", "name"), PROBLEMS)
def test_manufactured_solutions_solve_their_equations(group, name):
    problem = getattr(manufactured, group)[name]
    at = np.linspace(*problem.domain, 301)[:, None]
    second = derivative(problem.derivative, at, 1.0)
    close(problem.derivative(at), derivative(problem.solution, at, 1.0))
    close(problem.second_derivative(at), second)
    close(problem.source(at), second + problem.wavenumber**2 * problem.solution(at))
    assert (problem.wavenumber == 0) == (group == "POISSON_1D")
    # the formula that is shown, evaluated: products are written with spaces
    text = problem.profile.formula.replace("^", "**").replace(") sin", ") * sin")
    for spelt in ("2 pi x", "16 pi x", "4 pi x", "200 ("):
        text = text.replace(spelt, spelt.replace(" ", " * "))
    x = np.linspace(*problem.domain, 7)
    shown = eval(text, {"sin": np.sin, "exp": np.exp, "pi": np.pi, "x": x})
    np.testing.assert_allclose(problem.solution(x[:, None])[:, 0], shown, atol=1e-14)


test_bad_manufactured_problems_are_refused = refusals(
    ({"wavenumber": -1.0}, "wavenumber must be at least 0; got -1.0"),
    ({"wavenumber": 4 * np.pi}, "wavenumber must not be an eigenvalue's"),
    ({"wavenumber": np.pi, "domain": (0.0, 1.0)}, "wavenumber must not be an eigenvalue's"),
    ({"domain": (1.0, 0.0)}, r"domain must be a pair a < b; got \(1.0, 0.0\)"),
    call=lambda arguments: manufactured.ManufacturedProblem(manufactured.PEAK, **arguments),
)
