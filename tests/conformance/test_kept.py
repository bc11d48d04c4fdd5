"""What the judge computes once: exact rows of a setting, and what hypotheses predict from a case."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from refkan import truth
from refkan.conformance import Judge, catalogue
from refkan.conformance.cases.cases import Case
from refkan.conformance.cases.truths.kept_rows import KeptRows
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.judging.diagnosis import hypotheses
from refkan.conformance.judging.diagnosis.hypotheses import Hypothesis
from refkan.conformance.judging.diagnosis.of_results import kept
from refkan.conformance.judging.findings import Evidence
from refkan.truth.arithmetic import taylor
from refkan.truth.layers import BSplines
from tests.broken_layers import DEFECTS

SELECT = ["layer/degree-3/arbitrary/3x2/", "values"]


@pytest.mark.parametrize("outside", ["natural", "linear", "polynomial"])
@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("kind", ["simple", "clamped", "repeated"])
def test_kept_rows_are_those_of_the_truth(kind, order, outside):
    t = [Fraction(k * (k + 3), 7) for k in range(2 * order + 5)]
    if kind == "clamped":
        t[:order], t[-order:] = [t[order - 1]] * order, [t[-order]] * order
    if kind == "repeated" and order > 1:
        t[order + 1] = t[order]
    literal, once = BSplines(t, order, outside), KeptRows(t, order, outside)
    a, b = literal.domain
    points = [a - 9, a - Fraction(1, 3), *t, *((u + v) / 2 for u, v in pairwise(t)), b + 9]
    c = [Fraction(k * k - 5 * k) for k in range(literal.dim)]
    for x in points * 2:  # what is kept, too
        for derivative in range(3):
            assert once.functions(x, derivative) == literal.functions(x, derivative)
        if order > 1 and kind == "simple":
            assert once.knot_slopes(c, x) == literal.knot_slopes(c, x)
    moved = taylor.curve(Fraction(1, 3), [1], 0, 1)
    for i, f in once.functions(moved, 0).items():
        assert taylor.coefficient(f, (0,)) == taylor.coefficient(literal.functions(moved, 0)[i], (0,))


def test_the_truth_names_the_same_interval():
    t = [Fraction(k) for k in (0, 0, 0, 1, 1, 2, 5, 5, 5)]
    for outside in ("natural", "polynomial"):
        rows = KeptRows(t, 3, outside)
        for x in (Fraction(k, 2) for k in range(-3, 14)):
            assert rows.interval(x) == truth.interval(t, 3, x, outside)


@pytest.fixture
def limit(monkeypatch):
    """Forget what other tests left behind, and keep little."""

    def of(value):
        monkeypatch.setattr(kept, "LIMIT", value)

    return of


def counted(case, size=10):
    calls = []

    @kept.of_case
    def source(case: Case):
        yield Hypothesis("one", "", lambda: calls.append("one") or np.zeros(size))
        yield Hypothesis("none", "no layer", lambda: calls.append("none") or np.zeros(2)[3])

    return lambda: [hypothesis.outcome() for hypothesis in source(Evidence(case, case.expected))], calls


def test_predictions_are_computed_once_for_a_setting_and_quantity():
    first, second = catalogue(["float64"], SELECT)[:2]
    ask, calls = counted(first)
    assert ask()[1] is None
    assert ask()[1] is None
    assert calls == ["one", "none"]
    assert ask()[0].shape == (10,)
    again = Case(first.setting, "values")
    assert vars(again.setting)[kept.NAME] is vars(first.setting)[kept.NAME]
    assert kept.NAME not in vars(second.setting)


def test_with_more_than_the_limit_all_is_forgotten(limit):
    (case,) = catalogue(["float64"], ["float64/layer/degree-3/arbitrary/3x2/values"])
    limit(10_000)
    ask, calls = counted(case, 100)  # 1000 bytes each
    for _ in range(40):
        kept.once(case, object(), lambda: np.zeros(100))
    held = sum(map(kept._size, vars(case.setting)[kept.NAME].values()))
    assert 0 < held <= 10_000
    limit(1000)
    assert ask()[0].shape == (100,)  # larger than half the limit: computed each time
    ask()
    assert calls.count("one") == 2


@pytest.mark.parametrize("name", ["cached by shape", "knots shifted", "interval clamped one short"])
def test_a_second_backend_is_diagnosed_as_if_it_were_the_first(name):
    """Whatever was judged by the same cases before."""

    def judged(cases):
        findings = Judge(DEFECTS[name].make(), proofs=False, pairs=False).run(cases)
        return [(x.key, x.status, x.hints) for x in findings]

    select = ["layer/degree-3/arbitrary/3x2/values"], ["layer/degree-3/uniform/3x2/strided"]
    cases = [case for each in select for case in catalogue(["float64"], each)]
    alone = judged(cases)
    Judge(DEFECTS["batch mean subtracted"].make(), proofs=False, pairs=False).run(cases)
    assert judged(cases) == alone


def test_what_is_remembered_of_changed_layers_is_bounded_and_the_same(monkeypatch):
    monkeypatch.setattr(hypotheses, "SAME", 3)
    monkeypatch.setattr(hypotheses, "_remembered", {})
    (case,) = catalogue(["float64"], ["float64/layer/degree-3/arbitrary/3x2/values"])
    s = case.setting
    moved = [s.x + k / 64 for k in range(5)]
    fresh = [FloatQuantities(s.specs, x).values for x in moved]
    for _ in range(2):
        for x, values in zip(moved, fresh, strict=True):
            assert np.array_equal(hypotheses.evaluate(case, x=x), values)
        assert len(hypotheses._remembered) == 3
    other = replace(s.spec, outside="linear")
    beyond = s.x + 9
    assert not np.array_equal(hypotheses.evaluate(case, x=beyond), hypotheses.evaluate(case, x=beyond, specs=(other,)))


def test_kept_predictions_keep_what_the_hint_says():
    (case,) = catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])
    told = Hypothesis("constant factor", "theirs are twice ours", lambda: 2 * case.expected, ("h",))
    (found,) = kept.of_case(lambda case: iter([told]))(Evidence(case, case.expected))
    assert (found.name, found.text, found.may_be) == (told.name, told.text, told.may_be)
