"""Kinds of numbers that the truth takes, and the library against it."""

import re
from fractions import Fraction
from math import factorial
from pathlib import Path

import flint
import mpmath
import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.truth import UndecidedError, derivatives
from refkan.truth.arithmetic import functions, taylor
from refkan.truth.arithmetic.number_types import at_most, converter, equal, less, rounding_unit
from refkan.truth.arithmetic.taylor import coefficient, curve
from refkan.truth.jets import COEFFICIENTS
from tests.shared.draws import within
from tests.shared.refusals import refused
from tests.truth.running_errors import errors, inputs
from tests.truth.truth_cases import CASES, Case, draw, floats

TYPES = (Fraction, flint.fmpq, float, complex, flint.arb, flint.acb, mpmath.mpf)


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("value", [0.1, -3, 2.0**-1074, np.float32(0.1), np.float64(1e300), np.int64(7), True, 2**60])
def test_input_is_converted_exactly(number, value):
    converted = converter(number)(value)
    assert type(converted) is number
    expected = value.item() if isinstance(value, np.generic) else value
    if number is flint.fmpq:  # which compares with integers alone
        assert (converted.numerator, converted.denominator) == (
            Fraction(expected).numerator,
            Fraction(expected).denominator,
        )
    else:
        assert converted == expected
    assert converter(number)(converted) == converted


@pytest.mark.parametrize("number", TYPES[2:])
def test_fractions_are_rounded_or_enclosed(number):
    third = converter(number)(Fraction(1, 3))
    if number in (flint.arb, flint.acb):
        assert (3 * third).real.contains(1)
        assert third.real.rad() > 0
    else:
        assert abs(third - 1 / 3) < 1e-16


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_must_be_finite(number, value):
    refused(lambda: converter(number)(value), "numbers must be finite")


@pytest.mark.parametrize("number", [int, str, np.float32, "Fraction", None, np.ndarray])
def test_other_types_are_refused(number):
    refused(lambda: converter(number), r"TypeError: number must be Fraction, flint.fmpq, float, complex, flint.arb")


WRONG = [(Fraction, 1j), (float, 1j), (Fraction, "1"), (flint.arb, None), (Fraction, flint.arb(1))]


@pytest.mark.parametrize(("number", "value"), WRONG)
def test_input_of_the_wrong_kind_is_refused(number, value):
    refused(lambda: converter(number)(value), "TypeError: numbers must turn into")


def test_decisions():
    third, half = flint.arb(1) / 3, flint.arb(0.5)
    assert at_most(third, half)
    assert at_most(third, third)  # a number is at most itself, however wide
    assert not less(third, third)
    assert equal(half, flint.arb(0.5))
    assert at_most(1 + 5j, 2 - 7j)  # real parts
    for x, y in ((third, flint.arb(1) / 3), (flint.arb(0.5, 1e-10), half), (float("nan"), 1.0)):
        with pytest.raises(UndecidedError, match=r"higher precision \(flint.ctx.prec\) or exact numbers"):
            at_most(x, y)


def test_rounding_units():
    assert rounding_unit(Fraction(1)) == rounding_unit(flint.arb(1)) == 0
    assert rounding_unit(1.0) == rounding_unit(1j) == np.finfo(float).eps
    with mpmath.workdps(50):
        assert rounding_unit(mpmath.mpf(1)) < 1e-49


FUNCTIONS = {
    "exp": functions.exp,
    "sqrt": functions.sqrt,
    "tanh": functions.tanh,
    "sigmoid": functions.sigmoid,
}
REFERENCES = {
    "exp": mpmath.exp,
    "sqrt": mpmath.sqrt,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_every_type(name):
    reference = float(REFERENCES[name](0.75))
    for number in TYPES[2:]:
        value = FUNCTIONS[name](converter(number)(0.75))
        assert type(value) is number
        assert float(value.real) == pytest.approx(reference, rel=1e-15)
    refused(lambda: FUNCTIONS[name](Fraction(3, 4)), r"\(.*3/4\) is no Fraction: use number=flint.arb .*")


def test_rational_values_are_found():
    assert functions.sqrt(Fraction(9, 4)) == Fraction(3, 2)
    assert functions.sigmoid(Fraction(0)) == Fraction(1, 2)
    assert functions.tanh(Fraction(0)) == 0
    refused(lambda: functions.sqrt(Fraction(-1)), "no Fraction")


@pytest.mark.parametrize("number", [float, complex])
def test_large_arguments_do_not_overflow(number):
    assert functions.sigmoid(number(-1e4)) == 0
    assert functions.sigmoid(number(1e4)) == functions.tanh(number(1e4)) == 1


def test_what_has_no_such_function_is_refused():
    refused(lambda: functions.exp("1"), "TypeError: exp is not known of numbers of type str")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_taylor_coefficients_are_derivatives(name):
    a = 0.625
    with mpmath.workdps(40):
        expected = mpmath.taylor(REFERENCES[name], a, 4)
    value = FUNCTIONS[name](taylor.variable(a, 0, 4))
    for k, c in enumerate(expected):
        assert taylor.coefficient(value, (0,) * k) == pytest.approx(float(c), rel=1e-13)


def test_arithmetic_is_that_of_polynomials():
    """x = a + e_0, y = b + e_1: every coefficient of f up to degree 3 is a derivative over factorials."""
    a, b, D = Fraction(2, 3), Fraction(-5, 4), 3
    x, y = taylor.variable(a, 0, D), taylor.variable(b, 1, D)
    f = x**3 * y - 2 / x + y * y / 3 - (1 - x) * Fraction(1, 2)
    for i in range(D + 1):
        for k in range(D + 1 - i):
            expected = _derivative(a, b, i, k) / (factorial(i) * factorial(k))
            assert taylor.coefficient(f, (0,) * i + (1,) * k) == expected
    assert f.real == _derivative(a, b, 0, 0)
    assert (x / y * y - x).parts[1] == {(0,): 0, (1,): 0}
    assert taylor.coefficient(f, (0,) * 4) == taylor.coefficient(Fraction(3), (0,)) == 0
    assert taylor.coefficient(Fraction(3), ()) == 3


def _derivative(a, b, i, k):
    """d^(i+k)/dx^i dy^k of x^3 y - 2/x + y^2/3 - (1 - x)/2."""
    cubic = (a**3, 3 * a**2, 6 * a, Fraction(6))[i] * (b, 1, 0, 0)[k]
    alone = [-2 / a, 2 / a**2, -4 / a**3, 12 / a**4][i] - [(1 - a) / 2, -Fraction(1, 2), 0, 0][i] if k == 0 else 0
    square = (b * b / 3, 2 * b / 3, Fraction(2, 3), 0)[k] if i == 0 else 0
    return cubic + alone + square


def test_curves_carry_derivatives_of_compositions():
    """f(x(h)) for x = 2 + 3 h + 5 h^2/2: (f o x)'' = f'' 9 + f' 5."""
    x = taylor.curve(Fraction(2), [Fraction(3), Fraction(5)], 0, 2)
    f = x**3
    assert 2 * taylor.coefficient(f, (0, 0)) == 12 * 9 + 12 * 5


every_case = pytest.mark.parametrize("case", CASES, ids=str)
EPS = np.finfo(float).eps


class Bounds:
    """What rounding may do to each entry of what the library computes."""

    def __init__(self, net, theta, x):
        self.t = truth.of(net, theta, x, float)
        self.network, self.theta, self.x = self.t.network, inputs(theta), inputs(x)
        self.sweep = self.network.sweep(self.theta, self.x)

    def jacobian(self):
        rows = derivatives.jacobian_rows(self.network, self.theta, self.x)
        return [[row.get(m, 0) for m in range(self.t.n_params)] for row in rows]


def check(theirs, ours, bounds):
    allowed = EPS * np.array(errors(bounds)) + 1e-300  # that of the truth's own formulas: the library's lose less
    error = np.abs(theirs - floats(ours))
    assert error.shape == allowed.shape
    assert (error <= allowed).all(), np.nanmax(error / allowed)


@every_case
def test_values_and_first_derivatives(case):
    net, theta, x = case.start()
    t, bounds = truth.of(net, theta, x, case.number), Bounds(net, theta, x)
    N, Q = len(x), case.widths[-1]
    dy, dtheta, dx = (np.array(draw(*shape), float) for shape in ((N, Q), (net.n_params,), (N, case.widths[0])))
    check(net(theta, x), t.value, bounds.sweep.value)
    check(net.jacobian(theta, x), t.jacobian(), bounds.jacobian())
    theirs, ours = net.vjp(theta, x)[1](dy), t.pullback(dy)
    check(theirs[0], ours[0], bounds.sweep.gradient(dy.tolist()))
    check(theirs[1], ours[1], bounds.sweep.input_gradient(dy.tolist()))
    tangent = derivatives.tangent(bounds.network, bounds.theta, bounds.x, dtheta.tolist(), dx.tolist())
    check(net.jvp(theta, x, dtheta, dx), t.pushforward(dtheta, dx), tangent)


@pytest.mark.parametrize("kind", ["spline", "silu", "chebyshev", "mlp-tanh"])
def test_one_coefficient_moved_in_its_last_digits_is_noticed(kind):
    net, theta, x = Case(kind, "none" if "mlp" in kind else "affine").start()
    bounds, moved = Bounds(net, theta, x), theta.copy()
    ours = truth.of(net, theta, x, float).value
    check(net(theta, x), ours, bounds.sweep.value)
    moved[0] += 1e-11
    with pytest.raises(AssertionError):
        check(net(moved, x), ours, bounds.sweep.value)


SMOOTH = tuple(case for case in CASES if case.order > 3 or (case.order == 3 and not case.free_knots))


@pytest.mark.parametrize("case", SMOOTH, ids=str)
@pytest.mark.filterwarnings("ignore:.*derivative:UserWarning")
def test_jets_and_their_gradients(case):
    net, theta, x = case.start()
    t, bounds, N, Q = truth.of(net, theta, x, case.number), Bounds(net, theta, x), len(x), case.widths[-1]
    u, v = np.array(draw(1, case.widths[0]), float), np.array(draw(1, case.widths[0], seed=2), float)
    theirs, ours = net.jet(theta, x, u, v), t.jet(u, v)
    moved = [[curve(z, d, 0, 2) for z, *d in zip(row, u[0], v[0], strict=True)] for row in bounds.x]
    sweep = bounds.network.sweep(bounds.theta, moved)
    w = [np.array(draw(*shape, seed=k), float) for k, shape in enumerate(((N, Q), (N, 1, Q), (N, 1, Q)))]
    total = [0] * net.n_params
    for name, dy, (factor, monomial) in zip(("value", "first", "second"), w, COEFFICIENTS, strict=True):
        bound = [[factor * coefficient(y, monomial) for y in row] for row in sweep.value]
        found = getattr(ours, name)
        check(getattr(theirs, name).reshape(N, Q), found if name == "value" else [row[0] for row in found], bound)
        pairs = zip(total, sweep.gradient(dy.reshape(N, Q).tolist()), strict=True)
        total = [s + factor * coefficient(g, monomial) for s, g in pairs]
    check(theirs.pullback(*w)[0], ours.pullback(*w), total)


@pytest.mark.parametrize("case", [Case("spline", m) for m in ("affine", "mean-std", "sigmoid")], ids=str)
def test_hessians(case):
    net, theta, x = case.start()
    t = truth.of(net, theta, x, case.number)
    y = np.array(draw(len(x), 2), float)
    H = floats(t.least_squares(y).hessian())
    line = "Hessians against exact rationals"
    assert within(rk.hessians.hessian(net, theta, x, y) - H, 1e-13 * np.abs(H).max(), line)
    K = floats(t.ntk())
    assert within(rk.hessians.ntk(net, theta, x) - K, 1e-13 * np.abs(K).max(), line)
    G = floats(t.gauss_newton()) / len(x)
    assert within(rk.hessians.gauss_newton(net, theta, x) - G, 1e-13 * np.abs(G).max(), line)


FOLDER = Path(truth.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "truth.md").read_text()


def test_quoted_code_is_the_code():
    source = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
    blocks = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if ">>>" not in block]
    assert blocks
    for block in blocks:
        assert block in source


def test_every_file_is_named():
    for path in FOLDER.rglob("*.py"):
        assert path.stem in PAGE or path.name == "__init__.py", path
