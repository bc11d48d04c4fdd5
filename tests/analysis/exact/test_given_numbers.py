"""Numbers and functions that are given: those that float64 rounds, those that overflow, those of another equation."""

import re
from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.extra import MOST_BITS
from refkan.analysis.exact.solutions.equation_functions import LONGEST, formula
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from tests.shared.refusals import refused

BIG = 2**53 + 1
THIRD = np.longdouble(1) / 3
ROUNDED = {
    "an integer": BIG,
    "an integer among floats": [[BIG], [0.5]],
    "int64": np.array([[BIG], [0]]),
    "uint64": np.array([[BIG], [0]], dtype=np.uint64),
    "longdouble": np.array([[THIRD], [0]]),
}
CUBIC, ZERO, UNIT = rk.kan([1, 1], 4, 1), np.zeros(4), [[0.0, 1.0]]
LINE = rk.kan([1, 1], 2, 2)


def zero(*x):
    return 0


def box_of(name):
    """A box with the number in it."""
    value = ROUNDED[name]
    if isinstance(value, int):
        return [[0, value]]
    if isinstance(value, list):
        return [[0.5, BIG]]
    return np.sort(np.asarray(value).T, axis=1)


def theta_of(name, size):
    value = ROUNDED[name]
    if isinstance(value, int | list):
        return [value if isinstance(value, int) else BIG, *[0.5 if isinstance(value, list) else 0] * (size - 1)]
    return np.concatenate([np.asarray(value).ravel(), np.zeros(size - 2, dtype=value.dtype)])


OVER_BOXES = {
    "enclose": lambda theta, box: rk.exact.enclose(CUBIC, theta, box),
    "extrema": lambda theta, box: rk.exact.extrema(CUBIC, theta, box),
    "lipschitz_constant": lambda theta, box: rk.exact.lipschitz_constant(CUBIC, theta, box),
    "sup_difference": lambda theta, box: rk.exact.sup_difference(CUBIC, theta, CUBIC, ZERO, box),
    "certified_error": lambda theta, box: rk.exact.certified_error(CUBIC, theta, zero, zero, box),
}
MESSAGE = r"must hold floats as they are; got .*, and the nearest float is "


@pytest.mark.parametrize("name", ROUNDED)
def test_numbers_that_float64_rounds_are_refused(name):
    """By all certificates: two samples that are one float have rank 1, and rank 2 as they are."""
    for prove in OVER_BOXES.values():
        refused(lambda prove=prove: prove(ZERO, box_of(name)), f"box {MESSAGE}")
        refused(lambda prove=prove: prove(theta_of(name, 4), UNIT), f"theta {MESSAGE}")
    refused(lambda: rk.exact.sup_difference(CUBIC, ZERO, CUBIC, theta_of(name, 4), UNIT), f"other_theta {MESSAGE}")
    samples = ROUNDED[name]
    if not isinstance(samples, int):
        refused(lambda: rk.exact.bounding_box(samples), f"x {MESSAGE}")
        refused(lambda: rk.LeastSquares(LINE, samples, [[0.0], [1.0]]), f"x {MESSAGE}")
        refused(lambda: rk.LeastSquares(LINE, [[0.0], [1.0]], samples), f"y {MESSAGE}")
    x = np.linspace(0.0, 1.0, 3)[:, None]
    refused(lambda: rk.LeastSquares(LINE, x, x, weights=theta_of(name, 3)), f"weights {MESSAGE}")
    problem = rk.LeastSquares(LINE, x, x)
    for prove in (rk.exact.certified_rank, rk.exact.certified_spectrum):
        refused(lambda prove=prove: prove(problem, theta_of(name, 3)), f"theta {MESSAGE}")
    spectrum = rk.exact.certified_spectrum(problem, [0.0, 0.0, 0.0])
    refused(lambda: spectrum.count_above(BIG), f"threshold {MESSAGE}")
    refused(lambda: spectrum.effective_dimension(BIG), f"mu {MESSAGE}")
    refused(lambda: rk.exact.certified_error(CUBIC, ZERO, zero, zero, UNIT, wavenumber=BIG), f"wavenumber {MESSAGE}")


def test_integers_and_short_floats_that_float64_holds_are_those():
    for theta in ([2**53, 0, 1, 2], np.array([2**53, 0, 1, 2]), np.float32([0.1, 0.2, 0.3, 0.4]), [True] * 4):
        exact = rk.exact.enclose(CUBIC, np.asarray(theta, dtype=float), UNIT)
        np.testing.assert_array_equal(rk.exact.enclose(CUBIC, theta, [[0, 1]]).value, exact.value)


# ---------------------------------------------------------------- the equation that is meant


@pytest.mark.parametrize("name", ["source", "boundary", "diffusion_coefficient", "reaction_coefficient"])
def test_functions_of_the_solution_are_refused(name):
    functions = {"source": zero, "boundary": zero, "diffusion_coefficient": lambda x: 1, name: lambda u: u**3}
    with pytest.raises(TypeError, match=f"{name} must be a function of the inputs x; its argument is called 'u'"):
        rk.exact.certified_error(CUBIC, ZERO, box=UNIT, **functions)


def test_the_old_name_of_a_coefficient_is_unknown():
    with pytest.raises(TypeError, match="unexpected keyword argument 'reaction'"):
        rk.exact.certified_error(CUBIC, ZERO, zero, zero, UNIT, reaction=lambda x: x**3)


def test_a_bound_is_printed_with_its_equation():
    bound = rk.exact.certified_error(
        CUBIC, ZERO, lambda s: 2, lambda s: s * (s - 1), UNIT, reaction_coefficient=lambda s: s**3, budget=20,
        integration_intervals=4, diffusion_coefficient=lambda s: 1 + s,
    )  # fmt: skip
    equation = "(c u')' - r u = f for x in [0, 1], u = g on the boundary, with c = x + 1, r = x^3, f = 2, g = x*(x - 1)"
    assert bound.equation == equation
    for text in (str(bound), repr(bound)):
        assert equation in text
        (number,) = re.findall(r"\|v - u\| <= (\S+) for the solution u of", text)
        assert Fraction(bound.error) <= Fraction(number) <= Fraction(bound.error) * Fraction(1001, 1000)


def test_the_equation_names_all_inputs_and_the_wavenumber():
    plane = rk.kan([2, 1], 4, 1)
    bound = rk.exact.certified_error(
        plane, np.zeros(8), lambda x, y: (3 * x).sin() * y.exp(), lambda *x: 0, [[0, 1], [-0.5, 2]], 1.5, budget=20,
        residual_tolerance=1.0,
    )  # fmt: skip
    assert bound.equation == (
        "Lap u + k^2 u = f for x1 in [0, 1], x2 in [-0.5, 2], u = g on the boundary, "
        "with f = sin(x1*3)*exp(x2), g = 0, k = 1.5"
    )


FORMULAS = [
    lambda x, y: x + y * 2 - 1,
    lambda x, y: x - (y - 1) - (x + y),
    lambda x, y: -(x + y) * (x - y) ** 2,
    lambda x, y: (-x) ** 3 * y,
    lambda x, y: x / 3 + (x * y).cos() ** 2 * (y * 0.1).exp(),
    lambda x, y: (x**2) ** 3 - x * (y * x),
    lambda x, y: 2 - (1 - (1 - x * -0.25)),
    lambda x, y: x * 0 + y**0 - y * 1,
    lambda x, y: Fraction(1, 3) * x - Fraction(-2, 7) * y,
    lambda x, y: 1e-5 * x * 1e300 + y**1,
]


@pytest.mark.parametrize("k", range(len(FORMULAS)))
def test_formulas_are_the_functions_that_they_are_of(k):
    """Read again as Python, with brackets where they are needed."""
    text = formula("source", FORMULAS[k], ("x", "y"))
    names = {"sin": np.sin, "cos": np.cos, "exp": np.exp}
    for x, y in np.random.default_rng(k).normal(size=(5, 2)):
        read = eval(text.replace("^", "**"), names | {"x": x, "y": y})
        assert read == pytest.approx(float(FORMULAS[k](Plain(x), Plain(y))), rel=1e-13)


class Plain:
    """A float with the methods of expressions."""

    def __init__(self, value):
        self.value = float(value)

    def __float__(self):
        return self.value

    def _with(self, other, function):
        return Plain(function(self.value, float(other)))

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other):
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    __radd__, __rmul__ = __add__, __mul__

    def __truediv__(self, other):
        return self._with(other, lambda a, b: a / b)

    def __neg__(self):
        return Plain(-self.value)

    def __pow__(self, power):
        return Plain(self.value**power)

    def cos(self):
        return Plain(np.cos(self.value))

    def exp(self):
        return Plain(np.exp(self.value))


def test_long_formulas_are_cut():
    def doubled(x):
        for _ in range(60):
            x = x * x + x
        return x

    assert len(formula("source", doubled, ("x",))) <= LONGEST + 10


# ---------------------------------------------------------------- what overflows, and settings of NumPy


@pytest.mark.parametrize("tolerance", [1e-6, 1e-12])
def test_extremes_whose_range_overflows_are_as_close_as_is_said(tolerance):
    theta = [-1.7e308, 1.7e308, -1.7e308]
    found = rk.exact.extrema(LINE, theta, UNIT, tolerance=tolerance)
    gaps = [Fraction(high) - Fraction(low) for ((low, high),) in found]
    assert found.reached == (max(gaps) <= Fraction(tolerance) * 2 * Fraction(1.7e308) * (1 + Fraction(1e-9)))
    assert found.reached or found.remedy


@pytest.mark.parametrize("name", [*OVER_BOXES, "certified_rank", "certified_spectrum", "condition numbers"])
def test_settings_of_numpy_for_overflow_and_underflow_change_nothing(name):
    x = np.linspace(0.0, 1.0, 5)[:, None]
    problem = rk.LeastSquares(LINE, x, x)
    calls = OVER_BOXES | {
        "certified_rank": lambda theta, box: rk.exact.certified_rank(problem, [0.0, 1.0, 1.0]),
        "certified_spectrum": lambda theta, box: rk.exact.certified_spectrum(problem, [0.0, 1.0, 1.0]),
        "condition numbers": lambda theta, box: rk.exact.extreme_eigenvalues(rk.SplineSpace.uniform(3, 4)),
    }
    theta = np.array([1e-200, 3.0, 1e-320, -1.0])
    expected = str(calls[name](theta, UNIT))
    with np.errstate(all="raise"):
        assert str(calls[name](theta, UNIT)) == expected


def test_a_rank_of_steps_behind_a_sigmoid_is_bounded():
    """Layers of order 1 have slopes that are the integer 0."""
    x = np.linspace(0.05, 0.95, 7)[:, None]
    net, theta = rk.kan([1, 2, 1], 1, 2, node_map="sigmoid").initialize(np.random.default_rng(0), x)
    proof = rk.exact.certified_rank(rk.LeastSquares(net, x, x), theta)
    J = net.jacobian(theta, x)
    assert proof.low <= np.linalg.matrix_rank(J) <= proof.high


@pytest.mark.parametrize("bits", [MOST_BITS + 1, 10**25])
def test_precisions_beyond_all_use_are_refused(bits):
    space = rk.SplineSpace.uniform(2, 3)
    x = np.linspace(0.0, 1.0, 5)[:, None]
    for call in (
        lambda: rk.exact.extreme_eigenvalues(space, bits=bits),
        lambda: eigenpairs(space, bits=bits),
        lambda: rk.exact.certified_spectrum(rk.LeastSquares(LINE, x, x), [0.0, 1.0, 1.0], bits=bits),
    ):
        refused(call, f"bits must be at most {MOST_BITS}; got {bits}")
