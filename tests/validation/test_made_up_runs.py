"""Verdicts that a run makes by itself, on made-up measurements: F1, G0, O13, R7 and B1."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from tests.validation.replays import measured_in
from validation.bases import cost_of_bases
from validation.implementations import backends_judged, gradients_by_hand
from validation.knots import free_knots_starts
from validation.literature import tables_of_edges
from validation.table_two import parameter_counts

SPREAD = np.linspace(0.99, 1.01, 25)
"""Rounds of times that hardly differ."""


@pytest.mark.parametrize(
    ("dense", "status", "falling"),
    [
        ((1.02, 3.06), "holds", "refuted"),
        ((6.0, 4.0), "refuted", "holds"),  # falling with the degree
        ((0.98, 9.0), "refuted", "refuted"),  # one case is slower
    ],
)
def test_f1_asks_a_gain_in_every_case_that_grows_with_the_degree(monkeypatch, dense, status, falling):
    def measure(order, n, n_samples, rounds):
        taken = {"dense recursion": (dense[order > 2] * SPREAD).tolist(), "local recursion": [0.2] * 25}
        return {"ReLU form": [1.0] * 25} | taken

    monkeypatch.setattr(cost_of_bases, "measure", measure)
    (made,) = cost_of_bases.run(True)
    assert (made.status, made.uncontrolled) == (status, "")
    assert made.mutations == {"against the local recursion": "refuted", "the time falls with the degree": falling}


@pytest.mark.parametrize(("off", "status"), [(1e-14, "holds"), (1.01e-14, "refuted"), (-1.0, "holds")])
@pytest.mark.parametrize("noticed", [1.01e-14, 1e-14])
def test_g0_asks_the_worst_network_and_that_one_wrong_gradient_is_noticed(monkeypatch, off, status, noticed):
    errors = iter([0.0, off])
    monkeypatch.setattr(gradients_by_hand, "networks", lambda quick: [("a", 0), ("b", 1)])
    monkeypatch.setattr(
        gradients_by_hand, "worst_error", lambda net, rng, sabotage=False: noticed * net if sabotage else next(errors)
    )
    (made,) = gradients_by_hand.run(True)
    assert made.status == status
    assert set(made.mutations.values()) == {"refuted" if noticed > 1e-14 else "holds"}


@pytest.mark.parametrize(("ratio", "holds"), [(10.2, True), (9.8, False), (10.0, None)])
def test_o13_asks_ten_times_of_every_size(monkeypatch, ratio, holds):
    taken = iter([12.0, ratio])

    class Ways:
        calls: dict = {}  # noqa: RUF012

        def __init__(self, *arguments):
            pass

        def error(self):
            return 0.01

    def seconds(calls, rounds):
        return {name: (next(taken) if name == "refkan" else 11.0) * SPREAD for name in tables_of_edges.WAYS} | {
            "tables": np.ones(25)
        }

    monkeypatch.setattr(tables_of_edges, "Ways", Ways)
    monkeypatch.setattr(tables_of_edges, "seconds_of_rounds", seconds)
    (made,) = tables_of_edges.run(False)
    assert {r["choice"]["baseline"]: r["holds"] for r in made.readings} == dict.fromkeys(tables_of_edges.WAYS, True) | {
        "refkan": holds
    }
    assert (made.surviving_mutations, made.uncontrolled) == ((), "")


def test_starts_of_k2_are_those_of_their_target_order_and_grid(monkeypatch):
    asked = []

    def all_starts(name, order, intervals, size):
        asked.append((name, order, intervals))
        return {"fixed": [1.0, 10.0, 100.0], "free": [1.0, 1.0, 1.0 + order]}

    monkeypatch.setattr(free_knots_starts, "all_starts", all_starts)
    monkeypatch.setattr(free_knots_starts, "kink", lambda n, seed: 1.0)
    assert [made.id for made in free_knots_starts.run(True)] == ["K2", "K4"]
    assert asked == [*product(free_knots_starts.TARGETS, (2, 3), free_knots_starts.QUICK.intervals)]


@pytest.mark.parametrize("wrong", range(len(parameter_counts.MLPS)))
def test_r7_asks_every_mlp(wrong, monkeypatch):
    measured = measured_in("table_two_parameter_counts")
    assert parameter_counts.verdict(**measured).status == "holds"
    counts = [(widths, count + (k == wrong)) for k, (widths, count) in enumerate(parameter_counts.MLPS)]
    monkeypatch.setattr(parameter_counts, "MLPS", counts)
    assert parameter_counts.verdict(**measured).status == "refuted"


def b1(monkeypatch, hints=("a", "b"), failed="failed", alarms=(), elsewhere="passed", missing=False):
    """B1 of two traps, what is found of them, what is found in correct layers, and in the traps' place in one."""

    class Published:
        title = "published"

        def __init__(self):
            if missing:
                raise ImportError("not installed.")

    class Correct(Published):
        def __init__(self):
            pass

    def judged(adapter, select):
        if select not in (["one"], ["two"]):
            return []
        kind, name = ("failed", hints[0]) if select == ["one"] else (failed, hints[1])
        status = elsewhere if isinstance(adapter, Correct) else kind
        return [SimpleNamespace(status=status, hints=[SimpleNamespace(name=name)])]

    traps = tuple(backends_judged.Trap(case, Published, case, hint) for case, hint in (("one", "a"), ("two", "b")))
    given = {
        "TRAPS": traps,
        "PAGES": (Published,),
        "CORRECT": (Correct,),
        "PlainNumpy": Correct,
        "JaxkanReplacedGrid": Published,
        "judged": judged,
        "told": lambda *at: {"text": ""},
        "page": lambda *at: {"backend": "published", "observations": []},
        "alarms_of": lambda *at: list(alarms),
    }
    for name, value in given.items():
        monkeypatch.setattr(backends_judged, name, value)
    (made,) = backends_judged.run(True)
    assert bool(made.needs) == missing
    return made.status, *made.mutations.values()


def test_b1_names_what_must_be_installed():
    every = dict.fromkeys(trap.adapter for trap in backends_judged.TRAPS)
    assert backends_judged.needed(every) == ""
    without = every.keys() - {backends_judged.Jaxkan}
    assert backends_judged.needed(dict.fromkeys(without)) == "the extra backends"
    copy = "a copy of efficient-kan (EFFICIENT_KAN)"
    assert backends_judged.needed({}) == f"the extra backends and {copy}"
    assert backends_judged.needed(dict.fromkeys(every.keys() - {backends_judged.EfficientKan})) == copy


def test_b1_asks_every_trap_by_its_name_and_no_alarm(monkeypatch):
    assert b1(monkeypatch) == ("holds", "refuted")
    assert b1(monkeypatch, hints=("a", "a"))[0] == "refuted"
    assert b1(monkeypatch, failed="passed")[0] == "refuted"
    assert b1(monkeypatch, alarms=[{}])[0] == "refuted"
    assert b1(monkeypatch, missing=True)[0] == "pending"
    assert b1(monkeypatch, elsewhere="failed") == ("holds", "holds")
