"""Memory of Gauss-Newton matrices and Hessians: said before it is taken, and bounded in the number of samples."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan import hessians
from refkan.networks.hessians import memory
from refkan.networks.hessians.memory import mirror, require_memory
from tests.shared.factories import NetworkCase, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

ROOT = Path(rk.__file__).parents[1]


def test_the_message_says_how_much_is_needed_and_how_much_is_there(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    message = "a matrix of 9 rows needs 3 GB of memory; 2 GB are available: use products"
    refused(lambda: require_memory(3_000_000_000, "a matrix of 9 rows", "use products"), message)
    require_memory(2 * 10**9, "a matrix of 9 rows", "use products")


def test_nothing_is_refused_where_the_memory_is_unknown(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    require_memory(10**18, "a matrix", "")


@each_row(
    "call, what",
    (lambda net, *a: hessians.gauss_newton(net, *a, path="dense"), "Gauss-Newton matrix of"),
    (lambda net, *a: hessians.gauss_newton(net, *a, path="sparse"), "Gauss-Newton matrix of"),
    (lambda net, theta, x: hessians.hessian(net, theta, x, x), "Hessian of"),
    (hessians.jacobian, r"Jacobian of shape \(60, "),
    (hessians.ntk, "tangent kernel of 60 outputs"),
    (lambda net, theta, x: hessians.gauss_newton_vector(net, theta, x, theta), "a product with"),
    (lambda net, theta, x: hessians.hessian_vector(net, theta, x, x, theta), "a product with"),
)
@pytest.mark.parametrize("case", [NetworkCase("silu"), NetworkCase("spline", "mean-std")], ids=str)
def test_every_function_asks_first(case, call, what, monkeypatch):
    x = samples(30)
    net, theta = case.start(x)
    call(net, theta, x)
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    refused(lambda: call(net, theta, x), f"{what}.* needs .* of memory; 1 kB are available: ")


CALLS = (
    "hessians.gauss_newton(net, theta, x, path='sparse')",
    "hessians.gauss_newton(net, theta, x, path='dense')",
    "hessians.hessian(net, theta, x, x[:, :1])",
    "hessians.hessian_vector(net, theta, x, x[:, :1], theta)",
)


@pytest.fixture(scope="module")
def peaks():
    """Peak bytes of NumPy's allocations during each call, for few and many samples, in a process of their own."""
    code = f"""
import tracemalloc, numpy as np, refkan as rk
from refkan import hessians
def run(N, call):
    x = np.random.default_rng(0).uniform(size=(N, 2))
    net, theta = rk.kan([2, 8, 1], 4, 6).initialize(np.random.default_rng(0), x[:100])
    if N < 60_000:
        return eval(call)
    tracemalloc.start()
    eval(call)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak
for call in {CALLS}:
    run(300, call), run(20_000, call)  # kernels are compiled and loaded untraced, which takes a tenth of the time
    print(run(60_000, call), run(240_000, call))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {call: tuple(map(int, line.split())) for call, line in zip(CALLS, run.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("call", CALLS)
def test_memory_does_not_grow_with_the_samples(peaks, call):
    few, many = peaks[call]
    # Weights, finiteness checks and products of chunks: some ten numbers a sample at most. What is kept for chunks of
    # another size, some MB, weighs little against so many samples.
    assert many - few <= 180_000 * 80, (few, many)


@pytest.mark.parametrize("n", [0, 1, 5, memory.TILE, 2 * memory.TILE + 3])
def test_mirror(n):
    A = np.random.default_rng(n).standard_normal((n, n))
    upper = np.triu(A)
    assert np.array_equal(mirror(A.copy()), upper + np.triu(A, 1).T)
    assert np.array_equal(mirror(A.T.copy().T), upper + np.triu(A, 1).T)


def test_a_network_far_too_large_is_refused_at_once():
    """2 million parameters: nothing of the size of the matrix may be touched before the message."""
    x = samples(10)
    net, theta = rk.kan([2, 1000, 2, 1], 4, 500).initialize(np.random.default_rng(0), x)
    assert net.n_params > 10**6
    for call in (hessians.gauss_newton, lambda net, theta, x: hessians.hessian(net, theta, x, x[:, :1])):
        with pytest.raises(ValueError, match=r"needs \d+(\.\d+)? TB of memory; .* are available: use "):
            call(net, theta, x)
