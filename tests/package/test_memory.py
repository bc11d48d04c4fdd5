"""Memory that is used again: only when nobody refers to it."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import recycled_memory
from refkan.kernels.recycled_memory import recycled

counted = pytest.mark.skipif(not recycled_memory.COUNTED, reason="counts of references are not exact")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """With arrays used again that are small enough for tests to make many."""
    monkeypatch.setattr(recycled_memory, "SMALLEST", 2**12)
    recycled_memory._blocks.clear()
    yield
    recycled_memory._blocks.clear()


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("shape", [(0,), (3,), (511,), (512,), (100, 7), (2, 3, 1000)])
@pytest.mark.parametrize("dtype", [np.float64, np.uint16, np.int32])
def test_arrays_are_what_was_asked_for_and_all_but_small_ones_begin_with_a_line(shape, dtype):
    for _ in range(3):
        array = recycled(shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.nbytes < recycled_memory.SMALLEST or address(array) % recycled_memory.LINE == 0
        array[...] = 1


@counted
def test_memory_that_nobody_refers_to_is_used_again():
    first = recycled((1000,))
    where = address(first)
    del first
    assert address(recycled((1000,))) == where
    assert address(recycled((500, 4), np.float32)) == where  # as many bytes


@pytest.mark.parametrize(
    "view", [lambda a: a, lambda a: a[5:7], lambda a: a.reshape(10, 100).T, lambda a: a.view(np.int64), memoryview]
)
def test_memory_that_a_view_refers_to_is_not(view):
    kept = view(recycled((1000,)))
    others = [recycled((1000,)) for _ in range(20)]
    assert not any(np.shares_memory(np.asarray(kept), other) for other in others)
    assert all(not np.shares_memory(a, b) for k, a in enumerate(others) for b in others[:k])


@counted
def test_when_too_many_are_in_use_the_newest_are_used_again():
    many = [recycled((1000,)) for _ in range(3 * recycled_memory.OF_ONE_SIZE)]
    assert len(recycled_memory._blocks[8000]) == recycled_memory.OF_ONE_SIZE
    newest = {address(array) for array in many[-recycled_memory.OF_ONE_SIZE :]}
    del many
    assert address(recycled((1000,))) in newest


@counted
def test_no_more_is_kept_than_said(monkeypatch):
    monkeypatch.setattr(recycled_memory, "KEPT", 100_000)
    for size in range(1000, 3000, 100):
        recycled((size,))
        assert sum(each * len(blocks) for each, blocks in recycled_memory._blocks.items()) <= 100_000
    assert list(recycled_memory._blocks)[-1] == 8 * 2900  # the latest
    held = [recycled((6000,)), recycled((6001,)), recycled((6002,))]
    assert sum(each * len(blocks) for each, blocks in recycled_memory._blocks.items()) <= 100_000
    assert all(not np.shares_memory(held[i], held[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def test_small_and_very_large_arrays_are_not_kept(monkeypatch):
    monkeypatch.setattr(recycled_memory, "LARGEST", 10_000)
    for size in (recycled_memory.SMALLEST // 8 - 1, 10_000 // 8 + 1):
        recycled((size,))
    assert not recycled_memory._blocks


@counted
def test_a_block_is_in_use_from_the_moment_that_it_is_found():
    """Another thread may ask before an array has been made of it."""
    for _ in range(2):  # new ones, and some that were used before
        found = [recycled_memory._block(8000) for _ in range(3)]
        assert len({id(block) for block, _ in found}) == 3
        del found


def test_without_exact_counts_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert not recycled_memory._references_are_counted()
    monkeypatch.setattr(recycled_memory, "COUNTED", False)
    recycled((1000,))
    assert not recycled_memory._blocks


def test_threads_never_get_the_same_memory():
    wrong = []

    def work(number):
        for _ in range(300):
            array = recycled((1000,))
            array[:] = number
            other = recycled((1000,))
            other[:] = -number
            if not (np.all(array == number) and np.all(other == -number)):
                wrong.append(number)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(1, 7)))
    assert not wrong


def test_whoever_interrupts_the_holder_of_the_lock_gets_new_memory():
    """A signal handler cannot wait for it: the code that holds it goes on when the handler returns."""
    found = []
    thread = threading.Thread(target=lambda: found.append(recycled((1000,))), daemon=True)
    with recycled_memory._lock:
        thread.start()
        thread.join(20)
    assert [array.shape for array in found] == [(1000,)]
    assert not recycled_memory._blocks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_forks_while_the_lock_is_held_goes_on():
    with recycled_memory._lock:
        child = os.fork()
        if child == 0:
            recycled((1000,))
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("n_outputs", [5, 20])
def test_results_stay_what_they_are_while_others_are_computed(n_outputs):
    rng = np.random.default_rng(3)
    layer = rk.SplineLayer((rk.SplineSpace.uniform(order=4, intervals=8),) * 5, n_outputs)
    x, theta = rng.uniform(size=(2000, 5)), rng.normal(size=layer.n_params)
    at = layer.linearize(theta, x)
    results = at.value, *at.pullback(np.ones((2000, n_outputs)))
    expected = [a.tobytes() for a in results]
    for _ in range(5):
        other = layer.linearize(rng.normal(size=layer.n_params), rng.uniform(size=(2000, 5)))
        other.pullback(rng.normal(size=(2000, n_outputs)))
    again = at.pullback(np.ones((2000, n_outputs)))
    assert [a.tobytes() for a in results] == expected
    assert [a.tobytes() for a in again] == expected[1:]


def test_a_small_array_begins_with_a_line_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(recycled_memory, "SMALLEST", 2**12)
    several = [recycled((size,), aligned=True) for size in range(1, 40)]
    assert all(address(array) % recycled_memory.LINE == 0 for array in several)
    assert not recycled_memory._blocks
