"""The benchmark of whole trainings: one function for all libraries, and times that are read off courses."""

import sys

import numpy as np
import pytest

from validation.benchmarks.cases.training_case import TrainingCase
from validation.benchmarks.measured import trainings
from validation.benchmarks.measured.trainings import Course, Courses
from validation.benchmarks.running.harness import Settings


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
