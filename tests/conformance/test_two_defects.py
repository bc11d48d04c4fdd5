"""Two defects in one result, each of which hides the other: both are named, and nothing else is."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backend import Backend
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes, leading_hint, verdict
from refkan.conformance.judging.diagnosis import diagnose
from refkan.conformance.judging.findings import Evidence, Finding, Hint, Tries
from refkan.conformance.reports import text_and_junit
from tests.broken_layers import layers as l
from tests.broken_layers import trial_defects as t
from tests.broken_layers.defects import of_layer
from tests.conformance.broken_layers import PreviousBlock, SlopeInPositions, SlopeWithoutSpacing, ZeroAtB
from tests.conformance.judged_cases import chosen


def without_parts(*select):
    return [case for case in chosen(select=select) if not case.setting.spec.parts]


SELECT = ["layer/degree-3/uniform/3x2/", "layer/degree-3/arbitrary/3x2/", "basis/degree-3/arbitrary/ends/"]
CASES = [
    case
    for select in SELECT
    for case in without_parts(select)
    if case.setting.name.count("/") == 4  # without settings that go on, such as 3x2/strided
]


class Wave(NumpyLayer):
    """Basis functions times a wave, which no hypothesis has."""

    def basis(self, p, x, derivative=0):
        found = super().basis(p, x, derivative)
        return found * (1 + 0.01 * np.cos(7 * np.arange(found.shape[1]) + x[:, None]))


FACTOR = "constant factor"
NAMES = {
    SlopeWithoutSpacing: {FACTOR},
    SlopeInPositions: {FACTOR, "wrong derivative"},
    PreviousBlock: {"inputs mixed up", "inputs reordered"},
    ZeroAtB: {"right end open"},
    l.MeanOverInputs: {FACTOR},
    l.SignOfInputGradient: {"sign"},
    l.ReversedCoefficients: {"reversed coefficients", "reversed outputs"},
    l.ShiftedGradient: {"shifted index"},
    l.EqualSpacing: {"equal spacing assumed"},
    l.LastUnused: {"end coefficient unused", "coefficients left out"},
    l.CotangentIgnored: {"cotangent ignored"},
    t.SlopePlus: {"wrong derivative"},
    t.FirstOutputScaled: {FACTOR, "factor on one output"},
    t.TanhBehind: {"extra map"},
    t.HalfBias: {"extra branch"},
    t.ReversedGradient: {"reversed coefficients"},
}


def results(layer):
    backend = Backend(of_layer(layer)())
    return {case.key: backend.result(case, backend.model(case.setting)) for case in CASES}


def both(first, second):
    return type("Both", (first, second), {})


def differ(case, ours, theirs):
    return bool((~(np.abs(ours - theirs) <= case.tolerance)).any())


def hidden(first, second, alone, tries=8000, cases=CASES):
    """Cases whose result is neither the truth nor that of one of the two layers, with names that are given to it."""
    together, named = results(both(first, second)), Counter()
    for case in cases:
        found = together[case.key]
        if not differ(case, case.expected, found):
            continue
        hints = diagnose(Evidence(case, found, named=named), Tries(tries))
        named.update({hint.name for hint in hints})
        if all(differ(case, alone[layer][case.key], found) for layer in (first, second)):
            yield case, hints


def test_pairs_of_defects_are_both_named():
    """Of 16 pairs drawn: before there were hints on two defects, hardly any of these results had a name."""
    pairs = list(combinations(NAMES, 2))
    drawn = [pairs[k] for k in np.random.default_rng(0).permutation(len(pairs))[:16]]
    alone = {layer: results(layer) for layer in {one for pair in drawn for one in pair}}
    right, wrong, total = 0, [], 0
    for first, second in drawn:
        for case, hints in hidden(first, second, alone):
            names = {hint.name for hint in hints}
            total += 1
            right += bool(names & NAMES[first]) and bool(names & NAMES[second])
            if names - NAMES[first] - NAMES[second]:
                wrong.append((first.__name__, second.__name__, case.key, names))
    assert total > 20
    assert right >= 0.9 * total
    assert len(wrong) <= 0.02 * total, wrong


@pytest.mark.parametrize(
    ("first", "second", "select", "told"),
    [
        (SlopeWithoutSpacing, ZeroAtB, "basis/degree-3/uniform/ends/input-gradients", {FACTOR, "right end open"}),
        (SlopeWithoutSpacing, ZeroAtB, "basis/degree-3/arbitrary/ends/input-gradients", {FACTOR, "right end open"}),
        (PreviousBlock, l.SignOfInputGradient, "uniform/5x7/input-gradients", {"inputs mixed up", "sign"}),
        (t.SlopePlus, ZeroAtB, "basis/degree-3/arbitrary/ends/input-gradients", {"wrong derivative", "right end open"}),
    ],
)
def test_both_names_stand_beside_one_result(first, second, select, told):
    cases = without_parts("degree-3", select)
    findings = Judge(of_layer(both(first, second))()).run(cases)
    for finding in findings:
        assert {hint.name for hint in finding.hints} == told
        assert [hint.also for hint in finding.hints] == [False, True]
        assert "; and " in text_and_junit.hint_line(finding)
    assert {cause.name for cause in causes(findings)} == told
    assert leading_hint(findings) in told
    (other,) = told - {leading_hint(findings)}
    assert f"{len(findings)} of them show a second one, too: {other}" in verdict(findings)


@pytest.mark.parametrize(
    ("layer", "name", "text"),
    [
        (SlopeWithoutSpacing, FACTOR, "theirs are ours times the spacing h of each input, its first"),
        (SlopeInPositions, "wrong derivative", "they are not divided by its length"),
    ],
)
def test_a_length_that_derivatives_were_not_divided_by(layer, name, text):
    for quantity in ("input-gradients", "second-derivatives"):
        (finding,) = Judge(of_layer(layer)()).run(chosen(select=[f"float64/layer/degree-3/arbitrary/3x2/{quantity}"]))
        assert [hint.name for hint in finding.hints] == [name]
        assert text in finding.hints[0].text
        assert ("squared" in finding.hints[0].text) == (name == FACTOR and quantity == "second-derivatives")


def test_a_negative_size_is_a_sign_and_a_factor():
    layer = both(SlopeWithoutSpacing, l.SignOfInputGradient)
    (finding,) = Judge(of_layer(layer)()).run(chosen(select=["float64/layer/degree-3/uniform/3x2/input-gradients"]))
    assert [(hint.name, hint.also) for hint in finding.hints] == [("sign", False), (FACTOR, True)]
    assert "the spacing h" in finding.hints[1].text


def test_beside_something_that_has_no_name_nothing_is_named():
    alone = {layer: results(layer) for layer in (Wave, l.SignOfInputGradient, PreviousBlock, t.HalfBias)}
    for other, quantities in (
        (l.SignOfInputGradient, {"input-gradients"}),
        (PreviousBlock, {"values", "input-gradients", "coefficient-gradients", "second-derivatives"}),
        (t.HalfBias, {"values"}),
    ):
        shown = [case for case in CASES[4:8] if case.quantity in quantities]  # the others show the wave alone
        found = list(hidden(Wave, other, alone, tries=4000, cases=shown))
        assert len(found) == len(shown)
        assert [(case.key, hints) for case, hints in found if hints] == []


def test_a_failure_with_two_defects_counts_for_both():
    hints = (Hint("sign", "minus"), Hint("inputs mixed up", "the block before", also=True))
    found = [
        Finding(f"{k}/values", "values", f.FAILED, index=(0,), hints=hints if k < 3 else hints[:1]) for k in range(5)
    ]
    assert [(cause.name, len(cause.members)) for cause in causes(found)] == [("sign", 5), ("inputs mixed up", 3)]
    assert verdict(found)[:2] == [
        "explains 5 of 5 failures: sign", "3 of them show a second one, too: inputs mixed up"
    ]  # fmt: skip
