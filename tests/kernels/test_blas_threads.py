"""Threads of SciPy's BLAS while small networks are trained."""

import threading

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import blas_threads
from tests.shared.refusals import refused


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
