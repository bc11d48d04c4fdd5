"""Jets: exact rational derivatives, complex steps, seeds, adjoints, mixed derivatives, sabotage; what is refused."""

import warnings
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_check
from refkan.splines.sums import spline_functions
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.pointwise import PointwiseJet
from refkan.truth.bases.bsplines import bspline_derivative
from refkan.truth.bases.relu_powers import truncated_power_derivative
from tests.networks.jets.jet_cases import FIRST, ORDERS, SECOND, STEP, close, random_like
from tests.shared.draws import within
from tests.shared.factories import POLICIES, NetworkCase, exact, exact_knots, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def exact_jet(net, theta, x, first, second):
    """Value, then first and second derivatives along each direction in turn, by the definitions over rationals.

    Networks of edge layers and affine or no node maps; of each output.
    """
    jet = [exact(x)] + [exact(seed) for pair in zip(first, second, strict=True) for seed in pair]
    for k, layer in enumerate(net.layers):
        coefficients = layer.unpack(theta[net.slices[k]])["coefficients"]
        out = [[Fraction(0)] * layer.n_outputs for _ in jet]
        for p, space in enumerate(layer.spaces):
            rows = [exact_basis(layer, space, jet[0][p], d) for d in range(3)]
            for q in range(layer.n_outputs):
                c = exact(coefficients[q, p])
                value, slope, bend = (sum(a * b for a, b in zip(c, row, strict=True)) for row in rows)
                out[0][q] += value
                for at in range(1, len(jet), 2):
                    u, v = jet[at][p], jet[at + 1][p]
                    out[at][q] += slope * u
                    out[at + 1][q] += bend * u * u + slope * v
        jet = out
        if k < len(net.node_maps) and net.node_maps[k].name == "affine":
            scale, shift = exact(net.node_maps[k].scale), exact(net.node_maps[k].shift)
            jet = [[a * y for a, y in zip(scale, channel, strict=True)] for channel in jet]
            jet[0] = [y + b for y, b in zip(jet[0], shift, strict=True)]
    return jet


def exact_basis(layer, space, x, derivative):
    knots, outside = exact_knots(space), layer.outside
    if layer.basis == "spline":
        return [bspline_derivative(knots, space.order, i, x, derivative, outside) for i in range(space.dim)]
    h = Fraction(space.mean_spacing) if layer.scaled else Fraction(1)
    return [truncated_power_derivative(knots, space.order, i, x, derivative, h, outside) for i in range(space.dim)]


@pytest.mark.parametrize("kind", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("order", [3, 4, 5])
def test_jets_equal_the_exact_derivatives_of_the_definitions(kind, outside, order):
    case = NetworkCase(kind, "affine", outside, order=order, intervals=(3, 2))
    net, theta = case.start(samples(20))
    x = samples(4, reach=0.3, seed=6)
    jet = net.jet(theta, x, FIRST, SECOND)
    for s in range(x.shape[0]):
        ours = [jet.value[s]] + [part[s, d] for d in range(3) for part in (jet.first, jet.second)]
        for mine, theirs in zip(ours, exact_jet(net, theta, x[s], FIRST, SECOND), strict=True):
            exact = np.array([float(f) for f in theirs])
            scale = max(1.0, np.abs(exact).max(initial=0))
            assert within(mine - exact, 1e-12 * scale, "jets in x against exact derivatives")


def test_jets_equal_complex_steps(built):
    net, theta, x = built
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    frozen = net.freeze(theta)  # derivatives in x hold the constants of node maps
    # Statistics of activations are sums of another order in the two sweeps.
    if {layer.basis for layer in net.layers} <= {None, "spline"}:
        close(jet.value, net(theta, x), 1e-14)
    else:  # So are sums of ReLU powers: values are as far apart as parameters that are rounded once more move them.
        rounding = np.finfo(float).eps * np.abs(net.jacobian(theta, x)) @ np.abs(theta)
        np.testing.assert_array_less(np.abs(jet.value - net(theta, x)).ravel(), 1e-14 + 2.0 * rounding.ravel())
    for d in range(3):
        close(jet.first[:, d], frozen(theta, x + 1j * STEP * FIRST[d]).imag / STEP, 1e-12)
    for e, d in enumerate((1, 2)):
        moved = frozen.jet(theta, x + 1j * STEP * FIRST[d], FIRST[d : d + 1] + 1j * STEP * SECOND[d : d + 1], orders=1)
        close(jet.second[:, e], moved.first[:, 0].imag / STEP, 1e-12)


def test_seeds_may_differ_from_sample_to_sample(built):
    net, theta, x = built
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, x.shape[0], 2, 2))
    jet = net.jet(theta, x, first, second)
    for s in range(x.shape[0]):
        alone = net.jet(theta, x[s : s + 1], first[s], second[s])
        for part in ("value", "first", "second"):
            close(getattr(jet, part)[s], getattr(alone, part)[0], 1e-13)


@pytest.mark.parametrize("orders", [(1, 2), (2, 1), (1, 1), (2, 2)])
def test_directions_keep_their_order_whatever_their_orders(orders):
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    x = samples(5)
    jet, full = net.jet(theta, x, FIRST[:2], orders=orders), net.jet(theta, x, FIRST[:2])
    np.testing.assert_array_equal(jet.first, full.first)
    np.testing.assert_array_equal(jet.second, full.second[:, [d for d in range(2) if orders[d] == 2]])


def test_there_need_be_no_directions_and_no_samples():
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    jet = net.jet(theta, samples(5), np.empty((0, 2)))
    assert (jet.first.shape, jet.second.shape) == ((5, 0, 2), (5, 0, 2))
    close(jet.value, net(theta, samples(5)), 1e-15)
    _, pullback = net.vjp(theta, samples(5))
    close(jet.pullback(value=np.ones((5, 2)))[0], pullback(np.ones((5, 2)))[0], 1e-14)
    empty = net.jet(theta, np.empty((0, 2)), FIRST)
    assert (empty.value.shape, empty.first.shape, empty.second.shape) == ((0, 2), (0, 3, 2), (0, 3, 2))
    assert not empty.pullback()[0].any()
    assert empty.jacobian().shape == (0, net.n_params)


def test_the_checks_notice_a_missing_term(monkeypatch):
    """phi'' u^2 without phi' v is right for straight seeds through one layer, and wrong for everything else."""
    net, theta = NetworkCase("spline", order=4).start(samples(20))

    def forgetful(tables, C, at, channels, *options, right=spline_functions.spline_sums):
        z = at.z.copy()
        z[:, channels.second] = 0.0
        return right(tables, C, InputJet(z), channels, *options)

    test_jets_equal_complex_steps((net, theta, samples(6)))
    monkeypatch.setattr(spline_functions, "spline_sums", forgetful)
    with pytest.raises(AssertionError):
        test_jets_equal_complex_steps((net, theta, samples(6)))


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

    report = dot_check(forward, adjoint, theta.size, sum(sizes), trials=2)
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


def jet_of(order, orders=2, **options):
    net, theta = rk.kan([2, 3, 1], order=order, intervals=2, **options).initialize(np.random.default_rng(0), samples(9))
    return net.jet(theta, samples(4), np.eye(2), orders=orders)


def test_second_derivatives_of_linear_splines_are_refused():
    refused(lambda: jet_of(2), r"layer 0: second derivatives in x need splines of order >= 4.*got order 2")
    refused(lambda: jet_of(1, orders=1), "first derivatives in x need splines of order >= 3")
    assert jet_of(2, orders=1).first.shape == (4, 2, 1)


@pytest.mark.parametrize(("order", "orders"), [(3, 2), (2, 1)])
def test_derivatives_that_jump_are_allowed_with_one_warning(order, orders):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jet_of(order, orders)
    assert [str(w.message) for w in caught] == [
        f"the {('first', 'second')[orders - 1]} derivative of splines of order {order} jumps at the knots"
    ]
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jet_of(order + 1, orders)


def test_free_knots_below_order_4_are_refused():
    refused(lambda: jet_of(3, free_knots=True), "second derivatives in x with free knots need order >= 4; got order 3")
    assert jet_of(4, free_knots=True).second.shape == (4, 2, 1)
    assert jet_of(3, orders=1, free_knots=True).first.shape == (4, 2, 1)


def test_relu_networks_warn_of_their_second_derivative():
    net, theta = rk.mlp([2, 3, 1], "relu").initialize(np.random.default_rng(0), samples(9))
    with pytest.warns(UserWarning, match="the second derivative of ReLU networks is zero"):
        assert not net.jet(theta, samples(4), np.eye(2)).second.any()


@each_row(
    "first, second, orders, message",
    (np.ones((4, 1, 2)), None, 2, r"first must have shape \(K, 2\) or \(5, K, 2\); got \(4, 1, 2\)"),
    (np.ones((1, 1)), None, 2, r"first must have shape .*; got \(1, 1\)"),
    (np.eye(2), None, (1, 2, 2), "one for each of the 2 directions; got 3 numbers"),
    (np.eye(2), None, 3, r"orders\[0\] must be at most 2; got 3"),
)
def test_bad_seeds_are_refused(first, second, orders, message):
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    refused(lambda: net.jet(theta, samples(5), first, second, orders), message)


def test_bad_cotangents_are_refused():
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    jet = net.jet(theta, samples(5), FIRST)
    refused(lambda: jet.pullback(first=np.ones((5, 3))), r"first must have shape \(5, 3, 2\); got \(5, 3\)")
    refused(lambda: jet.pushforward(np.ones(3)), "dtheta must have length")
    with pytest.raises(ValueError, match=r"second must have shape \(5, 1, 3, 2\); got \(5, 1, 2\)"):
        jet.jacobian(value=np.ones((5, 1, 2)), second=np.ones((5, 1, 2)))
    complex_jet = net.jet(theta + 0j, samples(5), FIRST)
    for call in (complex_jet.pullback, complex_jet.jacobian, lambda: complex_jet.pushforward(theta)):
        refused(call, "TypeError: must be real")


def test_points_outside_the_domain_follow_the_policy():
    case = NetworkCase("spline", outside="error", order=4)
    net, theta = case.start(samples(20))
    refused(lambda: net.jet(theta, [[0.5, 0.5], [1.5, 0.5]], FIRST), r"OutsideDomainError: x\[1, 0\] = 1.5")
