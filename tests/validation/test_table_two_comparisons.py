"""R1 to R4: medians that published means allow, and comparisons over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from validation.multilevel.multilevel_training import all_of
from validation.multilevel.table_two import PUBLISHED
from validation.multilevel.table_two_comparisons import LEVEL, Comparison
from validation.multilevel.table_two_findings import largest_median, largest_published_median


def test_the_largest_median_is_one():
    """Against random sets of five values, some of them with one or two large ones; and reached within its factor."""
    rng = np.random.default_rng(3)
    tightest = 0.0
    for _ in range(20_000):
        values = rng.uniform(size=5) * 10.0 ** rng.uniform(-4.0, 0.0, 5)
        bound = largest_median(values.mean(), values.std(ddof=1))
        assert np.median(values) <= bound * (1 + 1e-12)
        if values.std(ddof=1) > np.sqrt(3.0) * values.mean():
            tightest = max(tightest, np.median(values) / bound)
    assert tightest > 0.5
    assert largest_median(1.0, 0.0) == pytest.approx(5 / 3)
    assert largest_median(1.0, np.sqrt(5.0)) == pytest.approx(0.0, abs=1e-12)


def test_published_medians_lie_far_below_published_means():
    assert largest_published_median("spline", "fine") < PUBLISHED["spline", "fine"][0] / 20
    assert largest_published_median("spline", "multilevel") < PUBLISHED["spline", "multilevel"][0] / 3
    assert largest_published_median("spline", "coarse") > PUBLISHED["spline", "coarse"][0]


@pytest.mark.parametrize(("ratio", "p", "ahead"), [(2.0, 0.5, True), (1.9, 0.5, False), (9.0, 1.0, False)])
def test_ahead_is_a_ratio_and_a_sign_test(ratio, p, ahead):
    assert Comparison("other", ratio, p * LEVEL, 9, 2.0).ahead == ahead


def test_one_comparison_that_is_behind_decides():
    few, ahead, behind = (
        Comparison.of(dict.fromkeys(range(pairs), ours), dict.fromkeys(range(pairs), 1.0), "other")
        for ours, pairs in ((1e-3, 1), (1e-3, 9), (0.5, 9))
    )
    assert all_of([ahead]) is True
    assert all_of([ahead, few]) is None
    assert all_of([ahead, few, behind]) is False
