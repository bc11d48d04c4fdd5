"""Activations and their first derivatives; at a kink the derivative to the right."""

from collections.abc import Callable

from refkan.truth.arithmetic.functions import sigmoid, tanh
from refkan.truth.arithmetic.number_types import Number, at_most

Function = Callable[[Number], Number]


def relu_power(degree: int) -> tuple[Function, Function]:
    """Return max(z, 0)^degree and its derivative.

    Examples
    --------
    >>> value, slope = relu_power(3)
    >>> value(2), slope(2), value(-2)
    (8, 12, 0)
    """

    def value(z: Number) -> Number:
        return z**degree if at_most(0, z) else 0 * z

    def slope(z: Number) -> Number:
        return degree * z ** (degree - 1) if at_most(0, z) else 0 * z

    return value, slope


def silu(z: Number) -> Number:
    """Return z g, g = sigmoid(z)."""
    return z * sigmoid(z)


def silu_slope(z: Number) -> Number:
    """Return g (1 + z h), h = sigmoid(-z) = 1 - g."""
    return sigmoid(z) * (1 + z * sigmoid(-z))


def tanh_slope(z: Number) -> Number:
    """Return 1 - tanh(z)^2."""
    return 1 - tanh(z) ** 2


ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "identity": (lambda z: z, lambda z: z**0),
    "relu": relu_power(1),
    "relu3": relu_power(3),
    "tanh": (tanh, tanh_slope),
    "silu": (silu, silu_slope),
}
"""Value and slope by name."""
