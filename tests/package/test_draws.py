"""Fresh draws of laws, how they are repeated, and memory that starts as NaN."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refkan.kernels.recycled_memory import LARGEST, SMALLEST, recycled
from tests.shared import draws
from tests.shared.draws import Draw, drawing, draws_of, is_law, uses_random_numbers, within
from tests.shared.factories import NetworkCase, samples


def integers(draw, monkeypatch):
    """What a law with its own number of examples draws."""
    seen = []

    @settings(max_examples=8, derandomize=True, database=None)
    @given(st.integers(0, 10**9))
    def law(value):
        seen.append(value)

    with drawing(draw, law):
        law()
    return seen, draws.CASES["drawn"]


def test_a_law_with_its_own_number_of_examples_draws_a_multiple_of_it(monkeypatch):
    usual, _ = integers(draws.USUAL, monkeypatch)
    fresh, drawn = integers(Draw(1, 5), monkeypatch)
    assert (len(usual), drawn) == (8, len(fresh))
    assert len(fresh) == 40


def test_fresh_draws_differ_by_seed_and_are_repeated_by_it(monkeypatch):
    for make in (lambda draw: integers(draw, monkeypatch)[0], lambda draw: draw.generator(3).random(4).tolist()):
        one, again, other, usual = (make(draw) for draw in (Draw(1, 2), Draw(1, 2), Draw(2, 2), Draw(0, 2)))
        assert one == again
        assert one != other
        assert one != usual


def test_generators_are_fresh_while_a_draw_lasts():
    usual = np.random.default_rng([4, 2]).random()
    with drawing(Draw(1, 1), test_generators_are_fresh_while_a_draw_lasts):
        fresh = np.random.default_rng([4, 2]).random()
        given_generator = np.random.default_rng(np.random.PCG64(3)).random()
    assert fresh != usual
    assert given_generator == np.random.default_rng(np.random.PCG64(3)).random()
    assert np.random.default_rng([4, 2]).random() == usual


def draws_itself():
    return np.random.default_rng(0)


def draws_by_a_helper():
    return [samples(3) for _ in range(2)]


def draws_by_a_method():
    return NetworkCase("spline").start(None)


class Drawn:
    def __init__(self):
        self.value = np.random.default_rng(0).random()


def draws_by_a_class():
    return Drawn()


def draws_nothing():
    return np.linspace(0, 1)


def test_random_tests_are_known_by_what_they_call():
    assert all(map(uses_random_numbers, (draws_itself, draws_by_a_helper, draws_by_a_method, draws_by_a_class)))
    assert not uses_random_numbers(draws_nothing)
    assert is_law("tests/truth/test_a.py::test", draws_itself, ())
    assert is_law("tests/truth/test_a.py::test", draws_nothing, ("rng",))
    assert not is_law("tests/plots/test_a.py::test", draws_itself, ())


@pytest.mark.parametrize("law", draws.PARTICULAR)
def test_tests_of_one_draw_exist_and_say_why(law):
    file, _, name = law.partition("::")
    assert f"def {name}(" in (draws.ROOT / file).read_text()
    assert draws.PARTICULAR[law]


def test_numbers_of_draws(monkeypatch):
    monkeypatch.setenv("REFKAN_TEST_SEED", "7")
    monkeypatch.setattr(draws, "kept_draws", lambda: {"a": [Draw(3, 1, "a[x]")]})
    monkeypatch.setattr(draws, "MULTIPLIER", 1)
    assert draws_of("b", draws_itself) == [draws.USUAL]
    assert draws_of("a", draws_itself) == [draws.USUAL, Draw(3, 1, "a[x]")]
    monkeypatch.setattr(draws, "MULTIPLIER", 4)
    assert draws_of("b", draws_itself) == [draws.USUAL, *(Draw(7, number) for number in (1, 2, 3))]


FAILING = """
import numpy as np
from hypothesis import given, strategies as st

@given(st.integers(0, 10**6))
def test_small(number):
    assert number < 10
"""


def test_a_failing_draw_says_how_it_is_repeated(tmp_path):
    file, report = tmp_path / "test_failing.py", tmp_path / "report.jsonl"
    file.write_text(FAILING)
    run = {"REFKAN_TEST_SEED": "5", "REFKAN_TEST_MULTIPLIER": "3", "REFKAN_TEST_REPORT": str(report)}
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", os.devnull, "--rootdir", tmp_path, file]
    made = subprocess.run(command, env={**os.environ, **run}, cwd=draws.ROOT, capture_output=True, text=True)
    assert made.returncode == 1, made.stdout + made.stderr
    assert "REFKAN_TEST_SEED=5 REFKAN_TEST_MULTIPLIER=3 python -m pytest" in made.stdout
    (line,) = map(json.loads, report.read_text().splitlines())
    assert (line["seed"], line["number"]) == (5, 2)
    assert "number=10" in line["failure"]


def test_ratios_of_errors_and_bounds_are_noted():
    draws.RATIOS.clear()
    assert within([1.0, -3.0], [2.0, 4.0], "a")
    assert not within([1.0, 5.0], 4.0, "b")
    assert within([0.0], 0.0, "c")
    assert not within([np.nan], 1.0, "d")
    assert not within([1e-300], 0.0, "e")
    assert draws.RATIOS[:3] == [("a", 0.75), ("b", 1.25), ("c", 0.0)]


def test_poisoned_memory_starts_as_nan():
    size = SMALLEST // 8 + 1
    assert 8 * size < LARGEST
    recycled((size,))[...] = 1.0
    with draws.poisoned_memory():
        assert np.isnan(np.empty((3, 2))).all()
        assert np.isnan(np.empty_like(np.ones(3, complex))).all()
        assert np.isnan(recycled((size,))).all()
        assert np.isnan(recycled((9,), aligned=True)).all()
        assert (np.empty(3, np.int64) == -1).all()
