"""Polynomials that a program computes with: comparisons on whole intervals, functions as variables, 0/0."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refkan.conformance.programs.fields import transcendental
from refkan.conformance.programs.fields.numbers import Field
from refkan.conformance.programs.fields.rules import may_vanish
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
    assert (x / 0).kind == "inf or -inf"  # a zero of exact arithmetic has no sign
    infinity = field.number(np.inf)
    kinds = {"sum": infinity + 1, "difference": 1 - infinity, "product": infinity * -x, "with zero": infinity * (x - x)}
    kinds |= {"opposite": infinity - infinity, "by coefficient": infinity * field.variables["c"]}
    kinds |= {"nan": NAN * infinity, "over zero": infinity / 0, "two": x / 0 + x / 0, "signs": (x / 0) * -infinity}
    wanted = {"sum": "inf", "difference": "-inf", "product": "-inf", "with zero": "nan", "opposite": "nan"}
    wanted |= {"by coefficient": "nan or inf", "nan": "nan", "over zero": "nan or inf", "two": "nan or inf"}
    assert {name: value.kind for name, value in kinds.items()} == wanted | {"signs": "inf or -inf"}
    assert infinity > x
    assert not infinity < 3
    assert x > -infinity
    assert x / infinity == 0
    assert x / (x / 0) == 0
    for undecided in (kinds["by coefficient"], x / 0, kinds["two"]):
        with pytest.raises(RefusedError, match="nan or infinite"):
            assert undecided > 0
    with pytest.raises(RefusedError, match="nan or infinite"):
        x / kinds["by coefficient"]


def test_powers_of_what_is_no_number(field):
    infinity = field.number(np.inf)
    assert (NAN**0, infinity**0) == (1, 1)
    assert NAN**2 is NAN
    assert (infinity**2).kind == "nan or inf"
    with pytest.raises(RefusedError):
        infinity**-1


def test_functions_of_infinities_are_their_limits(field):
    infinity = field.number(np.inf)
    assert transcendental.exp(infinity) is infinity
    assert transcendental.exp(-infinity) == 0
    assert (transcendental.sigmoid(infinity), transcendental.sigmoid(-infinity)) == (1, 0)
    assert (transcendental.tanh(infinity), transcendental.tanh(-infinity)) == (1, -1)
    assert transcendental.exp(NAN) is NAN
    with pytest.raises(RefusedError, match="exp of a number"):
        transcendental.exp(field.variables["x"] / 0)


def test_expressions_in_exp_and_sigmoid_are_equal_by_rules_or_differ_at_a_point(field):
    x = field.variables["x"]
    e, s = transcendental.exp(-x), transcendental.sigmoid(x)
    slope = s + x * e / (1 + e) / (1 + e)  # of x/(1 + e), as it is differentiated
    assert slope.is_same(s + x * s * (1 - s))
    assert (transcendental.exp(x) * e).is_same(field.number(1))
    assert (transcendental.exp(x) * (1 - s)).is_same(s)
    assert not (e * s).is_same(s)
    at = {"x": Fraction(1, 3)}
    assert not may_vanish(field, (e * s - s).p, at)
    assert may_vanish(field, (transcendental.exp(2 * x) - transcendental.exp(x) ** 2).p, at)  # which no rule knows


def test_the_floor_on_a_half_line_is_a_variable_that_may_be_bounded():
    field = Field({"x": Interval(None, Fraction(-1, 3)), "z": Interval(Fraction(1), None)}, [], n_functions=4)
    below, above = (4 * field.variables[name] for name in "xz")
    k, m = below.floored(), above.floored()
    assert k < 0
    assert k <= -1
    assert m > 3
    assert (k.is_unknown_integer(), (k + m - 2).is_unknown_integer(), below.is_unknown_integer()) == (True, True, False)
    for undecided in (lambda: k < -3, lambda: m > 4, lambda: (below * below).floored()):
        with pytest.raises(RefusedError):
            undecided()
    at = {"x": Fraction(-3, 8)}
    assert k.at(at) == -2
    assert may_vanish(field, (k + 2).p, at)
    assert not may_vanish(field, (k + 1).p, at)


def test_functions_are_equal_if_their_arguments_are(field):
    x, z = field.variables["x"], field.variables["z"]
    assert (transcendental.sigmoid(x) + transcendental.sigmoid(-x)).is_same(field.number(1))
    assert (1 / (1 + transcendental.exp(-x))).is_same(transcendental.sigmoid(x))
    assert (x / (1 + transcendental.exp(-x))).is_same(transcendental.silu(x))
    assert transcendental.tanh(x).is_same(1 - 2 * transcendental.sigmoid(-2 * x))
    assert not transcendental.sigmoid(x).is_same(transcendental.sigmoid(z))
    at = {"x": Fraction(1, 4)}
    assert float(transcendental.tanh(x).at(at)) == pytest.approx(np.tanh(0.25), rel=1e-15)


def test_division_by_a_polynomial_is_exact_or_refused(field):
    x = field.variables["x"]
    assert ((x * x - x) / (x - 1)).is_same(x)
    with pytest.raises(RefusedError, match="remainder"):
        1 / (x + 1)
    with pytest.raises(RefusedError):
        (x * x - x) / (x - Fraction(1, 2))  # which is zero inside
