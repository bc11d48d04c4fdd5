"""Collocation losses that jump in theta: warned of, found by the checks, and absent under sigmoid maps."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.base.errors import DiscontinuousLossWarning
from refkan.checks import gradient_check
from refkan.training.losses import Collocation, Side, Term, prescribed
from tests.shared.tables import each_row
from validation.equations.recipes.trainers import Attended, Minibatches, Redrawn

X = np.linspace(0.0, 1.0, 200)[:, None]
SQUARE = 20.0**2
AT_BUILD = "the loss is not continuous in theta: beyond its domain layer 1 is a straight line .* node_map='sigmoid'"


def helmholtz(points=X, orders=2, **options):
    """u'' + k^2 u = 0, k = 20, u = sin kx at the ends; with orders=1 the derivative alone."""
    if orders == 1:
        equation = Term("equation", Side(points, [[1.0]], orders=1), lambda x, u, du: du, lambda *_: (0.0, 1.0))
    else:
        side = Side(points, [[1.0]])
        equation = Term("equation", side, lambda x, u, du, ddu: ddu + SQUARE * u, lambda *_: (SQUARE, 0.0, 1.0))
    return [equation, prescribed("ends", [[0.0], [1.0]], [0.0, np.sin(20.0)])]


def network(widths=(1, 4, 1), order=4, seed=1, x=X, **options):
    return rk.kan(list(widths), order, 4, **options).initialize(np.random.default_rng(seed), x)


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call()
    return result, [w for w in found if w.category is DiscontinuousLossWarning]


@pytest.mark.parametrize("options", [{}, {"basis": "relu"}, {"edge": "silu"}], ids=str)
def test_min_max_maps_are_warned_of_where_the_problem_is_built(options):
    net, _ = network(node_map="min-max", **options)
    _, found = caught(lambda: Collocation(net, helmholtz()))
    assert len(found) == 1
    assert found[0].filename == __file__
    with pytest.warns(DiscontinuousLossWarning, match=AT_BUILD):
        Collocation(net, helmholtz())


@each_row(
    "make, orders",
    (network, 2),
    (lambda: network(node_map="sigmoid"), 2),
    (lambda: network(node_map="mean-std"), 2),
    (lambda: network(node_map="none"), 2),
    (lambda: network(outside="polynomial"), 2),
    (lambda: network(outside="natural"), 2),
    (lambda: network((1, 1)), 2),  # points do not move
    (lambda: rk.mlp([1, 4, 1], "tanh").initialize(np.random.default_rng(0), X), 2),
    (lambda: network(node_map="min-max"), 1),  # the tangent continues the first derivative
)
def test_others_are_not(make, orders):
    net, _ = make()
    assert caught(lambda: Collocation(net, helmholtz(orders=orders), check=True))[1] == []


def test_problems_made_from_one_do_not_repeat_it():
    net, theta = network(node_map="min-max")
    problem, found = caught(lambda: Collocation(net, helmholtz()))
    assert len(found) == 1
    assert caught(lambda: problem.redrawn({"equation": X[::2]}))[1] == []
    assert caught(lambda: problem.with_network(net.refine()))[1] == []
    assert len(caught(lambda: replace(problem, net=net.refine()))[1]) == 1
    assert caught(lambda: Collocation(net, helmholtz(), quiet=True))[1] == []
    batches = Minibatches(problem, 50, np.random.default_rng(0))
    assert caught(lambda: [batches.value_and_gradient(theta) for _ in range(4)])[1] == []
    assert caught(lambda: Attended(0.5)(problem, theta, steps=1, learning_rate=1e-3))[1] == []
    assert caught(lambda: Redrawn(((0.0, 1.0),), seed=0, every=1)(problem, theta, steps=1))[1] == []
    assert caught(lambda: rk.minimize_multilevel(problem, theta, [1, 1], method="levenberg-marquardt"))[1] == []


@pytest.mark.parametrize("node_map", ["affine", "sigmoid"])
@pytest.mark.parametrize("seed", range(4))
def test_with_all_activations_inside_real_and_complex_evaluations_agree(seed, node_map):
    net, theta = network(seed=seed, node_map=node_map)
    problem, found = caught(lambda: Collocation(net, helmholtz(X[::5]), check=True))
    (value, moved), more = caught(lambda: (problem.value(theta), problem.value(theta + 1e-30j).real))
    assert found == more == []
    assert value == pytest.approx(moved, rel=1e-12)
    report = gradient_check(problem.value, problem.gradient, theta)
    assert report.ok, report.table
    assert report.method == "complex"
