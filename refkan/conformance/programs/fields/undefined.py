"""What divisions by zero give in floats, as numbers that a program may drop again."""

from typing import Any

from refkan.conformance.programs.fields.signs import RefusedError, sign


class Undefined:
    """What divisions by zero give in floats: nan, inf, -inf, or one of these; a program may drop it again by `where`.

    Parameters
    ----------
    kind : {"nan", "inf", "-inf", "nan or inf"}
        The last one where the sign of a factor depends on coefficients.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def is_infinite(self) -> bool:
        """Whether it is inf or -inf."""
        return self.kind in ("inf", "-inf")

    def _added(self, other: Any) -> "Undefined":
        if not isinstance(other, Undefined) or (other is self and self.is_infinite):
            return self
        return NOT_FINITE if self is NOT_FINITE or other is NOT_FINITE else NAN

    def _multiplied(self, other: Any) -> "Undefined":
        if self is NAN or other is NAN:
            return NAN
        if not self.is_infinite:
            return NOT_FINITE
        try:
            sign = {"inf": 1, "-inf": -1}[other.kind] if isinstance(other, Undefined) else _sign_of(other)
        except (RefusedError, KeyError):
            return NOT_FINITE
        if not sign:
            return NAN
        return self if sign > 0 else -self

    def _divided(self, other: Any) -> "Undefined":
        return NAN if isinstance(other, Undefined) else self._multiplied(other)

    __add__ = __radd__ = _added
    __mul__ = __rmul__ = _multiplied
    __truediv__ = _divided

    def __sub__(self, other: Any) -> "Undefined":
        return self._added(-other)

    def __rsub__(self, other: Any) -> "Undefined":
        return -self

    def __neg__(self) -> "Undefined":
        return {"inf": MINUS_INFINITY, "-inf": INFINITY}.get(self.kind, self)

    def __abs__(self) -> "Undefined":
        return INFINITY if self.is_infinite else self

    def __pow__(self, exponent: Any) -> "Undefined":
        return NAN if self is NAN else NOT_FINITE

    def _above(self, other: Any) -> bool:
        """Whether self > other; nan compares with nothing."""
        if self is NAN or other is NAN:
            return False
        if not self.is_infinite or other is NOT_FINITE:
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
        if self is NOT_FINITE or other is NOT_FINITE:
            raise RefusedError("a comparison with a number that is nan or infinite")
        return other is self and self is not NAN

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.kind)

    def __repr__(self) -> str:
        return self.kind


NAN, INFINITY, MINUS_INFINITY, NOT_FINITE = (Undefined(kind) for kind in ("nan", "inf", "-inf", "nan or inf"))


def _sign_of(value: Any) -> int:
    """The sign of a number of a field, which holds for all inputs, or of a number of Python."""
    of_field = getattr(value, "sign", None)
    return sign(value) if of_field is None else of_field()
