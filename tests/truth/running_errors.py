"""Numbers that know how far rounding may have moved them: a running error analysis of the truth's own formulas.

A number carries its value, a float, and a bound of its error in units of eps, to first order: every operation adds one
rounding of its result, and passes on the errors of its arguments through its derivatives. Evaluated over such numbers,
the truth says for each of its results the sum of the absolute contributions that it is made of.
"""

import math


class Running:
    """Written for speed: a network takes hundreds of thousands of operations."""

    __slots__ = ("error", "value")

    def __init__(self, value: float, error: float = 0.0) -> None:
        self.value, self.error = value, error

    @property
    def real(self) -> float:
        return self.value

    def __add__(self, other):
        if type(other) is not Running:
            if not isinstance(other, int | float):
                return NotImplemented
            other = Running(float(other))
        value = self.value + other.value
        return Running(value, self.error + other.error + abs(value))

    def __mul__(self, other):
        if type(other) is not Running:
            if not isinstance(other, int | float):
                return NotImplemented
            other = Running(float(other))
        value = self.value * other.value
        return Running(value, abs(self.value) * other.error + abs(other.value) * self.error + abs(value))

    def __truediv__(self, other):
        if not isinstance(other, int | float | Running):
            return NotImplemented
        other = running(other)
        value = self.value / other.value
        return _rounded(value, (self.error + abs(value) * other.error) / abs(other.value))

    def __rtruediv__(self, other):
        return running(other) / self

    def __neg__(self):
        return Running(-self.value, self.error)

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __pow__(self, exponent):
        return math.prod([self] * exponent, start=Running(1.0))

    __radd__, __rmul__ = __add__, __mul__

    def exp(self):
        value = math.exp(self.value) if self.value < 700 else math.inf
        return _rounded(value, value * self.error)

    def tanh(self):
        value = math.tanh(self.value)
        return _rounded(value, (1 - value * value) * self.error)

    def sqrt(self):
        value = math.sqrt(self.value)
        return _rounded(value, self.error / (2 * value))


def _rounded(value: float, error: float) -> Running:
    return Running(value, error + abs(value))


def running(x) -> Running:
    return x if isinstance(x, Running) else Running(float(x))


def inputs(rows):
    """Nested sequences of floats as numbers whose last bit is in doubt: library and truth round them alike, or not."""
    return [inputs(row) for row in rows] if hasattr(rows, "__len__") else Running(float(rows), abs(float(rows)))


def errors(rows):
    """The bounds, in units of eps, of nested lists of results."""
    return [errors(row) for row in rows] if isinstance(rows, list) else running(rows).error
