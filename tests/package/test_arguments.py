"""The checks of arguments themselves: counts, choices, positive numbers, arrays."""

import numpy as np
import pytest

from refkan.base.arguments import as_array, as_samples, check_choice, check_count, check_positive
from tests.shared.refusals import INF, NAN, refusals


@pytest.mark.parametrize("value", [np.int8(3), np.uint64(3), 3], ids=repr)
def test_integers_of_any_kind_are_counts(value):
    assert check_count("n", value, 1) == 3
    assert type(check_count("n", value, 1)) is int


test_argument_checks = refusals(
    (lambda: check_count("n", np.True_), r"TypeError: n must be an integer; got (np\.)?True"),
    (lambda: check_count("n", np.array([1, 2])), r"TypeError: n must be an integer"),
    (lambda: check_count("n", 1, 2), r"n must be at least 2; got 1"),
    (lambda: check_count("n", 9, 2, 8), r"n must be at most 8; got 9"),
    (lambda: check_choice("name", ["a"], ["a"]), r"name must be one of 'a'; got \['a'\]"),
    (lambda: check_positive("h", True), r"TypeError: h must be a number; got True"),
    (lambda: check_positive("h", 1j), r"TypeError: h must be a number; got 1j"),
    (lambda: check_positive("h", INF), r"h must be finite and positive; got inf"),
    (lambda: as_array("a", NAN), r"a must be finite; got a = nan"),
    (lambda: as_array("a", [10**400]), r"TypeError: a must"),
)


def test_long_doubles_that_overflow_are_refused():
    if np.finfo(np.longdouble).max <= np.finfo(np.float64).max:
        pytest.skip("long double is double here")
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="a must be finite"):
        as_array("a", np.array([np.finfo(np.longdouble).max]))


def test_samples_that_are_not_finite_are_counted():
    with pytest.raises(ValueError, match=r"x must be finite; got x\[1, 0\] = nan: leave out the 2 of 4 rows that are"):
        as_samples("x", [[0.0, 1.0], [NAN, NAN], [2.0, 3.0], [4.0, INF]], 2)
