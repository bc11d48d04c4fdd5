"""Laws of networks, over lists of factories; each with its sabotage."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import refkan as rk
from refkan.checks import dot_test, gradient_check, invariance_test, taylor_test
from refkan.splines import change_of_basis
from tests.shared.factories import (
    EDGE_KINDS,
    EPS,
    NODE_MAPS,
    POLICIES,
    SOME_NETWORKS,
    NetworkCase,
    name,
    running_error,
    samples,
)


def least_squares(net, x):
    target = np.sin(3 * x[:, :1]) * np.ones(net.widths[-1])

    def value(theta):
        return 0.5 * np.mean(np.sum((net(theta, x) - target) ** 2, axis=1))

    def gradient(theta):
        y, pullback = net.vjp(theta, x, inputs=False)
        return pullback((y - target) / x.shape[0])[0]

    return value, gradient


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_taylor_remainders_vanish_at_rates_one_and_two(case):
    """Order 3 and more have continuous slopes; order 1 jumps."""
    if case.order == 1:
        pytest.skip("jumps")
    x = samples(12)
    net, theta = case.start(x)
    value, gradient = least_squares(net, x)
    direction = 0.02 * np.random.default_rng(1).standard_normal(theta.size) * np.abs(theta).mean()
    report = taylor_test(value, gradient, theta, direction)
    assert report.ok, report.table


@pytest.mark.parametrize("case", [c for c in SOME_NETWORKS if c.kind == "spline"], ids=name)
def test_every_claimed_invariance_survives_changes_of_state(case):
    """to_basis and convert, and freeze: on the samples and off them, and again after steps and conversions."""
    x, far = samples(10), samples(20, seed=5, reach=0.4)
    net, theta = case.start(x)
    rng = np.random.default_rng(0)
    for _ in range(3):
        relu, frozen = net.to_basis("scaled-relu"), net.freeze(theta)
        w = net.convert(theta, relu)
        back = relu.convert(w, net)
        for z in (x, far):
            scale = np.maximum(running_error(net, theta, z), running_error(relu, w, z))
            for other, parameters in ((relu, w), (frozen, theta), (net, back)):
                report = invariance_test(
                    lambda z, theta=theta: net(theta, z),
                    lambda z, other=other, parameters=parameters: other(parameters, z),
                    z,
                    rtol=64 * EPS,
                    scale=scale,
                )
                assert report.ok, report.table
        theta = theta + 0.2 * rng.standard_normal(theta.size)


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


# --- sabotage


def laws_of(net, theta, x):
    """Return which of the laws above hold, by name."""
    value, gradient = least_squares(net, x)
    pullback = net.vjp(theta, x)[1]
    relu = net.to_basis("relu")
    direction = 0.05 * np.random.default_rng(1).standard_normal(theta.size)
    return {
        "taylor": taylor_test(value, gradient, theta, direction).ok,
        "gradient": gradient_check(value, gradient, theta, method="complex").ok,
        "dot": dot_test(
            lambda v: net.jvp(theta, x, v), lambda dy: pullback(dy)[0], theta.size, (x.shape[0], 2), rtol=1e-13
        ).ok,
        "invariance": invariance_test(
            lambda z: net(theta, z), lambda z: relu(net.convert(theta, relu), z), x, rtol=1e-11
        ).ok,
    }


FAULTS = {
    "sign of a pullback": (
        rk.networks.layers.Linearization,
        "pullback",
        lambda right: lambda self, dy, inputs=True: (-right(self, dy, inputs)[0], right(self, dy, inputs)[1]),
        {"taylor", "gradient", "dot"},
    ),
    "factor in a pullback": (
        rk.networks.layers.Linearization,
        "pullback",
        lambda right: lambda self, dy, inputs=True: (right(self, dy, inputs)[0] * 1.001, right(self, dy, inputs)[1]),
        {"taylor", "gradient", "dot"},
    ),
    "index in a pullback": (
        rk.networks.layers.Linearization,
        "pullback",
        lambda right: (
            lambda self, dy, inputs=True: (np.roll(right(self, dy, inputs)[0], 1), right(self, dy, inputs)[1])
        ),
        {"taylor", "gradient", "dot"},
    ),
    "sign of a pushforward": (
        rk.networks.layers.Linearization,
        "pushforward",
        lambda right: lambda self, dtheta, dx: -right(self, dtheta, dx),
        {"dot"},
    ),
    "factor in a change of basis": (
        change_of_basis,
        "apply_transposed",
        lambda right: lambda deltas, v: right(deltas, v) * (1 + 1e-9),
        {"invariance"},
    ),
    "index in a change of basis": (
        change_of_basis,
        "spans",
        lambda right: lambda knots, order: [np.roll(d, 1, axis=-1) * (1 + 1e-9) for d in right(knots, order)],
        {"invariance"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_sabotage_makes_each_law_fail(monkeypatch, fault):
    where, what, wrong, broken = FAULTS[fault]
    x = samples(6)
    net, theta = NetworkCase("spline").start(x)
    assert laws_of(net, theta, x) == dict.fromkeys(("taylor", "gradient", "dot", "invariance"), True)
    monkeypatch.setattr(where, what, wrong(getattr(where, what)))
    laws = laws_of(net, theta, x)
    assert {law for law, holds in laws.items() if not holds} == broken
