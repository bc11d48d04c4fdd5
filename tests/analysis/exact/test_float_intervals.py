"""Interval operations against rational numbers and balls, one by one; a spoilt copy of each is noticed."""

import ctypes
import inspect
import math
import platform
import sys
import types
from fractions import Fraction
from itertools import combinations_with_replacement, product

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refkan as rk
from refkan.analysis.exact.enclosures import float_intervals
from refkan.analysis.exact.enclosures.float_intervals import EPS, MAX, SMALLEST, UNITS, Intervals
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.analysis.exact.spectra.rational import rational_change_of_basis, rational_gram
from tests.shared.refusals import refused
from tests.shared.tables import each_row

EDGES = [0.0, SMALLEST, 3 * SMALLEST, 2.0**-1022, 2.0**-537, 1 / 3, 1.0, 1 + 2.0**-52, 3.7, 1e200, MAX, math.inf]
BEYOND = Fraction(2) ** 1100
"""A number that infinite ends stand for."""

OPERATIONS = {
    "neg": (1, lambda I, x: -x, lambda a: -a),
    "absolute": (1, lambda I, x: x.absolute(), abs),
    "squared": (1, lambda I, x: x.squared(), lambda a: a * a),
    "add": (2, lambda I, x, y: x + y, lambda a, b: a + b),
    "sub": (2, lambda I, x, y: x - y, lambda a, b: a - b),
    "mul": (2, lambda I, x, y: x * y, lambda a, b: a * b),
    "over": (2, lambda I, x, y: x.over(y), lambda a, b: a / b if b else None),
    "of": (1, lambda I, x: I(I.of(x.lo).lo, I.of(x.hi).hi), lambda a: a),
    "meet": (1, lambda I, x: x.meet(I(-np.full_like(x.lo, np.inf), x.hi)), lambda a: a),
    "sum": (3, lambda I, *all_: stacked(I, all_).sum(0), lambda *all_: sum(all_)),
    "norm": (3, lambda I, *all_: stacked(I, all_).norm(0), lambda *all_: sum(a * a for a in all_)),  # its square
}


def stacked(I, parts):
    return I(np.stack([x.lo for x in parts]), np.stack([x.hi for x in parts]))


def exact(end):
    return Fraction(end) if math.isfinite(end) else BEYOND * (1 if end > 0 else -1)


def holds(lo, value, hi, power=1):
    """Whether a number lies between two floats, or powers of them; what is not a number is no bound."""
    above = lo == -math.inf or (math.isfinite(lo) and exact(lo) ** power <= value)
    return above and (hi == math.inf or (math.isfinite(hi) and value <= exact(hi) ** power))


def failures(rows, module=float_intervals):
    """Operations, operands and results that do not hold what ends and a number between them give: rows (N, 3, 2)."""
    rows = np.sort(np.asarray(rows, dtype=float), axis=2)
    operands = [module.Intervals(rows[:, i, 0], rows[:, i, 1]) for i in range(3)]
    escaped = []
    for name, (arity, function, on_numbers) in OPERATIONS.items():
        result = function(module.Intervals, *operands[:arity])
        for row, lo, hi in zip(rows, result.lo.tolist(), result.hi.tolist(), strict=True):
            ends = [[exact(end) for end in pair] for pair in row[:arity].tolist()]
            for values in product(*((a, (2 * a + b) / 3, b) for a, b in ends)):
                value = on_numbers(*values)
                good = value is None or holds(lo, value, hi, 1 + (name == "norm"))
                if not good or (name == "norm" and not lo >= 0):
                    escaped.append((name, row[:arity].tolist(), lo, hi))
    return escaped


def drawn(seed, count):
    """Operands from everywhere: edges, near them, of any size, points, infinite."""
    rng = np.random.default_rng(seed)
    shape = (count, 3, 2)
    kind = rng.integers(0, 3, shape)
    any_size = np.ldexp(rng.uniform(size=shape), rng.integers(-1090, 1024, shape))
    sizes = np.choose(kind, [any_size, rng.choice(EDGES, shape), rng.uniform(0, 3, shape)])
    rows = sizes * rng.choice([-1.0, 1.0], shape)
    points = rng.uniform(size=(count, 3)) < 0.3
    rows[..., 1] = np.where(points & np.isfinite(rows[..., 0]), rows[..., 0], rows[..., 1])
    return rows


numbers = st.one_of(
    st.sampled_from([sign * x for x in EDGES for sign in (1, -1)]),
    st.floats(allow_nan=False, allow_infinity=True, allow_subnormal=True),
    st.floats(-4.0, 4.0),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(*[st.tuples(numbers, numbers)] * 3), min_size=1, max_size=4))
def test_no_result_escapes(rows):
    rows = [[pair if abs(pair[0]) < math.inf or pair[0] != pair[1] else (0.0, pair[1]) for pair in row] for row in rows]
    assert not failures(rows)


def test_of_many_operands_none_escapes():
    assert not failures(drawn(0, 150))


def test_on_a_grid_of_signs_results_are_the_exact_ones_and_the_floats_around_them():
    """Every case of signs, with numbers whose sums, products and quotients are floats."""
    ends = [-4.0, -2.0, -1.0, 0.0, 0.5, 2.0, 8.0]
    pairs = list(product(combinations_with_replacement(ends, 2), repeat=2))
    x, y = (Intervals(*np.array([pair[side] for pair in pairs]).T) for side in (0, 1))
    for name in ("add", "sub", "mul", "over"):
        _, function, on_numbers, *_ = OPERATIONS[name]
        result = function(Intervals, x, y)
        for (a, b), lo, hi in zip(pairs, result.lo, result.hi, strict=True):
            if name == "over" and b[0] <= 0 <= b[1]:
                assert (lo, hi) == (-math.inf, math.inf)
                continue
            values = [on_numbers(Fraction(u), Fraction(v)) for u, v in product(a, b)]
            assert (math.nextafter(lo, math.inf), math.nextafter(hi, -math.inf)) == (min(values), max(values))


def something_special_escapes(module=float_intervals):
    """Sums of many terms, each of which loses nearly half a unit in the last place, and numbers beyond all floats."""
    rows = np.full((200, 2), 0.49 * 2.0**-52)
    rows[0] = 1.0
    exact_sum = sum(map(Fraction, rows[:, 0].tolist()))
    sums = [(sign * exact_sum, module.Intervals.of(sign * rows).sum(0)) for sign in (1, -1)]
    sums += [
        (sign * 2 * Fraction(MAX), module.Intervals.of(sign * np.array([[MAX], [MAX]])).sum(0)) for sign in (1, -1)
    ]
    low, high = module.spread(np.array([np.inf, -np.inf]), np.ones(2))
    held = [holds(result.lo[0], value, result.hi[0]) for value, result in sums]
    held += [np.all(module.down(low) == -np.inf), np.all(module.up(high) == np.inf)]
    return not all(held) or module.Intervals.of([math.inf]).lo != MAX


def test_sums_of_many_terms_and_overflow():
    assert not something_special_escapes()


def number_of_transcendental_failures(count, module=float_intervals):
    """Points and ends of intervals where exp, sin, cos or sigmoid of them, in balls, leaves the bounds."""
    rng = np.random.default_rng(3)
    n = count // 4
    lo = [rng.normal(size=n), rng.uniform(-760, 720, n), 3.2 * rng.integers(-9, 9, n)]
    lo = np.concatenate([*lo, np.ldexp(rng.uniform(-1, 1, count - 3 * n), rng.integers(-60, 50, count - 3 * n))])
    width = np.ldexp(rng.uniform(size=count), rng.integers(-40, 3, count))
    hi = lo + np.where(rng.uniform(size=count) < 0.5, 0.0, width)
    middle = np.clip(0.5 * lo + 0.5 * hi, lo, hi)
    bad = 0
    previous, flint.ctx.prec = flint.ctx.prec, 160
    try:
        for name in ("exp", "sin", "cos", "sigmoid"):
            result = getattr(module.Intervals(lo, hi), name)()
            of = (lambda a: 1 / (1 + (-a).exp())) if name == "sigmoid" else (lambda a, name=name: getattr(a, name)())
            for x in (lo, middle, hi):
                for low, at, high in zip(result.lo.tolist(), x.tolist(), result.hi.tolist(), strict=True):
                    value = of(flint.arb(at))
                    bad += bool(value < low or value > high)  # certainly
    finally:
        flint.ctx.prec = previous
    return bad


def test_exp_sin_cos_and_sigmoid_against_balls():
    assert number_of_transcendental_failures(2_000) == 0


def test_transcendental_functions_of_everything():
    line = Intervals(np.array([-math.inf, 0.0, -math.inf]), np.array([math.inf, math.inf, 0.0]))
    assert np.array_equal([line.cos().lo, line.cos().hi], [[-1.0] * 3, [1.0] * 3])
    assert np.array_equal(line.exp().lo, [0.0, line.exp().lo[1], 0.0])
    assert line.exp().hi[2] < 1.01
    assert np.all(line.sigmoid().lo >= 0)
    assert np.all(line.sigmoid().hi <= 1)
    assert np.all(Intervals.of([math.nan, math.inf]).hi == math.inf)
    assert Intervals.of([math.inf]).lo == MAX


MUTANTS = {
    "products: lower ends": ("        down(np.minimum(np.minimum(a, b)", "        (np.minimum(np.minimum(a, b)"),
    "products: upper ends": ("up(np.maximum(np.maximum(a, b)", "(np.maximum(np.maximum(a, b)"),
    "products: a case of signs": ("np.minimum(np.minimum(a, b), np.minimum(c, d))", "np.minimum(a, np.minimum(c, d))"),
    "sums of two: lower ends": ("down(self.lo + other.lo)", "(self.lo + other.lo)"),
    "sums of two: upper ends": ("up(self.hi + other.hi)", "(self.hi + other.hi)"),
    "squares: lower ends": ("np.maximum(down(size.lo**2), 0.0)", "size.lo**2"),
    "squares: upper ends": ("up(size.hi**2)", "size.hi**2"),
    "absolute values of intervals around zero": ("small, 0.0), self", "small, small), self"),
    "divisors that hold zero": ("zero = ~((other.lo > 0) | (other.hi < 0))", "zero = other.lo == other.hi + 1"),
    "what is not a number, below": ("np.fmax(np.nextafter(x, -np.inf), -np.inf)", "np.nextafter(x, -np.inf)"),
    "what is not a number, above": ("np.fmin(np.nextafter(x, np.inf), np.inf)", "np.nextafter(x, np.inf)"),
    "sums: number of terms": ("gamma = EPS * int(np.prod([self.lo.shape[k] for k in axes]))", "gamma = EPS"),
    "sums: overflow": ("np.where(np.isfinite(middle), error, np.inf)", "error"),
    "negation": ("Intervals(-self.hi, -self.lo)", "Intervals(-self.lo, -self.hi)"),
    "norms: scale": ("-exponent)), up(np.ldexp(self.hi, -exponent))", "0)), up(np.ldexp(self.hi, 0))"),
    "norms: lower ends": ("np.maximum(low, 0.0), np.where", "np.maximum(high, 0.0), np.where"),
    "infinity as a number": ("np.fmin(np.fmax(array, -np.inf), MAX)", "array"),
    "exp: slack": ("SLACK = (UNITS + 1) * EPS", "SLACK = -EPS"),
    "exp: underflow": ("down(low * (1 - SLACK) - under)", "(low * (1 - SLACK) + under)"),
    "exp: overflow": ("np.minimum(np.exp(self.lo), MAX)", "np.exp(self.lo) * 2"),
    "cos: the maximum inside": ("high = np.where(holds & (even | two), 1.0, high)", ""),
    "cos: the minimum inside": ("low = np.where(holds & (~even | two), -1.0, low)", ""),
    "cos: parity": ("np.mod(first, 2) == 0", "np.mod(first, 2) == 1"),
    "sin: quarter of a turn": ("1.5707963267948966", "1.5707963267948"),
    "sigmoid: ends": ("below, above = (", "above, below = ("),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_spoilt_operation_is_noticed(name, monkeypatch):
    old, new = MUTANTS[name]
    source = inspect.getsource(float_intervals)
    assert source.count(old) == 1
    module = types.ModuleType("spoilt")
    monkeypatch.setitem(sys.modules, "spoilt", module)
    exec(source.replace(old, new), module.__dict__)
    rows = drawn(0, 40)
    with np.errstate(all="ignore"):
        special = something_special_escapes(module)
        assert special or failures(rows, module) or number_of_transcendental_failures(500, module)


def test_enclosures_that_exclude_each_other_are_an_error():
    refused(lambda: Intervals.of(1.0).meet(Intervals.of(2.0)), "ArithmeticError: are disjoint")


def with_environment(change):
    """Call `change` on a copy of the floating-point environment (a ctypes buffer), set it, and return what was."""
    libm = ctypes.CDLL(None)
    before, after = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    libm.fegetenv(before)
    libm.fegetenv(after)
    change(after)
    libm.fesetenv(after)
    return lambda: libm.fesetenv(before)


def bits_of_sse(mask):
    def change(environment):
        control = int.from_bytes(environment[28:32], "little") | mask
        environment[28:32] = control.to_bytes(4, "little")

    return change


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the layout of fenv_t is glibc's")
@each_row(
    "mask, remedy",
    (0x8000, r"torch.set_flush_denormal\(False\)"),  # results flushed to zero
    (0x0040, r"torch.set_flush_denormal\(False\)"),  # operands taken for zero
    (0x8040, r"torch.set_flush_denormal\(False\)"),
    (0x4000, "FE_TONEAREST"),  # upward
    (0x2000, "FE_TONEAREST"),  # downward
    (0x6000, "FE_TONEAREST"),  # towards zero
)
def test_another_arithmetic_is_refused_with_the_remedy(mask, remedy):
    net = rk.kan([1, 1], 2, 1)
    space, problem = net.layers[0].spaces[0], rk.LeastSquares(net, [[0.0], [1.0]], [[0.0], [1.0]])
    calls = [
        lambda: rk.exact.certified_rank(problem, [0.0, 1.0]),
        lambda: rk.exact.certified_spectrum(problem, [0.0, 1.0]),
        lambda: rk.exact.certified_condition_number(space),
        lambda: rk.exact.extreme_eigenvalues(space, "gram"),
        lambda: eigenpairs(space),
        lambda: rational_gram(space),
        lambda: rational_change_of_basis(space),
        lambda: rk.exact.enclose(net, [0.0, 1.0], [[0, 1]]),
        lambda: rk.exact.extrema(net, [0.0, 1.0], [[0, 1]]),
        lambda: rk.exact.lipschitz_constant(net, [0.0, 1.0], [[0, 1]]),
        lambda: rk.exact.sup_difference(net, [0.0, 1.0], net, [0.0, 1.0], [[0, 1]]),
        lambda: rk.exact.certified_error(net, [0.0, 1.0], lambda x: 0 * x, lambda x: x, [[0, 1]]),
    ]
    for call in calls:
        restore = with_environment(bits_of_sse(mask))
        error = None
        try:
            call()
        except Exception as raised:
            error = raised
        finally:
            restore()
        with pytest.raises(ArithmeticError, match=remedy):
            raise error or AssertionError
    float_intervals.require_rounding_to_nearest()


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the layout of fenv_t is glibc's")
def test_the_first_import_may_come_while_subnormal_numbers_are_flushed(monkeypatch):
    source, module = inspect.getsource(float_intervals), types.ModuleType("late")
    monkeypatch.setitem(sys.modules, "late", module)
    restore = with_environment(bits_of_sse(0x8040))
    try:
        exec(source, module.__dict__)
    finally:
        restore()
    module.require_rounding_to_nearest()
    assert module.SMALLEST == 2.0**-1074


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the layout of fenv_t is glibc's")
@pytest.mark.parametrize("number", [Fraction, flint.fmpq, flint.arb])
def test_exact_numbers_are_what_they_are_where_subnormal_numbers_are_flushed(number):
    """Of functions that are x and -x, at a point that such a thread takes for zero."""
    net, x = rk.kan([1, 2], 2, 1), np.array([[np.array(3, np.uint64).view(np.float64)]])
    theta = np.array([0.0, 1.0, 0.0, -1.0])
    expected = rk.truth.of(net, theta, x, number).value
    restore = with_environment(bits_of_sse(0x8040))
    try:
        values = rk.truth.of(net, theta, x, number).value
    finally:
        restore()
    assert values == expected
    assert 2**1074 * values[0][0] == 3


def test_units_in_the_last_place_are_more_than_a_float_below_the_normal_numbers():
    x = -740.0
    enclosure, units = Intervals.of(x).exp(), UNITS * SMALLEST
    assert enclosure.lo <= np.exp(x) - units < np.exp(x) + units <= enclosure.hi


@pytest.mark.parametrize(("name", "x"), [("exp", np.log(1.99)), ("sin", np.arcsin(0.99)), ("cos", np.arccos(0.99))])
def test_values_of_functions_are_known_to_the_units_that_are_assumed_and_one(name, x):
    """(4 + 1) eps on both sides, and a float for each of their ends."""
    enclosure = getattr(Intervals.of(x), name)()
    assert 10 * EPS < (enclosure.hi - enclosure.lo) / enclosure.middle < 12 * EPS
