"""Laws over every network: sweeps against complex steps and each other, invariance; faults in each part are noticed."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import refkan as rk
from refkan.networks.layers import Linearization
from refkan.networks.layers.knot_layers.spline import FreeKnots
from refkan.networks.node_maps import MeanStdMap
from refkan.splines.sums.value_sweeps import PolynomialSweep
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
    assert np.all(errors <= 1e-14 * cancel * np.abs(V) @ np.concatenate(scales)), errors
    assert np.all(np.abs(J.T @ dy.ravel() - g) <= 1e-13 * size.max())

    frozen = net.freeze(theta)  # a function of each sample alone: one step moves an input of all of them
    steps = [frozen(theta, x + 1e-30j * e).imag / 1e-30 for e in np.eye(x.shape[1])]
    slopes = np.stack([np.sum(dy * step, axis=1) for step in steps], axis=1)
    assert np.abs(dx - slopes).max() <= 1e-14 * np.abs(slopes).max() * np.abs(dy).sum()

    dtheta, dz = rng.standard_normal(theta.size), rng.standard_normal(x.shape)
    along_theta, along_both = net.jvp(theta, x, dtheta), net.jvp(theta, x, dtheta, dz)
    scale = (np.abs(J) @ np.abs(dtheta)).reshape(y.shape)
    assert np.all(np.abs(along_theta.ravel() - J @ dtheta) <= 1e-13 * scale.max())
    dots = np.sum(along_both * dy), g @ dtheta, np.sum(dx * dz)
    total = np.abs(along_both * dy).sum() + np.abs(g) @ np.abs(dtheta) + np.abs(dx * dz).sum()
    assert abs(dots[0] - dots[1] - dots[2]) <= 1e-13 * total

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
