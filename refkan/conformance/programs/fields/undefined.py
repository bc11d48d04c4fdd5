"""What divisions by zero give in floats, as numbers that a program may drop again."""

from typing import Any

from refkan.conformance.programs.fields.signs import RefusedError, sign


class Undefined:
    """What divisions by zero give in floats, as far as it is known; a program may drop it again by `where`.

    Parameters
    ----------
    kind : {"nan", "inf", "-inf", "inf or -inf", "nan or inf"}
        "inf or -inf" is 1/0, since a zero of exact arithmetic has no sign; "nan or inf" is what depends on
        coefficients, and an infinity of either sign.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def is_infinite(self) -> bool:
        """Whether it is inf or -inf."""
        return self.kind in ("inf", "-inf", "inf or -inf")

    @property
    def has_sign(self) -> bool:
        """Whether it is known which infinity it is."""
        return self.kind in ("inf", "-inf")

    def _added(self, other: Any) -> "Undefined":
        if self is NAN or not isinstance(other, Undefined) or (other is self and self.has_sign):
            return self
        return NAN if other is NAN or (self.has_sign and other.has_sign) else NOT_FINITE

    def _multiplied(self, other: Any) -> "Undefined":
        if self is NAN or other is NAN:
            return NAN
        if isinstance(other, Undefined) and not other.has_sign:
            return other if self.is_infinite else self
        try:
            factor = {"inf": 1, "-inf": -1}[other.kind] if isinstance(other, Undefined) else _sign_of(other)
        except RefusedError:
            return NOT_FINITE
        if not factor:
            return NAN
        return self if factor > 0 else -self

    def _divided(self, other: Any) -> "Undefined":
        if self is NAN or isinstance(other, Undefined):
            return NAN
        by_zero = self._multiplied(other) is NAN
        return NOT_FINITE if by_zero else self._multiplied(other)

    __add__ = __radd__ = _added
    __mul__ = __rmul__ = _multiplied
    __truediv__ = _divided

    def __rtruediv__(self, other: Any) -> Any:
        if self.is_infinite:
            return 0
        if self is NAN:
            return NAN
        raise RefusedError("a division by a number that is nan or infinite")

    def __sub__(self, other: Any) -> "Undefined":
        return self._added(-other)

    def __rsub__(self, other: Any) -> "Undefined":
        return -self

    def __neg__(self) -> "Undefined":
        return {"inf": MINUS_INFINITY, "-inf": INFINITY}.get(self.kind, self)

    def __abs__(self) -> "Undefined":
        return INFINITY if self.is_infinite else self

    def __pow__(self, exponent: Any) -> Any:
        if exponent == 0:
            return 1
        if not isinstance(exponent, int) or exponent < 0:
            raise RefusedError("such a power of a number that is nan or infinite")
        return self if exponent == 1 or self is NAN else NOT_FINITE

    def _above(self, other: Any) -> bool:
        """Whether self > other; nan compares with nothing."""
        if self is NAN or other is NAN:
            return False
        if not self.has_sign or (isinstance(other, Undefined) and not other.has_sign):
            raise RefusedError("a comparison with a number that is nan or infinite")
        return self is INFINITY and other is not self

    def __gt__(self, other: Any) -> bool:
        return self._above(other)

    def __lt__(self, other: Any) -> bool:
        return (-self)._above(-other)

    def __ge__(self, other: Any) -> bool:
        return self > other or self == other

    def __le__(self, other: Any) -> bool:
        return self < other or self == other

    def __eq__(self, other: object) -> bool:
        if self is NAN or not isinstance(other, Undefined) or other is NAN:
            return False
        if not self.has_sign or not other.has_sign:
            raise RefusedError("a comparison with a number that is nan or infinite")
        return other is self

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return self.kind


NAN, INFINITY, MINUS_INFINITY, UNSIGNED, NOT_FINITE = map(
    Undefined, ("nan", "inf", "-inf", "inf or -inf", "nan or inf")
)


def _sign_of(value: Any) -> int:
    """The sign of a number of a field, which holds for all inputs, or of a number of Python."""
    of_field = getattr(value, "sign", None)
    return sign(value) if of_field is None else of_field()
