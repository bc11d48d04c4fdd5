"""Laws over every network, by complex steps and sabotage; kinks, ends of domains and points far out, by the truth."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import refkan as rk
from refkan import truth
from refkan.networks.layers.knot_layers.spline import FreeKnots
from refkan.networks.layers.linearization import Linearization
from refkan.networks.node_maps.kinds import MeanStdMap
from refkan.networks.sweeps import far_values
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.splines.sums.value_sweeps import PolynomialSweep
from tests.shared.draws import within
from tests.shared.factories import (
    CHEBYSHEV_NETWORKS,
    EDGE_KINDS,
    EPS,
    EVERY_NETWORK,
    NODE_MAPS,
    POLICIES,
    NetworkCase,
    complex_slopes,
    name,
    running_error,
    samples,
)
from tests.shared.refusals import refused
from tests.shared.thresholds import engine_in_python


@st.composite
def any_network(draw):
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    outside = draw(st.sampled_from(POLICIES))
    order = draw(st.integers(1, 5))
    return NetworkCase(
        draw(st.sampled_from(EDGE_KINDS)),
        draw(st.sampled_from(NODE_MAPS)),
        outside,
        order > 1 and outside != "natural" and draw(st.booleans()),
        tuple(widths),
        order,
        tuple(draw(st.lists(st.integers(1, 5), min_size=len(widths) - 1, max_size=len(widths) - 1))),
    )


@settings(max_examples=60)
@given(any_network(), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_hypothesis_sweeps_of_any_shape_agree(case, n, seed):
    try:
        net, theta = case.start(samples(8, case.widths[0]), seed=seed)
    except rk.DegenerateNodeError:
        assume(False)  # steps, or one interval of them, are constant on few samples
    rng = np.random.default_rng(seed)
    x = samples(n, case.widths[0], seed=4, reach=0.2)
    Q = case.widths[-1]
    dy, dtheta, dx = rng.standard_normal((n, Q)), rng.standard_normal(theta.size), rng.standard_normal(x.shape)
    y, pullback = net.vjp(theta, x)
    g, g_x = pullback(dy)
    J = net.jacobian(theta, x)
    assert (y.shape, g.shape, g_x.shape, J.shape) == ((n, Q), theta.shape, x.shape, (n * Q, theta.size))
    np.testing.assert_allclose(net(theta, x), y, rtol=0, atol=1e-13 * np.abs(y).max(initial=1))
    scale = 1e-13 * np.abs(J).max(initial=0) * (np.abs(dy).sum() + 1)
    np.testing.assert_allclose(J.T @ dy.ravel(), g, rtol=0, atol=scale)
    scale = 1e-13 * np.abs(J).max(initial=0) * np.abs(dtheta).sum()
    pushed = net.jvp(theta, x, dtheta)
    np.testing.assert_allclose(pushed.ravel(), J @ dtheta, rtol=0, atol=scale)
    along_x = net.jvp(theta, x, dtheta, dx) - pushed
    total = np.abs(along_x * dy).sum() + np.abs(g_x * dx).sum() + np.abs(pushed * dy).sum()
    assert abs(np.sum(along_x * dy) - np.sum(g_x * dx)) <= 1e-12 * total
    if case.outside != "natural" and case.kind != "silu":
        other = net.to_basis("relu" if case.kind == "spline" else "spline")
        theta_other = net.convert(theta, other)
        scale = np.maximum(running_error(net, theta, x), running_error(other, theta_other, x))
        assert np.all(np.abs(other(theta_other, x) - net(theta, x)) <= 64 * EPS * scale)


N = 6
BATCHES = ("x", "separate")
OTHER_ORDERS = [
    NetworkCase(kind, node_map, order=order, intervals=(2, 3))
    for kind in EDGE_KINDS
    for node_map in ("affine", "mean-std")
    for order in (1, 2, 4, 6)
]
CHAINS = [
    NetworkCase("spline", node_map, widths=(2, 3, *deeper, 2), intervals=(2,) * (len(deeper) + 2))
    for node_map in ("mean-std", "min-max")
    for deeper in ((2,), (2, 1))
]
"""Constants of a map follow those of the maps before."""


def networks_and_batches():
    for case in (*EVERY_NETWORK, *CHEBYSHEV_NETWORKS, *OTHER_ORDERS, *CHAINS):
        for batch in BATCHES if case.couples_samples else BATCHES[:1]:
            yield pytest.param(case, batch, id=f"{name(case)}-{len(case.widths)}-{batch}")


def start(case, x, batch="x"):
    return case.start(x, statistics=samples(9, seed=11) if batch == "separate" else None)


@pytest.mark.parametrize(("case", "batch"), [*networks_and_batches()])
def test_gradients_against_complex_steps(case, batch):
    """Relative to the sum of absolute contributions, block by block; in theta through the statistics, in x not."""
    x = samples(N, reach=0.1)
    net, theta = start(case, x, batch)
    rng = np.random.default_rng(0)
    dy = rng.standard_normal((N, net.widths[-1]))
    y, pullback = net.vjp(theta, x)
    np.testing.assert_allclose(y, net(theta, x), rtol=0, atol=1e-14 * np.abs(y).max())
    g, dx = pullback(dy)
    assert (g.shape, dx.shape) == (theta.shape, x.shape)

    J = net.jacobian(theta, x)
    assert J.shape == (N * net.widths[-1], net.n_params)
    size = np.abs(J).T @ np.abs(dy.ravel())
    V, reference = complex_slopes(lambda theta: np.sum(dy * net(theta, x)), net, theta)
    scales = [np.full(block.size, block.max()) for layer in net.unpack(size) for block in layer.values()]
    errors = np.abs(V @ g - reference)
    # The powers of order 6 of the ReLU basis cancel by two orders inside a hidden activation.
    cancel = 100 if "relu" in case.kind and case.order > 4 else 1
    bound = 1e-14 * cancel * np.abs(V) @ np.concatenate(scales)
    assert within(errors, bound, "gradients against complex steps"), errors
    assert np.all(np.abs(J.T @ dy.ravel() - g) <= 1e-13 * size.max())

    frozen = net.freeze(theta)  # a function of each sample alone: one step moves an input of all of them
    steps = [frozen(theta, x + 1e-30j * e).imag / 1e-30 for e in np.eye(x.shape[1])]
    slopes = np.stack([np.sum(dy * step, axis=1) for step in steps], axis=1)
    assert np.abs(dx - slopes).max() <= 1e-14 * np.abs(slopes).max() * np.abs(dy).sum()

    dtheta, dz = rng.standard_normal(theta.size), rng.standard_normal(x.shape)
    along_theta, along_both = net.jvp(theta, x, dtheta), net.jvp(theta, x, dtheta, dz)
    scale = (np.abs(J) @ np.abs(dtheta)).reshape(y.shape)
    line = "a pushforward against its pullback"
    assert within(along_theta.ravel() - J @ dtheta, 1e-13 * scale.max(), line)
    dots = np.sum(along_both * dy), g @ dtheta, np.sum(dx * dz)
    total = np.abs(along_both * dy).sum() + np.abs(g) @ np.abs(dtheta) + np.abs(dx * dz).sum()
    assert within(dots[0] - dots[1] - dots[2], 1e-13 * total, line)

    alone, nothing = net.vjp(theta, x, inputs=False)[1](dy)
    assert nothing is None
    assert np.all(np.abs(alone - g) <= 1e-13 * size.max())


def of_part(k, fault):
    """A fault in one of the arrays that a function returns, where there is one."""
    return lambda right: (
        lambda *a: tuple(fault(part) if j == k and part is not None else part for j, part in enumerate(right(*a)))
    )


FAULTS = {
    "sign of theta": (Linearization, "pull_back", of_part(0, np.negative)),
    "theta shifted": (Linearization, "pull_back", of_part(0, lambda g: np.roll(g, 1))),
    "statistics held fixed": (MeanStdMap, "constants_vjp", lambda right: lambda *a: 0 * right(*a)),
    "factor": (MeanStdMap, "constants_vjp", lambda right: lambda *a: right(*a) * (1 + 1e-9)),
    "sign": (PolynomialSweep, "sums_of_rows", of_part(1, np.negative)),
    "inputs exchanged": (PolynomialSweep, "sums_of_rows", of_part(1, lambda dx: dx[:, ::-1])),
    "knots shifted": (FreeKnots, "pull_back_knots", lambda right: lambda *a: np.roll(right(*a), 1, axis=1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_sabotage_of_a_sweep_is_noticed(monkeypatch, fault):
    owner, part, spoil = FAULTS[fault]
    case = NetworkCase("spline", "mean-std", free_knots=True, widths=(2, 2, 2))
    with rk.use_engine("fast"):
        test_gradients_against_complex_steps(case, "x")
        monkeypatch.setattr(owner, part, spoil(getattr(owner, part)))
        with pytest.raises(AssertionError):
            test_gradients_against_complex_steps(case, "x")


def slopes(net, theta, x):
    """dF/dx of one output by the truth, forward and back, and by both engines: (N,) each."""
    at = truth.of(net, theta, x)
    yield [float(row[0][0]) for row in at.input_derivatives()[0]]
    yield [float(row[0]) for row in at.pullback(np.ones((len(x), 1)))[1]]
    for engine in ("plain", "fast"):
        with engine_in_python(engine):
            value, pullback = net.vjp(theta, x)
            yield pullback(np.ones_like(value))[1].ravel()


@pytest.mark.parametrize("free_knots", [False, True])
def test_linear_splines_have_the_right_slope_at_a_breakpoint(free_knots):
    net = rk.kan([1, 1], 2, 3, domain=(0.0, 3.0), free_knots=free_knots)
    theta = np.concatenate([[0.0, 1.0, 3.0, 7.0], np.zeros(net.n_params - 4)])
    for found in slopes(net, theta, [[0.0], [1.0], [2.0], [3.0]]):
        np.testing.assert_allclose(found, [1.0, 2.0, 4.0, 4.0], rtol=1e-14)


def test_relu_powers_have_the_right_slope_at_their_knot():
    net = rk.kan([1, 1], 2, 3, domain=(0.0, 3.0), basis="relu")
    for found in slopes(net, [1.0, 1.0, 2.0, 4.0], [[0.0], [1.0], [2.0], [3.0]]):  # from -1, 0, 1 and 2 on
        np.testing.assert_array_equal(found, [2.0, 4.0, 8.0, 8.0])


def test_activations_have_the_right_slope_at_zero():
    net = rk.mlp([1, 1, 1], activation="relu")
    for found in slopes(net, [1.0, 0.0, 2.0], [[-1.0], [0.0], [1.0]]):
        np.testing.assert_array_equal(found, [0.0, 2.0, 2.0])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_min_max_follows_the_first_of_equals(sign, rng):
    """Activations of the first and the last sample are equal; the map follows the coefficient of the first alone."""
    batch = np.linspace(0.0, 1.0, 4)[:, None]  # the breakpoints
    net, _ = rk.kan([1, 1, 1], 2, 3, node_map="min-max").initialize(rng, batch)
    C, x = sign * np.array([3.0, 1.0, 0.0, 3.0]), np.array([[1 / 6]])  # x sees the first two
    for turn in (1, -1):
        turned = replace(net, statistics=batch[::turn].copy())
        theta, x = np.concatenate([C[::turn], [0.0, 1.0, 5.0, 2.0]]), x if turn == 1 else 1.0 - x
        for J in (turned.jacobian(theta, x), np.array(truth.of(turned, theta, x).jacobian(), float)):
            first, last = J[0, :4][::turn][[0, 3]]
            assert first != 0.0
            assert last == 0.0


@pytest.mark.parametrize("order", [4, 5])
def test_samples_on_the_ends_of_a_domain_of_data_have_the_derivatives_inside(order):
    """They need no margin: samples are compared with the ends as they are, and do not move with theta."""
    x = np.random.default_rng(1).normal(size=(9, 1)) / 3
    net, theta = rk.kan([1, 1], order, 3, domain="data").initialize(np.random.default_rng(order), x)
    assert net.layers[0].domains.tolist() == [[x.min(), x.max()]]
    ends = np.array([[x.min()], [x.max()]])
    inside = np.nextafter(ends, 0.0)
    continued = rk.truth.of(net, theta, inside, float).jet([[1.0]]).second
    for engine in ("plain", "fast"):
        with engine_in_python(engine):
            second = net.jet(theta, ends, first=[[1.0]]).second
        np.testing.assert_allclose(second, continued, rtol=1e-12)
        assert np.abs(second).min() > 0.1


LARGEST = np.finfo(np.float64).max
POINTS = np.array([[1e308, 1e308], [-1e308, 1e308], [LARGEST, -LARGEST], [1e307, -3e306], [0.3, 1e306], [1e200, 0.5]])

FAR = {
    "affine": rk.kan([2, 3, 1], 3, 4),
    "relu": rk.kan([2, 3, 1], 4, 4, basis="scaled-relu"),
    "min-max": rk.kan([2, 3, 1], 3, 4, node_map="min-max"),
    "none": rk.kan([2, 3, 1], 2, 4, node_map="none"),
    "free knots": rk.kan([2, 3, 1], 3, 4, free_knots=True),
    "chebyshev": rk.chebyshev_kan([2, 3, 1], 4),
}


def nearest(exact):
    try:
        return float(exact)
    except OverflowError:
        return np.inf if exact > 0 else -np.inf


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FAR)
def test_values_are_those_of_the_truth_or_infinite_where_these_are_no_numbers(name, seed):
    rng = np.random.default_rng(seed)
    net, theta = FAR[name].initialize(rng, rng.uniform(size=(20, 2)))
    exact = [nearest(row[0]) for row in truth.of(net, theta, POINTS).value]
    for engine in ("plain", "auto"):
        with engine_in_python(engine):
            np.testing.assert_allclose(net(theta, POINTS).ravel(), exact, rtol=1e-12)


@pytest.mark.parametrize("reach", [0.0, 0.3, 100.0])
def test_they_are_the_values_where_nothing_overflows(reach, rng):
    for kind in ("affine", "min-max", "chebyshev"):
        net, theta = FAR[kind].initialize(rng, rng.uniform(size=(20, 2)))
        x = rng.uniform(-reach, 1 + reach, (9, 2))
        constants = Statistics(net, theta).constants
        y = net(theta, x)
        np.testing.assert_allclose(
            far_values.far_values(net, theta, x, constants), y, rtol=0, atol=1e-13 * np.abs(y).max()
        )


def test_sigmoids_bring_activations_back(rng):
    """The first layer overflows, with its sign."""
    net, theta = rk.kan([2, 3, 1], 3, 4, node_map="sigmoid").initialize(rng, rng.uniform(size=(20, 2)))
    near = np.sign(POINTS[:3]) * 1e9
    np.testing.assert_allclose(net(theta, POINTS[:3]), net(theta, near), rtol=1e-12)
    among = net(theta, np.vstack([[[0.5, 0.5]], POINTS[:1]]))  # one sample that overflows among others
    np.testing.assert_allclose(among[1:], net(theta, POINTS[:1]), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*jump")
@pytest.mark.parametrize("size", [1.0, 1e150, 1e290])
@pytest.mark.parametrize("outside", ["linear", "polynomial", "natural"])
@pytest.mark.parametrize("node_map", ["affine", "sigmoid", "min-max"])
def test_no_answer_is_not_a_number(node_map, outside, size):
    """Values and derivatives, also of jets, are numbers, infinite or refused; vjp gives the values that there are."""
    rng = np.random.default_rng(0)
    net, theta = rk.kan([2, 2, 1], 3, 2, node_map=node_map, outside=outside).initialize(rng, rng.uniform(size=(9, 2)))
    theta = theta * np.where(np.arange(theta.size) < net.slices[0].stop, 1.0, size)
    calls = {
        "value": lambda x: [net(theta, x)],
        "vjp": lambda x: net.vjp(theta, x)[1](np.ones((len(x), 1))),
        "jvp": lambda x: [net.jvp(theta, x, theta, x)],
        "jacobian": lambda x: [net.jacobian(theta, x)],
        "jet": lambda x: [net.jet(theta, x, np.eye(2)).sweep.value],
    }
    answered = dict.fromkeys(calls, 0)
    for x in (*POINTS[:, None], np.array([[1e160, 0.3]]), np.array([[0.25, 0.75]])):
        for asked, call in calls.items():
            with suppress(OverflowError):
                assert not any(np.isnan(array).any() for array in call(x))
                answered[asked] += 1
                if asked == "vjp":
                    np.testing.assert_array_equal(net.vjp(theta, x)[0], net(theta, x))
    assert min(answered.values()) > 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_are_infinite_where_values_are_no_numbers():
    net = rk.kan([1, 1, 1], order=3, intervals=1, node_map="none", outside="polynomial")
    problem = rk.LeastSquares(net, [[1e200]], [[0.0]])  # whose square overflows in the first layer
    theta = np.array([0.0, 0.0, 0.0, 1e290, 1e290, -1e290])
    refused(lambda: net(theta, problem.x), r"OverflowError: theta and x must keep values within float64.*\[0, 0\]")
    value, gradient = problem.value_and_gradient(theta)
    assert (problem.value(theta), value) == (np.inf, np.inf)
    assert np.isnan(gradient).all()
