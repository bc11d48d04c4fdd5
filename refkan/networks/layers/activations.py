r"""Scalar activations and their derivatives, valid for real and complex arguments."""

from collections.abc import Callable
from functools import partial

import numpy as np

from refkan.base import Array, Frozen
from refkan.kernels.recycled_memory import dtype_of, recycled


class Activation(Frozen, eq=True):
    """A function applied entry by entry.

    Attributes
    ----------
    derivatives : callable
        (z, count) -> the function and its derivatives, (count, ...), count at most 4; at a kink from the right.
    homogeneity : int or None
        The k in f(c z) = c^k f(z) for all c > 0; None if there is none.
    """

    derivatives: Callable[[Array, int], Array]
    homogeneity: int | None = None


def sigmoid_derivatives(z: Array, count: int) -> Array:
    """The sigmoid g, then g h, g h (h - g) and g h (1 - 6 g h), h = 1 - g, count of them in all: (count, ...)."""
    g, complement = sigmoid_and_complement(z)
    rows = np.empty((4, *z.shape), g.dtype)
    rows[0] = g
    slope = np.multiply(g, complement, out=rows[1])
    if count > 2:
        np.multiply(slope, complement_minus_sigmoid(z), out=rows[2])
    if count > 3:
        np.multiply(slope, 1.0 - 6.0 * slope, out=rows[3])
    return rows[:count]


def sigmoid(z: Array) -> Array:
    """1/(1 + exp(-z)) without overflow: arguments of exp have real parts <= 0."""
    return sigmoid_and_complement(z)[0]


def sigmoid_and_complement(z: Array) -> tuple[Array, Array]:
    """g = 1/(1 + exp(-z)) and 1 - g = 1/(1 + exp(z)), both to full relative accuracy.

    The difference 1 - g has no correct digit from z = 37 on, and neither has the slope g (1 - g).
    """
    negative = z.real < 0
    if np.iscomplexobj(z):
        e = np.exp(np.where(negative, z, -z))
    else:
        e = np.exp(-np.abs(z))
    denominator = 1.0 + e
    larger, smaller = 1.0 / denominator, e / denominator
    return np.where(negative, smaller, larger), np.where(negative, larger, smaller)


def complement_minus_sigmoid(z: Array) -> Array:
    """h - g = -tanh(z/2) for g = sigmoid(z) and h = 1 - g, without the cancellation of a difference near 0."""
    return -np.tanh(0.5 * z)


def sech_squared(z: Array, out: Array) -> Array:
    """1/cosh(z)^2 = 1 - tanh(z)^2 as (2 e/(1 + e^2))^2, e = exp(-|z|): to full relative accuracy, without overflow.

    The difference 1 - tanh(z)^2 has no correct digit from |z| = 19 on.
    """
    e, denominator = out, recycled(z.shape, out.dtype)
    if np.iscomplexobj(z):
        np.copyto(e, np.where(z.real < 0, z, -z))
    else:
        np.negative(np.abs(z, out=e), out=e)
    np.exp(e, out=e)
    np.multiply(e, e, out=denominator)
    denominator += 1.0
    e /= denominator
    e *= 2.0
    e *= e
    return e


def identity(z: Array, count: int) -> Array:
    """Return z, 1, 0 and 0."""
    rows = np.zeros((count, *z.shape), z.dtype)
    rows[0], rows[1:2] = z, 1.0
    return rows


def relu_power(z: Array, count: int, degree: int) -> Array:
    """Return max(z, 0)^degree and its derivatives.

    Powers are products: doubling z multiplies them by 2^degree exactly, which NumPy's `z**3` does not promise.
    """
    right = z.real >= 0
    simple = degree == 1 and not np.iscomplexobj(z)  # one pass: this is what networks of ReLUs spend their time on
    rows = np.empty((count, *z.shape), z.dtype)
    rows[0] = np.maximum(z, 0.0) if simple else np.where(z.real > 0, product_power(z, degree), 0.0)
    for k in range(1, count):
        factor = float(np.prod(np.arange(degree, degree - k, -1)))
        rows[k] = np.where(right, factor * product_power(z, degree - k), 0.0) if k < degree else right * factor
    return rows


def product_power(z: Array, degree: int) -> Array:
    """Return z^degree, degree >= 1, as a product from the left."""
    power = z
    for _ in range(degree - 1):
        power = power * z
    return power


def tanh(z: Array, count: int) -> Array:
    """Return t = tanh(z) and its derivatives s, -2 t s and 2 s (2 - 3 s), s = 1 - t^2."""
    rows: Array = recycled((count, *z.shape), dtype_of(z))
    t = np.tanh(z, out=rows[0])
    if count > 1:
        s = sech_squared(z, out=rows[1])
    if count > 2:
        np.multiply(-2.0, t, out=rows[2])
        rows[2] *= s
    if count > 3:
        np.subtract(2.0, np.multiply(3.0, s, out=rows[3]), out=rows[3])
        rows[3] *= 2.0
        rows[3] *= s
    return rows


def silu(z: Array, count: int) -> Array:
    """Return z g, g = sigmoid(z), and its derivatives g (1 + z h), g h (2 + z d) and g h (3 d + z (1 - 6 g h)).

    There h = 1 - g and d = h - g.
    """
    g, h = sigmoid_and_complement(z)
    rows = np.empty((count, *z.shape), g.dtype)
    rows[0] = z * g
    if count > 1:
        rows[1] = g * (1.0 + z * h)
    if count > 2:
        product, difference = g * h, complement_minus_sigmoid(z)
        rows[2] = product * (2.0 + z * difference)
    if count > 3:
        rows[3] = product * (3.0 * difference + z * (1.0 - 6.0 * product))
    return rows


ACTIVATIONS = {
    "identity": Activation(identity, 1),
    "relu": Activation(partial(relu_power, degree=1), 1),
    "relu3": Activation(partial(relu_power, degree=3), 3),
    "tanh": Activation(tanh),
    "silu": Activation(silu),
}
