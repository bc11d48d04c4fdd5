"""Rules of exp and sigmoid: whether polynomials in them and in inputs are the same function, or differ at a point."""

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from refkan.conformance.programs.fields.signs import RefusedError, as_fraction

BITS = 200
"""Of the balls in which functions are evaluated."""

IN_FLOATS: Mapping[str, Callable[[float], float]] = {
    "exp": math.exp,
    "sigmoid": lambda u: 1 / (1 + math.exp(-u)),
    "erf": math.erf,
    "gelu": lambda u: u * math.erfc(-u / math.sqrt(2)) / 2,
}
"""Functions of which a variable stands for the value at an argument, beside floor."""

IN_BALLS: Mapping[str, Callable[[Any], Any]] = {
    "exp": lambda u: u.exp(),
    "sigmoid": lambda u: 1 / (1 + (-u).exp()),
    "erf": lambda u: u.erf(),
    "gelu": lambda u: u * (1 + (u / type(u)(2).sqrt()).erf()) / 2,
}


def reduced(field: Any, p: Any) -> Any:
    """Apply the rules of functions whose arguments are u or -u, until equal functions are the same polynomial.

    With e = exp(-u), E = exp(u) and s = sigmoid(u) they are e E = 1, e s = 1 - s and E s = E - s. Sums of powers of one
    of the three are left, and these are linearly independent.

    Parameters
    ----------
    field : Field
    p : flint.fmpq_mpoly
    """
    rules = [] if p.is_zero() else list(_rules(field))
    before = None
    while rules and p != before:
        before = p
        for rule in rules:
            p = divmod(p, rule)[1]
    return p


def _rules(field: Any) -> Iterator[Any]:
    """What is zero by the rules."""
    for function, u in field.functions.values():
        if function != "exp":
            continue
        e = field.function("exp", u).p
        inverse, left, right = (
            field.known_function(name, argument) for name, argument in (("exp", -u), ("sigmoid", -u), ("sigmoid", u))
        )
        if inverse is not None:
            yield e * inverse - 1
        if left is not None:
            yield e * left + left - 1
        if right is not None:
            yield e * right - e + right


def may_vanish(field: Any, p: Any, values: Mapping[str, Fraction]) -> bool:
    """Whether a polynomial may be zero where variables have values; those without a value are zero.

    Raises
    ------
    RefusedError
        If it contains functions of functions.
    """
    ctx, arb, fmpq = field.flint.ctx, field.flint.arb, field.flint.fmpq
    functions = field.functions

    def value_of(name: str) -> Any:
        if name not in functions:
            return arb(fmpq(*values.get(name, Fraction(0)).as_integer_ratio()))
        function, argument = functions[name]
        if function == "floor":
            return arb(math.floor(argument.at(values)))
        used = [each for each, degree in zip(field.names, argument.p.degrees(), strict=True) if degree]
        if functions.keys() & used:
            raise RefusedError("whether expressions in functions of functions are equal")
        u = arb(fmpq(*argument.at(values).as_integer_ratio()))
        return IN_BALLS[function](u)

    before, ctx.prec = ctx.prec, BITS
    try:
        total = arb(0)
        for exponents, q in p.terms():
            term = arb(fmpq(*as_fraction(q).as_integer_ratio()))
            for name, power in zip(field.names, exponents, strict=True):
                if power:
                    term *= value_of(name) ** int(power)
            total += term
        return bool(total.contains(0))
    finally:
        ctx.prec = before
