"""How much time hints may take: what is searched for in vain ends, and begins again where something has a name."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance import Judge, catalogue
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.judging import findings as f
from refkan.conformance.judging import hint_time
from refkan.conformance.judging.diagnosis import pairs
from refkan.conformance.judging.hint_time import HintTime
from tests.broken_layers import layers as l
from tests.broken_layers.defects import of_layer


class Noise(NumpyLayer):
    """Values with noise, which no hypothesis has."""

    def __call__(self, x):
        found = super().__call__(x)
        return found * (1 + 0.1 * np.sin(1e5 * found + np.arange(found.size).reshape(found.shape)))


class NoiseAndSign(Noise, l.SignOfInputGradient):
    """Beside gradients that have a name."""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Little time."""
    monkeypatch.setattr(hint_time, "IN_VAIN_SECONDS", 0.2)
    monkeypatch.setattr(hint_time, "FREE_SECONDS", 0.1)


def cases_of(*quantities):
    return [case for case in catalogue(["float64"], ["layer/degree-3/uniform/"]) if case.quantity in quantities]


def not_diagnosed(findings):
    return [x for x in findings if "not diagnosed" in x.message]


def test_time_is_told_apart_by_quantity():
    time = HintTime(60.0)
    assert time.refusal("values") == ""
    time.searched("values", 0.1, found=False)
    assert time.refusal("values") == ""
    time.searched("values", 0.2, found=False)
    assert time.refusal("values") == "not diagnosed: searches that found nothing took 0.3 s"
    assert time.refusal("input-gradients") == ""
    time.shares["input-gradients"].cases += 1.0
    assert time.refusal("values") != ""
    time.shares["values"].cases += 0.3
    assert time.refusal("values") == ""
    time.searched("values", 2.0, found=False)
    assert time.refusal("values") != ""
    time.searched("values", 2.0, found=True)
    assert time.refusal("values") == ""
    time.searched("values", 53.9, found=True)
    assert time.for_case == pytest.approx(1.8)
    time.searched("values", 2.0, found=True)
    assert time.refusal("input-gradients") == "not diagnosed: hints took 60 s"


def test_room_for_two_defects_shrinks_to_nothing_or_to_a_little_where_there_are_some():
    time = HintTime(60.0)
    time.shares["values"].cases = 2.0
    assert time.for_two_of_case == hint_time.FREE_SECONDS + 2.0
    time.for_two.seconds = 100.0
    assert time.spent == 100.0
    assert time.for_two_of_case == 0.0
    time.for_two.found = 0.1
    assert time.for_two_of_case == hint_time.LEAST_SECONDS
    time.for_two.found = 99.0
    assert time.for_two_of_case == pytest.approx(hint_time.FREE_SECONDS + 1.0)


def test_searches_in_vain_end():
    judge = Judge(of_layer(Noise)(), proofs=False)
    findings = judge.run(cases_of("values"))
    failed = [x for x in findings if x.status == f.FAILED]
    left, share = not_diagnosed(findings), judge._search.time.shares["values"]
    assert 0 < len(left) < len(failed)
    assert all("searches that found nothing took" in x.message for x in left)
    assert share.in_vain < hint_time.IN_VAIN_SECONDS + share.cases + hint_time.CASE_SECONDS


def test_names_are_found_beside_what_has_none():
    """Gradients have their name however long values are searched in vain."""
    findings = Judge(of_layer(NoiseAndSign)(), proofs=False).run(cases_of("values", "input-gradients"))
    gradients = [x for x in findings if x.quantity == "input-gradients" and x.status == f.FAILED]
    assert not_diagnosed(findings)
    assert gradients
    assert {x.hint for x in gradients} == {"sign"}


def test_searches_after_a_state_change_count():
    (case,) = catalogue(["float64"], ["float64/refine/degree-3/6-to-12/on-samples/values"])
    judge = Judge(of_layer(Noise)(), hint_seconds=0.3, proofs=False)
    finding = judge(case)
    assert finding.status == f.FAILED
    assert 0 < judge._search.time.spent < 1


@pytest.mark.parametrize("wanted", [True, False])
def test_two_defects_are_searched_for_unless_they_are_not_wanted(monkeypatch, wanted):
    asked = []
    monkeypatch.setattr(pairs, "pair", lambda *arguments: asked.append(arguments) or ())
    (finding,) = Judge(of_layer(Noise)(), pairs=wanted).run(cases_of("values")[:1])
    assert finding.status == f.FAILED
    assert len(asked) == wanted
