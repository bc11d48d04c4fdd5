"""Kernels: compiled against pure Python, ways to sum over samples against each other; bits and bounds."""

import numpy as np
import pytest
import scipy.interpolate

import refkan as rk
from refkan.kernels import launch
from refkan.splines.sums import spline_sums
from refkan.splines.sums.channels import VALUES
from refkan.splines.sums.fast import fastest_sweep
from refkan.splines.sums.polynomial import PolynomialSweep
from refkan.splines.sums.sorted import SortedSweep
from tests.kernels.kernel_results import (
    finish,
    large_results,
    load,
    other_process,
    polynomial_results,
    small_results,
    sorted_results,
    sweeps_of,
    uniform_layer,
)
from tests.shared.factories import EPS


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


@pytest.mark.parametrize("results", [sorted_results, polynomial_results])
def test_other_ways_to_sum_give_what_samples_in_turn_give(results):
    for ours, theirs in zip(results(), results(None), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=64 * EPS * np.abs(theirs).max(initial=0))


@pytest.mark.parametrize("kind", [SortedSweep, PolynomialSweep])
@pytest.mark.parametrize("intervals", [3, 40, 200, 300])
@pytest.mark.parametrize("samples", [1, 65, 512, 1025])
def test_blocks_hold_all_samples(rng, kind, intervals, samples):
    """Blocks that do not divide the samples, and whose filled-up runs take more places than there are samples."""
    layer = uniform_layer(3, 5, order=4, n=intervals)
    x = rng.uniform(-np.arange(3), 1, (samples, 3))
    theta, dy = rng.standard_normal(layer.n_params), rng.standard_normal((samples, 5))
    with sweeps_of(kind):
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


@pytest.mark.parametrize(
    ("n_samples", "n_inputs", "n_outputs", "order", "intervals", "kind"),
    [
        (4096, 9, 20, 4, 64, SortedSweep),
        (4096, 9, 20, 4, 512, None),
        (4096, 9, 8, 4, 148, SortedSweep),
        (4096, 9, 8, 4, 149, None),
        (60, 9, 20, 4, 4, None),
        (4096, 2, 5, 4, 16, PolynomialSweep),
        (1, 2, 5, 4, 16, PolynomialSweep),
        (1, 2, 2, 3, 2000, None),
        (4096, 2, 2, 3, 1000, PolynomialSweep),
    ],
)
def test_sums_are_taken_in_the_way_that_is_fastest(n_samples, n_inputs, n_outputs, order, intervals, kind):
    """Polynomials for few outputs unless samples are fewer than these cost, sorting unless runs are short."""
    layer = uniform_layer(n_inputs, n_outputs, order, n=intervals)
    ones, z = np.ones(layer.blocks["coefficients"]), np.full((n_samples, 1, n_inputs), 0.5)
    with rk.use_engine("fast"):
        sums = spline_sums(layer.fixed_tables, ones, z, VALUES, layer.outside)
    assert (sums.sweep is not None) == (kind is not None)
    assert kind is None or isinstance(sums.sweep, kind)
    np.testing.assert_allclose(sums.value, n_inputs, rtol=0, atol=9 * EPS)


def test_polynomials_are_for_fewer_than_eight_outputs():
    assert fastest_sweep(4096, 9, 7, 64, 4) is PolynomialSweep
    assert fastest_sweep(4096, 9, 8, 64, 4) is SortedSweep
    assert fastest_sweep(1, 2, 7, 2000, 4) is None
