"""Networks whose layers and inputs all differ, against the truth: three inputs and three layers or more.

Basis, order, rule outside the domain, node map and freedom of knots are drawn for each layer, and the kind of knots,
their multiplicity and their domain for each input. Memory of undefined content starts as NaN.
"""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import MeanStdMap, MinMaxMap, SigmoidMap, Unmapped
from tests.shared.draws import poisoned_memory
from tests.shared.refusals import refused
from tests.shared.thresholds import engine_in_python, lowered

KINDS = ("spline", "spline", "free", "relu", "scaled-relu", "silu", "free silu", "chebyshev", "dense")
KNOTS = ("uniform", "random", "clamped", "repeated")
RULES = ("linear", "polynomial", "natural")
MAPS = ("none", "affine", "sigmoid", "mean-std", "min-max")
CASES = 24
N = 5


def space_for(rng, order, n, kind):
    """A space on a domain of its own."""
    low, length = rng.uniform(-1, 1), rng.uniform(0.5, 2)
    if kind == "uniform":
        return rk.SplineSpace.uniform(order, n, (low, low + length))
    steps = rng.uniform(0.3, 1, n)
    breakpoints = low + length * np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])
    if kind == "random":
        outer = np.cumsum(rng.uniform(0.2, 1, (2, order - 1)), axis=1)
        return rk.SplineSpace(np.concatenate([(low - outer[0])[::-1], breakpoints, breakpoints[-1] + outer[1]]), order)
    if kind == "repeated" and order > 1 and n > 2:
        breakpoints[2] = breakpoints[1]
    return rk.SplineSpace.clamped(order, breakpoints)


def mixed_layer(rng, n_inputs, n_outputs):
    """A layer of any kind, its parameters, and whether its functions are steps."""
    kind, order, n = str(rng.choice(KINDS)), int(rng.integers(1, 5)), int(rng.integers(1, 5))
    outside = str(rng.choice(RULES))
    if kind == "dense":
        layer = rk.DenseLayer(n_inputs, n_outputs, str(rng.choice(["tanh", "silu", "identity"])))
        return layer, rng.normal(size=layer.n_params), False
    if kind == "chebyshev":
        ends = rng.uniform(-1, 1, (n_inputs, 1)) + np.array([-0.5, 0.5])
        layer = rk.ChebyshevLayer(ends, n_outputs, order, "linear" if outside == "natural" else outside)
        return layer, rng.normal(size=layer.n_params), False
    free = kind.startswith("free")
    if free:
        order, outside = max(order, 2), "polynomial" if outside == "natural" else outside
    strict = "relu" in kind or free
    knots = [str(rng.choice(KNOTS[: 1 if free else 2 if strict else 4])) for _ in range(n_inputs)]
    spaces = tuple(space_for(rng, order, n, each) for each in knots)
    if "relu" in kind:
        layer = rk.ReluLayer(spaces, n_outputs, outside, scaled=kind == "scaled-relu")
    else:
        layer = rk.SplineLayer(spaces, n_outputs, outside, free_knots=free)
    if kind.endswith("silu"):
        layer = rk.SiluLayer(layer)
    return layer, 0.5 * rng.normal(size=layer.n_params), order == 1


def domains_of(layer):
    """Where the inputs of a layer should lie, (P, 2)."""
    if isinstance(layer, rk.DenseLayer):
        return np.tile([-1.0, 1.0], (layer.n_inputs, 1))
    return np.array(layer.domains)


def map_into(rng, domains, steps):
    """A node map into the domains of the layer after it; steps are not met with their ends, which rounding moves."""
    kind = str(rng.choice(MAPS[:-1] if steps else MAPS))
    if kind == "none":
        return Unmapped()
    if kind == "affine":
        return AffineMap(rng.choice([-1, 1]) * np.diff(domains, axis=1)[:, 0] / 3, domains.mean(axis=1))
    return {"sigmoid": SigmoidMap, "mean-std": MeanStdMap, "min-max": MinMaxMap}[kind](domains)


def mixed(seed):
    """A network, parameters, and samples of which some lie outside the domains of the first layer."""
    rng = np.random.default_rng([seed, 8])
    while True:
        net, theta, x = drawn(rng)
        try:
            net(theta, x)
        except rk.DegenerateNodeError:  # steps may be constant on few samples
            continue
        return net, theta, x


def drawn(rng):
    """A network of which a map may have nothing to map."""
    widths = [int(rng.integers(3, 5)), *rng.integers(3, 5, int(rng.integers(2, 4))).tolist(), int(rng.integers(1, 3))]
    made = [mixed_layer(rng, a, b) for a, b in pairwise(widths)]
    layers = tuple(layer for layer, *_ in made)
    maps = tuple(map_into(rng, domains_of(layer), steps) for layer, _, steps in made[1:])
    low, high = domains_of(layers[0]).T
    batch = low + (high - low) * rng.uniform(0, 1, (7, widths[0]))
    x = low + (high - low) * rng.uniform(-0.3, 1.3, (N, widths[0]))
    statistics = batch if any(each.uses_statistics for each in maps) else None
    return rk.Network(layers, maps, statistics), np.concatenate([theta for _, theta, _ in made]), x


def directions(net):
    rng = np.random.default_rng(net.n_params)
    return rng.normal(size=(N, net.widths[-1])), rng.normal(size=net.n_params), rng.normal(size=(N, net.widths[0]))


@cache
def expected(seed):
    """Value, both gradients and tangent by the truth."""
    net, theta, x = mixed(seed)
    dy, dtheta, dx = directions(net)
    at = truth.of(net, theta, x, number=float)
    parts = at.value, *at.pullback(dy), at.pushforward(dtheta, dx)
    return [np.array(part, float) for part in parts]


def answers(net, theta, x):
    """The same by the library; the value also by itself, and the gradient by the Jacobian."""
    dy, dtheta, dx = directions(net)
    value, pullback = net.vjp(theta, x)
    gradient, gradient_in_x = pullback(dy)
    yield 0, value
    yield 1, gradient
    yield 2, gradient_in_x
    yield 3, net.jvp(theta, x, dtheta, dx)
    yield 0, net(theta, x)
    yield 1, net.jacobian(theta, x).T @ dy.ravel()


ENGINES = {
    "plain": lambda: engine_in_python("plain"),
    "fast": lambda: engine_in_python("fast"),
    "fast, sizes lowered": lowered,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(CASES))
def test_mixed_networks_are_those_of_the_truth(seed, engine):
    net, theta, x = mixed(seed)
    right = expected(seed)
    with ENGINES[engine](), poisoned_memory():
        for part, ours in answers(net, theta, x):
            # Powers up to order 4 cancel by three orders in the ReLU basis; what is mixed up is wrong by far more.
            scale = np.abs(right[part]).max(initial=1.0)
            assert np.abs(ours - right[part]).max() <= 1e-9 * scale, (part, net)


def test_what_is_drawn_differs_from_layer_to_layer_and_from_input_to_input():
    networks = [mixed(seed)[0] for seed in range(CASES)]
    layers = [layer for net in networks for layer in net.layers]
    assert min(net.widths[0] for net in networks) >= 3
    assert min(len(net.layers) for net in networks) >= 3
    assert {type(layer) for layer in layers} >= {rk.SplineLayer, rk.ReluLayer, rk.SiluLayer, rk.ChebyshevLayer}
    assert any(getattr(layer, "free_knots", False) for layer in layers)
    assert {getattr(layer, "outside", "") for layer in layers} >= set(RULES)
    assert len({type(each) for net in networks for each in net.node_maps}) == len(MAPS)
    differ = [layer for layer in layers if isinstance(layer, rk.SplineLayer) and layer.n_inputs > 2]
    assert any(len({len(set(space.knots)) for space in layer.spaces}) > 1 for layer in differ)


# --- one column of inputs may be given flat or not at all: shapes (N,) and (N, 1)


ONE_INPUT = {
    "spline": lambda: rk.kan([1, 2, 1], 3, 3),
    "chebyshev": lambda: rk.chebyshev_kan([1, 2, 1], 3),
    "mean-std": lambda: rk.kan([1, 2, 1], 3, 3, node_map="mean-std"),
}


def by_shape(call, flat, column):
    """Whether a call gives the same for both shapes, or refuses one of them with a word about shapes."""
    made = []
    for given in (column, flat):
        try:
            made.append(np.asarray(call(given)))
        except (TypeError, ValueError) as error:
            if "shape" not in str(error):
                return False
    return bool(made) and np.array_equal(made[0], made[-1])


@pytest.mark.parametrize("name", ONE_INPUT)
def test_flat_arrays_mean_one_column_or_are_refused(name):
    """Never a broadcast of (N,) against (N, 1), which makes N^2 differences of N."""
    x = np.linspace(0.05, 0.95, 6)[:, None]
    net, theta = ONE_INPUT[name]().initialize(np.random.default_rng(0), x)
    y, weights = np.sin(x), np.linspace(1.0, 2.0, 6)
    calls = {
        "value": (lambda z: net(theta, z), x),
        "statistics": (lambda z: ONE_INPUT[name]().initialize(np.random.default_rng(0), z)[1], x),
        "targets": (lambda z: rk.LeastSquares(net, x, z).value(theta), y),
        "gradient of targets": (lambda z: rk.LeastSquares(net, x, z).gradient(theta), y),
        "residual of targets": (lambda z: rk.LeastSquares(net, x, z).residual(theta), y),
        "samples": (lambda z: rk.LeastSquares(net, z, y).gradient(theta), x),
        "cotangents": (lambda z: net.vjp(theta, x)[1](z)[0], y),
        "tangents": (lambda z: net.jvp(theta, x, theta, z), x),
        "weights": (lambda z: rk.LeastSquares(net, x, y, z).value(theta), weights[:, None]),
    }
    for what, (call, column) in calls.items():
        assert by_shape(call, column[:, 0], column), what
    refused(lambda: rk.LeastSquares(net, x, y[:5]), "y")
