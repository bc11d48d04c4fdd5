"""Broken layers, one defect each: every one is detected, and named by the hint that leads.

Without a search for two defects, as the quick record of the bank; its full record, and `test_two_defects`, are with it.
Both records have all sizes of blocks and all parts beside the splines.
"""

from __future__ import annotations

import pytest

from refkan.conformance import Judge
from refkan.conformance.adapters.backends import PlainNumpy
from refkan.conformance.judging import findings as f
from refkan.conformance.reports.text_and_junit import leading_hint
from tests.broken_layers import DEFECTS, Broken
from tests.conformance.judged_cases import chosen, few


def run(adapter, select):
    return Judge(adapter, proofs=False, pairs=False).run(few(chosen(select=select)))


@pytest.mark.parametrize("name", DEFECTS)
def test_every_defect_is_found_and_named(name):
    defect = DEFECTS[name]
    findings = run(defect.make(), defect.select)
    assert any(finding.status == f.FAILED for finding in findings)
    assert leading_hint(findings) == defect.hint


def test_the_bank_is_large_and_each_defect_alone_is_to_blame():
    assert len(DEFECTS) >= 25
    for select in {defect.select for defect in DEFECTS.values()}:
        findings = run(PlainNumpy(), select)
        assert not any(finding.status in f.BAD for finding in findings)
        assert not leading_hint(findings)


def test_hints_tell_the_numbers():
    findings = run(DEFECTS["mean over samples"].make(), ("layer/degree-3/uniform/3x2/coefficient-gradients",))
    assert "the number N of samples" in findings[0].hints[0].text
    findings = run(DEFECTS["scale applied twice by an update"].make(), ("update/degree-3/random-data/on-samples",))
    assert [hint.name for hint in findings[0].hints] == ["function changed by update", "constant factor"]
    assert "times 0.75" in findings[0].hints[1].text
    findings = run(DEFECTS["always cubic"].make(), ("layer/degree-2/uniform/3x2/values",))
    assert findings[0].hints[0].text == "splines have degree 3 instead of 2"


def test_a_broken_adapter_by_its_name():
    assert Broken("always cubic").title == "broken: AlwaysCubic"
    with pytest.raises(ValueError, match="name must be one of 'float32 knots'"):
        Broken("nothing")
