"""Wrong calls drawn at random are refused clearly: 95 of 100 errors name the argument and come from the library."""

import warnings

import numpy as np
import pytest

pytest.importorskip("flint")

import refkan as rk
from tests.package import fresh_calls
from tests.package.fresh_calls import GROUPS, Target, outcome
from tests.package.valid_calls import NET, THETA


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), rk.use_engine("plain"):
        warnings.simplefilter("ignore")
        rk.save("network.npz", NET, THETA)
        yield


@pytest.mark.parametrize("group", GROUPS)
def test_errors_are_clear(group):
    every = list(GROUPS[group]())
    if not every:
        pytest.skip("the package is not installed")
    made = fresh_calls.draw(every, 300, int(np.random.default_rng(0).integers(2**31)))
    unclear = [f"{call}: {said}" for call, said in made if said not in ("clear", "accepted")]
    assert len(made) == 300
    assert fresh_calls.share(made) >= 0.95, "\n".join(unclear)


def refuses(value):
    raise ValueError("value must be good; got something else")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda value: value, "accepted"),
        (lambda value: rk.base.check_count("value", value), "clear"),
        (lambda value: rk.base.check_count("other", value), "TypeError"),
        (refuses, "ValueError"),  # not raised by the library
        (lambda value: {}[value], "KeyError"),
        (lambda value: [None for _ in iter(int, 1)], "TimeoutError"),
    ],
)
def test_outcomes_of_calls(function, said, monkeypatch):
    monkeypatch.setattr(fresh_calls, "SECONDS", 1)
    assert outcome(Target("a", function, (), {}, {"value": "count"}), "value", "x").startswith(said)
