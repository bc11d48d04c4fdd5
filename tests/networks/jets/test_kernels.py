"""Kernels of jets, in pieces, blocks and on threads, and the derivatives of functions of single entries."""

from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import jets_of_functions, launch, local_jets, plain_sums, pointwise_jets
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.networks.sweeps import sample_blocks
from refkan.splines.sums import Channels, window_jets
from tests.networks.jets.jet_cases import FIRST, ORDERS, SECOND, STEP, close, random_like
from tests.shared.factories import EPS, NetworkCase, samples
from tests.shared.forms import JET, JET_ORDER
from tests.shared.refusals import refused


def kernel_calls(n_outputs, seed=0):
    """Arguments of every kernel: name, items, arguments before the result, and the shape of the result."""
    order, K = JET_ORDER, JET.n_first
    rng = np.random.default_rng(seed)
    N, P, O, dim = 40, 3, 2, order + 4  # chunks of 16 samples, of which the last is not full, in both parts
    count = JET.count
    start = rng.integers(0, 5, (N, P))
    rows, z = rng.standard_normal((4, N, P, order)), rng.standard_normal((N, count, P))
    W, C = rng.standard_normal((N, count, P, order)), rng.standard_normal((P, dim, n_outputs))
    G, dy = rng.standard_normal((N, O, count, n_outputs)), rng.standard_normal((N, count, n_outputs))
    lengths, firsts = ((0,) * order, (0,) * count), (0,) * K
    packed = window_jets.in_tiles(C)
    tiles, sums = (2, *packed.shape[:2], dim, local_jets.TILE), (2, P, dim, n_outputs)
    f, h = rng.standard_normal((4, N, P)), rng.standard_normal((N, O, count, P, order))
    g = rng.standard_normal((N, O, count, P))
    value, dz, lanes = (N, count, n_outputs), (N, O, count, P), local_jets.LANES
    return [
        (jets_of_functions.channel_rows, N, (rows, z, K), (N, count, P, order)),
        (jets_of_functions.pull_back_rows, N, (rows, z, K, h), (N, O, count, P)),
        (local_jets.contract, N, (start, W, packed, *lengths), value),
        (local_jets.pull_back_coefficients, 6, (start, W, dy, 3, *lengths), tiles),
        (local_jets.pull_back_inputs, N, (start, rows, z, packed, G, *lengths, firsts, lanes), dz),
        (local_jets.contract_jets, N, (start, rows, z, packed, *lengths, firsts), value),
        (local_jets.pull_back_jets, 6, (start, rows, z, dy, 3, *lengths, firsts), tiles),
        (local_jets.contract_few, N, (start, W, C, *lengths), value),
        (local_jets.pull_back_coefficients_few, 6, (start, W, dy, 3, *lengths), sums),
        (local_jets.pull_back_inputs_few, N, (start, rows, z, C, G, *lengths, firsts), dz),
        (local_jets.contract_jets, N, (start, rows, z, C, *lengths, firsts), value),
        (local_jets.pull_back_jets, 6, (start, rows, z, dy, 3, *lengths, firsts), sums),
        (plain_sums.scatter_jacobian, N, (start, W, G), (N, O, n_outputs, P, dim)),
        (pointwise_jets.compose, N, (f, z, K), (N, count, P)),
        (pointwise_jets.pull_back, N, (f, z, K, g), (N, O, count, P)),
        (pointwise_jets.scale_and_shift, N, (f[0, 0], f[1, 0], g), g.shape),
    ]


@pytest.mark.parametrize("n_outputs", [1, 6, 37])
def test_kernels_compiled_or_not_and_in_pieces(n_outputs):
    """The same operations in the same order; a compiler may still fuse a product and a sum. Pieces: the same bits."""
    for kernel, items, arguments, shape in kernel_calls(n_outputs):
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
    calls = {call[0].__name__: call for call in kernel_calls(n_outputs)}
    for which in ("contract", "pull_back_coefficients", "pull_back_inputs"):
        results = []
        for kernel, items, arguments, shape in (calls[which], calls[f"{which}_few"]):
            results.append(np.zeros(shape))
            kernel(0, items, *arguments, results[-1])
        if which == "pull_back_coefficients":
            results[0] = np.stack([window_jets.out_of_tiles(part, n_outputs) for part in results[0]])
        close(*results, 32 * EPS)


@pytest.mark.parametrize("n_outputs", [1, 20])
def test_jets_of_the_basis_formed_on_the_way_are_those_that_are_kept(n_outputs):
    """In chunks of which the last is not full, for all inputs and for groups of them."""
    calls = kernel_calls(n_outputs)
    _, N, (rows, z, K), shape = calls[0]
    W = np.empty(shape)
    jets_of_functions.channel_rows(0, N, rows, z, K, W)
    plain = {
        (local_jets.contract_jets, 4): local_jets.contract,
        (local_jets.contract_jets, 3): local_jets.contract_few,
        (local_jets.pull_back_jets, 5): local_jets.pull_back_coefficients,
        (local_jets.pull_back_jets, 4): local_jets.pull_back_coefficients_few,
    }
    compared = 0
    for kernel, items, arguments, shape in calls:
        if kernel not in (local_jets.contract_jets, local_jets.pull_back_jets):
            continue
        start, _, _, *rest, _ = arguments
        coefficients = arguments[3].ndim if kernel is local_jets.contract_jets else len(shape)
        found, expected = np.zeros(shape), np.zeros(shape)
        kernel(0, items, *arguments, found)
        plain[kernel, coefficients](0, items, start, W, *rest, expected)
        close(found, expected, 32 * EPS)
        compared += 1
    assert compared == len(plain)


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
    monkeypatch.setattr(sample_blocks, "BLOCK", 4)
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
    monkeypatch.setattr(sample_blocks, "BLOCK", 2)
    x = samples(20)[:6]
    x[5, 1] = 1.25
    refused(lambda: net.jet(theta, x, FIRST), r"OutsideDomainError: x\[5, 1\] = 1.25")


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

    refused(lambda: launch.run_blocks(failing, 8), "block 3")
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
    node_map = net.node_maps[0]

    def derivatives(y, count):
        """Of a jet along u = 1, v = 0, and the last one of its tangent along y."""
        one, zero = np.ones(y.shape), np.zeros(y.shape)
        jet = node_map.at(np.stack([y, one, zero], axis=1), Channels(1, 1))
        third = jet.push_forward(np.stack([one, zero, zero], axis=1))[:, 2:]
        return np.moveaxis(np.concatenate([jet.value, third], axis=1), 1, 0)[:count]

    derivatives_follow_one_another(derivatives, samples(5))
    if node_map.name == "sigmoid":
        derivatives_follow_one_another(node_map.derivatives, samples(5))
        close(node_map.derivatives(samples(5), 4), derivatives(samples(5), 4), 4 * EPS)


def derivatives_follow_one_another(derivatives, z):
    rows = derivatives(z, 4)
    moved = derivatives(z + 1j * STEP, 4).imag / STEP
    close(rows[1:], moved[:3], 1e-14)
    np.testing.assert_array_equal(derivatives(z, 2), rows[:2])


def test_orders_of_channels():
    assert [Channels(*pair).order for pair in ((0, 0), (2, 0), (2, 1))] == [0, 1, 2]
    assert replace(Channels(2, 1), n_second=2).count == 5
