"""Numbers that a traced program computes with: polynomials over the rationals in inputs, coefficients and cotangents.

A `Field` has the variables of one run. An input variable runs over an open interval, so that a comparison is decided
for all of its values at once, by counting roots (Sturm), or it is undecided and the program is refused. Functions such
as sigmoid and exp are further variables, one for each argument: two of them are equal if their arguments are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from refkan.base.extras import needed
from refkan.conformance.programs.fields.rules import IN_FLOATS, reduced
from refkan.conformance.programs.fields.signs import Interval, RefusedError, as_fraction, sign, sign_on
from refkan.conformance.programs.fields.transcendental import exp, sigmoid
from refkan.conformance.programs.fields.undefined import INFINITY, MINUS_INFINITY, NAN, NOT_FINITE, UNSIGNED, Undefined


class Field:
    """The variables of a run, and the intervals over which inputs run.

    Parameters
    ----------
    intervals : mapping of str to Interval
        Inputs, by name.
    free : sequence of str
        Variables that run over all numbers, such as coefficients and cotangents.
    n_functions : int
        How many variables may stand for sigmoid and exp of an argument.
    """

    def __init__(self, intervals: "dict[str, Interval]", free: Sequence[str], n_functions: int = 0) -> None:
        self.flint: Any = needed("an exact program", "flint", "python-flint")
        self.intervals = dict(intervals)
        functions = [f"f{k}" for k in range(n_functions)]
        names = [*intervals, *free, *functions]
        self.context: Any = self.flint.fmpq_mpoly_ctx.get(names, "degrevlex")
        generators = self.context.gens()
        self.names = tuple(names)
        self.variables = {name: Exact(self, g) for name, g in zip(names, generators, strict=True)}
        self._spare = list(generators[len(names) - n_functions :])
        self._variables: dict[tuple[str, str], Any] = {}
        self.functions: dict[str, tuple[str, Exact]] = {}
        """Functions and arguments, by the names of the variables that stand for them."""

    def number(self, value: Any) -> "Exact | Undefined":
        """Return a number of Python, a float's exact value included, as a constant."""
        if isinstance(value, Exact | Undefined):
            return value
        if isinstance(value, float) and value != value:
            return NAN
        if value in (float("inf"), -float("inf")):
            return INFINITY if value > 0 else MINUS_INFINITY
        top, bottom = Fraction(value).as_integer_ratio()
        return Exact(self, self.context.constant(self.flint.fmpq(top, bottom)))

    def function(self, name: str, argument: "Exact") -> "Exact":
        """Return the variable that stands for a function of an argument."""
        variable = self.known_function(name, argument)
        if variable is None:
            if not self._spare:
                raise RefusedError(f"too many different arguments of {name} and other functions")
            variable = self._variables[name, str(argument.p)] = self._spare.pop()
            self.functions[str(variable)] = (name, argument)
        return Exact(self, variable)

    def known_function(self, name: str, argument: "Exact") -> Any:
        """Return the variable of a function as a polynomial, None if none stands for it yet."""
        return self._variables.get((name, str(argument.p)))

    def stands_for(self, p: Any) -> "tuple[str, Exact] | None":
        """Return the function and argument of a variable made by `function`, None for other polynomials."""
        return self.functions.get(str(p))

    def sign(self, p: Any) -> int:
        """Return the sign that a polynomial has for all values of its variables.

        Raises
        ------
        RefusedError
            If it changes its sign, vanishes somewhere, or depends on a variable that runs over all numbers.
        """
        if p.is_constant():
            return sign(p.leading_coefficient()) if not p.is_zero() else 0
        used = [k for k, degree in enumerate(p.degrees()) if degree]
        if any(self.names[k] not in self.intervals for k in used):
            raise RefusedError("a comparison depends on coefficients or on a function of inputs")
        if len(used) == 1:
            (k,) = used
            powers = {int(exponents[k]): as_fraction(q) for exponents, q in p.terms()}
            coefficients = tuple(powers.get(power, Fraction(0)) for power in range(max(powers) + 1))
            input_name = "" if self.names[k] in self.functions else self.names[k]
            return sign_on(coefficients, self.intervals[self.names[k]], input_name)
        if p.total_degree() == 1:
            return self._sign_of_sum(p)
        raise RefusedError("a comparison of a polynomial in several inputs is undecided")

    def unknown_floor(self, u: "Exact") -> "Exact | None":
        """Return a variable for floor(u), u = a + b x with x on a half-line, None if u is something else.

        It runs over the interval of its values.
        """
        used = [name for name, degree in zip(self.names, u.p.degrees(), strict=True) if degree]
        interval = self.intervals.get(used[0]) if len(used) == 1 else None
        if interval is None or u.p.total_degree() > 1 or None not in interval or used[0] in self.functions:
            return None
        ends = [None if end is None else u.at({used[0]: end}) for end in interval]
        low, high = ends if u.at({used[0]: Fraction(1)}) > u.at({}) else ends[::-1]
        half = Fraction(1, 2)
        variable = self.function("floor", u)
        self.intervals[str(variable)] = Interval(
            None if low is None else math.floor(low) - half, None if high is None else math.ceil(high) - half
        )
        return variable

    def value_of(self, name: str, values: "Mapping[str, Fraction]") -> Fraction:
        """Return the value of a variable, of a function by its argument."""
        if name not in self.functions:
            return values.get(name, Fraction(0))
        function, argument = self.functions[name]
        if function == "floor":
            return Fraction(math.floor(argument.at(values)))
        return Fraction(IN_FLOATS[function](float(argument.at(values))))

    def inner_point(self) -> "dict[str, Fraction]":
        """Return a point inside all intervals, by the names of inputs."""
        return {name: interval.point() for name, interval in self.intervals.items()}

    def _sign_of_sum(self, p: Any) -> int:
        """The sign of a sum of multiples of several inputs, by the bounds that its terms have."""
        low: Fraction | None = Fraction(0)
        high: Fraction | None = Fraction(0)
        for exponents, q in p.terms():
            c = as_fraction(q)
            ends = (c, c)
            if any(exponents):
                interval = self.intervals[self.names[exponents.index(1)]]
                ends = tuple(None if end is None else c * end for end in interval)  # type: ignore[assignment]
                ends = ends if c > 0 else ends[::-1]
            low = None if low is None or ends[0] is None else low + ends[0]
            high = None if high is None or ends[1] is None else high + ends[1]
        if low is not None and low >= 0:
            return 1
        if high is not None and high <= 0:
            return -1
        raise RefusedError("a comparison of several inputs differs within the region")


class Exact:
    """A polynomial of a field, with the operators of numbers; comparisons hold for all inputs, or raise.

    Parameters
    ----------
    field : Field
    p : flint.fmpq_mpoly
    """

    __slots__ = ("field", "p")

    def __init__(self, field: Field, p: Any) -> None:
        self.field = field
        self.p = p

    def _with(self, other: Any, operation: "Callable[[Any, Any], Any]") -> Any:
        if not isinstance(other, Exact):
            other = self.field.number(other)
        if isinstance(other, Undefined):
            return NotImplemented
        return Exact(self.field, operation(self.p, other.p))

    def __add__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._with(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __neg__(self) -> "Exact":
        return Exact(self.field, -self.p)

    def __pos__(self) -> "Exact":
        return self

    def __pow__(self, exponent: Any) -> Any:
        if isinstance(exponent, Exact) and exponent.p.is_constant():
            exponent = float(exponent.at({}))
        power = Fraction(exponent) if isinstance(exponent, int | float) else None
        if power is None or power.denominator != 1:
            raise RefusedError(f"a power with exponent {exponent}")
        if power < 0:
            return (1 / self) ** int(-power)
        return Exact(self.field, self.p ** int(power))

    def __truediv__(self, other: Any) -> Any:
        other = self.field.number(other)
        if isinstance(other, Undefined):
            return other.__rtruediv__(self)
        if other.p.is_zero():
            return self._over_zero()
        if other.p.is_constant():
            return Exact(self.field, self.p / other.p.leading_coefficient())
        return self._over(other)

    def __rtruediv__(self, other: Any) -> Any:
        return self.field.number(other) / self

    def _over_zero(self) -> Undefined:
        if self.p.is_zero():
            return NAN
        try:
            self.sign()
        except RefusedError:
            return NOT_FINITE
        return UNSIGNED

    def _over(self, other: "Exact") -> "Exact":
        """Divide by what is not constant: by 1 + exp(u), which is 1/sigmoid(-u), by exp(u), or without remainder."""
        field = self.field
        exponential = field.stands_for(other.p - 1)
        if exponential is not None and exponential[0] == "exp":
            return self * sigmoid(-exponential[1])
        exponential = field.stands_for(other.p)
        if exponential is not None and exponential[0] == "exp":
            return self * exp(-exponential[1])
        field.sign(other.p)  # raises where it vanishes or may vanish
        quotient, rest = divmod(self.p, other.p)
        if not rest.is_zero():
            raise RefusedError("a division by a polynomial that leaves a remainder")
        return Exact(field, quotient)

    def sign(self) -> int:
        """Return the sign for all inputs of the region."""
        return self.field.sign(self.p)

    def _difference(self, other: Any) -> "Exact | Undefined":
        """Return self - other as a number, infinite if the other one is."""
        other = self.field.number(other)
        return -other if isinstance(other, Undefined) else self - other

    def __lt__(self, other: Any) -> bool:
        difference = self._difference(other)
        return difference < 0 if isinstance(difference, Undefined) else difference.sign() < 0

    def __le__(self, other: Any) -> bool:
        difference = self._difference(other)
        return difference < 0 if isinstance(difference, Undefined) else difference.sign() <= 0

    def __gt__(self, other: Any) -> bool:
        difference = self._difference(other)
        return difference > 0 if isinstance(difference, Undefined) else difference.sign() > 0

    def __ge__(self, other: Any) -> bool:
        difference = self._difference(other)
        return difference > 0 if isinstance(difference, Undefined) else difference.sign() >= 0

    def __eq__(self, other: object) -> bool:
        difference = self._difference(other)
        return difference == 0 if isinstance(difference, Undefined) else difference.sign() == 0

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __abs__(self) -> "Exact":
        return -self if self.sign() < 0 else self

    def is_same(self, other: Any) -> bool:
        """Whether it is the same polynomial by the rules of functions; equality at a point says less."""
        return isinstance(other, Exact) and bool(reduced(self.field, self.p - other.p).is_zero())

    def floor(self) -> int:
        """Return the integer k with k <= value < k + 1 for all inputs."""
        text = "a rounding to integers differs within an interval between knots"
        guess = self.at(self.field.inner_point())
        k = guess.numerator // guess.denominator
        try:
            if self >= k and self < k + 1:
                return k
        except RefusedError as error:
            raise RefusedError(text, error.split) from error
        raise RefusedError(text)

    def floored(self) -> "Exact":
        """Return the floor: an integer, or, of an input on a half-line, a variable that stands for it."""
        try:
            return self.field.number(self.floor())  # type: ignore[return-value]
        except RefusedError as error:
            unknown = self.field.unknown_floor(self)
            if unknown is None:
                raise error
            return unknown

    def is_unknown_integer(self) -> bool:
        """Whether it is a sum of floors on half-lines, times integers."""
        field = self.field
        used = [name for name, degree in zip(field.names, self.p.degrees(), strict=True) if degree]
        are_floors = all(field.functions.get(name, ("", None))[0] == "floor" for name in used)
        return bool(used) and are_floors and all(as_fraction(q).denominator == 1 for _, q in self.p.terms())

    def truncated(self) -> int:
        """Return the integer to which it is cut towards zero."""
        return self.floor() if self.sign() >= 0 else -(-self).floor()

    def at(self, values: "Mapping[str, Fraction]") -> Fraction:
        """Return the value where variables have values; those without are zero, functions are rounded to floats."""
        total = Fraction(0)
        for exponents, q in self.p.terms():
            term = as_fraction(q)
            for name, power in zip(self.field.names, exponents, strict=True):
                if power:
                    term *= self.field.value_of(name, values) ** int(power)
            total += term
        return total

    def __bool__(self) -> bool:
        return self.sign() != 0

    def __int__(self) -> int:
        if not self.p.is_constant():
            raise RefusedError("a conversion of an input to an integer of Python")
        return self.truncated()

    def __float__(self) -> float:
        raise RefusedError("a conversion to float: the program leaves exact arithmetic")

    def __repr__(self) -> str:
        return str(self.p)
