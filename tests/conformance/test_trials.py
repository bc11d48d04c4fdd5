"""Broken layers of the kinds that earlier trials left without a right name: detected, named; two at once both named."""

from __future__ import annotations

import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends import PlainNumpy
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import causes
from refkan.conformance.reports.text_and_junit import leading_hint
from tests.broken_layers.defects import of_layer
from tests.broken_layers.trial_defects import (
    TRIALS,
    FirstOutputScaled,
    GradientAveraged,
    HalfBias,
    ReversedGradient,
    SlopePlus,
    TanhBehind,
)
from tests.conformance.judged_cases import chosen, few


def judged(adapter, select, pairs=False):
    tried = [case for case in few(chosen()) if not case.setting.spec.parts and any(part in case.key for part in select)]
    return Judge(adapter, proofs=False, pairs=pairs).run(tried)


@pytest.mark.parametrize("name", TRIALS)
def test_every_trial_is_found_and_named(name):
    trial = TRIALS[name]
    findings = judged(of_layer(trial.layer)(), trial.select)
    assert any(x.status == f.FAILED for x in findings)
    assert leading_hint(findings) == trial.hint


def test_the_layer_without_a_defect_passes_the_same_cases():
    select = {part for trial in TRIALS.values() for part in trial.select}
    assert not [x.key for x in judged(PlainNumpy(), select) if x.status in f.BAD]


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (SlopePlus, FirstOutputScaled, {"wrong derivative", "constant factor"}),
        (HalfBias, GradientAveraged, {"extra branch", "constant factor"}),
        (TanhBehind, SlopePlus, {"extra map", "wrong derivative"}),
        (HalfBias, ReversedGradient, {"extra branch", "reversed coefficients"}),
        (GradientAveraged, ReversedGradient, {"constant factor", "reversed coefficients"}),
    ],
)
def test_two_defects_at_once_are_both_named(first, second, names):
    both = type("Both", (first, second), {})
    findings = judged(of_layer(both)(), ("layer/degree-3/uniform/3x2",), pairs=True)
    shown = {cause.name for cause in causes(findings)[:3]}
    assert names <= shown
