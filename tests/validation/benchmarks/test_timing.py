"""Rounds, how many there are, how busy the machine is; whole trainings, and times that are read off courses."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.measured import trainings
from validation.benchmarks.measured.trainings import Course, Courses
from validation.benchmarks.running import timing
from validation.benchmarks.running import watch as watch_module
from validation.benchmarks.running.harness import Settings
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


@pytest.fixture(scope="module", params=["jax", "torch"])
def library(request):
    """A library that has begun: JAX draws from numpy.random when it does."""
    module = pytest.importorskip(request.param)
    if request.param == "jax":
        module.devices()
    return request.param


SMALL = TrainingCase((2, 3, 1), 4, 60, start=2)


def literal_basis(x, knots):
    """Cox and de Boor over all intervals, as lean networks have it."""
    x = x[..., None]
    values = ((x >= knots[:-1]) & (x < knots[1:])).astype(float)
    for k in range(1, 4):
        left = (x - knots[: -k - 1]) / (knots[k:-1] - knots[: -k - 1])
        right = (knots[k + 1 :] - x) / (knots[k + 1 :] - knots[1:-k])
        values = left * values[..., :-1] + right * values[..., 1:]
    return values


def test_lean_networks_are_our_function_beyond_the_domain_too():
    output = SMALL.network(np.asarray, literal_basis, lambda rows, c: np.einsum("npi,qpi->nq", rows, c))
    theta = SMALL.theta * 1.5  # takes activations out of the domain
    net, x = SMALL.begun[0], SMALL.data[0]
    z = net.node_maps[0].value(net.layers[0].linearize(theta[net.slices[0]], x).value)
    assert (z < 0).any() or (z > 1).any()
    np.testing.assert_allclose(output(SMALL.parts(theta), x), net(theta, x), rtol=0, atol=1e-12)


def test_a_course_is_never_worse_than_before():
    course = Course()
    for error in (4.0, 1.0, 2.0, 0.5):
        course.add(error)
    assert course.errors == [4.0, 1.0, 1.0, 0.5]
    assert [course.until(level) for level in (2.0, 0.7, 0.1)] == [course.seconds[1], course.seconds[3], np.inf]


def test_times_and_reasons(monkeypatch):
    def broken(case):
        raise ValueError("no such thing")

    monkeypatch.setattr(trainings, "SAMPLES", 60)
    monkeypatch.setattr(trainings, "STEPS", {"variable-projection": 4})
    chosen = {"refkan, variable-projection": ("", trainings.ours("variable-projection")), "broken": ("", broken)}
    monkeypatch.setattr(trainings, "CONTESTANTS", chosen | {"absent": ("no_such_module", broken)})
    monkeypatch.setattr(trainings, "COMPARED", {"methods": (*chosen, "absent")})
    courses = Courses((2, 3, 1), 4, Settings(rounds=1))
    assert len(courses.cases) == trainings.STARTS
    ours, failed, absent = courses.task(1.0, "methods").run(Settings()).entries
    assert (ours.status, len(ours.seconds)) == ("timed", trainings.STARTS)
    assert (failed.status, failed.reason) == ("failed", "ValueError: no such thing")
    assert (absent.status, absent.reason) == ("skipped", "no_such_module is not installed")
    ours = courses.task(1e-30, "methods").run(Settings()).entries[0]
    assert (ours.status, ours.seconds) == ("skipped", [])
    assert "from 0 of 5 starts" in ours.reason


def test_the_last_error_of_a_contestant_is_a_level_of_each_start(monkeypatch):
    def course(errors):
        return lambda case: Course([float(k) for k in range(len(errors))], [e * (1 + case.start) for e in errors])

    chosen = {"ours": ("", course([8.0, 2.0, 1.0])), trainings.PYKAN: ("", course([4.0, 3.0, 2.0]))}
    monkeypatch.setattr(trainings, "SAMPLES", 60)
    monkeypatch.setattr(trainings, "CONTESTANTS", chosen)
    monkeypatch.setattr(trainings, "COMPARED", {"methods": tuple(chosen)})
    ours, pykan = Courses((2, 3, 1), 4, Settings(rounds=1)).task(None, "methods").run(Settings()).entries
    assert (ours.seconds, pykan.seconds) == ([1.0] * trainings.STARTS, [2.0] * trainings.STARTS)
    left_out = Courses((2, 3, 1), 4, Settings(rounds=1, without=frozenset({trainings.PYKAN}))).task(None, "methods")
    ours, pykan = left_out.run(Settings()).entries
    assert (ours.status, ours.reason) == ("skipped", "no errors of pykan, LBFGS are known")
    assert (pykan.status, pykan.reason) == ("skipped", "left out")


def test_libraries_start_with_our_gradient(library):
    course = trainings.lean(library)(TrainingCase((2, 3, 1), 4, 60, start=1))
    assert course.errors[-1] < course.errors[0]


@pytest.mark.parametrize("library", ["jax"], indirect=True)
def test_another_jax_trains_in_an_interpreter_of_its_own(library, monkeypatch):
    name = "older jax (lean, jit), L-BFGS-B"
    needed, train = trainings.CONTESTANTS[name]
    monkeypatch.delenv(trainings.OLDER, raising=False)
    assert trainings.lacking(needed) == "$REFKAN_OLDER_JAX is not set"
    monkeypatch.setenv(trainings.OLDER, sys.executable)
    monkeypatch.setitem(trainings.STEPS, "lbfgs", 3)
    assert not trainings.lacking(needed)
    case = TrainingCase((2, 3, 1), 4, 60, start=1)
    course, here = train(case), trainings.lean("jax")(case)
    assert course.note.startswith("jax ")
    assert course.errors[:2] == here.errors[:2]
