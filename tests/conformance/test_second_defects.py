"""The ways in which a second defect is looked for beside a first, each on results that it takes that way to name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from refkan.conformance.adapters.backend import Backend
from refkan.conformance.judging.diagnosis import diagnose, pairs
from refkan.conformance.judging.diagnosis.hypotheses import (
    Hypothesis,
    Supposed,
    evaluate,
    supposed,
    through,
    with_layers,
)
from refkan.conformance.judging.findings import Evidence, Hint, Tries
from tests.broken_layers import layers as l
from tests.broken_layers import trial_defects as t
from tests.broken_layers.defects import of_layer
from tests.conformance.broken_layers import SlopeInPositions, SlopeWithoutSpacing, ZeroAtB
from tests.conformance.judged_cases import chosen

FACTOR = "constant factor"


def case_of(key):
    (found,) = [case for case in chosen(select=[f"float64/{key}"]) if not case.setting.spec.parts]
    return found


def evidence_of(first, second, key, named=()):
    case = case_of(key)
    backend = Backend(of_layer(type("Both", (first, second), {}))())
    return Evidence(case, backend.result(case, backend.model(case.setting)), named=Counter(named))


@pytest.mark.parametrize(
    ("first", "second", "key", "names"),
    [
        # a branch whose values another defect makes zero, and one beside splines that are multiplied by a factor
        (l.IncompleteBlock, t.HalfBias, "layer/degree-3/uniform/3x2/values", {"incomplete block", "extra branch"}),
        (t.Hardtanh, t.Skip, "layer/degree-3/uniform/3x2/input-gradients", {"inputs mapped", "extra branch"}),
        (l.SlopeWithoutDegree, t.Skip, "layer/degree-3/uniform/3x2/input-gradients", {FACTOR, "extra branch"}),
        # second derivatives at mapped inputs
        (
            t.SlopePlus, t.Hardtanh, "layer/degree-3/uniform/3x2/second-derivatives",
            {"wrong derivative", "inputs mapped"},
        ),
        # a map behind a layer with a defect of its own
        (t.TanhBehind, ZeroAtB, "basis/degree-3/arbitrary/ends/values", {"extra map", "right end open"}),
        # what happened before a map
        (t.TanhBehind, t.HalfBias, "layer/degree-3/arbitrary/3x2/values", {"extra map", "extra branch"}),
        (l.MeanOverInputs, t.TanhBehind, "layer/degree-3/uniform/3x2/values", {"extra map", FACTOR}),
        # a size, and a number beside it
        (
            t.SecondInputScaled, SlopeWithoutSpacing, "layer/degree-3/uniform/3x2/input-gradients",
            {FACTOR, "factor on one input"},
        ),
        (
            l.SignOfSecond, t.SecondInputScaled, "layer/degree-3/arbitrary/3x2/second-derivatives",
            {"sign", "factor on one input"},
        ),
        (l.SignOfSecond, SlopeWithoutSpacing, "basis/degree-3/arbitrary/ends/second-derivatives", {"sign", FACTOR}),
        # fractions, where few samples differ
        (
            l.LastUnused, t.FirstOutputScaled, "basis/degree-3/uniform/ends/coefficient-gradients",
            {"coefficients left out", FACTOR},
        ),
        (ZeroAtB, SlopeInPositions, "basis/degree-3/arbitrary/ends/second-derivatives", {FACTOR, "right end open"}),
    ],
)  # fmt: skip
def test_a_second_defect_is_named_beside_the_first(first, second, key, names):
    assert {hint.name for hint in diagnose(evidence_of(first, second, key))} == names


def test_of_two_inputs_with_knots_of_their_own_no_number_is_told_from_a_length():
    key = "layer/degree-3/arbitrary/3x2/input-gradients"
    evidence = evidence_of(l.ShiftedKnots, SlopeWithoutSpacing, key, ("shifted index",))
    assert {hint.name for hint in diagnose(evidence)} == {"shifted index", FACTOR}


def test_positions_within_intervals_are_those_of_the_changed_knots():
    """Outside the domain, too, where the interval in force is one beyond."""
    key = "layer/degree-3/arbitrary/3x2/input-gradients"
    evidence = evidence_of(t.FixedDomain, SlopeInPositions, key, ("fixed domain",))
    assert [hint.name for hint in diagnose(evidence)] == ["fixed domain", "wrong derivative"]


def test_of_pairs_that_fit_those_are_told_that_other_results_show_more_often():
    """Results at both ends alone cannot tell a basis that is zero at b from knots that end before it."""
    for often, seldom in (("fixed domain", "right end open"), ("right end open", "fixed domain")):
        named = {often: 12, seldom: 2}
        evidence = evidence_of(t.FixedDomain, SlopeInPositions, "basis/degree-3/uniform/ends/input-gradients", named)
        assert [hint.name for hint in diagnose(evidence)] == [often, FACTOR]


def test_a_pair_with_a_defect_that_other_results_have_is_told_before_one_of_two_that_none_has():
    """Up to its last function, the first term of a slope on shifted knots is minus the second on those of the case."""
    key = "basis/degree-3/uniform/ends/input-gradients"
    names = [
        {hint.name for hint in diagnose(evidence_of(l.ShiftedKnots, t.SlopeOfLeftTerm, key, named))}
        for named in ((), {"shifted index": 3}, {"shifted index": 3, "wrong derivative": 1})
    ]
    assert names == [{"sign", "wrong derivative"}, *2 * [{"shifted index", "wrong derivative"}]]


def test_what_a_hypothesis_predicts_says_of_what():
    case = case_of("layer/degree-3/uniform/3x2/values")
    x = case.setting.x / 2
    moved = Hypothesis("", "", lambda: supposed(case, x=x))
    assert moved.supposed().setting.x is x
    assert np.array_equal(moved.supposed().expected, moved.outcome())
    kept = Hypothesis("", "", moved.outcome, afresh=moved.predict)
    assert kept.supposed().setting.x is x
    assert through(moved.supposed(), ZeroAtB).setting.x is x
    assert with_layers(through(case, ZeroAtB), lambda spec: spec).layer is ZeroAtB
    assert Hypothesis("", "", moved.outcome).supposed() is None
    fixed = Supposed(case.setting, "values", fixed=True)
    assert Hypothesis("", "", lambda: supposed(fixed, x=x)).outcome() is None


def test_what_undoes_the_first_is_no_second_defect():
    """Theirs are ours times 5; -2 and then -2.5 give that, which nobody programs."""
    case = case_of("layer/degree-3/uniform/3x2/input-gradients")

    def times(factor, *names):
        also = tuple(Hint(name, "", also=True) for name in names[1:])
        return lambda evidence: iter([Hypothesis(names[0], "", lambda: factor * evidence.case.expected, also=also)])

    first = Hypothesis("sign", "", lambda: -2 * case.expected, also=(Hint("constant factor", "", also=True),))
    given = [(first, first.outcome())]
    evidence = Evidence(case, 5 * case.expected)
    for names, told in ((("sign", "constant factor"), ()), (("wrong derivative",), ("sign", "constant factor"))):
        later = times(-2.5, *names)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pairs, "OF_RESULTS", (later,))
            hints = pairs._of_results(evidence, given)
        assert tuple(hint.name for hint in hints)[:2] == told


@pytest.mark.parametrize("named", [(), ("one",)])
@pytest.mark.parametrize(("most", "seconds"), [(50, 0), (150, 50)])
def test_a_count_ends_the_search_for_pairs(monkeypatch, named, most, seconds):
    """Of 100 first defects, or of those and second ones."""
    case = case_of("layer/degree-3/uniform/3x2/values")
    tried = Counter()

    def counted(name, result):
        tried[name] += 1
        return result

    def firsts(evidence):
        for k in range(100):
            x = case.setting.x * (1 - 0.001 * (k + 1))
            yield Hypothesis("one", "", lambda x=x: counted("first", evaluate(case, x=x)))

    def second(evidence):
        yield Hypothesis("two", "", lambda: counted("second", np.zeros_like(case.expected)))

    monkeypatch.setattr(pairs, "OF_RESULTS", (second,))
    tries = Tries(most)
    evidence = Evidence(case, case.expected + 1, named=Counter(named), tries=tries)
    assert pairs.pair(evidence, (firsts,)) == ()
    assert tried["second"] == seconds
    assert tries.done == most
