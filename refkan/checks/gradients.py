"""Gradients and Jacobians, every entry compared with a reference derivative of the value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import Array, Frozen, check_choice, check_function, check_positive, check_tolerance
from refkan.checks.differences import (
    Function,
    as_point,
    as_scale,
    central_differences,
    complex_step,
    evaluate_real,
    imaginary_step,
    relative_step,
    why_no_complex_step,
)
from refkan.checks.reports import Report, format_index, format_table, verdict

_SHOWN = 10  # failures in the table; `failures` has them all


class Failure(Frozen, eq=True):
    """One entry that differs: the `reference` derivative, and the one that was `checked`.

    `index` is an int for the gradient at a vector, else a tuple: the value's indices, then theta's.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> wrong = lambda theta: np.array([2.0, 3.0]) * theta  # of theta_1^2 the derivative is 2 theta_1
    >>> (failure,) = rk.checks.gradient_check(lambda theta: (theta * theta).sum(), wrong, np.array([1.0, 1.0])).failures
    >>> failure.index, failure.reference, failure.checked
    (1, 2.0, 3.0)
    """

    index: int | tuple[int, ...]
    reference: float
    checked: float
    relative_error: float


class GradientReport(Report):
    """The outcome of `gradient_check` and `jacobian_check`.

    Attributes
    ----------
    failures : tuple of Failure
        Every entry beyond the tolerance, the worst first.
    method : str
        The reference that was used: "complex" or "central".
    max_relative_error : float
        The largest error over its scale; 0 if there is nothing to compare.
    rtol, atol : float
        The tolerance: ``error <= atol + rtol * scale``.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> report = rk.checks.gradient_check(lambda t: np.sin(t).sum(), np.cos, np.array([0.5, 1.0]))
    >>> report.ok, report.method, report.failures
    (True, 'complex', ())
    """

    failures: tuple[Failure, ...]
    method: str
    max_relative_error: float
    rtol: float
    atol: float


def gradient_check(
    value: Callable[[Array], Any],
    gradient: Callable[[Array], Any],
    theta: npt.ArrayLike,
    *,
    method: str = "auto",
    rtol: float | None = None,
    atol: float = 0.0,
    step: float | None = None,
    scale: npt.ArrayLike | None = None,
) -> GradientReport:
    r"""Compare a gradient, entry by entry, with derivatives obtained from values alone.

    The reference is the complex step ``Im f(theta + i h e_i) / h``, exact up to rounding, or central differences
    ``(f(theta + h e_i) - f(theta - h e_i)) / (2h)``, h = eps^(1/3) max(1, |theta_i|). An entry
    passes if ::

        |g_i - f_i| <= atol + rtol * scale_i,
        scale_i = max(|f_i|, |g_i|, max_j |f_j|)                              complex
        scale_i = max(|f_i|, |g_i|, max_j |f_j|, |f| / max(1, |theta_i|))     central

    with f_i the reference and g_i the entry that is checked. The last term of `scale_i` is the size of the rounding in
    a difference quotient. If the gradient is small because large terms cancel, as near a minimum, pass their sum as
    `scale`, or an `atol`.

    Parameters
    ----------
    value : callable
        theta to a real scalar.
    gradient : callable
        theta to an array of theta's shape.
    theta : array_like
        A point of any shape. eps below is that of its precision: float32 stays float32.
    method : {"auto", "complex", "central"}
        "auto" takes the complex step if the function accepts complex arguments and keeps the imaginary part (tried
        along a random direction against central differences), else central differences. If the complex step finds
        failures that central differences contradict, "auto" believes the latter.
    rtol : float, optional
        512 eps (1.1e-13) for the complex step: rounding relative to the largest entry, with room for sums that cancel
        by two orders. 256 eps^(2/3) (9e-9) for central differences, whose truncation and rounding are about eps^(2/3):
        room for third derivatives and rounding two orders above the scale.
    atol : float
    step : float, optional
        h of the complex step (eps^2 by default), or h / max(1, |theta_i|) of central differences (eps^(1/3)).
    scale : array_like, optional
        Takes the place of `scale_i` above, broadcast to theta's shape: the sum of absolute contributions, say.

    Returns
    -------
    GradientReport

    Raises
    ------
    ValueError
        For a theta without entries, shapes that differ, a value or gradient that is not finite (with the index), an
        unknown method, or ``method="complex"`` on a function that loses the imaginary part.
    TypeError
        For values that are not real numbers.

    Notes
    -----
    The complex step is due to Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1998). At a kink (a ReLU at 0) the references take different one-sided derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.checks import gradient_check
    >>> report = gradient_check(lambda t: np.sum(t**3), lambda t: 3 * t**2, [1.0, -2.0])
    >>> report.ok, report.method
    (True, 'complex')
    >>> gradient_check(lambda t: np.sum(t**3), lambda t: 3 * t**2 * [1, -1], [1.0, -2.0]).failures[0].index
    1
    """
    return _check("gradient", (), value, gradient, theta, method, rtol, atol, step, scale)


def jacobian_check(
    value: Callable[[Array], Any],
    jacobian: Callable[[Array], Any],
    theta: npt.ArrayLike,
    *,
    method: str = "auto",
    rtol: float | None = None,
    atol: float = 0.0,
    step: float | None = None,
    scale: npt.ArrayLike | None = None,
) -> GradientReport:
    """Compare a Jacobian, entry by entry, with derivatives obtained from values alone.

    As `gradient_check`, row by row: each entry of the value is a function with its own gradient and scale.

    Parameters
    ----------
    value : callable
        theta to a real array of any shape.
    jacobian : callable
        theta to an array of shape ``value.shape + theta.shape``.
    theta, method, rtol, atol, step, scale
        As in `gradient_check`; `scale` is broadcast to the Jacobian's shape.

    Returns
    -------
    GradientReport

    Raises
    ------
    ValueError, TypeError
        As `gradient_check`.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.checks import jacobian_check
    >>> K = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> jacobian_check(lambda t: K @ t, lambda t: K, [0.5, -1.0]).ok
    True
    """
    return _check("jacobian", None, value, jacobian, theta, method, rtol, atol, step, scale)


class _Reference(Frozen):
    """A way to compute reference derivatives: its name, its step, and its relative tolerance by default."""

    name: str
    derivative: Callable[[Function, Array, tuple[int, ...], float], Array]
    step: float
    rtol: float

    @classmethod
    def of(cls, name: str, dtype: Any) -> "_Reference":
        """The complex step or central differences, in a precision."""
        eps = float(np.finfo(dtype).eps)
        if name == "complex":
            return cls(name, complex_step, imaginary_step(dtype), 512 * eps)
        return cls(name, central_differences, relative_step(dtype), 256 * eps ** (2 / 3))

    def scales(self, first: Array, second: Array, centre: Array, theta: Array) -> Array:
        """What errors are relative to, of the shape of the derivatives."""
        rows, n = centre.size, theta.size
        a, b = np.abs(first).reshape(rows, n), np.abs(second).reshape(rows, n)
        scales = np.maximum(np.maximum(a, b), a.max(axis=1, initial=0.0, keepdims=True))
        if self.name == "central":
            size = np.maximum(1.0, np.abs(theta)).reshape(1, n)
            scales = np.maximum(scales, np.abs(centre).reshape(rows, 1) / size)
        return scales.reshape(centre.shape + theta.shape)


def _check(
    name: str,
    shape: tuple[int, ...] | None,
    value: Function,
    derivative: Function,
    theta: Any,
    method: str,
    rtol: float | None,
    atol: float,
    step: float | None,
    scale: Any,
) -> GradientReport:
    """Compare all entries."""
    check_choice("method", method, ("auto", "complex", "central"))
    check_function("value", value, 1)
    check_function(name, derivative, 1)
    if rtol is not None:
        rtol = check_tolerance("rtol", rtol)
    atol = check_tolerance("atol", atol)
    if step is not None:
        step = check_positive("step", step)
    point = as_point("theta", theta)
    if not point.size:
        raise ValueError("theta must hold at least one entry; got none: nothing would be compared")
    centre = evaluate_real("value(theta)", value, point, shape)
    checked = evaluate_real(f"{name}(theta)", derivative, point, centre.shape + point.shape)
    if scale is not None:
        scale = as_scale(scale, checked.shape)
    reason = None
    if method != "central":
        reason = why_no_complex_step(value, point, centre)
    if method == "complex" and reason is not None:
        raise ValueError(f"value does not allow the complex step: {reason}")

    def compare(way: _Reference, note: str = "") -> tuple[GradientReport, Array]:
        exact = way.derivative(value, point, centre.shape, step or way.step).reshape(checked.shape)
        scales = scale
        if scales is None:
            scales = way.scales(exact, checked, centre, point)
        tolerances = (way.rtol if rtol is None else rtol), atol
        return _report(name, way.name, note, exact, checked, scales, *tolerances), exact

    central = _Reference.of("central", point.dtype)
    if method == "central":
        return compare(central)[0]
    if reason is not None:
        return compare(central, f"complex step not possible: {reason}")[0]
    report, exact = compare(_Reference.of("complex", point.dtype))
    if method == "complex" or report.ok:
        return report
    # A small part of the function may still lose its imaginary part. Then the references contradict each other.
    second, rough = compare(central, "central differences contradict the complex step")
    contradicted = np.abs(exact - rough) > central.rtol * central.scales(rough, exact, centre, point)
    if contradicted.any():
        return second
    return report


def _report(
    name: str, method: str, note: str, reference: Array, checked: Array, scales: Array, rtol: float, atol: float
) -> GradientReport:
    error = np.abs(checked - reference)
    # 0 / 0 is agreement; an error on a scale of 0 is infinitely large.
    relative = np.divide(error, scales, out=np.where(error > 0, np.inf, 0.0), where=scales > 0)
    wrong = [tuple(map(int, index)) for index in np.argwhere(error > atol + rtol * scales)]
    wrong.sort(key=lambda index: -relative[index])
    failures = tuple(_failure(at, reference, checked, relative) for at in wrong)
    worst = float(relative.max(initial=0.0))
    lines = [
        f"{name} check {verdict(not failures)}: {len(failures)} of {checked.size} entries beyond the tolerance; "
        f"reference {method}, largest relative error {worst:.2e}, rtol {rtol:.2e}, atol {atol:.2e}"
    ]
    if note:
        lines.append(note)
    if failures:
        rows = [[format_index(at), *_cells(failure)] for at, failure in zip(wrong[:_SHOWN], failures, strict=False)]
        lines.append(format_table(["index", "reference", "checked", "checked/reference", "relative error"], rows))
    if len(failures) > _SHOWN:
        lines.append(f"... and {len(failures) - _SHOWN} more")
    return GradientReport(not failures, "\n".join(lines), failures, method, worst, rtol, atol)


def _failure(at: tuple[int, ...], reference: Array, checked: Array, relative: Array) -> Failure:
    index: int | tuple[int, ...] = at
    if len(at) == 1:
        index = at[0]
    return Failure(index, float(reference[at]), float(checked[at]), float(relative[at]))


def _cells(failure: Failure) -> list[str]:
    # The ratio often names the mistake: -1 is a sign, 2 a factor, 0 an omission.
    ratio = "-"
    if failure.reference != 0:
        ratio = f"{failure.checked / failure.reference:.6g}"
    return [f"{failure.reference:.10e}", f"{failure.checked:.10e}", ratio, f"{failure.relative_error:.2e}"]
