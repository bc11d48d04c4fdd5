"""How kernels are run: ranges, threads, forks, errors, forms; compiled against pure Python, bits and bounds."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numba
import numpy as np
import pytest

import refkan as rk
from refkan.kernels import blas_threads, bspline_basis, launch, polynomial_layer, polynomials_of_intervals
from refkan.networks.layers.knot_layers import spline
from refkan.splines import bsplines, local_basis, pieces
from refkan.splines.sums import value_sweeps, windows
from refkan.splines.sums.spline_functions import fastest_sweep
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep
from tests.kernels.kernel_results import (
    finish,
    large_results,
    load,
    other_process,
    small_results,
    uniform_layer,
)
from tests.kernels.threads_at_once import RUNS
from tests.shared.factories import EPS, space
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def test_an_error_in_a_range_is_raised(monkeypatch):
    monkeypatch.setattr(launch, "thread_count", lambda: 2)

    def broken(first, last, out):
        if first > 0:
            raise RuntimeError("second range")
        out[first:last] = 1

    refused(lambda: launch.launch(broken, 4, 1e9, np.zeros(4)), "RuntimeError: second range")


@pytest.mark.parametrize("items", [0, 1, 2, 5])
def test_ranges_cover_the_items_once(monkeypatch, items):
    monkeypatch.setattr(launch, "thread_count", lambda: 3)

    def count(first, last, out):
        out[first:last] += 1

    for operations in (0, 1e9):
        out = np.zeros(items)
        launch.launch(count, items, operations, out)
        np.testing.assert_array_equal(out, 1)


LOCAL_BASES = bspline_basis.local_basis, polynomial_layer.local_basis


def launched_types(monkeypatch, *runs, modules=(bsplines, local_basis, pieces, value_sweeps)):
    """Types of the arguments for which the fast kernels of modules are compiled, without compiling."""
    types = set()

    def record(compiled, items, operations, *arguments):
        if compiled is not polynomials_of_intervals.fill_pieces:  # plain, and for tables that are kept
            types.add((compiled, *map(numba.typeof, arguments)))
        if compiled in LOCAL_BASES:
            arguments[-2][...] = 0  # the intervals, which the caller goes on to use

    with monkeypatch.context() as patch:
        for module in modules:
            patch.setattr(module, "launch" if hasattr(module, "launch") else "launch_real", record)
        with rk.use_engine("fast"):
            for run in runs:
                with suppress(OverflowError):  # of what was left out: memory holds any numbers
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

    def evaluate(x):
        return lambda: bsplines.evaluate(S, np.ones(S.dim), x)

    assert len(launched_types(monkeypatch, *map(evaluate, layouts))) == 1
    layer = uniform_layer(2, 3)
    theta = np.ones(layer.n_params)
    net = rk.Network((layer,), ())
    sweeps = [lambda z=z: net.vjp(theta, z)[1](z[:, [0, 0, 0]]) for z in (table, table.copy(), table[::-1])]
    assert layer.fixed_tables.pieces is layer.fixed_tables.pieces
    assert len(launched_types(monkeypatch, *sweeps)) == 2
    with monkeypatch.context() as patch:
        patch.setattr(rk.splines.sums.spline_functions, "fastest_sweep", lambda *sizes: None)
        patch.setattr(windows.WindowSums, "_contract", lambda self, C, start: np.zeros((6, 1, 3)))
        runs = [lambda z=z: net(theta, z) for z in (table, table.copy(), np.stack([read_only, x]).T)]
        runs.append(lambda: local_basis.local_basis(tables, np.ascontiguousarray(table), 0, "linear", pieces=True))
        assert len(launched_types(monkeypatch, *runs)) == 1


def test_flags_of_directions_share_one_compiled_form(monkeypatch):
    """With one output they are laid out as kernels take them, and were not copied: read-only ones were another type."""
    monkeypatch.setattr(rk.splines.sums.spline_functions, "fastest_sweep", lambda *sizes: None)
    layer, x = uniform_layer(2, 1), np.full((6, 2), 0.5)
    theta, direction = np.ones(layer.n_params), np.ones(layer.n_params)
    modules = local_basis, pieces, windows

    def runs():
        net = rk.Network((layer,), ())
        return net.jvp(theta, x, direction, x), net.jet(theta, x, np.eye(2), orders=1).pushforward(direction)

    free = uniform_layer(2, 1, free_knots=True)
    moving = np.ones(free.n_params)

    def knots_move():
        return rk.Network((free,), ()).jvp(np.ones(free.n_params), x, moving)

    types = launched_types(monkeypatch, runs, modules=modules)
    of_knots = launched_types(monkeypatch, knots_move, modules=[spline])
    direction.flags.writeable = moving.flags.writeable = False
    assert (len(types), len(of_knots)) == (5, 2)
    assert launched_types(monkeypatch, runs, modules=modules) == types
    assert launched_types(monkeypatch, knots_move, modules=[spline]) == of_knots


def test_fixed_and_free_knots_share_one_compiled_form(monkeypatch):
    x = np.linspace(0.1, 0.9, 6)[:, None]
    runs = []
    for free in (False, True):
        layer = uniform_layer(1, 3, free_knots=free)
        theta = np.ones(layer.n_params)
        runs.append(lambda layer=layer, theta=theta: local_basis.local_basis(layer.tables(theta), x, 1, "linear"))
    assert len([form for form in launched_types(monkeypatch, *runs) if form[0] in LOCAL_BASES]) == 1


ROOT = Path(__file__).parents[2]


@pytest.mark.exhaustive
def test_threads_at_once_get_the_bits_of_one_thread():
    """In a process of their own: one that hangs cannot be asked to stop."""
    command = [sys.executable, "-W", "ignore:.*fork.*:DeprecationWarning", "-m", "tests.kernels.threads_at_once"]
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # its bits depend on the number of its threads
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "".join(f"{name} []\n" for name in RUNS)), run.stdout + run.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def compiled():
    return small_results()


@pytest.fixture(scope="module")
def processes(compiled, folder):
    """Other processes, once the kernels are compiled and cached by this one."""
    large_results()
    code = "from tests.kernels import kernel_results as t; t.save('{}.npz', {})"
    plain = code.format("python", "'small_results', 'complex_results'") + "; t.leave_an_array()"
    started = {"python": other_process(plain, folder, NUMBA_DISABLE_JIT="1")}
    for threads in ("1", "2"):
        run = code.format(f"threads-{threads}", "'small_results', 'large_results'")
        run += "; import _thread; print('threads:', 1 + _thread._count())"  # workers are no threading.Thread
        started[threads] = other_process(run, folder, NUMBA_NUM_THREADS=threads)
    return {name: finish(process) for name, process in started.items()}


def test_compiled_kernels_give_what_pure_python_gives(compiled, processes, folder):
    for ours, theirs in zip(compiled, load(folder / "python.npz", "small_results"), strict=True):
        # The same operations in the same order; a compiler may still fuse a product and a sum.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=16 * EPS * np.abs(theirs).max(initial=0))


def test_pure_python_passes_complex_steps(processes, folder):
    step, slope = load(folder / "python.npz", "complex_results")
    np.testing.assert_allclose(step, slope, rtol=0, atol=1e-14 * np.abs(slope).max())


def test_no_kernel_leaves_its_arrays(processes):
    """An index beyond an array ends the pure Python process, which goes through the same loops on the same samples."""
    assert "noticed" in processes["python"]


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


@each_row(
    "n_samples, n_inputs, n_outputs, order, intervals, kind",
    (4096, 9, 20, 4, 64, SortedSweep),
    (4096, 9, 20, 4, 512, None),
    (4096, 9, 8, 4, 64, SortedSweep),
    (4096, 9, 8, 4, 148, SortedSweep),
    (4096, 9, 8, 4, 149, None),
    (60, 9, 20, 4, 4, None),
    (4096, 9, 7, 4, 64, PolynomialSweep),
    (4096, 2, 5, 4, 16, PolynomialSweep),
    (1, 2, 5, 4, 16, PolynomialSweep),
    (1, 2, 2, 3, 2000, None),
    (4096, 2, 2, 3, 1000, PolynomialSweep),
)
def test_sums_are_taken_in_the_way_that_is_fastest(n_samples, n_inputs, n_outputs, order, intervals, kind):
    """Polynomials for few outputs unless samples are fewer than these cost, sorting unless runs are short."""
    assert fastest_sweep(n_samples, n_inputs, n_outputs, intervals, order) is kind


@pytest.fixture
def threads():
    """Read the number of threads of SciPy's BLAS, which is 2 before and after."""
    library = blas_threads._library()
    if library is None:
        pytest.skip("SciPy has another BLAS")
    read, write = library
    before = read()
    write(2)
    if read() != 2:
        pytest.skip("this BLAS is built for one thread")
    yield read
    after = read()
    write(before)
    assert after == 2


@pytest.mark.parametrize(("size", "during"), [(30, 1), (300, 1), (301, 2)])
@pytest.mark.parametrize("method", ["lbfgs", "gd"])
def test_a_training_has_one_thread_if_it_is_small(threads, size, during, method):
    class Bowl:
        def value_and_gradient(self, theta):
            seen.append(threads())
            return 0.5 * theta @ theta, theta

    seen = []
    options = {"learning_rate": 0.5} if method == "gd" else {}
    rk.minimize(Bowl(), np.ones(size), method, 3, **options)
    assert set(seen) == {during}


def test_a_training_that_fails_gives_the_threads_back(threads):
    class Broken:
        def value_and_gradient(self, theta):
            raise RuntimeError("broken")

    refused(lambda: rk.minimize(Broken(), np.ones(3), "lbfgs", 3), "RuntimeError: broken")
    assert threads() == 2


def test_blocks_that_overlap_give_back_what_the_first_one_met(threads):
    second_is_in, first_is_out = threading.Event(), threading.Event()
    after_the_first = []

    def second():
        with blas_threads.one_blas_thread(3):
            second_is_in.set()
            first_is_out.wait(10)
            after_the_first.append(threads())

    thread = threading.Thread(target=second)
    with blas_threads.one_blas_thread(3):
        thread.start()
        assert second_is_in.wait(10)
    first_is_out.set()
    thread.join()
    assert (after_the_first, threads()) == ([1], 2)


def test_without_that_library_nothing_happens(threads, monkeypatch):
    monkeypatch.setattr(blas_threads, "_library", lambda: None)
    with blas_threads.one_blas_thread(3):
        assert threads() == 2
