"""Both sides of every limit: what lies on it is accepted, and the next number beyond it is refused by name."""

import math
import re

import numpy as np
import pytest

pytest.importorskip("flint")

import refkan as rk
from refkan.base import arguments
from tests.package.test_bad_calls import FUNCTIONS, answer, bad_calls, least_count, valid_arguments
from tests.shared.tables import each_row

TINY = math.ulp(0.0)
SPACE = rk.SplineSpace.uniform(3, 2)
LARGEST = float(np.finfo(np.float64).max)


@each_row(
    "check, accepted, refused",
    (arguments.check_positive, (TINY, LARGEST), (0.0, -TINY, math.inf)),
    (arguments.check_tolerance, (0.0, TINY, LARGEST), (-TINY, math.inf, -math.inf)),
    (arguments.check_share, (TINY, 1.0), (0.0, -TINY, math.nextafter(1.0, 2.0))),
    (arguments.check_below_one, (0.0, math.nextafter(1.0, 0.0)), (-TINY, 1.0)),
    (arguments.check_count, (0, 1), (-1,)),
)
def test_numbers_on_a_limit_are_accepted_and_those_beyond_refused(check, accepted, refused):
    for value in accepted:
        assert check("some_name", value) == value
    for value in (*refused, math.nan) if check is not arguments.check_count else refused:
        with pytest.raises(ValueError, match="some_name must"):
            check("some_name", value)


@pytest.mark.parametrize("minimum", [0, 1, 3])
def test_counts_on_both_limits(minimum):
    for value in (minimum, minimum + 2):
        assert arguments.check_count("k", value, minimum, minimum + 2) == value
    for value, said in ((minimum - 1, "at least"), (minimum + 3, "at most")):
        with pytest.raises(ValueError, match=f"k must be {said}"):
            arguments.check_count("k", value, minimum, minimum + 2)


def counts_with_a_least():
    """Callables and parameters whose zero or negative value is refused as too small."""
    for key, function in FUNCTIONS.items():
        for name, label, own, given in bad_calls(key):
            if label == "negative" and "must be at least" in answer(function, own, given, name)[1]:
                yield key, name


def test_the_least_counts_are_accepted(tmp_path, monkeypatch):
    """Nothing is said of the parameter itself; what else such a small call lacks may be."""
    monkeypatch.chdir(tmp_path)
    found, refused = [*counts_with_a_least()], []
    with rk.use_engine("plain"):
        for key, name in found:
            own, given, _ = valid_arguments(key, FUNCTIONS[key])
            _, message = answer(FUNCTIONS[key], own, {**given, name: least_count(f"{key} {name}")}, name)
            if re.search(rf"\b{name} must be at least", message):
                refused.append((key, name, message))
    assert len(found) > 70
    assert not refused


@each_row(
    "make, largest, said",
    (lambda order: rk.SplineSpace.uniform(order, 1), rk.splines.knots.MAX_ORDER, "order must"),
    (lambda degree: rk.chebyshev_kan([1, 1], degree), rk.networks.layers.chebyshev.MAX_DEGREE, "degree.* must"),
    (lambda k: rk.bsplines.evaluate(SPACE, np.ones(4), [0.5], k), rk.splines.knots.MAX_DERIVATIVE, "derivative must"),
)
def test_the_largest_sizes_are_accepted(make, largest, said):
    make(largest)
    with pytest.raises(ValueError, match=said):
        make(largest + 1)
