"""Reference derivatives from values alone: the complex step and central differences."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, as_array, real

Function = Callable[[Array], Any]


def as_point(name: str, value: Any) -> Array:
    """Return a finite real array; float32 stays, as steps and tolerances follow from the precision."""
    array = as_array(name, value)
    real(name, array)
    if getattr(value, "dtype", None) == np.float32:
        return array.astype(np.float32)
    return array.copy()


def as_scale(scale: Any, shape: tuple[int, ...]) -> Array:
    """Return what errors are measured by, one for each value: real, finite, and not negative."""
    array = real("scale", as_array("scale", scale))
    if array.ndim > len(shape) or any(n not in (1, m) for n, m in zip(array.shape[::-1], shape[::-1], strict=False)):
        raise ValueError(f"scale must go with values of shape {shape}; got shape {array.shape}")
    if (array < 0).any():
        raise ValueError(f"scale must not be negative; got {array.min()}")
    return np.broadcast_to(array, shape)


def evaluate_real(name: str, function: Function, point: Array, shape: tuple[int, ...] | None = None) -> Array:
    """Evaluate at a copy of a real point: the value must be finite, real, and of `shape` if one is given."""
    result = as_array(name, function(point.copy()))
    if result.dtype.kind == "c":
        raise TypeError(f"{name} must be real for a real argument; got dtype {result.dtype}")
    if shape is not None and result.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {result.shape}")
    return result


def relative_step(dtype: Any) -> float:
    """Return eps^(1/3), which balances truncation, h^2 f''' / 6, and rounding, eps f / h."""
    return float(np.cbrt(np.finfo(dtype).eps))


def central_differences(value: Function, theta: Array, shape: tuple[int, ...], step: float) -> Array:
    """Return d value / d theta, shape (M, n), by ``(f(theta + h e_i) - f(theta - h e_i)) / (2h)``.

    ``h_i = step * max(1, |theta_i|)``.
    """
    columns = []
    for i in range(theta.size):
        h = step * max(1.0, abs(float(theta.flat[i])))
        plus, minus = theta.copy(), theta.copy()
        plus.flat[i] += h
        minus.flat[i] -= h
        width = float(plus.flat[i]) - float(minus.flat[i])  # of the steps as rounded
        if width == 0.0:
            raise ValueError(f"step must change theta; {step:.2g} is lost in theta[{i}] = {theta.flat[i]}")
        upper = evaluate_real(f"value(theta + h e_{i})", value, plus, shape)
        lower = evaluate_real(f"value(theta - h e_{i})", value, minus, shape)
        columns.append((upper - lower).ravel() / width)
    return _as_columns(columns, shape)


def complex_step(value: Function, theta: Array, shape: tuple[int, ...], h: float) -> Array:
    """Return d value / d theta, shape (M, n), by ``Im f(theta + i h e_i) / h``.

    Nothing is subtracted, so that h may be tiny: the derivative is exact up to rounding.
    """
    columns = []
    for i in range(theta.size):
        direction = np.zeros_like(theta)
        direction.flat[i] = 1.0
        columns.append(_complex_derivative(f"value(theta + i h e_{i})", value, theta, direction, h, shape).ravel())
    return _as_columns(columns, shape)


def why_no_complex_step(value: Function, theta: Array, centre: Array) -> str | None:
    """Return why the complex step cannot be used on a function, or None if it can.

    The function must accept complex arguments and keep the imaginary part on its whole way: its complex step along a
    random direction must agree with central differences there. ``abs``, ``vdot``, ``real`` and casts do not pass.
    """
    direction = np.random.default_rng(0).standard_normal(theta.shape).astype(theta.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            ours = _complex_derivative("value", value, theta, direction, imaginary_step(theta.dtype), centre.shape)
    except Exception as error:  # whatever it is: real arguments may still be welcome
        return f"for a complex argument, {type(error).__name__}: {error}"
    size = max(1.0, float(np.abs(theta).max(initial=0.0)))
    # A function whose own scale is short needs a shorter step; a lost imaginary part shows at every step.
    for shorter in (1.0, 1e-1, 1e-2):
        h = np.asarray(relative_step(theta.dtype) * size * shorter, dtype=theta.dtype)
        upper = evaluate_real("value(theta + h d)", value, theta + h * direction, centre.shape)
        lower = evaluate_real("value(theta - h d)", value, theta - h * direction, centre.shape)
        central = (upper - lower) / (2.0 * float(h))
        # 1e-3 of the derivative: truncation is far below it for smooth functions. The second term is the rounding of
        # the difference, eps |f| / h, with the constant of the central tolerance.
        noise = 256 * np.finfo(theta.dtype).eps / float(h) * np.abs(centre)
        wrong = np.abs(ours - central) > 1e-3 * np.maximum(np.abs(ours), np.abs(central)) + noise
        if not wrong.any():
            return None
    first = tuple(np.argwhere(wrong)[0])
    return (
        f"along a random direction it gives {ours[first]:.3g}, central differences {central[first]:.3g}: "
        "the imaginary part is lost on the way, or the value jumps at theta"
    )


def imaginary_step(dtype: Any) -> float:
    """Return eps^2, which is lost beside theta and far from underflow."""
    return float(np.finfo(dtype).eps) ** 2


def _complex_derivative(
    name: str, value: Function, theta: Array, direction: Array, h: float, shape: tuple[int, ...]
) -> Array:
    point = theta.astype(np.result_type(theta, np.complex64))
    point.imag = h * direction
    result = np.asarray(value(point))
    if result.dtype.kind != "c":
        raise TypeError(f"{name} returned a real number for a complex argument")
    result = as_array(name, result)
    if result.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; got {result.shape}")
    return result.imag / h


def _as_columns(columns: list[Array], shape: tuple[int, ...]) -> Array:
    if not columns:  # no parameters, nothing to stack
        return np.zeros((int(np.prod(shape)), 0))
    return np.stack(columns, axis=1)
