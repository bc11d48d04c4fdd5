"""Gauss-Newton matrices by both paths, blocks, products and tangent kernels, of every kind of network; memory taken."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan import hessians
from refkan.kernels import launch
from refkan.networks.hessians import exact_hessian, gauss_newton, memory, sparse_accumulation, window_products
from refkan.networks.hessians.memory import mirror, require_memory
from refkan.networks.hessians.points import Points
from tests.shared.draws import within
from tests.shared.factories import (
    CHEBYSHEV_NETWORKS,
    EDGE_KINDS,
    EPS,
    EVERY_NETWORK,
    NODE_MAPS,
    SOME_NETWORKS,
    NetworkCase,
    gauss_newton_paths,
    name,
    samples,
)
from tests.shared.refusals import refused
from tests.shared.tables import each_row

N = 6
DEEP = tuple(
    NetworkCase(kind, node_map, order=order, widths=(2, 3, 4, 2), intervals=(3, 4, 2))
    for kind in EDGE_KINDS
    for node_map in NODE_MAPS
    for order in (1, 2, 4)
)


def start(case, batch=None):
    """Network, parameters, samples partly outside the domain, and weights of which one is zero."""
    x = samples(N, reach=0.1)
    net, theta = case.start(x, statistics=samples(9, seed=11) if batch == "separate" else None)
    weights = np.random.default_rng(3).uniform(size=N)
    weights[2] = 0.0
    return net, theta, x, weights


def contributions(net, theta, x):
    """|J| with the two parts of J under maps with statistics, J_f and E S, and their sums taken absolutely."""
    points = Points.check(net, theta, x, None)
    size = np.abs(net.freeze(theta).jacobian(theta, x))
    if points.n_constants:
        _, sweep = next(points.sweeps(len(x)))
        apart = sweep.pull_back_apart(points.seeds(slice(None), 1.0))
        E = np.concatenate([part for _, _, of_map in apart if of_map for part in of_map[::-1]][::-1], axis=2)
        size += np.abs(E).reshape(size.shape[0], -1) @ np.abs(points.constant_gradients)
    return size


def cases():
    for case in (*EVERY_NETWORK, *CHEBYSHEV_NETWORKS, *DEEP):
        for batch in ("x", "separate") if case.couples_samples else ("x",):
            yield pytest.param(case, batch, id=f"{name(case)}-{len(case.widths)}-{batch}")


@pytest.mark.parametrize(("case", "batch"), [*cases()])
def test_both_paths_are_the_product_of_the_jacobian(case, batch):
    net, theta, x, weights = start(case, batch)
    w = np.repeat(weights, net.widths[-1])[:, None] / N
    J, size = net.jacobian(theta, x), contributions(net, theta, x)
    expected, scale = J.T @ (w * J), size.T @ (w * size)
    # Entries of J may themselves be sums that cancel: their scale is that of their row and column.
    scale = np.sqrt(np.outer(scale.diagonal(), scale.diagonal()))
    assert np.abs(hessians.jacobian(net, theta, x, weights) - np.sqrt(N * w) * J).max() <= 1e-13 * size.max()
    for path in gauss_newton_paths(net):
        H = gauss_newton(net, theta, x, weights, path=path)
        assert np.array_equal(H, H.T), path
        assert within(H - expected, 1e-13 * scale, "Gauss-Newton matrices against the product of the Jacobian"), path


@pytest.mark.parametrize("case", SOME_NETWORKS, ids=name)
def test_products_and_kernel(case):
    net, theta, x, weights = start(case)
    H, K = gauss_newton(net, theta, x, weights), hessians.ntk(net, theta, x, weights)
    J = hessians.jacobian(net, theta, x, weights)
    v = np.random.default_rng(1).standard_normal(theta.size)
    image = hessians.products.gauss_newton_vector(net, theta, x, v, weights)
    assert np.abs(image - H @ v).max() <= 1e-13 * (np.abs(J).T @ (np.abs(J) @ np.abs(v))).max() / N
    assert np.array_equal(K, K.T)
    assert np.abs(K - J @ J.T).max() <= 1e-13 * (np.abs(J) @ np.abs(J).T).max()


def test_the_sparse_path_gives_the_same_bits_whatever_the_thread_count(monkeypatch):
    x = np.random.default_rng(0).uniform(size=(3000, 2))
    net, theta = rk.kan([2, 5, 5, 1], 4, 6).initialize(np.random.default_rng(1), x)

    def bits(threads):
        monkeypatch.setattr(launch, "thread_count", lambda: threads)
        return gauss_newton(net, theta, x, path="sparse").tobytes()

    one = [bits(threads) for threads in (1, 2, 3)]
    monkeypatch.setattr(sys.modules[gauss_newton.__module__], "LEAST_SAMPLES", 900)  # three parts of the samples
    several = [bits(threads) for threads in (1, 2, 3)]
    assert len(set(one)) == len(set(several)) == 1
    assert one != several  # parts were added


@each_row(
    "net, path, n_samples",
    (rk.kan([2, 5, 1], 4, 64), "sparse", np.inf),
    (rk.kan([2, 20, 20, 1], 4, 5), "sparse", np.inf),
    (rk.kan([2, 5, 1], 4, 64, basis="relu"), "dense", np.inf),  # no window is smaller than the whole
    (rk.kan([2, 5, 1], 4, 16, free_knots=True), "dense", np.inf),
    (rk.mlp([2, 20, 20, 1]), "dense", np.inf),
    (rk.kan([2, 5, 1], 3, 1), "dense", np.inf),
    (rk.kan([2, 5, 1], 4, 5), "dense", 495),  # few samples do not pay for the layout
    (rk.kan([2, 5, 1], 4, 5), "sparse", 8000),
)
def test_the_cost_model_takes_windows_where_they_are_small(net, path, n_samples):
    net, theta = net.initialize(np.random.default_rng(0), samples(20))
    with rk.use_engine("auto"):
        forms = Points.check(net, theta, samples(20), None).forms
        assert sparse_accumulation.choose_path(forms, net.n_params, 1, n_samples) == path


MANY = 17_000
"""Samples in two parts, each of them in the order of cells."""


@pytest.mark.parametrize("n_inputs", [1, 3])
def test_samples_are_ordered_by_the_intervals_of_two_inputs(n_inputs):
    rng = np.random.default_rng(5)
    x, weights = rng.uniform(-0.1, 1.1, (3000, n_inputs)), rng.uniform(size=3000)
    net, theta = rk.kan([n_inputs, 2], 3, 7).initialize(rng, rng.uniform(size=(50, n_inputs)))
    points = Points.check(net, theta, x, weights).in_order_of_cells(slice(500, 3000))
    assert np.array_equal(np.sort(points.order), np.arange(500, 3000))
    assert np.array_equal(points.x, x[points.order])
    assert np.array_equal(points.weights, weights[points.order])
    cells = np.clip(np.floor(7 * points.x[:, :2]), 0, 6) @ (7.0 ** np.arange(min(n_inputs, 2))[::-1])
    # By cells, and in a cell as they came.
    assert np.array_equal(np.lexsort((points.order, cells)), np.arange(2500))


def test_few_samples_and_those_that_errors_name_stay_as_they_come():
    rng = np.random.default_rng(6)
    x = rng.uniform(size=(3000, 2))
    for net, rows in ((rk.kan([2, 2], 3, 7), slice(0, 50)), (rk.kan([2, 2], 3, 7, outside="error"), slice(0, 3000))):
        _, theta = net.initialize(rng, x[:50])
        assert np.array_equal(Points.check(net, theta, x, None).in_order_of_cells(rows).x, x[rows])


@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_the_sample_whose_output_overflows_is_named(path):
    rng = np.random.default_rng(7)
    x = rng.uniform(size=(MANY, 2))
    net, theta = rk.kan([2, 1], 4, 4, outside="polynomial").initialize(rng, x[:50])
    x[12_345] = 1e150
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"y\[12345, 0\] ="):
        gauss_newton(net, theta, x, path=path)


def test_auto_forms_rows_where_sums_would_cancel():
    """Powers whose constants follow theta: J_f is some 30 times J, and products of it would lose the square of that."""
    rng = np.random.default_rng(0)
    batch, x = rng.uniform(size=(20, 1)), rng.uniform(size=(30, 1))
    net, theta = rk.kan([1, 2, 2, 1], 5, 5, node_map="min-max", basis="relu", outside="polynomial").initialize(
        rng, batch
    )
    theta = theta * (1 + 0.1 * rng.standard_normal(theta.size))
    J = net.jacobian(theta, x).astype(np.longdouble)
    H = J.T @ J / 30
    assert np.abs(gauss_newton(net, theta, x) - H).max() <= 64 * EPS * np.abs(H).max()


def test_bad_input():
    x = samples(5)
    net, theta = NetworkCase("spline").start(x)
    free, s = NetworkCase("spline", free_knots=True).start(x)
    for other, parameters in ((free, s), NetworkCase("relu", "mean-std").start(x)):
        with pytest.raises(ValueError, match="path='sparse' needs fixed knots, and B-splines before maps that take"):
            gauss_newton(other, parameters, x, path="sparse")
    refused(lambda: gauss_newton(net, theta, x[:0]), "x must hold at least one sample; got N = 0")
    refused(lambda: gauss_newton(net, theta, x, [1, -1, 1, 1, 1]), r"weights must not be negative.*weights\[1\] = -1.0")


def test_one_node_without_splines_has_no_constant():
    x = samples(12)
    net, theta = NetworkCase("silu", "mean-std").start(x)
    net.unpack(theta)[0]["w_s"][0] = 0.0
    dense, sparse = (gauss_newton(net, theta, x, path=path) for path in ("dense", "sparse"))
    np.testing.assert_allclose(sparse, dense, rtol=0, atol=1e-12 * dense.max())


def test_a_tangent_kernel_that_overflows_in_one_entry_is_refused():
    net = rk.kan([1, 1], 3, 2)
    refused(lambda: rk.hessians.ntk(net, np.ones(4), [[0.5], [1e200]]), "the tangent kernel is not finite")


@pytest.mark.parametrize("path", ["dense", "sparse"])
def test_overflow_is_refused(path):
    x = samples(5)
    net, theta = NetworkCase("spline", "none").start(x)
    huge = theta * 1e200
    refused(lambda: gauss_newton(net, huge, x, path=path), r"outputs must be finite to be differentiated.*y\[0, 0\]")
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(ValueError, match="is not finite"):
        gauss_newton(net, theta * 1e100, x, np.full(5, 1e300), path=path)


@pytest.mark.parametrize("fault", ["factor", "window", "pair", "constants"])
def test_sabotage_is_noticed(monkeypatch, fault):
    x = samples(40)
    net, theta = NetworkCase("spline", "mean-std").start(x)
    expected = gauss_newton(net, theta, x, path="dense")
    right = window_products.Sums.add

    def faulty(self, start, rows, lower, T, slot=None, part=0):
        if fault == "factor":
            T = T * (1 + 1e-9)
        if fault == "window":
            start = np.where(start + rows.shape[2] < self.windows[0].dim, start + 1, start)
        if fault == "pair":
            T = T[:, :, ::-1].copy()
        right(self, start, rows, lower, T, slot, part)

    if fault == "constants":
        monkeypatch.setattr(Points, "constant_gradients", property(lambda self: np.zeros((6, theta.size))))
    else:
        monkeypatch.setattr(window_products.Sums, "add", faulty)
    assert np.abs(gauss_newton(net, theta, x, path="sparse") - expected).max() > 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("basis", ["spline", "relu", "scaled-relu"])
def test_in_relu_powers_statistics_take_the_dense_path(basis, monkeypatch):
    """The Jacobian of frozen statistics is much larger there: products of it would lose twice the digits."""
    monkeypatch.setattr(sys.modules[gauss_newton.__module__], "choose_path", lambda *_: "sparse")
    x = samples(30)
    net, theta = rk.kan([2, 2, 1], 3, 3, node_map="mean-std", basis=basis).initialize(np.random.default_rng(0), x)
    auto, *_, last = (gauss_newton(net, theta, x, path=path) for path in ("auto", *gauss_newton_paths(net)))
    assert gauss_newton_paths(net) == (("dense", "sparse") if basis == "spline" else ("dense",))
    np.testing.assert_array_equal(auto, last)


def test_entries_that_are_finite_may_have_a_sum_that_is_not():
    net, theta = rk.mlp([3, 1]).initialize(np.random.default_rng(0), samples(5, 3))
    np.testing.assert_allclose(gauss_newton(net, theta, np.full((1, 3), 1e154))[0, :3], 1e308)


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
    (lambda net, theta, x: hessians.products.gauss_newton_vector(net, theta, x, theta), "a product with"),
    (lambda net, theta, x: hessians.products.hessian_vector(net, theta, x, x, theta), "a product with"),
)
@pytest.mark.parametrize("case", [NetworkCase("silu"), NetworkCase("spline", "mean-std")], ids=str)
def test_every_function_asks_first(case, call, what, monkeypatch):
    x = samples(30)
    net, theta = case.start(x)
    call(net, theta, x)
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    refused(lambda: call(net, theta, x), f"{what}.* needs .* of memory; 1 kB are available: ")


def test_a_layer_with_a_chart_needs_two_copies_wherever_it_is(monkeypatch):
    spline, silu = (rk.kan([2, 2], 3, 5, edge=edge).layers[0] for edge in ("spline", "silu"))
    monkeypatch.setattr(sparse_accumulation.RawMatrix, "nbytes", 0)
    for layers in ((spline, silu), (silu, spline), (silu, silu), (spline, spline)):
        net, asked = rk.Network(layers, (rk.networks.node_maps.kinds.SigmoidMap(((0.0, 1.0),) * 2),)), []
        monkeypatch.setattr(exact_hessian, "require_memory", lambda needed, *_, asked=asked: asked.append(needed))
        hessians.hessian(net, np.ones(net.n_params), samples(3), samples(3))
        assert asked[0] == (3 if silu in layers else 1) * 8 * net.n_params**2 + 2 * memory.CHUNK_BYTES


CALLS = (
    "rk.hessians.gauss_newton(net, theta, x, path='sparse')",
    "rk.hessians.gauss_newton(net, theta, x, path='dense')",
    "rk.hessians.hessian(net, theta, x, x[:, :1])",
    "products.hessian_vector(net, theta, x, x[:, :1], theta)",
)


@pytest.fixture(scope="module")
def peaks():
    """Peak bytes of NumPy's allocations during each call, for few and many samples, in a process of their own."""
    code = f"""
import tracemalloc, numpy as np, refkan as rk
from refkan.networks.hessians import products
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
@pytest.mark.exhaustive
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
