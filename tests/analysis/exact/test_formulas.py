"""Edges as formulas: enclosures against 40 digits, distances that see what samples do not, networks within bounds."""

from functools import partial

import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.enclosures.float_intervals import Intervals
from refkan.analysis.exact.enclosures.formulas_on_edges import LISTED, EdgeFormula, distance_from
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.nodes.fitted_formulas import POINTS, fitted

formulas = partial(rk.exact.pruned, formulas=True)
UNIT = [[0.0, 1.0]] * 2
X = np.random.default_rng(0).uniform(size=(2000, 2))

OF_NUMBERS = {
    "x": lambda u: u,
    "x^2": lambda u: u**2,
    "x^3": lambda u: u**3,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sqrt": mpmath.sqrt,
    "1/x": lambda u: 1 / u,
    "sin": mpmath.sin,
    "tanh": mpmath.tanh,
    "exp(-x^2)": lambda u: mpmath.exp(-(u**2)),
}


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("width", [0.0, 1e-9, 0.3])
def test_enclosures_hold_values_and_derivatives(name, width):
    rng = np.random.default_rng(1)
    formula = EdgeFormula(name, a=1.3, b=2.7, c=-0.9, d=0.2)
    low = rng.uniform(-1.0, 1.0, 20)
    enclosed = formula.of_intervals(Intervals(low, low + width), 2)
    with mpmath.workdps(40):
        for n, at in enumerate(low + width * rng.uniform(size=20)):
            argument = mpmath.mpf(1.3) * mpmath.mpf(at) + mpmath.mpf(2.7)
            taylor = mpmath.taylor(OF_NUMBERS[name], argument, 2)
            for k in range(3):
                true = mpmath.mpf(-0.9) * taylor[k] * mpmath.mpf(1.3) ** k + (mpmath.mpf(0.2) if k == 0 else 0)
                assert enclosed[k].lo[n] <= true <= enclosed[k].hi[n]
                if width == 0:
                    assert enclosed[k].hi[n] - enclosed[k].lo[n] <= 1e-13 * (1 + abs(true))


@pytest.mark.parametrize("name", ["log", "sqrt", "1/x"])
def test_formulas_without_a_value_are_infinitely_far_away(name):
    net = rk.kan([1, 1], 3, 4)
    edge = interval_network(net, np.zeros(net.n_params)).steps[0].edge(0, 0)
    assert distance_from(EdgeFormula(name, 1.0, -0.5, 1.0, 0.0), edge, 0.0, 1.0) == np.inf
    assert distance_from(EdgeFormula(name, 1.0, 0.5, 1.0, 0.0), edge, 0.0, 1.0) < 3.0


def test_a_distance_sees_what_lies_between_samples():
    breakpoints = 0.5 + np.array([-0.5, 1 / 1024, 2 / 1024, 3 / 1024, 4 / 1024, 0.5])
    net = rk.Network((rk.SplineLayer((rk.SplineSpace.clamped(3, breakpoints),), 1),), ())
    theta = np.zeros(net.n_params)
    theta[3] = 1.0  # a bump on three short intervals, between two points of a fit
    assert not net(theta, np.linspace(0.0, 1.0, POINTS)[:, None]).any()
    edge = interval_network(net, theta).steps[0].edge(0, 0)
    peak = net(theta, np.linspace(0.49, 0.51, 100001)[:, None]).max()
    assert 0.7 < peak <= distance_from(EdgeFormula("x", 1.0, 0.0, 0.0, 0.0), edge, 0.0, 1.0) <= 1.02 * peak
    result = formulas(net, theta, [[0.0, 1.0]], tolerance=0.5)
    assert result.edges == ()  # samples of the edge are zero, and what fits them is 0.75 away


@pytest.mark.parametrize("name", LISTED)
def test_each_function_is_recovered(name):
    z = np.linspace(0.5, 2.5, 129)
    truth = EdgeFormula(name, *LISTED[name].normal(0.8, 0.4), 1.5, -0.3)
    formula = fitted(z, truth.of_floats(z), 1e-6)
    assert formula.function == name
    assert np.abs(formula.of_floats(z) - truth.of_floats(z)).max() < 1e-6


def trained(**options):
    x = X[:100]
    net, theta = rk.kan([2, 3, 1], 4, 4, **options).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, np.exp(np.sin(3.0 * x[:, :1]) + x[:, 1:] ** 2))
    return net, rk.minimize(problem, theta, "levenberg-marquardt", steps=10).theta


@pytest.mark.parametrize("options", [{}, {"edge": "silu"}, {"node_map": "mean-std"}, {"node_map": "sigmoid"}], ids=str)
def test_the_network_stays_within_the_tolerance(options):
    net, theta = trained(**options)
    frozen = net.freeze(theta)
    result = formulas(net, theta, UNIT, 0.5, budget=100)
    off = np.abs(result(X) - frozen(theta, X)).max()
    assert 0.05 * result.bound <= off <= result.bound <= 0.5
    assert result.edges
    inputs = frozen.activations(theta, X).inputs
    edges = frozen.activations(theta, X).edges
    for edge in result.edges:
        at = inputs[edge.layer][:, edge.input]
        apart = np.abs(edge(at) - edges[edge.layer][:, edge.output, edge.input]).max()
        assert 0.3 * edge.distance <= apart <= edge.distance


def test_the_bound_of_an_edge_is_that_of_the_edge_alone():
    net, theta = trained()
    assert formulas(net, theta, UNIT, 1e-9, budget=2).edges == ()
    result = formulas(net, theta, UNIT, 0.5, budget=100)
    edge = next(edge for edge in result.edges if edge.layer == 0)
    alone = type(result)(result.network, result.theta, edge.bound, (edge,), ())
    off = np.abs(alone(X) - net(theta, X)).max()
    assert 0.1 * edge.bound <= off <= edge.bound


def test_other_bases_may_have_formulas():
    net = rk.kan([1, 1], 3, 4, basis="relu")
    x = np.linspace(0.0, 1.0, 50)[:, None]
    theta = rk.minimize(rk.LeastSquares(net, x, np.exp(x)), np.zeros(net.n_params), "levenberg-marquardt").theta
    (edge,) = formulas(net, theta, [[0.0, 1.0]], 0.01).edges
    assert edge.kind == "exp"


def test_what_has_no_formulas_is_refused():
    with pytest.raises(ValueError, match="dense layers have none"):
        formulas(rk.mlp([2, 3, 1]), np.zeros(12), UNIT, 0.1)
    steps = rk.kan([2, 1], 1, 2)
    with pytest.raises(ValueError, match="order 1 jump"):
        formulas(steps, np.arange(steps.n_params), UNIT, 0.1)
