"""Progress: what is told, that it changes nothing, and that it can be interrupted."""

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.multilevel import Stage, multistart
from refkan.training.optimizers import Result, State
from refkan.training.optimizers.minimization import METHODS, RESIDUAL_METHODS
from refkan.training.optimizers.progress import ProgressLines
from tests.shared.factories import samples
from tests.shared.refusals import refused

X = samples(60)
OPTIONS = {"gd": {"learning_rate": 1e-2}, "adam": {"learning_rate": 1e-2}}
LM = "levenberg-marquardt"


def small():
    net, theta = rk.kan([2, 2, 1], 3, [1, 2]).initialize(np.random.default_rng(0), X)
    return rk.LeastSquares(net, X, rk.problems.regression_target(X)), theta


def one_input():
    x = samples(200, 1)
    net, theta = rk.kan([1, 1], 2, 4).initialize(np.random.default_rng(0), x)
    return rk.LeastSquares(net, x, np.abs(x - 0.3)), theta


def multilevel(progress=False, **options):
    return rk.minimize_multilevel(*small(), [3, 2], progress=progress, **({"method": LM} | options))


def adaptive(progress=False, **options):
    return rk.minimize_adaptive(*one_input(), steps=2, max_rounds=1, progress=progress, **({"method": LM} | options))


def starts(progress=False, **options):
    return multistart(small()[0], np.random.default_rng(0), Stage.refined([2, 2], [2, 1]), progress=progress, **options)


def stages(progress=False, **options):
    return multistart(one_input()[0], np.random.default_rng(0), [Stage(2, 2)], progress=progress, **options)


FORMS = {"multilevel": multilevel, "adaptive": adaptive, "multistart": starts, "one stage": stages}


@pytest.mark.parametrize("method", [*METHODS, *RESIDUAL_METHODS])
def test_a_function_is_told_every_step_and_changes_nothing(method):
    problem, theta = small()
    plain = rk.minimize(problem, theta, method, 4, **OPTIONS.get(method, {}))
    told, called = [], []

    def spoil(state):
        told.append((state.step, state.value, state.steps, state.stage))
        state.theta[:] = np.nan
        return True

    shown = rk.minimize(
        problem, theta, method, 4, progress=spoil, callback=lambda s: called.append(s.theta), **OPTIONS.get(method, {})
    )
    np.testing.assert_array_equal(shown.theta, plain.theta)
    np.testing.assert_array_equal(shown.history.value, plain.history.value)
    np.testing.assert_array_equal(shown.history.evaluations, plain.history.evaluations)
    assert shown.message == plain.message
    assert told == [(k, value, 4, "") for k, value in enumerate(plain.history.value)][1:]
    assert np.isfinite(called).all()


def test_true_writes_to_the_standard_error_stream_alone(capsys):
    problem, theta = small()
    result = rk.minimize(problem, theta, LM, 3, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"{LM}: 3 steps done, value {result.value:.4g}\n"  # it took no two seconds
    rk.minimize(problem, theta, LM, 3)
    rk.minimize(problem, theta, LM, 3, progress=None)
    assert capsys.readouterr() == ("", "")


def test_lines_come_at_most_as_often_as_asked(monkeypatch):
    times = iter([0.0, 0.5, 2.1, 2.2, 4.0, 4.2])
    monkeypatch.setattr("refkan.training.optimizers.progress.time.monotonic", lambda: next(times))
    lines = []
    shown = ProgressLines(lines.append, pause=2.0)
    for step in range(1, 6):
        shown(State(step, np.zeros(1), 1 / 3, 2.0, 0.1, step, 0.25, steps=9))
    assert lines == [f"step {k} of 9, value 0.3333, gradient 2, 0.2 s of processor time" for k in (2, 5)]


@pytest.mark.parametrize("form", [lambda **o: rk.minimize(*small(), **o), *FORMS.values()])
@pytest.mark.parametrize("given", ["yes", 1, [print]])
def test_anything_else_is_refused(form, given):
    refused(lambda: form(progress=given), "TypeError: progress must be True, False or a function of a State; got ")


def test_other_forms_are_not_changed_either_and_name_their_stages():
    seen = {}
    for name, form in FORMS.items():
        told = []
        plain, shown = form(), form(progress=told.append)
        np.testing.assert_array_equal(plain.theta, shown.theta)
        assert plain.value == shown.value
        assert all(isinstance(state, State) and state.steps for state in told)
        seen[name] = list(dict.fromkeys(state.stage for state in told))
    assert seen["multilevel"] == ["stage 0, 20 parameters", "stage 1, 28 parameters"]
    assert [stage.split(",")[0] for stage in seen["adaptive"]] == ["stage 0", "stage 1"]
    assert seen["multistart"][:2] == seen["one stage"] == ["stage 0, start 0", "stage 0, start 1"]
    assert len(seen["multistart"]) == 3


@pytest.mark.parametrize(("form", "lines"), [(starts, 2), (stages, 1)])
def test_true_shows_the_endings(form, lines, capsys):
    form(progress=True)
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.count("value")) == ("", lines, lines)


def test_resumed_levels_are_said_to_be(tmp_path, capsys):
    multilevel(checkpoint=Checkpoints(tmp_path))
    multilevel(checkpoint=Checkpoints(tmp_path), progress=True)  # progress is no part of what a result depends on
    assert [": resumed, value" in line for line in capsys.readouterr().err.splitlines()] == [True, True]
    for form in (adaptive, starts, stages):
        folder = tmp_path / form.__name__
        first, told = form(checkpoint=Checkpoints(folder)), []
        np.testing.assert_array_equal(form(checkpoint=Checkpoints(folder), progress=told.append).theta, first.theta)
        assert told == []


def own_method(problem, theta, *, steps, callback=None, **options) -> Result:
    return rk.minimize(problem, theta, LM, steps, callback=callback, **options)


def test_methods_of_ones_own(capsys):
    """They know of callbacks, in multilevel training, or of nothing."""
    told, called = [], []
    result = multilevel(told.append, method=own_method, callback=lambda level, state: called.append(state.step))
    assert [state.step for state in told] == called == [1, 2, 3, 1, 2]
    np.testing.assert_array_equal(result.theta, multilevel().theta)
    multilevel(True, method=own_method)
    adaptive(True, method=own_method)
    assert [line.split(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "stage 0",
        "stage 1",
        "stage 0",
        "stage 1",
    ]
