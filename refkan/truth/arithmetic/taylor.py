"""Taylor numbers: numbers that carry their derivatives along, so that arithmetic alone differentiates.

A Taylor number is a polynomial in variables e_0, e_1, ... of which all terms above a degree are dropped::

    x = x_0 + sum_m x_m e_m + sum_{m <= l} x_ml e_m e_l + ...

Sums, products and quotients of such polynomials, cut off, are again such polynomials. By Taylor's theorem a formula
that is evaluated at theta_m + e_m gives its own derivatives: the coefficient of e_m is the derivative by theta_m, that
of e_m e_l (m < l) the second derivative, that of e_m^2 half of it. Nothing is rounded but by the coefficients' own
arithmetic. With one variable of degree one these are the dual numbers, a + b e with e^2 = 0.
"""

from collections.abc import Sequence
from math import prod

from refkan.truth.arithmetic.number_types import Number, real_part

Monomial = tuple[int, ...]
"""The variables of a monomial in ascending order: () is 1, (0, 2) is e_0 e_2, (1, 1) is e_1^2."""


class Taylor:
    """A polynomial in e_0, e_1, ..., cut off above a degree.

    Attributes
    ----------
    parts : list of dict
        The homogeneous part of each degree from 0 on, as coefficients by monomial.

    Examples
    --------
    >>> x, y = variable(3, 0, degree=2), variable(5, 1, degree=2)
    >>> f = x * x * y  # df/dx = 2 x y, df/dy = x^2, d2f/dx2 = 2 y, d2f/dxdy = 2 x
    >>> f
    45 + 9 e1 + 30 e0 + 6 e0 e1 + 5 e0 e0
    >>> coefficient(f, (0, 1))
    6
    """

    __slots__ = ("parts",)

    def __init__(self, parts: list[dict[Monomial, Number]]) -> None:
        self.parts = parts

    @property
    def value(self) -> Number:
        """The constant term."""
        return self.parts[0][()]

    @property
    def real(self) -> Number:
        """The real part of the constant term, by which numbers are compared."""
        return real_part(self.value)

    @property
    def degree(self) -> int:
        """The degree above which terms are dropped."""
        return len(self.parts) - 1

    def __add__(self, other: Number) -> "Taylor":
        if not isinstance(other, Taylor):  # nobody changes parts, so that numbers may share them
            return Taylor([{(): self.value + other if self.parts[0] else other}, *self.parts[1:]])
        parts = [dict(part) for part in self.parts]
        for part, addition in zip(parts, other.parts, strict=False):
            for monomial, c in addition.items():
                part[monomial] = part[monomial] + c if monomial in part else c
        return Taylor(parts)

    def __mul__(self, other: Number) -> "Taylor":
        """Multiply term by term: degrees add up, and what exceeds the degree is dropped."""
        if not isinstance(other, Taylor):
            return Taylor([{monomial: c * other for monomial, c in part.items()} for part in self.parts])
        parts: list[dict[Monomial, Number]] = [{} for _ in self.parts]
        for i, left in enumerate(self.parts):
            for k, right in enumerate(other.parts[: len(parts) - i]):
                out = parts[i + k]
                for m, a in left.items():
                    for l, b in right.items():
                        monomial = tuple(sorted(m + l)) if m and l else m or l
                        out[monomial] = out[monomial] + a * b if monomial in out else a * b
        return Taylor(parts)

    def __truediv__(self, other: Number) -> "Taylor":
        """Divide; 1/(a + n) = 1/a - n/a^2 + n^2/a^3 - ..., n without constant term, ends because powers of n do."""
        if not isinstance(other, Taylor):
            return Taylor([{monomial: c / other for monomial, c in part.items()} for part in self.parts])
        a = other.value
        return self * other.series([(-1) ** k / a ** (k + 1) for k in range(other.degree + 1)])

    def __pow__(self, exponent: int) -> "Taylor":
        return prod([self] * exponent, start=constant(self.value**0, self.degree))

    def __neg__(self) -> "Taylor":
        return Taylor([{monomial: -c for monomial, c in part.items()} for part in self.parts])

    def __sub__(self, other: Number) -> "Taylor":
        return self + -other

    def __rsub__(self, other: Number) -> "Taylor":
        return -self + other

    def __rtruediv__(self, other: Number) -> "Taylor":
        return constant(other, self.degree) / self

    __radd__, __rmul__ = __add__, __mul__

    def series(self, c: Sequence[Number]) -> "Taylor":
        """Return c_0 + c_1 n + c_2 n^2 + ..., n this number without its constant term; c_k = f^(k)(value)/k! for f."""
        n = Taylor([{}, *self.parts[1:]])
        result = constant(c[-1], self.degree)
        for c_k in reversed(c[:-1]):
            result = result * n + c_k
        return result

    def __repr__(self) -> str:
        terms = [(monomial, c) for part in self.parts for monomial, c in part.items()]
        return " + ".join(" ".join([str(c), *(f"e{m}" for m in monomial)]) for monomial, c in terms)


def constant(x: Number, degree: int) -> Taylor:
    """Return x as a Taylor number."""
    return Taylor([{(): x}, *({} for _ in range(degree))])


def variable(x: Number, m: int, degree: int) -> Taylor:
    """Return x + e_m."""
    return curve(x, [x**0], m, degree)


def curve(x: Number, derivatives: Sequence[Number], m: int, degree: int) -> Taylor:
    """Return x + x' e_m + x'' e_m^2/2, as far as derivatives are given: a point that moves along a curve.

    Examples
    --------
    >>> curve(2.0, [3.0, 8.0], 0, degree=2)
    2.0 + 3.0 e0 + 4.0 e0 e0
    """
    result = constant(x, degree)
    factorial = 1
    for k, derivative in enumerate(derivatives, start=1):
        factorial *= k
        result.parts[k] = {(m,) * k: derivative / factorial if k > 1 else derivative}
    return result


def coefficient(x: Number, monomial: Monomial) -> Number:
    """Return the coefficient of a monomial: 0 where there is none, as in a number that carries no derivatives."""
    if isinstance(x, Taylor):
        return x.parts[len(monomial)].get(monomial, 0) if len(monomial) <= x.degree else 0
    return 0 if monomial else x


def tangents(x: Number) -> dict[int, Number]:
    """Return the coefficients of e_0, e_1, ... by number, those that there are."""
    return {m: c for (m,), c in x.parts[1].items()} if isinstance(x, Taylor) else {}
