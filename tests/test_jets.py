"""Jets: exact rational derivatives, complex steps, adjoints, Jacobians, both bases, bits, and what is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from factories import (
    EDGE_KINDS,
    EPS,
    MLP_KINDS,
    NODE_MAPS,
    POLICIES,
    NetworkCase,
    exact,
    exact_knots,
    name,
    samples,
    with_layers,
)

import refkan as rk
from refkan import definitions
from refkan.checks import dot_test
from refkan.jets import blocks, input_hessian, mixed_derivative, polarisation_seeds
from refkan.kernels import launch, local_jets, pointwise_jets
from refkan.layers import spline_jets
from refkan.layers.activations import ACTIVATIONS
from refkan.layers.jets import Channels
from refkan.layers.pointwise_jets import PointwiseJet
from refkan.layers.spline_jets import SplineJet

STEP = 1e-30

CASES = (
    *(NetworkCase(kind, node_map, order=4) for kind in EDGE_KINDS for node_map in NODE_MAPS),
    *(NetworkCase(kind, "mean-std", outside, order=4) for kind in EDGE_KINDS for outside in ("polynomial", "natural")),
    *(
        NetworkCase(kind, node_map, outside, True, order=4)
        for kind in EDGE_KINDS
        for node_map, outside in (("mean-std", "linear"), ("sigmoid", "polynomial"))
    ),
    NetworkCase("spline", "affine", order=6),
    NetworkCase("spline", "min-max", order=9, intervals=(1, 3)),
    NetworkCase("relu", "none", free_knots=True, order=5, widths=(2, 3, 2, 1), intervals=(2, 1, 3)),
    NetworkCase("spline", "sigmoid", free_knots=True, order=5, widths=(2, 3, 2, 1), intervals=(2, 1, 3)),
    *(NetworkCase(kind, "none", widths=(2, 3, 4, 2)) for kind in MLP_KINDS),
)

FIRST = np.array([[0.3, -1.1], [1.0, 0.4], [-0.7, 0.9]])
SECOND = np.array([[0.2, 0.5], [-0.4, 0.1], [0.6, -0.8]])
ORDERS = (1, 2, 2)


@pytest.fixture(autouse=True)
def quiet():
    """ReLU networks and splines of order 3 warn, which is tested where it is the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture(params=CASES, ids=name, scope="module")
def built(request):
    """A network bound to a statistics batch, parameters, and samples of which some lie outside the domain."""
    net, theta = request.param.start(samples(20))
    return net, theta, samples(6, reach=0.2, seed=5)


def close(ours, theirs, rtol):
    """Compare entries with the largest, or with 1 where all are smaller."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=rtol * max(1.0, np.abs(theirs).max(initial=0)))


# --- values of jets


def exact_jet(net, theta, x, first, second):
    """Value, first and second derivatives along one direction, by the definitions over rationals.

    Networks of edge layers and affine or no node maps; [value, first, second] of each output.
    """
    jet = [exact(x), exact(first), exact(second)]
    for k, layer in enumerate(net.layers):
        coefficients = layer.unpack(theta[net.slices[k]])["coefficients"]
        out = [[Fraction(0)] * layer.n_outputs for _ in range(3)]
        for p, space in enumerate(layer.spaces):
            value, u, v = (channel[p] for channel in jet)
            rows = [exact_basis(layer, space, value, d) for d in range(3)]
            W = rows[0], [b * u for b in rows[1]], [c * u * u + b * v for b, c in zip(rows[1], rows[2], strict=True)]
            for q in range(layer.n_outputs):
                c = exact(coefficients[q, p])
                for channel in range(3):
                    out[channel][q] += sum(a * w for a, w in zip(c, W[channel], strict=True))
        jet = out
        if k < len(net.node_maps) and net.node_maps[k].name == "affine":
            scale, shift = exact(net.node_maps[k].scale), exact(net.node_maps[k].shift)
            jet = [[a * y for a, y in zip(scale, channel, strict=True)] for channel in jet]
            jet[0] = [y + b for y, b in zip(jet[0], shift, strict=True)]
    return jet


def exact_basis(layer, space, x, derivative):
    knots, outside = exact_knots(space), layer.outside
    if layer.basis == "spline":
        return [definitions.bspline_derivative(knots, space.order, i, x, derivative, outside) for i in range(space.dim)]
    h = Fraction(space.mean_spacing) if layer.scaled else Fraction(1)
    return [
        definitions.truncated_power_derivative(knots, space.order, i, x, derivative, h, outside)
        for i in range(space.dim)
    ]


@pytest.mark.parametrize("kind", ["spline", "relu", "scaled-relu"])
@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("order", [3, 4, 5])
def test_jets_equal_the_exact_derivatives_of_the_definitions(kind, outside, order):
    case = NetworkCase(kind, "affine", outside, order=order, intervals=(3, 2))
    net, theta = case.start(samples(20))
    x = samples(4, reach=0.3, seed=6)
    jet = net.jet(theta, x, FIRST, SECOND)
    for s in range(x.shape[0]):
        for d in range(3):
            ours = jet.value[s], jet.first[s, d], jet.second[s, d]
            for mine, theirs in zip(ours, exact_jet(net, theta, x[s], FIRST[d], SECOND[d]), strict=True):
                close(mine, np.array([float(f) for f in theirs]), 1e-12)


def test_jets_equal_complex_steps(built):
    net, theta, x = built
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    frozen = net.freeze(theta)  # derivatives in x hold the constants of node maps
    # Statistics of activations are sums of another order in the two sweeps.
    close(jet.value, net(theta, x), 1e-14)
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


@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
@pytest.mark.parametrize("basis", ["relu", "scaled-relu"])
def test_both_bases_have_one_jet(node_map, basis):
    net, theta = NetworkCase("spline", node_map, order=4).start(samples(30))
    other = net.to_basis(basis)
    x = samples(8, reach=0.2)
    mine, theirs = net.jet(theta, x, FIRST, SECOND), other.jet(net.convert(theta, other), x, FIRST, SECOND)
    for part in ("value", "first", "second"):
        # The bound of theory.md section 2: round trips through A lose some digits.
        close(getattr(mine, part), getattr(theirs, part), 1e-11)


# --- derivatives of jets


def random_like(jet, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(part.shape) for part in (jet.value, jet.first, jet.second))


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


def test_jacobians_of_combinations_are_combinations_of_rows(built):
    net, theta, x = built
    jet = net.jet(theta, x, FIRST, SECOND, ORDERS)
    N, Q = jet.value.shape
    rng = np.random.default_rng(3)
    value, first, second = (rng.standard_normal((N, 2, *shape)) for shape in ((Q,), (3, Q), (2, Q)))
    G = np.concatenate([value[:, :, None], first, second], axis=2).reshape(N, 2, -1)
    expected = G @ jet.jacobian().reshape(N, -1, theta.size)
    close(jet.jacobian(value, first, second), expected.reshape(2 * N, -1), 1e-12)


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
    right = PointwiseJet.pullback

    def wrong(self, G):
        G = G.copy()
        G[:, :, 2] *= sabotage
        return right(self, G)

    monkeypatch.setattr(PointwiseJet, "pullback", wrong)
    with pytest.raises(AssertionError):
        test_pullback_is_the_adjoint_of_pushforward((net, theta, samples(6)))


def test_the_checks_notice_a_missing_term(monkeypatch):
    """phi'' u^2 without phi' v is right for straight seeds through one layer, and wrong for everything else."""
    net, theta = NetworkCase("spline", order=4).start(samples(20))

    def forgetful(self, layer, theta, z, channels, right=SplineJet.__init__):
        z = z.copy()
        z[:, channels.second] = 0.0
        right(self, layer, theta, z, channels)

    monkeypatch.setattr(SplineJet, "__init__", forgetful)
    with pytest.raises(AssertionError):
        test_jets_equal_complex_steps((net, theta, samples(6)))


# --- mixed derivatives


def test_mixed_derivatives_by_polarisation():
    net, theta = NetworkCase("spline", "sigmoid", order=5).start(samples(20))
    x, frozen = samples(6), net.freeze(theta)
    H = input_hessian(net, theta, x)
    for p in range(2):
        e = np.eye(2)[p]
        slopes = frozen.jet(theta, x + 1j * STEP * e, np.eye(2), orders=1).first.imag / STEP
        close(H[:, :, p], np.swapaxes(slopes, 1, 2), 1e-12)
    np.testing.assert_array_equal(H, np.swapaxes(H, 2, 3))


def test_polarisation_of_a_quadratic_form():
    A = np.array([[1.0, -2.0, 0.5], [-2.0, 3.0, 4.0], [0.5, 4.0, -1.0]])
    pure = [d @ A @ d for d in polarisation_seeds(3)]
    assert mixed_derivative(pure[0], pure[2], pure[4]) == 0.5
    assert polarisation_seeds(1).tolist() == [[1.0]]


# --- refusals and warnings


def jet_of(order, orders=2, **options):
    net, theta = rk.kan([2, 3, 1], order=order, intervals=2, **options).initialize(np.random.default_rng(0), samples(9))
    return net.jet(theta, samples(4), np.eye(2), orders=orders)


def test_second_derivatives_of_linear_splines_are_refused():
    with pytest.raises(ValueError, match=r"layer 0: second derivatives in x need splines of order >= 4.*got order 2"):
        jet_of(2)
    with pytest.raises(ValueError, match="first derivatives in x need splines of order >= 3"):
        jet_of(1, orders=1)
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
    with pytest.raises(ValueError, match="second derivatives in x with free knots need order >= 4; got order 3"):
        jet_of(3, free_knots=True)
    assert jet_of(4, free_knots=True).second.shape == (4, 2, 1)
    assert jet_of(3, orders=1, free_knots=True).first.shape == (4, 2, 1)


def test_relu_networks_warn_of_their_second_derivative():
    net, theta = rk.mlp([2, 3, 1], "relu").initialize(np.random.default_rng(0), samples(9))
    with pytest.warns(UserWarning, match="the second derivative of ReLU networks is zero"):
        assert not net.jet(theta, samples(4), np.eye(2)).second.any()


@pytest.mark.parametrize(
    ("first", "second", "orders", "message"),
    [
        (np.eye(3), None, 2, r"first must have shape \(K, 2\) or \(5, K, 2\); got \(3, 3\)"),
        (np.ones((4, 1, 2)), None, 2, r"first must have shape \(K, 2\) or \(5, K, 2\); got \(4, 1, 2\)"),
        (np.eye(2), np.ones((1, 2)), 2, "second must have as many directions as first, 2"),
        (np.eye(2), None, (1, 2, 2), "one for each of the 2 directions; got 3 numbers"),
        (np.eye(2), None, 3, r"orders\[0\] must be at most 2; got 3"),
        ([[np.nan, 1.0]], None, 2, r"first must be finite; got first\[0, 0\] = nan"),
    ],
)
def test_bad_seeds_are_refused(first, second, orders, message):
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    with pytest.raises(ValueError, match=message):
        net.jet(theta, samples(5), first, second, orders)


def test_bad_cotangents_are_refused():
    net, theta = NetworkCase("spline", order=4).start(samples(20))
    jet = net.jet(theta, samples(5), FIRST)
    with pytest.raises(ValueError, match=r"first must have shape \(5, 3, 2\); got \(5, 3\)"):
        jet.pullback(first=np.ones((5, 3)))
    with pytest.raises(ValueError, match="dtheta must have length"):
        jet.pushforward(np.ones(3))
    with pytest.raises(ValueError, match=r"second must have shape \(5, 1, 3, 2\); got \(5, 1, 2\)"):
        jet.jacobian(value=np.ones((5, 1, 2)), second=np.ones((5, 1, 2)))
    with pytest.raises(TypeError, match="must be real"):
        net.jet(theta + 0j, samples(5), FIRST).pullback()


def test_a_layer_without_jets_says_so():
    class Plain(rk.DenseLayer):
        linearize_jets = rk.layers.Layer.linearize_jets

    net, theta = rk.mlp([2, 1]).initialize(np.random.default_rng(0), samples(9))
    with pytest.raises(TypeError, match="a layer that offers its jets; got Plain"):
        with_layers(net, [Plain(2, 1, bias=False)]).jet(theta, samples(2), np.eye(2))


def test_points_outside_the_domain_follow_the_policy():
    case = NetworkCase("spline", outside="error", order=4)
    net, theta = case.start(samples(20))
    with pytest.raises(rk.OutsideDomainError, match=r"x\[1, 0\] = 1.5"):
        net.jet(theta, [[0.5, 0.5], [1.5, 0.5]], FIRST)


# --- kernels


def kernel_calls(order, n_second, n_outputs, seed=0):
    """Arguments of every kernel: name, items, arguments before the result, and the shape of the result."""
    rng = np.random.default_rng(seed)
    N, P, K, O, dim = 70, 3, 2, 2, order + 4
    channels = Channels(K, n_second)
    count = channels.count
    start = rng.integers(0, 5, (N, P))
    rows, z = rng.standard_normal((4, N, P, order)), rng.standard_normal((N, count, P))
    W, C = rng.standard_normal((N, count, P, order)), rng.standard_normal((P, dim, n_outputs))
    G, dy = rng.standard_normal((N, O, count, n_outputs)), rng.standard_normal((N, count, n_outputs))
    lengths, firsts = ((0,) * order, (0,) * count), (0,) * K
    packed = spline_jets.pack(C)
    sums = (2, *packed.shape[:2], dim, local_jets.TILE)
    f, h = rng.standard_normal((4, N, P)), rng.standard_normal((N, O, count, P, order))
    g = rng.standard_normal((N, O, count, P))
    return [
        (local_jets.channel_rows, N, (rows, z, K), (N, count, P, order)),
        (local_jets.pull_back_rows, N, (rows, z, K, h), (N, O, count, P)),
        (local_jets.contract, N, (start, W, packed, *lengths), (N, count, n_outputs)),
        (local_jets.contract_few, N, (start, W, C, *lengths), (N, count, n_outputs)),
        (local_jets.pull_back_coefficients, 6, (start, W, dy, 3, *lengths), sums),
        (local_jets.pull_back_coefficients_few, 6, (start, W, dy, 3, *lengths), (2, P, dim, n_outputs)),
        (
            local_jets.pull_back_inputs,
            N,
            (start, rows, z, packed, G, *lengths, firsts, local_jets.LANES),
            (N, O, count, P),
        ),
        (local_jets.pull_back_inputs_few, N, (start, rows, z, C, G, *lengths, firsts), (N, O, count, P)),
        (local_jets.scatter_jacobian, N, (start, W, G), (N, O, n_outputs, P, dim)),
        (pointwise_jets.compose, N, (f, z, K), (N, count, P)),
        (pointwise_jets.pull_back, N, (f, z, K, g), (N, O, count, P)),
        (pointwise_jets.scale_and_shift, N, (f[0, 0], f[1, 0], g), g.shape),
    ]


@pytest.mark.parametrize(("order", "n_second", "n_outputs"), [(4, 1, 6), (5, 2, 1), (3, 2, 37)])
def test_kernels_compiled_or_not_and_in_pieces(order, n_second, n_outputs):
    """The same operations in the same order; a compiler may still fuse a product and a sum. Pieces: the same bits."""
    for kernel, items, arguments, shape in kernel_calls(order, n_second, n_outputs):
        whole, python, pieces = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        kernel(0, items, *arguments, whole)
        getattr(kernel, "py_func", kernel)(0, items, *arguments, python)
        close(whole, python, 32 * EPS)
        cut = items // 3
        kernel(cut, items, *arguments, pieces)
        kernel(0, cut, *arguments, pieces)
        np.testing.assert_array_equal(whole, pieces)


@pytest.mark.parametrize("n_outputs", [1, 3, 40])
def test_forms_for_few_and_many_outputs_agree(n_outputs):
    calls = {call[0].__name__: call for call in kernel_calls(4, 1, n_outputs)}
    for which in ("contract", "pull_back_coefficients", "pull_back_inputs"):
        results = []
        for kernel, items, arguments, shape in (calls[which], calls[f"{which}_few"]):
            results.append(np.zeros(shape))
            kernel(0, items, *arguments, results[-1])
        if which == "pull_back_coefficients":
            results[0] = np.stack([spline_jets.unpack(part, n_outputs) for part in results[0]])
        close(*results, 32 * EPS)


def test_bits_do_not_depend_on_threads(monkeypatch):
    net, theta = rk.kan([2, 20, 20, 1], order=4, intervals=5, node_map="sigmoid").initialize(
        np.random.default_rng(0), samples(50)
    )
    x, results = samples(3000), []
    for threads in (1, 2, 3):
        monkeypatch.setattr(launch, "thread_count", lambda threads=threads: threads)
        jet = net.jet(theta, x, np.eye(2), orders=(2, 1))
        results.append([jet.sweep.value, *[np.asarray(g) for g in jet.pullback(*random_like(jet))[:1]]])
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_blocks_of_samples_give_the_same_numbers(built, monkeypatch):
    """The ReLU basis goes through BLAS, whose order of sums depends on the number of rows: 1e-13, not bits."""
    net, theta, x = built
    whole = net.jet(theta, x, FIRST, SECOND, ORDERS)
    weights = random_like(whole)
    v = np.random.default_rng(1).standard_normal(theta.size)
    monkeypatch.setattr(blocks, "BLOCK", 4)
    monkeypatch.setattr(launch, "thread_count", lambda: 2)
    parts = net.jet(theta, x, FIRST, SECOND, ORDERS)
    assert len(parts.sweep.sweeps) == 2
    close(parts.sweep.value, whole.sweep.value, 1e-13)
    ours, theirs = parts.pullback(*weights, inputs=True), whole.pullback(*weights, inputs=True)
    close(ours[0], theirs[0], 1e-13)
    for mine, other in zip(ours[1], theirs[1], strict=True):
        close(mine, other, 1e-13)
    for mine, other in zip(parts.pushforward(v), whole.pushforward(v), strict=True):
        close(mine, other, 1e-13)
    close(parts.jacobian(), whole.jacobian(), 1e-13)


def test_a_point_outside_is_named_by_its_number_among_all(monkeypatch):
    net, theta = NetworkCase("spline", outside="error", order=4).start(samples(20))
    monkeypatch.setattr(blocks, "BLOCK", 2)
    x = samples(20)[:6]
    x[5, 1] = 1.25
    with pytest.raises(rk.OutsideDomainError, match=r"x\[5, 1\] = 1.25"):
        net.jet(theta, x, FIRST)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_blocks_run_in_order_with_their_kernels_on_one_thread(monkeypatch, threads):
    monkeypatch.setattr(launch, "thread_count", lambda: threads)
    assert launch.run_blocks(lambda k: k * k, 7) == [k * k for k in range(7)]
    assert launch.run_blocks(lambda k: k, 0) == []
    nested = launch.run_blocks(lambda k: launch.run_blocks(lambda l: (k, l), 2), 3)
    assert nested == [[(k, l) for l in range(2)] for k in range(3)]

    def inside(k):
        out = np.zeros(10)
        # Enough operations for several threads, had they not a block each.
        launch.launch(lambda first, last, out: out.__setitem__(slice(first, last), last - first), 10, 1e9, out)
        return out

    if threads > 1:
        assert all((out == 10).all() for out in launch.run_blocks(inside, 4))

    def failing(k):
        if k in (3, 5):
            raise ValueError(f"block {k}")
        return k

    with pytest.raises(ValueError, match="block 3"):
        launch.run_blocks(failing, 8)
    with np.errstate(over="raise", divide="ignore"):
        states = launch.run_blocks(lambda k: np.geterr(), 4)
    assert all((state["over"], state["divide"]) == ("raise", "ignore") for state in states)
    assert launch.run_blocks(lambda k: k, 2) == [0, 1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_derivative_of_an_activation_is_that_of_the_one_before(activation):
    derivatives_follow_one_another(ACTIVATIONS[activation].derivatives, np.linspace(-2.0, 2.0, 8))


@pytest.mark.parametrize("node_map", ["affine", "sigmoid", "none"])
def test_every_derivative_of_a_node_map_is_that_of_the_one_before(node_map):
    net, _ = rk.kan([1, 2, 1], 4, 2, node_map=node_map).initialize(np.random.default_rng(0), samples(9, 1))
    derivatives_follow_one_another(net.node_maps[0].derivatives, samples(5))


def derivatives_follow_one_another(derivatives, z):
    rows = derivatives(z, 4)
    moved = derivatives(z + 1j * STEP, 4).imag / STEP
    close(rows[1:], moved[:3], 1e-14)
    np.testing.assert_array_equal(derivatives(z, 2), rows[:2])


def test_orders_of_channels():
    assert [Channels(*pair).order for pair in ((0, 0), (2, 0), (2, 1))] == [0, 1, 2]
    assert replace(Channels(2, 1), n_second=2).count == 5
