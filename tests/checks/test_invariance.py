"""Invariance of a function, and the reports of every check."""

import numpy as np
import pytest

from refkan import checks
from refkan.checks import dot_test, gradient_check, invariance_test, taylor_test
from tests.checks.checked_functions import THETA, gradient, value
from tests.shared.refusals import refused

# --- invariance_test


def test_invariance_and_where_it_breaks():
    x = np.linspace(-1, 1, 12).reshape(6, 2)

    def f(x):
        return np.stack([x[:, 0] * x[:, 1], x.sum(axis=1)], axis=1)

    def g(x):
        return np.stack([x[:, 1] * x[:, 0], x[:, 1] + x[:, 0]], axis=1)

    report = invariance_test(f, g, x)
    assert report.ok, report.table

    def wrong(x):
        result = g(x)
        result[4, 1] += 1e-9
        return result

    report = invariance_test(f, wrong, x)
    assert not report.ok
    assert report.index == (4, 1)
    np.testing.assert_array_equal(report.x, x[4])
    assert report.g - report.f == pytest.approx(1e-9, rel=1e-6)
    assert report.max_difference == pytest.approx(1e-9, rel=1e-6)
    with pytest.raises(AssertionError, match=r"worst at \[4, 1\]"):
        report.raise_if_failed()
    assert invariance_test(f, wrong, x, atol=1e-8).ok
    assert invariance_test(f, wrong, x, rtol=1e-8).ok


def test_invariance_relative_to_the_sum_of_contributions():
    x = np.linspace(0, 1, 50)

    def f(x):
        return (1e8 + x) - 1e8

    def g(x):
        return x

    assert not invariance_test(f, g, x).ok
    assert invariance_test(f, g, x, scale=2e8).ok
    # A scale a point: the sample without contributions must agree exactly.
    scale = np.where(x == x[7], 0.0, 2e8)
    report = invariance_test(f, g, x, scale=scale)
    assert report.index == (7,)
    assert report.max_relative_error == np.inf


def test_invariance_without_points_and_bad_input():
    assert invariance_test(np.sin, np.sin, np.zeros((0, 2))).index is None
    with pytest.raises(ValueError, match=r"g\(x\) must have shape \(3,\); got \(3, 1\)"):
        invariance_test(np.sin, lambda x: x[:, None], np.zeros(3))
    refused(lambda: invariance_test(np.sin, lambda x: x * [1, 1, np.nan], np.ones(3)), r"got g\(x\)\[2\] = nan")
    with pytest.raises(ValueError, match=r"f\(x\) must have 3 samples"):
        invariance_test(lambda x: np.ones(2), lambda x: np.ones(2), np.zeros(3))
    refused(lambda: invariance_test(np.sin, np.sin, 1.0), "x must have the samples as its first axis")


# --- reports


def test_reports_are_frozen_and_print_their_table():
    reports = [
        gradient_check(value, gradient, THETA),
        dot_test(np.cumsum, lambda w: np.cumsum(w[::-1])[::-1], 3, 3),
        taylor_test(value, gradient, THETA),
        invariance_test(np.sin, np.sin, THETA),
    ]
    for report in reports:
        assert isinstance(report, checks.Report)
        assert report.ok
        assert str(report) == report.table
        assert "passed" in report.table
        with pytest.raises(TypeError, match=r"use report\.ok"):
            bool(report)
        with pytest.raises(AttributeError):
            report.ok = False
