"""Functions of numbers: exp, the square root, tanh and the sigmoid, of every type of number and of Taylor numbers."""

import cmath
import math
from collections.abc import Callable
from fractions import Fraction
from math import factorial, isqrt

from refkan.truth.arithmetic.number_types import Number
from refkan.truth.arithmetic.taylor import Taylor


def exp(x: Number) -> Number:
    """Return the exponential function, whose Taylor coefficients are exp(a)/k!; of floats too large it is infinite.

    Raises
    ------
    ValueError
        If x is a Fraction other than 0.

    Examples
    --------
    >>> from fractions import Fraction
    >>> exp(Fraction(0)), exp(1.0)
    (Fraction(1, 1), 2.718281828459045)
    >>> exp(Fraction(1, 2))
    Traceback (most recent call last):
        ...
    ValueError: exp(1/2) is no Fraction: use number=flint.arb (balls around the exact number) or number=float
    """
    if isinstance(x, Taylor):
        value = exp(x.value)
        return x.series([value / factorial(k) for k in range(x.degree + 1)])
    if isinstance(x, Fraction | int):
        return _rational("exp", x, Fraction(1) if x == 0 else None)
    try:
        return _of_type("exp", x)
    except OverflowError:  # floats and complex numbers: balls grow without end
        return math.inf


def sqrt(x: Number) -> Number:
    """Return the square root; its Taylor coefficients at a are c_0 = sqrt(a), c_k = c_{k-1} (3 - 2k)/(2 k a).

    Raises
    ------
    ValueError
        If x is a Fraction that is not the square of one, or negative.

    Examples
    --------
    >>> from fractions import Fraction
    >>> sqrt(Fraction(4, 9))
    Fraction(2, 3)
    """
    if isinstance(x, Taylor):
        c = [sqrt(x.value)]
        for k in range(1, x.degree + 1):
            c.append(c[-1] * (3 - 2 * k) / (2 * k * x.value))
        return x.series(c)
    if isinstance(x, Fraction | int):
        x = Fraction(x)
        root = Fraction(isqrt(x.numerator), isqrt(x.denominator)) if x >= 0 else Fraction(0)
        return _rational("sqrt", x, root if root * root == x else None)
    return _of_type("sqrt", x)


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent; by tanh' = 1 - tanh^2, c_{k+1} = ([k = 0] - sum_j c_j c_{k-j})/(k + 1).

    Raises
    ------
    ValueError
        If x is a Fraction other than 0.
    """
    if isinstance(x, Taylor):
        c = [tanh(x.value)]
        for k in range(x.degree):
            square = sum(c[j] * c[k - j] for j in range(k + 1))
            c.append(((1 if k == 0 else 0) - square) / (k + 1))
        return x.series(c)
    if isinstance(x, Fraction | int):
        return _rational("tanh", x, Fraction(0) if x == 0 else None)
    return _of_type("tanh", x)


def sigmoid(x: Number) -> Number:
    """Return 1/(1 + exp(-x)); its slope is sigmoid(x) sigmoid(-x).

    Examples
    --------
    >>> sigmoid(0.0), sigmoid(-800.0)
    (0.5, 0.0)
    """
    return 1 / (1 + exp(-x))


def _of_type(name: str, x: Number) -> Number:
    """Apply the function that belongs to the type of x: of math, of cmath, of balls, of mpmath."""
    if isinstance(x, float):
        function: Callable[[Number], Number] = getattr(math, name)
    elif isinstance(x, complex):
        function = getattr(cmath, name)
    elif hasattr(type(x), "context"):  # mpmath
        function = getattr(type(x).context, name)
    elif hasattr(x, name):  # balls
        return getattr(x, name)()
    else:
        raise TypeError(f"{name} is not known of numbers of type {type(x).__name__}")
    return function(x)


def _rational(name: str, x: Number, value: Fraction | None) -> Fraction:
    if value is None:
        raise ValueError(
            f"{name}({x}) is no Fraction: use number=flint.arb (balls around the exact number) or number=float"
        )
    return value
