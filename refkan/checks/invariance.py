"""Two callables that claim to be the same function, compared on points."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import Array, check_function, check_tolerance
from refkan.checks.differences import as_point, as_scale, evaluate_real
from refkan.checks.reports import Report, format_index, verdict


class InvarianceReport(Report):
    """The outcome of `invariance_check`.

    Attributes
    ----------
    max_difference, max_relative_error : float
        The largest of ``|f - g|``, and of ``|f - g| / scale``.
    index : tuple of int or None
        Where ``|f - g| / scale`` is largest, among the values that fail if any does; None without values.
    x : ndarray or None
        The sample there.
    f, g : float
        The two values there; NaN if there are no values.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.array([[0.0], [2.0]])
    >>> report = rk.checks.invariance_check(np.square, lambda x: np.minimum(x * x, 3.0), x)
    >>> report.ok, report.index, report.f, report.g
    (False, (1, 0), 4.0, 3.0)
    """

    max_difference: float
    max_relative_error: float
    index: tuple[int, ...] | None
    x: Array | None
    f: float
    g: float


def invariance_check(
    f: Callable[[Array], Any],
    g: Callable[[Array], Any],
    x: npt.ArrayLike,
    rtol: float = 64 * float(np.finfo(np.float64).eps),
    atol: float = 0.0,
    *,
    scale: npt.ArrayLike | None = None,
) -> InvarianceReport:
    """Test that f and g are the same function on points: ``|f(x) - g(x)| <= atol + rtol * scale``.

    Parameters
    ----------
    f, g : callable
        x to real arrays of one shape, samples first.
    x : array_like, shape (N, ...)
        The points, samples first.
    rtol : float
        64 eps (1.4e-14) by default: some tens of rounded operations a value.
    atol : float
        0 by default.
    scale : array_like, optional
        Broadcast to the values: their sums of absolute contributions, to be preferred where terms cancel. By default
        the largest ``|f(x)|`` over all points.

    Returns
    -------
    InvarianceReport

    Raises
    ------
    ValueError
        If the shapes differ, or a value is not finite (its index is named).
    TypeError
        If a value is not real.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.checks import invariance_check
    >>> x = np.linspace(0.0, 1.0, 11)
    >>> invariance_check(lambda x: x * x - 1, lambda x: (x - 1) * (x + 1), x).ok
    True
    >>> invariance_check(lambda x: x * x, lambda x: x**2 + (x > 0.95), x).index
    (10,)
    """
    check_function("f", f, 1)
    check_function("g", g, 1)
    rtol, atol = check_tolerance("rtol", rtol), check_tolerance("atol", atol)
    points = as_point("x", x)
    if points.ndim == 0:
        raise ValueError("x must have the samples as its first axis; got a scalar")
    first = evaluate_real("f(x)", f, points)
    second = evaluate_real("g(x)", g, points, first.shape)
    if first.shape[:1] != points.shape[:1]:
        raise ValueError(f"f(x) must have {points.shape[0]} samples as its first axis; got shape {first.shape}")
    if scale is None:
        scale = np.abs(first).max(initial=0.0)
    scales = as_scale(scale, first.shape)
    difference = np.abs(first - second)
    # 0 / 0 is agreement; a difference on a scale of 0 is infinitely large.
    relative = np.divide(difference, scales, out=np.where(difference > 0, np.inf, 0.0), where=scales > 0)
    wrong = difference > atol + rtol * scales
    ok = not wrong.any()
    greatest = float(difference.max(initial=0.0))
    worst = float(relative.max(initial=0.0))
    table = (
        f"invariance check {verdict(ok)}: {wrong.sum()} of {first.size} values beyond the tolerance; "
        f"largest difference {greatest:.2e}, relative {worst:.2e}, rtol {rtol:.2e}, atol {atol:.2e}"
    )
    if first.size == 0:
        return InvarianceReport(ok, table, greatest, worst, None, None, float("nan"), float("nan"))
    worst_of = relative
    if not ok:
        worst_of = np.where(wrong, relative, -1.0)
    index = tuple(map(int, np.unravel_index(int(worst_of.argmax()), first.shape)))
    where = points[index[0]]
    table += (
        f"\nworst at [{format_index(index)}], x = {np.array2string(where, precision=17)}: "
        f"f = {first[index]:.16e}, g = {second[index]:.16e}"
    )
    return InvarianceReport(ok, table, greatest, worst, index, where, float(first[index]), float(second[index]))
