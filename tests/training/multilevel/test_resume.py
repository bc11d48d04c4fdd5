import functools
from dataclasses import dataclass, replace

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.training.losses import Attention
from refkan.training.multilevel import minimize_multilevel, trainings
from refkan.training.multilevel.trainings import fingerprint
from tests.shared.refusals import refused
from tests.shared.tables import each_row
from tests.training.multilevel.small_regressions import data, small_problem


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
    first = minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=tmp_path)
    assert trained == [33, 48, 78]
    assert first.resumed == (False, False, False)
    assert len(list(tmp_path.glob("*.json"))) == 3
    again = minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=Checkpoints(tmp_path))
    assert trained == [33, 48, 78]
    assert again.resumed == (True, True, True)
    np.testing.assert_array_equal(again.theta, first.theta)
    np.testing.assert_array_equal(again.history.value, first.history.value)
    assert again.work.seconds == first.work.seconds
    assert again.work.measured == first.work.measured
    assert again.levels[1].message == first.levels[1].message
    plain = minimize_multilevel(problem, theta, [4, 3, 2])
    np.testing.assert_array_equal(plain.theta, first.theta)


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, trained):
    problem, theta = small_problem()

    def interrupt(level, state):
        if level.index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=tmp_path, callback=interrupt)
    trained.clear()
    result = minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=tmp_path)
    assert trained == [78]
    assert result.resumed == (True, True, False)
    np.testing.assert_array_equal(result.theta, minimize_multilevel(problem, theta, [4, 3, 2]).theta)


def test_another_engine_is_computed_anew(tmp_path, trained):
    problem, theta = small_problem()
    with rk.use_engine("plain"):
        minimize_multilevel(problem, theta, [4, 3], checkpoints=tmp_path)
    trained.clear()
    with rk.use_engine("auto"):
        minimize_multilevel(problem, theta, [4, 3], checkpoints=tmp_path)
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
    {"per_level": [{}, {"history": 7}]},
    ids=str,
)
def test_another_configuration_is_computed_anew(tmp_path, trained, change):
    problem, theta = small_problem()
    minimize_multilevel(problem, theta, [4, 3], checkpoints=tmp_path)
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
    minimize_multilevel(problem, theta, checkpoints=tmp_path, **arguments)
    assert len(trained) == (1 if "factors" in change or "per_level" in change else 2)


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
    with pytest.raises(TypeError, match=r"value must be data that does not change in place.*; got Slope"):
        fingerprint(Slope(1.0))
    with pytest.raises(TypeError, match=r"problem\[1\]\['a'\] must be data .* got Attention"):
        fingerprint([0, {"a": Attention(3)}], "problem")
    with pytest.raises(TypeError, match=r"value \(<lambda>\)\[3\] must be data .* got Attention"):
        fingerprint(closure(Attention(3)))
    refused(lambda: fingerprint(np.array([None])), "TypeError: dtype object")


def test_levels_that_a_callback_ended_are_not_stored(tmp_path):
    problem, theta = small_problem()

    def enough(level, state):
        if level.index == 1:
            raise StopIteration

    short = minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=tmp_path, callback=enough)
    assert short.work.steps == (4, 1, 2)
    assert len(list(tmp_path.glob("*.json"))) == 2
    whole = minimize_multilevel(problem, theta, [4, 3, 2], checkpoints=tmp_path)
    assert whole.resumed == (True, False, False)
    np.testing.assert_array_equal(whole.theta, minimize_multilevel(problem, theta, [4, 3, 2]).theta)
