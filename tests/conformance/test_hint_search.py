"""What bounds the search for hints: counts, so that a slow machine reports what a fast one does."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.judging import findings as f
from refkan.conformance.judging import hint_search
from refkan.conformance.judging.diagnosis import pairs
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis
from refkan.conformance.reports import text_and_junit
from tests.broken_layers import layers as l
from tests.broken_layers.defects import of_layer
from tests.conformance.judged_cases import chosen


class Noise(NumpyLayer):
    """Values with noise, which no hypothesis has."""

    def __call__(self, x):
        values = super().__call__(x)
        return values * (1 + 0.1 * np.sin(1e5 * values + np.arange(values.size).reshape(values.shape)))


class NoiseAndSign(Noise, l.SignOfInputGradient):
    """Beside gradients that have a name."""


def cases_of(*quantities):
    cases = [case for case in chosen(select=["layer/degree-3/uniform/"]) if case.quantity in quantities]
    return [case for case in cases if not case.setting.spec.parts]


@pytest.fixture
def few(monkeypatch):
    """Few searches may find nothing."""
    monkeypatch.setattr(hint_search, "IN_VAIN", 3)
    monkeypatch.setattr(hint_search, "FOR_TWO", 2000)


def judged(*quantities, layer=NoiseAndSign, pairs=True):
    return Judge(of_layer(layer)(), proofs=False, pairs=pairs).run(cases_of(*quantities))


@pytest.mark.usefixtures("few")
def test_searches_in_vain_end_and_those_for_other_quantities_go_on():
    findings = judged("values", "input-gradients")
    values = [x for x in findings if x.quantity == "values" and x.status == f.FAILED]
    gradients = [x for x in findings if x.quantity == "input-gradients" and x.status == f.FAILED]
    assert [x.message for x in values[:3]] == [""] * 3
    assert {x.message for x in values[3:]} == {"not diagnosed: 3 searches for hints on values found nothing"}
    assert len(gradients) > 3
    assert {x.hint for x in gradients} == {"sign"}


def test_each_name_allows_another_search_in_vain(few):
    search = hint_search.HintSearch(pairs=False)
    case = cases_of("values")[0]
    noise = case.expected * (1 + 0.1 * np.sin(np.arange(case.expected.size).reshape(case.expected.shape) ** 2))

    def message(theirs):
        return search.add(f.compare(case, theirs), f.Evidence(case, theirs)).message

    assert [message(noise) != "" for _ in range(5)] == [False, False, False, True, True]
    search._successes["values"] += 1
    assert [message(noise) != "" for _ in range(2)] == [False, True]


@pytest.mark.usefixtures("few")
def test_the_report_is_the_same_on_a_slow_machine(monkeypatch):
    def reported():
        findings = [replace(x, seconds=0.0) for x in judged("values", "input-gradients")]
        return text_and_junit.to_json("layer", findings, (), 2)

    fast = reported()
    outcome, clock = Hypothesis.outcome, [0.0]

    def slow(hypothesis):
        clock[0] += 1000.0
        return outcome(hypothesis)

    monkeypatch.setattr(Hypothesis, "outcome", slow)
    for name in ("thread_time", "process_time", "perf_counter", "monotonic"):
        monkeypatch.setattr(time, name, lambda: clock[0])
    assert reported() == fast
    assert clock[0] > 1e5


@pytest.mark.parametrize("wanted", [True, False])
def test_two_defects_are_searched_for_unless_they_are_not_wanted(monkeypatch, wanted):
    allowed = []
    monkeypatch.setattr(pairs, "pair", lambda evidence, sources: allowed.append(evidence.tries.most) or ())
    (finding,) = Judge(of_layer(Noise)(), pairs=wanted).run(cases_of("values")[:1])
    assert finding.status == f.FAILED
    assert allowed == [hint_search.FOR_TWO if wanted else 0]


@pytest.mark.usefixtures("few")
def test_searches_for_two_defects_in_vain_end():
    judge = Judge(of_layer(Noise)(), proofs=False)
    judge.run(cases_of("values")[:2])
    assert judge._search._left_for_two <= 0
    judge._search._two_seen = True  # others still have two: a little is left for each
    judge.run(cases_of("values")[2:3])
    assert judge._search._left_for_two <= -hint_search.LEAST_FOR_TWO


def test_a_hypothesis_on_many_samples_counts_as_several():
    tries = f.Tries(10)
    tries.add(24)
    assert tries.done == 1
    tries.add(8 * f.SIZE_OF_ONE)
    assert (tries.done, tries.is_over) == (10, True)
