"""Types of numbers, and numbers of them with first and, where asked, second derivatives in any variables."""

from dataclasses import dataclass
from fractions import Fraction

import flint
import mpmath
import numpy as np


def to_mp(x):
    """A Fraction as a number of mpmath."""
    return mpmath.mpf(x.numerator) / x.denominator


class Exact:
    """Arithmetic over Fractions."""

    number = staticmethod(Fraction)


class Digits:
    """Arithmetic with as many digits as mpmath works with."""

    @staticmethod
    def number(x):
        return to_mp(Fraction(x))


class Rationals:
    """The same numbers as Fractions, by flint, many times as quick."""

    @staticmethod
    def number(x):
        return flint.fmpq(*x.as_integer_ratio())


class Balls:
    """Numbers with an error that is proven, of as many bits as flint works with."""

    @staticmethod
    def number(x):
        return flint.arb(Rationals.number(x))


def function(name):
    """A function of numbers of mpmath, and of balls."""
    return lambda v: getattr(v, name)() if isinstance(v, flint.arb) else getattr(mpmath, name)(v)


exp, tanh, sqrt = map(function, ("exp", "tanh", "sqrt"))


def sigmoid(z):
    """1/(1 + exp(-z)); of balls beyond 2^20, whose exponential flint has not, from 0 to 2^-(2^20) off 0 or 1."""
    if isinstance(z, flint.arb) and abs(z) > 2**20:
        half = flint.arb(2) ** (-(2**20) - 1)
        tiny = flint.arb(half, half)
        return tiny if z < 0 else 1 - tiny
    return 1 / (1 + exp(-z))


def rational(x):
    """The Fraction that a number is, or the middle of a ball."""
    if isinstance(x, Fraction):
        return x
    if isinstance(x, flint.fmpq):
        return Fraction(int(x.p), int(x.q))
    if isinstance(x, flint.arb):
        mantissa, exponent = map(int, x.mid().man_exp())
    else:
        sign, mantissa, exponent, _ = x._mpf_
        mantissa = -mantissa if sign else mantissa
    return Fraction(mantissa << exponent) if exponent >= 0 else Fraction(mantissa, 1 << -exponent)


@dataclass(frozen=True)
class Jet:
    """A value, its gradient (M,) and its Hessian (M, M) or None, arrays of objects."""

    v: object
    g: np.ndarray
    h: np.ndarray | None = None

    @classmethod
    def constant(cls, v, size, second=False):
        """A number that does not move."""
        zero = 0 * v
        return cls(v, np.full(size, zero, object), np.full((size, size), zero, object) if second else None)

    @classmethod
    def variable(cls, v, index, size, second=False):
        """The variable of that index."""
        out = cls.constant(v, size, second)
        out.g[index] = 1 + 0 * v
        return out

    @property
    def real(self):
        """What numbers are compared by."""
        return self.v

    def through(self, f, f1, f2=None):
        """A function with the value f, and derivatives f1 and f2, at this number."""
        second = None if self.h is None else f1 * self.h + f2 * np.outer(self.g, self.g)
        return Jet(f, f1 * self.g, second)

    def __add__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.v + other, self.g, self.h)
        return Jet(self.v + other.v, self.g + other.g, None if self.h is None else self.h + other.h)

    __radd__ = __add__

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.v * other, self.g * other, None if self.h is None else self.h * other)
        second = None
        if self.h is not None:
            cross = np.outer(self.g, other.g)
            second = self.v * other.h + other.v * self.h + cross + cross.T
        return Jet(self.v * other.v, self.v * other.g + other.v * self.g, second)

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def inverse(self):
        """1 over this number."""
        u = 1 / self.v
        return self.through(u, -u * u, 2 * u * u * u)

    def __truediv__(self, other):
        return self * (other.inverse() if isinstance(other, Jet) else 1 / other)

    def __rtruediv__(self, other):
        return self.inverse() * other
