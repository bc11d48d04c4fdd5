"""Poisson's equation with a jump, and the manufactured problems: closed forms against complex steps."""

import math
from math import cos, e, exp, log, pi, sin, sqrt, tanh

import numpy as np
import pytest
from scipy import integrate

import refkan as rk
from refkan.training.problems import TARGETS, formulas, manufactured, poisson
from tests.shared.refusals import refusals, refused

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
    ({"domain": (1.0, 1.0)}, r"domain must be a pair a < b; got \(1.0, 1.0\)"),
    call=lambda arguments: manufactured.ManufacturedProblem(manufactured.PEAK, **arguments),
)


SCALAR = {
    "smooth": lambda x: exp(sin(2 * pi * x)),
    "kink": lambda x: abs(x - 1 / pi),
    "step": lambda x: float(x * x >= 0.5),
    "steep": lambda x: tanh(50 * x),
    "cusp": lambda x: sqrt(abs(x - 1 / e)),
    "chirp": lambda x: sin(20 * pi * x**3),
    "peak": lambda x: sin(2 * pi * x) / 2 + exp(-2000 * (x - 0.7) ** 2),
    "front": lambda x, t: tanh(50 * (x - 0.25 - t / 2)),
    "disc": lambda x, y: float(x * x + y * y < 0.5),
    "crease": lambda x, y: abs(x + y / 2 - 2 / pi),
    "peak-2d": lambda x, y: sin(2 * pi * x) * sin(2 * pi * y) / 2 + exp(-500 * ((x - 0.7) ** 2 + (y - 0.3) ** 2)),
    "chirp-2d": lambda x, y: sin(10 * pi * x**3) * cos(6 * pi * y**2),
    "I.6.20b": lambda s, q, m: exp(-((q - m) ** 2) / (2 * s * s)) / (s * sqrt(2 * pi)),
    "I.16.6": lambda c, v, u: (u + v) * c * c / (c * c + u * v),
    "I.15.3x": lambda x, u, c, t: c * (x - u * t) / sqrt((c - u) * (c + u)),
    "I.29.16": lambda a, b, p, q: sqrt((a * cos(p) - b * cos(q)) ** 2 + (a * sin(p) - b * sin(q)) ** 2),
    "I.12.11": lambda q, f, B, v, a: q * f + q * B * v * sin(a),
    "I.44.4": lambda n, k, T, V, W: n * k * T * (log(W) - log(V)),
    "II.6.15a": lambda e, p, r, x, y, z: 0.75 * p * z * sqrt(x * x + y * y) / (pi * e * r**5),
    "I.40.1": lambda n, m, x, T, g, k: n / exp(m * g * x / (k * T)),
}
"""Each formula for one point, arranged otherwise where it can be."""

PLACES = {"kink": 1 / pi, "step": sqrt(0.5), "cusp": exp(-1)}


@pytest.mark.parametrize("id", SCALAR)
def test_values_are_those_of_the_scalar_formula(rng, id):
    x = TARGETS[id].sample(rng, 200)
    if id in PLACES:
        x = np.vstack([x, PLACES[id] + np.array([[-1e-6], [1e-6]])])
    expected = np.array([[SCALAR[id](*map(float, point))] for point in x])
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(TARGETS[id](x), expected, rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("d", formulas.DIMENSIONS)
def test_superpositions_are_sums_and_products(rng, d):
    x = TARGETS[f"sum-{d}"].sample(rng, 40)
    expected = {"sum": [], "product": [], "folded-product": [], "nested-sums": []}
    for point in x:
        total, product, folded, square = 0.0, 1.0, 1.0, 0.0
        for i, s in enumerate(map(float, point), start=1):
            total += cos(2 * pi * s + i)
            product *= 1 + sin(2 * pi * s + i) / sqrt(d)
            folded *= (abs(4 * s - 2) + i) / (1 + i)
            square += (s - i / (d + 1)) ** 2
        expected["sum"].append(total / sqrt(d))
        expected["product"].append(product)
        expected["folded-product"].append(folded)
        expected["nested-sums"].append(exp(-square) * sin(sum(map(float, point))))
    for name, values in expected.items():
        np.testing.assert_allclose(TARGETS[f"{name}-{d}"](x)[:, 0], values, atol=1e-14)


def test_special_functions_are_their_integrals(rng):
    def close(id, function, n=8, tolerance=1e-9):
        for point in TARGETS[id].sample(rng, n):
            assert abs(TARGETS[id](point[None])[0, 0] - function(*map(float, point))) < tolerance

    def quad(f, a, b, limit=400):
        return integrate.quad(f, a, b, limit=limit, epsabs=1e-12)[0]

    def bessel(v, x):  # Schlaefli's integral
        tail = quad(lambda s: exp(-x * np.sinh(s) - v * s), 0, 12) * sin(v * pi) / pi
        return quad(lambda s: cos(v * s - x * sin(s)), 0, pi) / pi - tail

    def airy(x):  # y'' = x y from the values at 0
        start = [0.355028053887817239, -0.258819403792806798]
        return integrate.solve_ivp(lambda s, y: [y[1], s * y[0]], (0, x), start, rtol=1e-12, atol=1e-14).y[0, -1]

    def harmonic(p, q):  # the polynomial sqrt(105/(32 pi)) z (x^2 - y^2) on the sphere
        x, y, z = sin(p) * cos(q), sin(p) * sin(q), cos(p)
        return sqrt(105 / (32 * pi)) * z * (x * x - y * y)

    close("fresnel", lambda x: quad(lambda s: sin(pi * s * s / 2), 0, x))
    close("bessel", bessel)
    close("elliptic", lambda p, m: quad(lambda s: 1 / sqrt(1 - m * sin(s) ** 2), 0, p))
    close("spherical-harmonic", harmonic, tolerance=1e-14)
    for x in (-12.0, -5.0, -0.3, 1.5):  # beyond, the second solution of the equation takes over
        assert abs(TARGETS["airy"]([[x]])[0, 0] - airy(x)) < 1e-8


@pytest.mark.parametrize("id", TARGETS)
def test_every_target_keeps_the_rules(rng, id):
    target = TARGETS[id]
    assert target.id == id
    assert target.formula.endswith(".")
    assert len(target.formula) > 5
    assert target.dimension == len(target.domain)
    assert all(low < high for low, high in target.domain)
    x = target.sample(rng, 30)
    before = x.copy()
    y = target(x)
    assert y.shape == (30, 1)
    assert y.dtype == np.float64
    np.testing.assert_array_equal(x, before)  # pure
    np.testing.assert_array_equal(target(x), y)
    assert target(np.empty((0, target.dimension))).shape == (0, 1)
    corners = np.array(target.domain).T
    assert np.isfinite(target(corners)).all()
    refused(lambda: target(np.zeros((3, target.dimension + 1))), rf"x must have shape \(N, {target.dimension}\)")
    with pytest.raises(rk.OutsideDomainError, match=rf"domain of target '{id}'.* got x\[1, 0\]"):
        target(np.vstack([corners[0], corners[1] + np.eye(target.dimension)[0]]))


def literal(x, y, angle=0.175, centre=(0.0, 0.0), kink=True):
    """The formula of section 5.1 with math alone, one point at a time."""
    dx, dy = x - centre[0], y - centre[1]
    u = centre[0] + math.cos(angle) * dx - math.sin(angle) * dy
    v = centre[1] + math.sin(angle) * dx + math.cos(angle) * dy
    value = math.cos(4 * math.pi * u) + math.sin(math.pi * v) + math.sin(2 * math.pi * v)
    return value + (abs(math.sin(3 * math.pi * v * v)) if kink else 0.0)


@pytest.mark.parametrize("kink", [True, False])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.5, 0.5), (0.2, -0.3)])
@pytest.mark.parametrize("angle", [0.175, 0.0, -1.0])
def test_values_are_those_of_the_formula(rng, angle, centre, kink):
    x = rng.uniform(size=(50, 2))
    values = rk.problems.regression_target(x, angle, centre, kink)
    expected = np.array([[literal(*point, angle, centre, kink)] for point in x])
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-14)  # arguments up to 4 pi, rounded


test_bad_input_is_refused = refusals(
    ({"angle": np.inf}, "angle must be finite"),
    call=lambda arguments: rk.problems.regression_target(**({"x": np.zeros((1, 2))} | arguments)),
)
