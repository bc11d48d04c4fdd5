"""Kernels of jets, in pieces, blocks and on threads, and the derivatives of functions of single entries."""

import numpy as np
import pytest

from refkan.kernels import launch
from refkan.networks.layers.activations import ACTIVATIONS
from refkan.networks.sweeps import sample_blocks
from tests.networks.jets.jet_cases import FIRST, ORDERS, SECOND, STEP, close, random_like
from tests.shared.factories import NetworkCase, samples
from tests.shared.refusals import refused


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
