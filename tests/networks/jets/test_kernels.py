"""Kernels of jets, in pieces, blocks and on threads, and the derivatives of functions of single entries."""

import numpy as np
import pytest

from refkan.kernels import jets_of_functions, launch, local_jets, plain_sums, pointwise_jets
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.networks.sweeps import sample_blocks
from refkan.splines.sums import windows
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
    packed = windows.in_tiles(C)
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
    derivatives, z = ACTIVATIONS[activation].derivatives, np.linspace(-2.0, 2.0, 8)
    rows = derivatives(z, 4)
    close(rows[1:], derivatives(z + 1j * STEP, 4).imag[:3] / STEP, 1e-14)
    np.testing.assert_array_equal(derivatives(z, 2), rows[:2])
