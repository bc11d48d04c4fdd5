"""Kernels: compiled against pure Python, ways to sum over samples against each other; bits and bounds."""

import numpy as np
import pytest

from refkan.kernels import launch
from refkan.splines.sums.polynomial import PolynomialSweep
from refkan.splines.sums.sorted import SortedSweep
from refkan.splines.sums.spline_functions import fastest_sweep
from tests.kernels.kernel_results import (
    finish,
    large_results,
    load,
    other_process,
    small_results,
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
        (4096, 9, 8, 4, 64, SortedSweep),
        (4096, 9, 8, 4, 148, SortedSweep),
        (4096, 9, 8, 4, 149, None),
        (60, 9, 20, 4, 4, None),
        (4096, 9, 7, 4, 64, PolynomialSweep),
        (4096, 2, 5, 4, 16, PolynomialSweep),
        (1, 2, 5, 4, 16, PolynomialSweep),
        (1, 2, 2, 3, 2000, None),
        (4096, 2, 2, 3, 1000, PolynomialSweep),
    ],
)
def test_sums_are_taken_in_the_way_that_is_fastest(n_samples, n_inputs, n_outputs, order, intervals, kind):
    """Polynomials for few outputs unless samples are fewer than these cost, sorting unless runs are short."""
    assert fastest_sweep(n_samples, n_inputs, n_outputs, intervals, order) is kind
