"""Functions of exact numbers: each is a variable of the field, one for each argument."""

from collections.abc import Callable
from typing import Any

from refkan.conformance.programs.fields.signs import RefusedError
from refkan.conformance.programs.fields.undefined import INFINITY, NAN, Undefined


def sigmoid(u: Any) -> Any:
    """1/(1 + exp(-u)); of u and -u one is the variable, and sigmoid(-u) = 1 - sigmoid(u)."""
    if isinstance(u, Undefined):
        return _at_infinity(u, "sigmoid", 0, 1)
    if u.p.is_zero():
        return u.field.number(0.5)
    if u.p.leading_coefficient() < 0:
        return 1 - u.field.function("sigmoid", -u)
    return u.field.function("sigmoid", u)


def _at_infinity(u: Undefined, name: str, left: Any, right: Any) -> Any:
    """The limit of a function."""
    if u is NAN:
        return NAN
    if not u.has_sign:
        raise RefusedError(f"{name} of a number that is nan or infinite")
    return right if u is INFINITY else left


def exp(u: Any) -> Any:
    """The exponential function, a variable for each argument but 0."""
    if isinstance(u, Undefined):
        return _at_infinity(u, "exp", 0, INFINITY)
    return u.field.number(1) if u.p.is_zero() else u.field.function("exp", u)


def opaque(name: str) -> Callable[[Any], Any]:
    """Return a function that is a variable for each argument, with no rules."""

    def function(u: Any) -> Any:
        if isinstance(u, Undefined):
            raise RefusedError(f"{name} of a number that is nan or infinite")
        return u.field.number(0) if u.p.is_zero() else u.field.function(name, u)

    return function


erf, gelu = opaque("erf"), opaque("gelu")


def tanh(u: Any) -> Any:
    """The hyperbolic tangent, 2 sigmoid(2u) - 1."""
    return 2 * sigmoid(2 * u) - 1


def silu(u: Any) -> Any:
    """u sigmoid(u)."""
    return u * sigmoid(u)
