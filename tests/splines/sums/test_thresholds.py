"""Large sizes seen small: networks as they are and with every size lowered, under both engines, against the truth.

Which sizes there are, and that none is missing in the list of `tests.shared.thresholds`.
"""

import ast
import importlib
from functools import cache

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.networks.hessians import gauss_newton, hessian, jacobian, ntk
from refkan.networks.hessians.products import hessian_vector
from refkan.training.optimizers.second_order import damped_systems
from refkan.training.optimizers.second_order.linear_layer import LinearLayer
from tests.shared.draws import poisoned_memory
from tests.shared.factories import gauss_newton_paths
from tests.shared.thresholds import LOWERED, NO_SIZES, SIDES, importers, lowered, sources

N = 13
"""Samples: blocks of five are left with three, chunks of four and six with a single one."""

WEIGHTS = np.random.default_rng(1).uniform(0.5, 2.0, N) * (np.arange(N) != 5)

NETWORKS = {
    "few outputs": {"widths": [2, 3, 1], "order": 4, "intervals": 3},
    "polynomials outside": {
        "widths": [2, 2, 2],
        "order": 3,
        "intervals": 2,
        "node_map": "mean-std",
        "outside": "polynomial",
    },
    "many outputs": {"widths": [3, 1, 9], "order": 3, "intervals": 2, "node_map": "min-max"},
    "many intervals": {"widths": [1, 4, 1], "order": 3, "intervals": 7, "node_map": "none", "outside": "natural"},
    "silu": {"widths": [2, 2, 1], "order": 3, "intervals": 2, "node_map": "sigmoid", "edge": "silu"},
    "relu": {"widths": [2, 2, 1], "order": 4, "intervals": 2, "basis": "scaled-relu"},
    "free knots": {"widths": [1, 2, 1], "order": 4, "intervals": 3, "free_knots": True},
}


@cache
def case(name):
    """A network at theta on samples inside and outside the domain, two of them far outside, and targets."""
    rng = np.random.default_rng(len(name))
    net = rk.kan(**NETWORKS[name])
    x = rng.uniform(-0.2, 1.2, (N, net.widths[0]))
    if net.layers[0].outside == "linear":
        x[[3, 12], 0] = 40.0, -70.0
    net, theta = net.initialize(rng, rng.uniform(size=(7, net.widths[0])))
    theta = theta + 0.1 * rng.standard_normal(theta.size) * (np.abs(theta) + 0.1)
    return net, theta, x, rng.standard_normal((N, net.widths[-1]))


def directions(net):
    rng = np.random.default_rng(7)
    P = net.widths[0]
    return rng.standard_normal(net.n_params), rng.standard_normal((N, P)), rng.standard_normal((2, P))


@cache
def expected(name):
    """Every operation by the truth, in floats."""
    net, theta, x, y = case(name)
    dtheta, dx, u = directions(net)
    at = truth.of(net, theta, x, number=float)
    jet, loss = at.jet(u), at.least_squares(y, WEIGHTS)
    of_jet = np.array(jet.first), np.array(jet.second)
    J = np.array(at.jacobian(), float)
    J_w = np.sqrt(np.repeat(WEIGHTS, y.shape[1]))[:, None] * J
    results = {
        "value": at.value, "gradients": at.pullback(y), "tangent": at.pushforward(dtheta, dx), "jacobian": J,
        "weighted jacobian": J_w,
        "jet": (jet.value, *of_jet), "pullback of the jet": jet.pullback(y, *of_jet),
        "loss": loss.value, "gauss-newton": loss.gauss_newton(), "kernel": J_w @ J_w.T,
        "gauss-newton-vector": J_w.T @ (J_w @ dtheta) / N,
    }  # fmt: skip
    if not net.layers[0].free_knots:
        H = np.array(loss.hessian(), float)
        results |= {"hessian": H, "hessian-vector": H @ dtheta}
    return results


def operations(name):
    """The same by the library, where there are several ways by each."""
    net, theta, x, y = case(name)
    dtheta, dx, u = directions(net)
    problem = rk.LeastSquares(net, x, y, WEIGHTS)
    jet = net.jet(theta, x, u)
    blocks = list(problem.residual_blocks(theta))
    yield "value", net(theta, x)
    yield "gradients", net.vjp(theta, x)[1](y)
    yield "tangent", net.jvp(theta, x, dtheta, dx)
    yield "jacobian", net.jacobian(theta, x)
    yield "weighted jacobian", jacobian(net, theta, x, WEIGHTS)
    yield "weighted jacobian", np.sqrt(N) * np.concatenate([J for _, J in blocks])
    yield "jet", (jet.value, jet.first, jet.second)
    yield "pullback of the jet", jet.pullback(y, *(np.array(part) for part in expected(name)["jet"][1:]))[0]
    yield "loss", problem.value(theta)
    yield "loss", sum(0.5 * r @ r for r, _ in blocks)
    yield "gauss-newton", damped_systems.normal_matrix(problem, theta)
    yield "gauss-newton-vector", problem.gauss_newton_vector(theta, dtheta)
    yield "kernel", ntk(net, theta, x, WEIGHTS)
    for path in gauss_newton_paths(net):
        yield "gauss-newton", gauss_newton(net, theta, x, WEIGHTS, path=path)
    if not net.layers[0].free_knots:
        yield "hessian", hessian(net, theta, x, y, WEIGHTS)
        yield "hessian-vector", hessian_vector(net, theta, x, y, dtheta, WEIGHTS)


def as_arrays(result, like=None):
    """The arrays of a tuple, or of what is one array; `like` says which of the two it is."""
    several = isinstance(result if like is None else like, tuple)
    return [np.array(part, float) for part in (result if several else [result])]


@pytest.mark.filterwarnings("ignore:the second derivative of splines")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_operation_on_both_sides_of_every_size(name, engine, side):
    seen = set()
    with SIDES[side](), rk.use_engine(engine), poisoned_memory():
        for what, result in operations(name):
            seen.add(what)
            for mine, right in zip(as_arrays(result), as_arrays(expected(name)[what], result), strict=True):
                assert mine.shape == right.shape
                assert np.abs(mine - right).max() <= 1e-12 * np.abs(right).max(), what
    assert seen == set(expected(name))


@pytest.mark.parametrize("side", SIDES)
def test_the_last_layer_is_eliminated_on_both_sides(side):
    """By chunks of samples, by dense rows and by windows: the gradient in what was eliminated vanishes."""
    net, theta, x, y = case("few outputs")
    problem = rk.LeastSquares(net, x, y, WEIGHTS)
    with SIDES[side]():
        layer = LinearLayer(problem, 1e-9)
        best = layer.eliminate(theta)
        _, gradient = problem.value_and_gradient(best)
    penalty = layer.ridge * best[layer.linear]
    assert np.abs(gradient[layer.linear] + penalty).max() <= 1e-9 * np.abs(problem.jacobian(best)).max()


def test_results_are_the_same_bits_wherever_sizes_are_lowered_that_only_share_work():
    """Threads and memory that is used again decide on no number."""
    alone = {
        ("refkan.kernels.launch", "SERIAL_BELOW"),
        *(("refkan.kernels.recycled_memory", size) for size in LOWERED["refkan.kernels.recycled_memory"]),
    }
    with rk.use_engine("fast"), lowered(*alone):
        kept = list(operations("few outputs"))
    with rk.use_engine("fast"), lowered():
        for (what, one), (_, other) in zip(kept, operations("few outputs"), strict=True):
            for mine, theirs in zip(as_arrays(one), as_arrays(other), strict=True):
                assert mine.tobytes() == theirs.tobytes(), what


def whole_numbers(module):
    """Names in capitals of whole numbers, or of tuples of them, that a module defines."""
    for name, value in vars(importlib.import_module(module)).items():
        parts = value if isinstance(value, tuple) else (value,)
        if name.isupper() and parts and all(type(part) is int for part in parts):
            yield name


def test_no_size_is_missing():
    """Each whole number of a module is lowered, or said to be no size; and each of the list exists."""
    known = {holder: set() for holders in importers().values() for holder in holders}
    for (_, size), holders in importers().items():
        for holder in holders:
            known[holder].add(size)
    for module, tree in sources().items():
        names = set(whole_numbers(module))
        assigned = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        own = {inner.id for target in assigned for inner in ast.walk(target) if isinstance(inner, ast.Name)}
        missing = (names & own) - known.get(module, set()) - NO_SIZES.get(module, set())
        assert not missing, f"{module}: {missing} are neither in LOWERED nor in NO_SIZES of tests/shared/thresholds.py"
    for module, sizes in LOWERED.items():
        for size, low in sizes.items():
            value = getattr(importlib.import_module(module), size)
            assert value != low, f"{module}.{size} is not lowered"
    for module, names in NO_SIZES.items():
        assert names <= set(vars(importlib.import_module(module)))


def decisions(tree):
    """Numbers of a hundred and more that something is compared with, bounded by or divided into, without a name."""
    for node in ast.walk(tree):
        parts = ()
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max", "range"):
            parts = node.args
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
            parts = [node.left, node.right]
        for part in parts:
            for inner in ast.walk(part):
                if isinstance(inner, ast.Constant) and type(inner.value) is int and inner.value >= 100:
                    yield inner.lineno, inner.value


def test_no_size_is_without_a_name():
    assert not {(module, *at) for module, tree in sources().items() for at in decisions(tree)}
    assert [*decisions(ast.parse("parts = min(8, n // 512) if n > 100 else 1"))] == [(1, 100), (1, 512), (1, 512)]
