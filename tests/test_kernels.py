"""Kernels: compiled against pure Python, against the definitions, against SciPy; bits, bounds and the disk cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from math import perm
from pathlib import Path

import numba
import numpy as np
import pytest
import scipy.interpolate
from factories import EPS, POLICIES, LayerCase, exact, space
from hypothesis import given
from hypothesis import strategies as st

import refkan as rk
from refkan import bsplines, definitions, local_basis, relu_powers
from refkan.kernels import bspline_basis, compilation, launch, local_layer, relu_power_basis
from refkan.layers import spline

ROOT = Path(rk.__file__).parents[1]


# --- the results that must not depend on how kernels are run


def sweep_results(layer, x, seed=0):
    """Every sweep of a spline layer; of others, which go through BLAS, none."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(layer.n_params)
    at = layer.linearize(theta, x)
    N, Q = at.value.shape
    dtheta, dx, dy = rng.standard_normal(theta.size), rng.standard_normal(x.shape), rng.standard_normal((N, Q))
    results = [at.value, *at.pullback(dy), at.pushforward(dtheta, dx)]
    if 0 < N <= 50:
        J = np.zeros((N, Q, layer.n_params))
        at.fill_jacobian(np.tile(np.eye(Q), (N, 1, 1)), J)
        results.append(J)
    return results


def uniform_layer(P, Q, order=3, n=5, **options):
    return rk.SplineLayer(tuple(rk.SplineSpace.uniform(order, n, (-p, 1.0)) for p in range(P)), Q, **options)


def layer_results():
    """Kernels of layers at small size: orders, policies, ends of the domain and far outside, no samples."""
    results = []
    for case in (
        *(LayerCase("spline", order, outside) for order in (1, 3) for outside in POLICIES),
        *(LayerCase("spline", order, outside, True) for order in (2, 4) for outside in ("linear", "polynomial")),
        LayerCase("spline", 3, "linear", True, intervals=1),
    ):
        ends = case.build().domains.T
        x = np.concatenate([case.samples(7), ends, 3 * ends - 2 * ends.mean(axis=0)])
        results += sweep_results(case.build(), x)
    for free in (False, True):
        results += sweep_results(LayerCase("spline", free_knots=free).build(), np.zeros((0, 3)))[:2]
    for kind in ("repeated", "clamped"):
        S = space(kind, 4)
        x = np.concatenate([S.breakpoints, S.greville, S.domain - 50 * np.array([1, -1])])[:, None]
        for outside in POLICIES:
            results += sweep_results(rk.SplineLayer((S,), 1, outside), x)
    x = LayerCase("relu").samples(7)
    relu = LayerCase("relu").build()
    results.append(relu.linearize(np.ones(relu.n_params), x).rows)
    return results


@contextmanager
def sweeps_that_sort(sort=True):
    """Sweeps that sort the samples, or do not, whatever would pay."""
    kept = spline.MUCH_WORK
    spline.MUCH_WORK = 0 if sort else np.inf
    try:
        yield
    finally:
        spline.MUCH_WORK = kept


SORTED_LAYERS = [
    ("random", 3, 5, 4, "linear", False),
    ("graded", 1, 1, 2, "polynomial", False),
    ("clamped", 2, 35, 3, "natural", False),
    ("uniform", 2, 4, 1, "natural", False),
    ("repeated", 2, 2, 4, "linear", False),
    ("uniform", 3, 6, 3, "linear", True),
    ("random", 9, 66, 2, "linear", False),
]
"""Knots, inputs, outputs, order, policy, free knots: outputs in two tiles, a tile with room, and one by one."""


def sorted_results(sort=True):
    """The sweeps of enough samples to be sorted, some of them outside."""
    results = []
    for kind, P, Q, order, outside, free in SORTED_LAYERS:
        layer = rk.SplineLayer((space(kind, order),) * P, Q, outside, free)
        ends = layer.domains.T
        x = np.random.default_rng(P).uniform(*(1.1 * ends - 0.1 * ends[::-1]), (spline.MANY_SAMPLES + 3, P))
        with sweeps_that_sort(sort):
            results += sweep_results(layer, np.concatenate([x, ends]))
    return results


def small_results():
    """All kernels at small size."""
    results = layer_results() + sorted_results()
    S = space("graded", 4)
    x = np.concatenate([S.breakpoints, S.greville, S.domain - 50 * np.array([1, -1])])
    results.append(bsplines.evaluate(S, np.arange(S.dim) / 3, x, 1, "natural"))
    for outside in POLICIES:
        S, x = space("random", 3), np.linspace(-1.0, 6.0, 12)
        results += [relu_powers.design_matrix(S, x, k, outside, scaled=True) for k in range(3)]
    S = space("random", 3)
    for policy in (0, 1):
        rows = np.empty((12, 1, S.intervals - 1))
        launch.launch(
            relu_power_basis.relu_knot_rows, 12, 1, x[:, None], S.knots[None].copy(), 3, np.ones(1), policy, rows
        )
        results.append(rows)
    return results


def large_results():
    """Enough work for several threads, for few inputs and for many, and for free knots."""
    rng = np.random.default_rng(0)
    results = []
    for P, Q, N, free in ((2, 20, 5000, False), (1, 3, 20000, False), (12, 30, 700, False), (3, 8, 3000, True)):
        x = rng.uniform(-0.1 - np.arange(P), 1.1, (N, P))
        results += sweep_results(uniform_layer(P, Q, free_knots=free), x)
    S = rk.SplineSpace.uniform(4, 20)
    x = rng.uniform(0, 1, 30001)
    results.append(bsplines.evaluate(S, rng.standard_normal(S.dim), x))
    results.append(bsplines.design_matrix(S, x).data)
    results.append(relu_powers.design_matrix(S, x))
    return results


def complex_results():
    """Complex arithmetic of kernels whose complex form is not worth compiling: derivatives by complex steps."""
    S = space("random", 4)
    c = np.random.default_rng(0).standard_normal(S.dim)
    x = np.linspace(*S.domain, 9)[1:-1]
    return [bsplines.evaluate(S, c, x + 1e-30j).imag / 1e-30, bsplines.evaluate(S, c, x, 1)]


def save(path, *names):
    """Write results to a file: what the other processes run."""
    arrays = {f"{name}-{k}": a for name in names for k, a in enumerate(globals()[name]())}
    np.savez(path, **arrays)


def leave_an_array():
    """Read beyond the end of an array: the checks are really on."""
    try:
        bspline_basis.find_intervals(np.zeros(1), np.arange(2.0), np.zeros(2, np.int32), 1.0, 0, np.empty(0, np.uint64))
    except IndexError:
        print("noticed")


def load(path, name):
    with np.load(path) as file:
        return [file[f"{name}-{k}"] for k in range(sum(key.startswith(name) for key in file))]


def other_process(code, folder, **environment):
    """Start Python beside the tests."""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module", autouse=True)
def checked_bounds(folder):
    """Kernels compiled with bounds checks, in their own cache, while the other tests run."""
    cache = folder / "bounds-cache"
    code = "import test_kernels as t; t.save('bounds.npz', 'layer_results', 'sorted_results'); t.leave_an_array()"
    process = other_process(code, folder, NUMBA_BOUNDSCHECK="1", NUMBA_DISABLE_JIT="0", NUMBA_CACHE_DIR=str(cache))
    yield process
    process.kill()


@pytest.fixture(scope="module")
def compiled():
    return small_results()


@pytest.fixture(scope="module")
def processes(compiled, folder):
    """Other processes, once the kernels are compiled and cached by this one."""
    large_results()
    code = "import test_kernels as t; t.save('{}.npz', {})"
    started = {
        "python": other_process(
            code.format("python", "'small_results', 'complex_results'"), folder, NUMBA_DISABLE_JIT="1"
        )
    }
    for threads in ("1", "2"):
        run = code.format(f"threads-{threads}", "'small_results', 'large_results'")
        run += "; import threading; print('threads:', threading.active_count())"
        started[threads] = other_process(run, folder, NUMBA_NUM_THREADS=threads)
    return {name: finish(process) for name, process in started.items()}


def test_compiled_kernels_give_what_pure_python_gives(compiled, processes, folder):
    for ours, theirs in zip(compiled, load(folder / "python.npz", "small_results"), strict=True):
        # The same operations in the same order; a compiler may still fuse a product and a sum.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=16 * EPS * np.abs(theirs).max(initial=0))


def test_sorted_samples_give_what_samples_in_turn_give():
    for ours, theirs in zip(sorted_results(), sorted_results(sort=False), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=64 * EPS * np.abs(theirs).max(initial=0))


@pytest.mark.parametrize("intervals", [3, 40, 200, 300])
@pytest.mark.parametrize("samples", [65, 512, 1025])
def test_blocks_hold_all_samples(rng, intervals, samples):
    """Blocks that do not divide the samples, and whose filled-up runs take more places than there are samples."""
    layer = uniform_layer(3, 4, order=4, n=intervals)
    x = rng.uniform(-np.arange(3), 1, (samples, 3))
    theta, dy = rng.standard_normal(layer.n_params), rng.standard_normal((samples, 4))
    with sweeps_that_sort():
        at = layer.linearize(theta, x)
        dtheta, dx = at.pullback(dy)
    C = layer.unpack(theta)["coefficients"]
    curves = [scipy.interpolate.BSpline(S.knots, C[:, p].T, 3) for p, S in enumerate(layer.spaces)]
    np.testing.assert_allclose(at.value, sum(f(x[:, p]) for p, f in enumerate(curves)), rtol=0, atol=1e-13)
    slopes = np.stack([f(x[:, p], 1) for p, f in enumerate(curves)], axis=2)
    expected = np.einsum("sqp,sq->sp", slopes, dy)
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-14 * np.abs(slopes).max() * intervals)
    for p, S in enumerate(layer.spaces):
        B = scipy.interpolate.BSpline.design_matrix(x[:, p], S.knots, 3)
        ours = layer.unpack(dtheta)["coefficients"][:, p]
        np.testing.assert_allclose(ours, (B.T @ dy).T, rtol=0, atol=1e-12)


def test_pure_python_passes_complex_steps(processes, folder):
    step, slope = load(folder / "python.npz", "complex_results")
    np.testing.assert_allclose(step, slope, rtol=0, atol=1e-14 * np.abs(slope).max())


def test_no_kernel_leaves_its_arrays(compiled, checked_bounds, folder):
    assert "noticed" in finish(checked_bounds)
    checked = load(folder / "bounds.npz", "layer_results") + load(folder / "bounds.npz", "sorted_results")
    for ours, theirs in zip(compiled, checked, strict=False):
        # The checks keep loops from being vectorised, which does not change the bits.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=16 * EPS * np.abs(theirs).max(initial=0))


@pytest.mark.parametrize("name", ["small_results", "large_results"])
def test_bits_do_not_depend_on_the_number_of_threads(processes, folder, name):
    one, two = (load(folder / f"threads-{k}.npz", name) for k in (1, 2))
    assert len(one) == len(two) > 8
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()
    assert "threads: 1" in processes["1"]
    assert "threads: 2" in processes["2"], "the large results did not reach the second thread"


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_bits_do_not_depend_on_the_ranges(compiled, monkeypatch, threads):
    monkeypatch.setattr(launch, "SERIAL_BELOW", 0)
    monkeypatch.setattr(launch, "thread_count", lambda: threads)
    for ours, theirs in zip(compiled, small_results(), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_several_python_threads_may_run_kernels_at_once(monkeypatch):
    layer = uniform_layer(2, 5)
    x = np.random.default_rng(0).uniform(0, 1, (400, 2))
    expected = [a.tobytes() for a in sweep_results(layer, x)]
    monkeypatch.setattr(launch, "SERIAL_BELOW", 0)
    monkeypatch.setattr(launch, "thread_count", lambda: 3)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(sweep_results, layer, x) for _ in range(12)]
    for run in runs:
        assert [a.tobytes() for a in run.result()] == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(launch, "SERIAL_BELOW", 0)
    monkeypatch.setattr(launch, "thread_count", lambda: 2)
    S, x = space("random", 3), np.linspace(*space("random", 3).domain, 300)
    expected = bsplines.evaluate(S, np.arange(S.dim), x)
    assert threading.active_count() > 1
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(bsplines.evaluate(S, np.arange(S.dim), x), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_error_in_a_range_is_raised(monkeypatch):
    monkeypatch.setattr(launch, "thread_count", lambda: 2)

    def broken(first, last, out):
        if first > 0:
            raise RuntimeError("second range")
        out[first:last] = 1

    with pytest.raises(RuntimeError, match="second range"):
        launch.launch(broken, 4, 1e9, np.zeros(4))


@pytest.mark.parametrize("items", [0, 1, 2, 5])
def test_ranges_cover_the_items_once(monkeypatch, items):
    monkeypatch.setattr(launch, "thread_count", lambda: 3)

    def count(first, last, out):
        out[first:last] += 1

    for operations in (0, 1e9):
        out = np.zeros(items)
        launch.launch(count, items, operations, out)
        np.testing.assert_array_equal(out, 1)


def launched_types(monkeypatch, *runs):
    """Types of the arguments for which the local basis is compiled, without compiling it."""
    types = set()

    def record(compiled, items, operations, *arguments):
        types.add((compiled, *map(numba.typeof, arguments)))
        if compiled is bspline_basis.local_basis:
            arguments[-2][...] = 0  # the intervals, which the caller goes on to use

    with monkeypatch.context() as patch:
        patch.setattr(bsplines, "launch", record)
        patch.setattr(local_basis, "launch", record)
        for run in runs:
            run()
    return types


def test_layouts_and_flags_of_samples_share_one_compiled_form(monkeypatch):
    """A column of a table, a Fortran array or a read-only view must not cost another compilation of seconds."""
    S = space("uniform", 3)
    x = np.linspace(0, 1, 6)
    read_only = x.copy()
    read_only.flags.writeable = False
    table = np.asfortranarray(np.stack([x, x], axis=1))
    layouts = (x, read_only, x[::-1], table.copy()[:, 0])
    tables = local_basis.KnotTables.of(S)
    assert tables.tangents.shape == (2, 2, 1, 3)  # made once, by the form with slopes

    def evaluate(x):
        return lambda: bsplines.evaluate(S, np.ones(S.dim), x)

    assert len(launched_types(monkeypatch, *map(evaluate, layouts))) == 1
    layer = uniform_layer(2, 3)
    assert layer.fixed_tables.tangents.any()
    theta = np.ones(layer.n_params)
    net = rk.Network((layer,), ())
    with monkeypatch.context() as patch:
        patch.setattr(rk.layers.spline, "launch", lambda *args: None)
        patch.setattr(rk.layers.spline.SplineLinearization, "_contract", lambda self, rows, C: np.zeros((6, 3)))
        runs = [lambda z=z: net(theta, z) for z in (table, table.copy(), np.stack([read_only, x]).T)]
        runs.append(lambda: local_basis.local_basis(tables, np.ascontiguousarray(table), 0, "linear"))
        assert len(launched_types(monkeypatch, *runs)) == 1


def test_fixed_and_free_knots_share_one_compiled_form(monkeypatch):
    x = np.linspace(0.1, 0.9, 6)[:, None]
    runs = []
    for free in (False, True):
        layer = uniform_layer(1, 3, free_knots=free)
        theta = np.ones(layer.n_params)
        runs.append(lambda layer=layer, theta=theta: local_basis.local_basis(layer.tables(theta), x, 1, "linear"))
    assert len(launched_types(monkeypatch, *runs)) == 1


# --- against the definitions and SciPy


def compiled_intervals(S, x):
    tables = local_basis.KnotTables(S.knots[None].copy(), S.order)
    m = np.empty(x.size, np.uint64)
    guide, scale, halvings = tables.search
    bspline_basis.find_intervals(x, tables.breakpoints[0], guide[0], scale[0], halvings, m)
    return m


@given(
    st.lists(st.sampled_from([0.0, 1e-9, 1e-4, 0.1, 1.0]), min_size=1, max_size=40).filter(any),
    st.lists(st.floats(-0.2, 1.2), min_size=1, max_size=20),
    st.sampled_from([0.0, -3.0, 1e5]),
)
def test_find_intervals_against_the_definition(gaps, fractions, start):
    t = start + np.concatenate([[0.0], np.cumsum(gaps)])
    order = int(max(np.bincount(np.searchsorted(np.unique(t), t)).max(), 1))
    if order > 10:
        return
    S = rk.SplineSpace.clamped(order, t[max(0, np.argmax(t > t[0]) - 1) : np.searchsorted(t, t[-1]) + 1])
    a, b = S.domain
    x = np.concatenate([S.breakpoints, a + (b - a) * np.array(fractions), np.nextafter(S.breakpoints, np.inf)])
    knots = exact(S.knots)
    expected = [definitions.interval(knots, order, Fraction(float(v)), "linear") - order + 1 for v in x]
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 49, 1000])
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-0.1, 0.2), (1e3, 1e3 + 1e-3), (-7.0, 1e5)], ids=str)
def test_find_intervals_next_to_uniform_breakpoints(n, domain):
    """Rounding may put a point into the wrong cell of the guide: the neighbours of every breakpoint."""
    S = rk.SplineSpace.uniform(1, n, domain)
    t = S.breakpoints
    x = np.concatenate([t, np.nextafter(t, -np.inf), np.nextafter(t, np.inf), 0.5 * (t[1:] + t[:-1])])
    expected = np.clip(np.searchsorted(t, x, side="right") - 1, 0, n - 1)
    np.testing.assert_array_equal(compiled_intervals(S, x), expected)
    outside = [np.nan, np.inf, -np.inf]
    m = np.empty(x.size + 3, np.uint64)
    bspline_basis.find_uniform_intervals(np.append(x, outside), t, n / (t[-1] - t[0]), m)
    np.testing.assert_array_equal(m[:-3], expected)
    assert m[-3:].max() < n


def test_find_intervals_against_scipy(rng):
    S = rk.SplineSpace.clamped(3, np.sort(rng.uniform(0, 1, 200) ** 4))
    x = np.concatenate([rng.uniform(*S.domain, 500), S.breakpoints])
    B = scipy.interpolate.BSpline.design_matrix(x, S.knots, 2)
    np.testing.assert_array_equal(compiled_intervals(S, x), B.indices.reshape(-1, 3)[:, 0])


@pytest.mark.parametrize("degree", range(6))
@pytest.mark.parametrize("derivative", range(8))
def test_falling_power(degree, derivative):
    y = -1.5
    expected = perm(degree, derivative) * y ** (degree - derivative) if derivative <= degree else 0.0
    assert relu_power_basis.falling_power(y, degree, derivative) == pytest.approx(expected, rel=8 * EPS)


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 16, 23, 64])
def test_dot(n, rng):
    c, g = rng.standard_normal((2, n))
    reference = sum(a * b for a, b in zip(exact(c), exact(g), strict=True))
    assert abs(local_layer.dot(c, g) - float(reference)) <= n * EPS * np.abs(c * g).sum()
    for q in range(n):
        assert local_layer.dot(np.eye(n)[q], g) == g[q]


def test_dot_of_large_numbers_overflows_to_infinity_not_to_nan():
    with np.errstate(all="ignore"):  # heard in pure Python alone
        assert local_layer.dot(np.array([1e200, 1.0]), np.array([1e200, 1.0])) == np.inf


def test_layer_kernels_against_scipy(rng):
    layer = uniform_layer(3, 4, order=4)
    x = rng.uniform(-np.arange(3), 1, (20, 3))
    theta = rng.standard_normal(layer.n_params)
    C = layer.unpack(theta)["coefficients"]
    curves = [scipy.interpolate.BSpline(S.knots, C[:, p].T, 3) for p, S in enumerate(layer.spaces)]
    at = layer.linearize(theta, x)
    np.testing.assert_allclose(at.value, sum(f(x[:, p]) for p, f in enumerate(curves)), rtol=0, atol=1e-13)
    slopes = np.stack([f(x[:, p], 1) for p, f in enumerate(curves)], axis=2)
    np.testing.assert_allclose(at.pullback_inputs(np.tile(np.eye(4), (20, 1, 1))), slopes, rtol=0, atol=1e-12)


# --- the cache on disk


def test_without_a_place_for_the_cache_one_warning_and_everything_works(folder):
    """No NUMBA_CACHE_DIR that can be made, no home, and a file in place of __pycache__ beside the kernels."""
    shutil.copytree(ROOT / "refkan", folder / "installed" / "refkan", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "installed" / "refkan" / "kernels" / "__pycache__").touch()
    code = (
        "import sys, warnings\n"
        "sys.path.insert(0, 'installed')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import refkan as rk\n"
        "assert 'installed' in rk.__file__, rk.__file__\n"
        "messages = [str(w.message) for w in caught if 'refkan' in str(w.message) or 'cache' in str(w.message)]\n"
        "assert len(messages) == 1, messages\n"
        "assert 'NUMBA_CACHE_DIR' in messages[0] and 'compiled anew' in messages[0], messages\n"
        "tables = rk.local_basis.KnotTables.of(rk.SplineSpace.uniform(3, 4))\n"
        "assert tables.search[0][0, ::8].tolist() == [0, 0, 1, 2, 3], tables.search\n"
    )
    nowhere = os.path.join(os.devnull, "nowhere")
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    finish(other_process(code, folder, NUMBA_DISABLE_JIT="0", **places))


def test_only_a_missing_cache_is_forgiven(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError(message)
        return lambda function: function

    monkeypatch.setattr(compilation.numba, "njit", njit)
    monkeypatch.setattr(compilation, "_warned", False)
    message = "cannot cache function 'f': no locator available for file 'f.py'"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert compilation.kernel(test_dot) is test_dot
    assert len(caught) == 1
    message = "something else"
    with pytest.raises(RuntimeError, match="something else"):
        compilation.kernel(test_dot)
