"""The checks of arguments themselves: counts, choices, positive numbers, arrays."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.base.arguments import as_array, as_samples, check_choice, check_count, check_positive
from tests.shared.refusals import INF, NAN, bad, check


@pytest.mark.parametrize("value", [np.int8(3), np.uint64(3), 3], ids=repr)
def test_integers_of_any_kind_are_counts(value):
    assert check_count("n", value, 1) == 3
    assert type(check_count("n", value, 1)) is int


@bad(
    ("numpy bool", lambda: check_count("n", np.True_), TypeError, r"n must be an integer; got (np\.)?True"),
    ("array", lambda: check_count("n", np.array([1, 2])), TypeError, r"n must be an integer"),
    ("below", lambda: check_count("n", 1, 2), ValueError, r"n must be at least 2; got 1"),
    ("above", lambda: check_count("n", 9, 2, 8), ValueError, r"n must be at most 8; got 9"),
    ("choice", lambda: check_choice("name", ["a"], ["a"]), ValueError, r"name must be one of 'a'; got \['a'\]"),
    ("positive bool", lambda: check_positive("h", True), TypeError, r"h must be a number; got True"),
    ("positive complex", lambda: check_positive("h", 1j), TypeError, r"h must be a number; got 1j"),
    ("positive infinite", lambda: check_positive("h", INF), ValueError, r"h must be finite and positive; got inf"),
    ("number nan", lambda: as_array("a", NAN), ValueError, r"a must be finite; got a = nan"),
    ("too large for float64", lambda: as_array("a", [10**400]), (TypeError, ValueError), r"a must"),
)
def test_argument_checks(call, error, message):
    check(call, error, message)


def test_long_doubles_that_overflow_are_refused():
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long double is double here")
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="a must be finite"):
        as_array("a", np.array([np.finfo(np.longdouble).max]))


def test_samples_that_are_not_finite_are_counted():
    with pytest.raises(ValueError, match=r"x must be finite; got x\[1, 0\] = nan: leave out the 2 of 4 rows that are"):
        as_samples("x", [[0.0, 1.0], [NAN, NAN], [2.0, 3.0], [4.0, INF]], 2)
