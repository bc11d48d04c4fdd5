"""Derivatives of jets in the parameters and the inputs: complex steps, adjoints, Jacobians, sabotage."""

import numpy as np
import pytest

from refkan.checks import dot_test
from refkan.splines.sums.pointwise import PointwiseJet
from tests.networks.jets.jet_cases import FIRST, ORDERS, SECOND, STEP, close, random_like
from tests.shared.factories import NetworkCase, samples


def test_pushforward_equals_complex_steps_of_the_jet(built):
    net, theta, x = built
    v = np.random.default_rng(1).standard_normal(theta.size)
    tangents = net.jet(theta, x, FIRST, SECOND, ORDERS).pushforward(v)
    moved = net.jet(theta + 1j * STEP * v, x, FIRST, SECOND, ORDERS)
    for tangent, part in zip(tangents, (moved.value, moved.first, moved.second), strict=True):
        close(tangent, part.imag / STEP, 1e-12)


def test_pullback_is_the_adjoint_of_pushforward(built):
    net, theta, x = built
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    sizes = jet.value.size, jet.first.size, jet.second.size

    def forward(v):
        return np.concatenate([part.ravel() for part in jet.pushforward(v)])

    def adjoint(w):
        parts = np.split(w, np.cumsum(sizes)[:-1])
        shapes = jet.value.shape, jet.first.shape, jet.second.shape
        return jet.pullback(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))[0]

    report = dot_test(forward, adjoint, theta.size, sum(sizes), trials=2)
    assert report.ok, report.table


def test_pullback_to_inputs_equals_complex_steps(built):
    net, theta, x = built
    rng = np.random.default_rng(2)
    dx, first, second = rng.standard_normal(x.shape), *rng.standard_normal((2, 3, 2))
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    weights = random_like(jet)
    _, (to_x, to_first, to_second) = jet.pullback(*weights, inputs=True)
    step = 1j * STEP
    moved = net.freeze(theta).jet(theta, x + step * dx, FIRST + step * first, SECOND + step * second, ORDERS)
    components = moved.value, moved.first, moved.second
    along = sum(np.sum(w * part.imag) / STEP for w, part in zip(weights, components, strict=True))
    parts = to_x * dx, to_first * first, to_second * second[1:]
    scale = sum(np.abs(part).sum() for part in parts)
    assert abs(along - sum(part.sum() for part in parts)) <= 1e-12 * scale


def test_rows_of_the_jacobian_are_pullbacks(built):
    net, theta, x = built
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    J = jet.jacobian()
    N, Q = jet.value.shape
    O = Q * (1 + 3 + 2)
    assert J.shape == (N * O, theta.size)
    for row in (0, Q, 3 * Q + 1, O + 4 * Q, N * O - 1):
        s, component = divmod(row, O)
        unit = np.zeros((N, O))
        unit[s, component] = 1.0
        value, first, second = np.split(unit, [Q, 4 * Q], axis=1)
        expected = jet.pullback(value, first.reshape(N, 3, Q), second.reshape(N, 2, Q))[0]
        close(J[row], expected, 1e-13)


def test_a_jet_is_that_of_the_point_where_it_was_made(built):
    net, theta, x = built
    theta, x = theta.copy(), x.copy()
    jet = net.jet(theta, x, FIRST)
    weights = random_like(jet)
    before = jet.pullback(*weights)[0]
    theta[:], x[:] = 0.1, 0.2
    np.testing.assert_array_equal(jet.pullback(*weights)[0], before)


@pytest.mark.parametrize("sabotage", [-1.0, 1.0 + 1e-9])
def test_the_checks_notice_a_wrong_pullback(monkeypatch, sabotage):
    net, theta = NetworkCase("spline", "sigmoid", order=4).start(samples(20))
    right = PointwiseJet.pull_back

    def wrong(self, G):
        G = G.copy()
        G[:, :, 2] *= sabotage
        return right(self, G)

    monkeypatch.setattr(PointwiseJet, "pull_back", wrong)
    with pytest.raises(AssertionError):
        test_pullback_is_the_adjoint_of_pushforward((net, theta, samples(6)))
