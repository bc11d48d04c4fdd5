"""Training through the levels: methods, geometries, schedules, options, bad arguments; resumed from stored levels."""

import functools
from dataclasses import dataclass, replace

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.losses import Attention
from refkan.training.multilevel import minimize_multilevel, trainings
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.multilevel.levels import Level
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row
from tests.training.multilevel.small_regressions import data, small_problem


@each_row(
    "method, options",
    ("gd", {"learning_rate": 1e-2}),
    ("gd", {"learning_rate": 1e-3, "geometry": "relu"}),
    ("gd", {"learning_rate": 1e-9, "geometry": "spline", "gradient": "relu"}),
    ("adam", {"learning_rate": 1e-2}),
    ("lbfgs", {}),
    ("gauss-newton", {}),
    ("levenberg-marquardt", {}),
    ("variable-projection", {}),
)
def test_it_is_minimize_on_each_level_with_prolongation_between(method, options):
    problem, theta = small_problem()
    result = minimize_multilevel(problem, theta, [3, 2, 1], method, **options)
    at, start = problem, theta
    for level, steps in zip(result.levels, (3, 2, 1), strict=True):
        expected = rk.minimize(at, start, method, steps, **options)
        np.testing.assert_array_equal(level.theta, expected.theta)
        np.testing.assert_array_equal(level.history.value, expected.history.value)
        fine = at.net.refine()
        start, at = at.net.convert(expected.theta, fine), replace(at, net=fine)
    np.testing.assert_array_equal(result.theta, result.levels[-1].theta)
    assert result.value == result.levels[-1].value == result.problem.value(result.theta)
    assert result.network is result.problem.net
    assert [layer.intervals for layer in result.network.layers] == [4, 12]
    h = result.history
    assert h.stage.tolist() == sorted(h.stage.tolist())
    first = np.searchsorted(h.stage, [1, 2])
    best = [level.value for level in result.levels[:2]]
    # The best point of a level is where the next one starts: the value is the same up to rounding.
    np.testing.assert_allclose(h.value[first], best, rtol=1e-12)
    assert (np.diff(h.seconds) >= 0).all()
    assert (np.diff(h.evaluations) >= 0).all()
    assert h.evaluations[-1] <= result.evaluations
    assert result.seconds >= sum(level.seconds for level in result.course) >= h.seconds[-1] >= 0
    assert result.message == "3 stages done"


def test_free_knots_are_refined_where_they_are():
    problem, theta = small_problem(intervals=(2, 3), free_knots=True)
    result = minimize_multilevel(problem, theta, [10, 3], "levenberg-marquardt", solver="cholesky")
    coarse, fine = result.course
    moved = coarse.network.layers[1].spaces_at(result.levels[0].theta[coarse.network.slices[1]])[0].breakpoints
    assert np.abs(moved - np.linspace(0, 1, 4)).max() > 1e-3
    start = coarse.network.convert(result.levels[0].theta, fine.network)
    cut = fine.network.layers[1].spaces_at(start[fine.network.slices[1]])[0].breakpoints
    np.testing.assert_allclose(cut[::2], moved, atol=1e-14)
    assert result.changes[0] <= 1e-14


def test_a_method_of_ones_own():
    problem, theta = small_problem()
    seen = []

    def train(problem, theta, steps, callback, rate):
        seen.append((problem.net.n_params, steps, rate))
        first = rk.minimize(problem, theta, "gd", steps, learning_rate=rate, callback=callback)
        return rk.minimize(problem, first.theta, "lbfgs", steps)

    states = []
    result = minimize_multilevel(
        problem, theta, [3, 2], train, callback=lambda level, state: states.append(level.index), rate=1e-3
    )
    assert seen == [(33, 3, 1e-3), (48, 2, 1e-3)]
    assert states == [0, 0, 0, 1, 1]
    assert result.value < problem.value(theta)
    with pytest.raises(TypeError, match="what method returns must be a Result; got NoneType"):
        minimize_multilevel(problem, theta, [1], lambda problem, theta, steps, callback: None)


def test_callbacks_know_the_level_and_stop_it():
    problem, theta = small_problem()
    seen = []

    def callback(level, state):
        assert isinstance(level, Level)
        assert state.theta.size == level.network.n_params
        assert level.problem.value(state.theta) == pytest.approx(state.value, rel=1e-12)
        seen.append((level.index, state.step))
        if level.index == 0 and state.step == 2:
            raise StopIteration

    result = minimize_multilevel(problem, theta, [10, 3], callback=callback)
    assert seen == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
    assert "stopped by the callback" in result.levels[0].message


def train(change):
    problem, theta = small_problem()
    minimize_multilevel(problem, **({"theta": theta, "schedule": [1, 1]} | change))


test_bad_arguments = refusals(
    ({"schedule": []}, "schedule must have an entry for each level"),
    ({"schedule": [1, -1]}, r"schedule\[1\] must be at least 0; got -1"),
    ({"schedule": [1, 1.5]}, r"TypeError: schedule\[1\] must be an integer; got 1.5"),
    ({"schedule": "32"}, "TypeError: schedule must be a sequence of steps"),
    ({"factors": [[2, 2, 2]]}, "factor must be one number or one for each of 2 layers"),
    ({"factors": [2, 2]}, "factors must be one number or one entry for each of 1 refinements; got 2"),
    ({"theta": np.zeros(33, complex)}, "TypeError: theta must be real numbers"),
    ({"method": "newton"}, "method must be one of"),
    ({"geometry": "bezier"}, "geometry must be one of"),
    ({"wrong": 1}, "TypeError: method 'lbfgs' has no option 'wrong'"),
    call=train,
)


@pytest.fixture
def trained(monkeypatch):
    """Numbers of parameters of the networks that `minimize` was called for."""
    calls = []

    def minimize(problem, *args, **kwargs):
        calls.append(problem.net.n_params)
        return rk.minimize(problem, *args, **kwargs)

    monkeypatch.setattr(trainings, "minimize", minimize)
    return calls


def test_levels_are_stored_and_not_computed_again(tmp_path, trained):
    problem, theta = small_problem()
    first = minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=tmp_path)
    assert trained == [33, 48, 78]
    assert [level.resumed for level in first.course] == [False, False, False]
    assert len(list(tmp_path.glob("*.json"))) == 3
    again = minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=Checkpoints(tmp_path))
    assert trained == [33, 48, 78]
    assert [level.resumed for level in again.course] == [True, True, True]
    np.testing.assert_array_equal(again.theta, first.theta)
    np.testing.assert_array_equal(again.history.value, first.history.value)
    assert [level.seconds for level in again.course] == [level.seconds for level in first.course]
    assert again.levels[1].message == first.levels[1].message
    plain = minimize_multilevel(problem, theta, [4, 3, 2])
    np.testing.assert_array_equal(plain.theta, first.theta)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, trained):
    problem, theta = small_problem()

    def interrupt(level, state):
        if level.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=tmp_path, callback=interrupt)
    trained.clear()
    result = minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=tmp_path)
    assert trained == [78]
    assert [level.resumed for level in result.course] == [True, True, False]
    np.testing.assert_array_equal(result.theta, minimize_multilevel(problem, theta, [4, 3, 2]).theta)


def test_another_engine_is_computed_anew(tmp_path, trained):
    problem, theta = small_problem()
    with rk.use_engine("plain"):
        minimize_multilevel(problem, theta, [4, 3], checkpoint=tmp_path)
    trained.clear()
    with rk.use_engine("auto"):
        minimize_multilevel(problem, theta, [4, 3], checkpoint=tmp_path)
    assert trained == [33, 48]


@each_row(
    "change",
    {"theta": 1},
    {"x": 1},
    {"y": 1},
    {"weights": 1},
    {"schedule": [5, 3]},
    {"method": "gd", "learning_rate": 1e-3},
    {"geometry": "relu"},
    {"factors": 3},
    {"history": 7},
    ids=str,
)
def test_another_configuration_is_computed_anew(tmp_path, trained, change):
    problem, theta = small_problem()
    minimize_multilevel(problem, theta, [4, 3], checkpoint=tmp_path)
    trained.clear()
    change = dict(change)
    if change.pop("theta", None):
        theta = theta + 1e-15 * np.abs(theta).max()
    for name in ("x", "y"):
        if change.pop(name, None):
            moved = getattr(problem, name).copy()
            moved[-1, -1] = np.nextafter(moved[-1, -1], 1)
            problem = replace(problem, **{name: moved})
    if change.pop("weights", None):
        problem = replace(problem, weights=np.ones(problem.x.shape[0]))
    arguments = {"schedule": [4, 3]} | change
    minimize_multilevel(problem, theta, checkpoint=tmp_path, **arguments)
    assert len(trained) == (1 if "factors" in change else 2)


def closure(scale):
    return lambda x: scale * x


class Slope:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return self.scale * x


@dataclass(frozen=True)
class Frozen:
    scale: float

    def times(self, x):
        return self.scale * x


def test_fingerprints_tell_contents_apart():
    different = [
        None, True, 1, 1.0, "1", b"1", [], (), {}, [1], (1,), [[1]], [1, []], {"a": 1}, {"a": 2}, {"b": 1},
        np.zeros(2), np.zeros((2, 1)), np.zeros(2, dtype=int), np.array([0.0, -0.0]), np.float64(1.0),
        closure(1.0), closure(2.0), closure(np.zeros(2)), closure(closure(1.0)), np.sin, np.cos, len, float, int,
        functools.partial(closure, 1.0), functools.partial(closure, 2.0), functools.partial(closure, scale=1.0),
        Frozen(1.0), Frozen(2.0), Frozen(1.0).times, Frozen(2.0).times,
        lambda x: x + 1, lambda x: x + 2, lambda x: x - 1, lambda x, y=1: x, lambda x, y=2: x, lambda x, *, y=2: x,
        lambda x: x in {1, 2}, lambda x: x in {1, 3}, lambda x: (lambda y: 1), lambda x: (lambda y: 2),
        range(2), range(3), 1j, complex(1),
    ]  # fmt: skip
    prints = [fingerprint(value) for value in different]
    assert len(set(prints)) == len(prints)


def test_fingerprints_of_equal_contents_are_equal():
    assert fingerprint(closure(1.0)) == fingerprint(closure(1.0))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(np.arange(6.0).reshape(2, 3)) == fingerprint(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    x, y = data()
    net = rk.kan([2, 3, 1], 3, 2)
    one, two = (rk.LeastSquares(net.initialize(np.random.default_rng(7), x)[0], x, y) for _ in range(2))
    assert fingerprint(one) == fingerprint(two)
    _ = one.net.slices, one.value(np.zeros(net.n_params) + 1e-3)  # fills caches
    assert fingerprint(one) == fingerprint(two)
    other = rk.LeastSquares(net.initialize(np.random.default_rng(8), x)[0], x, y)
    assert fingerprint(other) != fingerprint(one)  # its node maps are bound otherwise

    def recursive(n):
        return 1 if n == 0 else n * recursive(n - 1)

    assert fingerprint(recursive) == fingerprint(recursive)


def test_fingerprints_refuse_what_changes_in_place():
    refused(lambda: fingerprint(Slope(1.0)), "TypeError: value must be data that does not change in place.*")
    refused(lambda: fingerprint([0, {"a": Attention(3)}], "problem"), r"TypeError: problem\[1\]\['a'\] must be data .*")
    refused(lambda: fingerprint(closure(Attention(3))), r"TypeError: value \(<lambda>\)\[3\] must be data .*")
    refused(lambda: fingerprint(np.array([None])), "TypeError: dtype object")


def test_levels_that_a_callback_ended_are_not_stored(tmp_path):
    problem, theta = small_problem()

    def enough(level, state):
        if level.index == 1:
            raise StopIteration

    short = minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=tmp_path, callback=enough)
    assert [level.history.value.size - 1 for level in short.levels] == [4, 1, 2]
    assert len(list(tmp_path.glob("*.json"))) == 2
    whole = minimize_multilevel(problem, theta, [4, 3, 2], checkpoint=tmp_path)
    assert [level.resumed for level in whole.course] == [True, False, False]
    np.testing.assert_array_equal(whole.theta, minimize_multilevel(problem, theta, [4, 3, 2]).theta)
