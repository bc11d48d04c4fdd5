"""Rounds, how many of them there are, and how busy the machine is meanwhile."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from validation.benchmarks.running import timing
from validation.benchmarks.running import watch as watch_module
from validation.benchmarks.running.timing import Timer, affordable, interleave, settle
from validation.benchmarks.running.watch import Watch


def test_rounds_are_interleaved_and_the_first_takes_turns(waits):
    order = []

    def timer(name: str) -> Callable[[], float]:
        return lambda: order.append(name) or float(len(order))

    seconds = interleave({name: timer(name) for name in "abc"}, rounds=4, watch=Watch())
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    assert seconds == {"a": [1.0, 6.0, 8.0, 10.0], "b": [2.0, 4.0, 9.0, 11.0], "c": [3.0, 5.0, 7.0, 12.0]}
    assert len(waits) == 12


def test_the_watch_sees_another_process(monkeypatch):
    monkeypatch.undo()
    if watch_module.busy_seconds() is None:
        pytest.skip("the system does not tell")
    watch = Watch()
    code = "import time\nend = time.perf_counter() + 1.0\nwhile time.perf_counter() < end: pass"
    with watch:
        other = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(1.0)
    assert other.wait() == 0  # only now: children that were waited for are our own time
    assert watch.elsewhere > 0.1
    watch.reset()
    assert watch.elsewhere is None


def test_our_own_time_is_not_elsewhere(monkeypatch):
    busy, own, clock = iter([10.0, 13.0, 20.0, 21.0]), iter([1.0, 2.0, 5.0, 6.0]), iter([0.0, 4.0, 9.0, 13.0])
    monkeypatch.setattr(watch_module, "busy_seconds", lambda: next(busy))
    monkeypatch.setattr(watch_module, "own_seconds", lambda: next(own))
    monkeypatch.setattr(watch_module.time, "perf_counter", lambda: next(clock))
    watch = Watch()
    with watch:  # two seconds of something else in four
        pass
    assert watch.elsewhere == 0.5
    with watch:  # nothing else in four
        pass
    assert watch.elsewhere == 0.25


def test_disturbed_rounds_are_made_up_for_whatever_their_times(monkeypatch):
    """Processors busy in each of the rounds: the quietest count, in the order in which they came."""
    busy = [0.0, 1.0, 0.05, 0.5, 0.0, 0.0]
    seconds = [3.0, 1.0, 9.0, 2.0, 4.0, 5.0]

    def interleaved(busy, rounds):
        clock, used, turns = [0.0], [0.0], iter(zip(busy, seconds, strict=True))

        def work():
            elsewhere, taken = next(turns)
            clock[0] += 1.0
            used[0] += elsewhere
            return taken

        monkeypatch.setattr(watch_module, "busy_seconds", lambda: used[0])
        monkeypatch.setattr(watch_module, "own_seconds", lambda: 0.0)
        monkeypatch.setattr(watch_module.time, "perf_counter", lambda: clock[0])
        monkeypatch.setattr(watch_module.time, "sleep", lambda seconds: None)
        watch = Watch()
        return interleave({"a": work}, rounds, watch)["a"], watch.elsewhere

    kept, elsewhere = interleaved(busy, rounds=3)
    assert kept == [3.0, 9.0, 4.0]
    assert elsewhere == pytest.approx(0.05 / 3)
    kept, elsewhere = interleaved([1.0, 0.5, 2.0, 0.75, 1.0, 1.0], rounds=3)  # never quiet: twice as many, no more
    assert kept == [3.0, 1.0, 2.0]
    assert elsewhere == pytest.approx(2.25 / 3)


def test_slow_cases_have_fewer_rounds_but_never_too_few():
    def timers(*seconds):
        return [Timer(lambda: None, 1, s, lambda: 0.0) for s in seconds]

    assert affordable(timers(0.1, 0.2), 11) == 11
    assert affordable(timers(0.5, 0.9), 11) == 7
    assert affordable(timers(0.5, 60.0), 11) == 5
    assert affordable(timers(60.0), 3) == 3


def test_a_timing_begins_when_no_thread_is_busy():
    end = time.perf_counter() + 0.2

    def spin():
        while time.perf_counter() < end:
            pass

    pool = threading.Thread(target=spin)
    pool.start()
    settle()
    assert time.perf_counter() >= end
    pool.join()


def test_a_thread_that_never_stops_delays_a_timing_for_a_while(monkeypatch):
    monkeypatch.setattr(timing, "LONGEST_SPIN", 0.1)
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            pass

    pool = threading.Thread(target=spin)
    pool.start()
    start = time.perf_counter()
    settle()
    assert time.perf_counter() - start >= 0.1
    stop.set()
    pool.join()
