"""The threads that kernels are handed to: who does the work, on which processors, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from numba.core.compiler_lock import global_compiler_lock

from refkan.kernels import launch, workers

ROOT = Path(__file__).parents[2]
processors = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
several_processors = pytest.mark.skipif(
    workers.current_processor is None or len(processors) < 2, reason="needs Linux and two processors"
)


@pytest.fixture
def pool(monkeypatch):
    """A pool of one thread, which the library uses meanwhile, and nobody else."""
    pool = workers.Workers()
    pool.grow(1)
    monkeypatch.setattr(workers, "_workers", pool)
    return pool


def on_worker(pool, function):
    """What a worker gets from a call."""
    found, over = [], threading.Event()
    pool._calls.put(workers.Call(lambda: (found.append(function()), over.set())))
    assert over.wait(20)
    return found[0]


def masks_of_workers(pool):
    return [on_worker(pool, lambda: os.sched_getaffinity(0)) for _ in range(4)]


def who_does(count, seconds=0.1):
    """Threads that the pieces of shared work run on, each of which takes some time."""
    found = [0] * count

    def piece(k):
        found[k] = threading.get_ident()
        time.sleep(seconds)

    workers.share(piece, count, 2)
    return found


@pytest.mark.skipif(len(processors) == 1, reason="needs two processors")
def test_a_worker_takes_part(pool):
    me = threading.get_ident()
    found = who_does(6)
    assert me in found
    assert len(set(found)) == 2
    assert who_does(2) != [me, me]


def test_nobody_waits_for_workers_that_are_busy(pool):
    begun, over = threading.Event(), threading.Event()
    pool._calls.put(workers.Call(lambda: (begun.set(), over.wait(20))))
    assert begun.wait(20)
    try:
        for _ in range(50):
            assert who_does(3, 0.0) == [threading.get_ident()] * 3
        assert pool._calls.qsize() <= pool.size  # withdrawn calls do not pile up
    finally:
        over.set()
    assert on_worker(pool, lambda: 3) == 3


def test_workers_do_their_work_alone(pool):
    assert on_worker(pool, workers.alone)
    assert not workers.alone()
    assert len(set(on_worker(pool, lambda: who_does(3, 0.0)))) == 1


def test_whoever_compiles_works_alone(pool):
    """A handler may interrupt the compilation of a kernel, and workers may have kernels to compile."""
    with global_compiler_lock:
        assert workers.alone()
        assert launch.run_blocks(lambda k: threading.get_ident(), 4) == [threading.get_ident()] * 4


def test_without_threads_everything_is_done(monkeypatch):
    def refuse(function, arguments):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers, "_workers", workers.Workers())
    monkeypatch.setattr(workers._thread, "start_new_thread", refuse)
    assert who_does(3, 0.0) == [threading.get_ident()] * 3
    assert workers._workers.size == 0


def test_a_pool_has_as_many_threads_as_were_ever_asked_for():
    pool = workers.Workers()
    for size in (0, 2, 1, 3):
        pool.grow(size)
    assert pool.size == 3
    with pool._starting:  # another thread starts some, or a handler interrupts the one that does
        pool.grow(5)
    assert pool.size == 3


@pytest.mark.parametrize("where", ["before it is offered", "after it is offered", "in the wait", "in a piece"])
def test_an_interrupted_caller_leaves_nothing_behind(pool, monkeypatch, where):
    """No piece goes on, none is begun, and the next work is shared again."""
    begun, over = [], []

    def piece(k):
        begun.append(k)
        if where == "in a piece" and k == 0:
            raise KeyboardInterrupt
        time.sleep(0.2 if threading.get_ident() != me else 0.01)
        over.append(k)

    def interrupted(function, after):
        def interrupt(*arguments):
            monkeypatch.undo()  # once
            monkeypatch.setattr(workers, "_workers", pool)
            if after:
                function(*arguments)
            raise KeyboardInterrupt

        return interrupt

    me = threading.get_ident()
    if where.endswith("offered"):
        monkeypatch.setattr(pool, "offer", interrupted(pool.offer, where.startswith("after")))
    if where == "in the wait":
        monkeypatch.setattr(workers.Call, "end", interrupted(workers.Call.end, after=False))
    with pytest.raises(KeyboardInterrupt):
        workers.share(piece, 2 if where == "in the wait" else 8, 2)
    left = len(begun)
    assert len(over) == left - (where == "in a piece")
    time.sleep(0.1)
    assert len(begun) == left < 8
    assert not workers.alone()
    if len(processors) != 1:
        assert len(set(who_does(4))) == 2


signals = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs the signals of POSIX")


@signals
@pytest.mark.skipif(len(processors) == 1, reason="needs two processors")
def test_ctrl_c_while_a_worker_is_waited_for(pool, default_handler):
    """The piece that the worker is at is over before the caller goes on, or it would write to arrays of later work."""
    me, taken, over = threading.get_ident(), threading.Event(), []

    def piece(k):
        if threading.get_ident() == me:
            assert taken.wait(20)
            return
        taken.set()
        time.sleep(0.2)
        signal.pthread_kill(me, signal.SIGINT)
        time.sleep(0.3)
        over.append(k)

    with pytest.raises(KeyboardInterrupt):
        workers.share(piece, 2, 2)
    assert len(over) == 1


def test_errors_are_those_of_the_first_piece_and_keep_no_arrays(pool):
    class Noticed(np.ndarray):
        pass

    kept = np.zeros(3).view(Noticed)
    before = sys.getrefcount(kept)

    def failing(k, kept=kept):
        raise ValueError(f"piece {k}")

    with pytest.raises(ValueError, match="piece 0"):
        workers.share(failing, 4, 2)
    del failing
    assert sys.getrefcount(kept) == before


@several_processors
def test_workers_keep_off_the_processor_of_their_caller(pool):
    assert masks_of_workers(pool) == [processors] * 4  # nobody has told them yet
    try:
        for processor in sorted(processors)[:2]:  # a caller that moves; held there, or it might move in between
            os.sched_setaffinity(0, {processor})
            os.sched_setaffinity(0, processors)
            here = workers.current_processor()
            assert pool.keep_off_caller()
            if workers.current_processor() == here:
                assert masks_of_workers(pool) == [processors - {here}] * 4
    finally:
        os.sched_setaffinity(0, processors)


@several_processors
def test_a_caller_that_restricts_itself_to_one_processor_later_works_alone(pool):
    assert who_does(2) != [threading.get_ident()] * 2
    before = masks_of_workers(pool)
    try:
        os.sched_setaffinity(0, {min(processors)})
        assert who_does(4) == [threading.get_ident()] * 4
    finally:
        os.sched_setaffinity(0, processors)
    assert masks_of_workers(pool) == before
    assert who_does(2) != [threading.get_ident()] * 2


@several_processors
def test_workers_follow_a_caller_that_restricts_itself_later(pool, monkeypatch):
    masks = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda identity, mask: masks.append(mask))
    on_worker(pool, lambda: None)  # it has begun
    for allowed in ({0, 1, 2, 3}, {1, 2}, {1, 2}, {1}, {0, 1, 2, 3}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda thread, allowed=allowed: allowed)
        monkeypatch.setattr(workers, "current_processor", lambda: 1)
        assert pool.keep_off_caller() == (allowed != {1})
    assert masks == [{0, 2, 3}, {2}, {0, 2, 3}]


@pytest.mark.exhaustive
def test_interruptions_and_exits_change_no_bit():
    """In a process of its own: one that hangs cannot be asked to stop."""
    command = [sys.executable, "-m", "tests.kernels.threads_interrupted"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr
    ways = {"every step", "after the main thread", "at exit", "in a module that is taken down"}
    if hasattr(signal, "setitimer"):
        ways.add("timer")
    assert set(run.stdout.splitlines()) == {f"{way}: the same bits" for way in ways}
