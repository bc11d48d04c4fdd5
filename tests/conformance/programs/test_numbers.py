"""Polynomials that a program computes with: comparisons on whole intervals, functions as variables, 0/0."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refkan.conformance.programs.fields import numbers
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.signs import Interval, RefusedError, sign_on
from refkan.conformance.programs.fields.undefined import NAN

pytest.importorskip("flint")

UNIT = Interval(Fraction(0), Fraction(1))
rationals = st.fractions(-3, 3, max_denominator=8)


def test_a_multiple_root_at_an_end_hides_no_root_inside():
    p = (Fraction(0), Fraction(0), Fraction(-1, 2), Fraction(1))  # x^2 (x - 1/2)
    with pytest.raises(RefusedError):
        sign_on(p, UNIT)
    assert sign_on(p, Interval(Fraction(1, 2), Fraction(1))) == 1
    assert sign_on(p, Interval(Fraction(0), Fraction(1, 2))) == -1


@given(st.lists(rationals, min_size=1, max_size=4, unique=True), rationals, rationals)
def test_a_sign_is_that_of_the_roots(roots, low, high):
    """Of a product of linear factors, the roots are known: none inside means one sign, which any point has."""
    if low >= high:
        low, high = high, low + 1
    p = np.array([Fraction(1)], object)
    for root in roots:
        p = np.convolve(p, np.array([-root, Fraction(1)], object))
    inside = [root for root in roots if low < root < high]
    if inside:
        with pytest.raises(RefusedError, match="differs within an interval"):
            sign_on(tuple(p), Interval(low, high))
    else:
        middle = (low + high) / 2
        value = np.prod([middle - root for root in roots])
        assert sign_on(tuple(p), Interval(low, high)) == (value > 0) - (value < 0)


def test_a_double_root_inside_is_not_overlooked():
    p = (Fraction(1, 4), Fraction(-1), Fraction(1))  # (x - 1/2)^2 is zero at one point of the interval
    with pytest.raises(RefusedError):
        sign_on(p, UNIT)
    assert sign_on(p, Interval(Fraction(1, 2), Fraction(1))) == 1


@pytest.mark.parametrize(("low", "high", "sign"), [(None, -2, -1), (2, None, 1), (None, None, None)])
def test_intervals_may_be_unbounded(low, high, sign):
    interval = Interval(*(None if end is None else Fraction(end) for end in (low, high)))
    cubic = (Fraction(0), Fraction(-1), Fraction(0), Fraction(1))  # x^3 - x
    if sign is None:
        with pytest.raises(RefusedError):
            sign_on(cubic, interval)
    else:
        assert sign_on(cubic, interval) == sign


@pytest.fixture
def field():
    return Field({"x": UNIT, "z": Interval(Fraction(2), Fraction(3))}, ["c"], n_functions=4)


def test_comparisons_hold_for_all_inputs_or_are_refused(field):
    x, z, c = (field.variables[name] for name in "xzc")
    assert x > 0
    assert x < 1
    assert x <= z
    assert 2 * x - z < 0
    assert x * x < 1
    for undecided in (lambda: x > 0.5, lambda: z - x > 1.5, lambda: c > 0, lambda: x * z > 1):
        with pytest.raises(RefusedError):
            undecided()


def test_rounding_to_integers_is_decided_too(field):
    x, z = field.variables["x"], field.variables["z"]
    assert (z.floor(), (-z).floor(), (-z).truncated(), x.truncated()) == (2, -3, -2, 0)
    with pytest.raises(RefusedError, match="rounding"):
        (4 * x).floor()


def test_what_zero_over_zero_is_stays_undefined_until_it_is_dropped(field):
    x = field.variables["x"]
    nothing = (x - x) / (x - x)
    assert nothing is NAN
    assert (nothing + x) is NAN
    assert (x * nothing) is NAN
    assert not nothing < x
    assert nothing != nothing
    assert (x / 0).kind == "inf"
    assert (-x / 0).kind == "-inf"
    kinds = {"sum": x / 0 + 1, "difference": 1 - x / 0, "product": (x / 0) * -x, "with zero": (x / 0) * (x - x)}
    kinds |= {"opposite": x / 0 - x / 0, "by coefficient": (x / 0) * field.variables["c"], "nan": NAN * (x / 0)}
    wanted = {"sum": "inf", "difference": "-inf", "product": "-inf", "with zero": "nan", "opposite": "nan"}
    assert {name: value.kind for name, value in kinds.items()} == wanted | {
        "by coefficient": "nan or inf",
        "nan": "nan",
    }
    assert x / 0 > x
    assert not x / 0 < 3
    assert x > -x / 0
    assert (x / (x / 0)).is_same(field.number(0))
    with pytest.raises(RefusedError, match="nan or infinite"):
        assert kinds["by coefficient"] > 0


def test_functions_are_equal_if_their_arguments_are(field):
    x, z = field.variables["x"], field.variables["z"]
    assert (numbers.sigmoid(x) + numbers.sigmoid(-x)).is_same(field.number(1))
    assert (1 / (1 + numbers.exp(-x))).is_same(numbers.sigmoid(x))
    assert (x / (1 + numbers.exp(-x))).is_same(numbers.silu(x))
    assert numbers.tanh(x).is_same(1 - 2 * numbers.sigmoid(-2 * x))
    assert not numbers.sigmoid(x).is_same(numbers.sigmoid(z))
    at = {"x": Fraction(1, 4)}
    assert float(numbers.tanh(x).at(at)) == pytest.approx(np.tanh(0.25), rel=1e-15)


def test_division_by_a_polynomial_is_exact_or_refused(field):
    x = field.variables["x"]
    assert ((x * x - x) / (x - 1)).is_same(x)
    with pytest.raises(RefusedError, match="remainder"):
        1 / (x + 1)
    with pytest.raises(RefusedError):
        (x * x - x) / (x - Fraction(1, 2))  # which is zero inside
