"""Kernels: compiled against pure Python, sorted samples against samples in turn; bits and bounds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate
from factories import EPS
from kernel_results import (
    finish,
    large_results,
    load,
    other_process,
    small_results,
    sorted_results,
    sweeps_that_sort,
    uniform_layer,
)

from refkan.kernels import launch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module", autouse=True)
def checked_bounds(folder):
    """Kernels compiled with bounds checks, in their own cache, while the other tests run."""
    cache = folder / "bounds-cache"
    code = "import kernel_results as t; t.save('bounds.npz', 'layer_results', 'sorted_results'); t.leave_an_array()"
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
    code = "import kernel_results as t; t.save('{}.npz', {})"
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


@pytest.mark.parametrize(
    ("n_outputs", "intervals", "sort"), [(20, 64, True), (20, 512, False), (1, 106, True), (1, 107, False)]
)
def test_samples_are_sorted_where_runs_are_not_too_short(n_outputs, intervals, sort):
    layer = uniform_layer(9, n_outputs, n=intervals)
    at = layer.linearize(np.ones(layer.n_params), np.full((4096, 9), 0.5))
    assert (at._sweep is not None) == sort
    np.testing.assert_allclose(at.value, 9.0, rtol=0, atol=9 * EPS)
