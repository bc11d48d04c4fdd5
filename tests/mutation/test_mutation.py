"""Mutants: where they are, that each differs and compiles, that they are in force, and how they are counted."""

import ast
import json
import sys
from types import ModuleType

import pytest

from tests.mutation import __main__ as mutation
from tests.mutation import operators, scores, witness
from tests.soak import trust

EXAMPLES = {
    "comparison": ("a < b", "(a <= b)"),
    "threshold": ("f(n >= 8)", "f(n >= 9)"),
    "end": ("for k in range(n): pass", "for k in range((n) - 1): pass"),
    "index": ("t[0]", "t[-1]"),
    "branch": ("y = a if order == 1 else b", "y = a if False else b"),
    "conjunct": ("a and b", "(b)"),
    "term": ("a + k * b", "(a)"),
    "factor": ("a * b", "(b)"),
    "name": ("all(x)", "any(x)"),
    "text": ("f(side='left')", "f(side='right')"),
    "rounding": ("nextafter(x, -inf)", "nextafter(x, -(-inf))"),
}


@pytest.mark.parametrize("operator", operators.OPERATORS)
def test_each_operator_makes_its_mistake(operator):
    source, expected = EXAMPLES[operator]
    made = [m.applied(source) for m in operators.mutants_of("a.py", source) if m.operator == operator]
    assert expected in made


def test_places_are_counted_in_bytes():
    source = 'x = "λ" if a < b else "μ"\n'
    (mutant,) = (m for m in operators.mutants_of("a.py", source) if m.operator == "comparison")
    assert mutant.applied(source) == 'x = "λ" if (a <= b) else "μ"\n'


def test_messages_and_annotations_are_left_alone():
    source = "def f(a: int + 1) -> b + 1:\n    raise ValueError(f'{a + 1}', a + 1)\n"
    assert not operators.mutants_of("a.py", source)


def test_a_draw_is_repeated_by_its_seed_and_has_every_operator():
    sources = mutation.sources_of("analysis/exact")
    one, again, other = (operators.draw(sources, 22, seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert {m.operator for m in one} == set(operators.OPERATORS)
    for mutant in one:
        source = sources[mutant.file]
        assert ast.dump(ast.parse(mutant.applied(source))) != ast.dump(ast.parse(source))


@pytest.mark.parametrize(
    ("room", "tests"),
    [
        ("analysis/exact", ("tests/analysis/exact",)),
        ("analysis/exact/ranks", ("tests/analysis/exact",)),
        ("kernels", ("tests/kernels", "tests/splines/sums")),
        ("validation/bases", ("tests/validation",)),
    ],
)
def test_rooms_have_tests(room, tests):
    assert mutation.sources_of(room)
    assert mutation.tests_of(room) == tests


def test_other_code_is_known_by_its_mark(monkeypatch):
    module = ModuleType("mutated")
    assert witness.state("mutated", "mutant3") == "not imported"
    monkeypatch.setitem(sys.modules, "mutated", module)
    assert witness.state("mutated", "mutant3") == "other code"
    module.MUTANT_IN_FORCE = "mutant3"
    assert witness.state("mutated", "mutant3") == "loaded"


def test_scores_count_what_was_in_force(tmp_path):
    outcomes = {"a": "killed", "b": "survived", "c": "survived, not imported", "d": "not in force: other code"}
    scores.keep("room", 4, outcomes, tmp_path / "scores.json")
    assert json.loads((tmp_path / "scores.json").read_text())["room"] == {
        "seed": 4, "mutants": 3, "killed": 1, "survivors": ["b", "c (not imported)"],
    }  # fmt: skip
    assert "| room | 4 | 1 of 3 | `b`; `c (not imported)` |" in trust.mutation_text(tmp_path / "scores.json")


@pytest.mark.exhaustive
def test_a_mutant_is_loaded_and_killed_and_an_idle_one_survives(tmp_path):
    runner = mutation.Runner(tmp_path, ("tests/checks/test_identities.py",), False)
    source = (runner.copy / "refkan/checks/invariance.py").read_text()
    start = source.index('"""', 3) + 3
    idle = operators.Mutant("refkan/checks/invariance.py", "idle", 1, start, start, "", "\nIDLE = 1\n")
    assert runner.outcome(idle, 1) == "survived"
    fatal = operators.Mutant("refkan/checks/invariance.py", "fatal", 1, start, start, "", "\nraise SystemError\n")
    assert runner.outcome(fatal, 2) == "killed"
    assert (runner.copy / "refkan/checks/invariance.py").read_text() == source
