r"""Knot vectors: checks, uniform and clamped extensions, and free knots with their derivatives.

A knot vector of order r holds n + 2r - 1 knots t_{1-r} <= ... <= t_{n+r-1}; position i + r - 1 of the array holds
t_i. The breakpoints t_0 < ... < t_n cut the domain [t_0, t_n] into n intervals.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, KnotError, as_array, check_count, numbers, real
from refkan.kernels import free_breakpoints as kernels
from refkan.kernels.launch import launch

MAX_ORDER = 10

MAX_INTERVALS = 10_000_000
"""Larger numbers are a mistake: the knots would not fit into memory."""

MAX_DERIVATIVE = 100
"""Higher orders are a mistake: derivatives vanish from the order of the splines on."""

HUGE = float(np.finfo(np.float64).max) / 4
"""Knots beyond this have differences that overflow."""

SMALLEST_SPAN = float(np.finfo(np.float64).tiny)
"""Spans below the normal range have no finite reciprocal."""


def check_order(order: Any) -> int:
    """Return the order as an int in 1..10; TypeError if it is no integer, ValueError beyond."""
    return check_count("order", order, 1, MAX_ORDER)


def check_derivative(derivative: Any) -> int:
    """Return the order of a derivative as an int in 0..100; TypeError if it is no integer, ValueError beyond."""
    return check_count("derivative", derivative, 0, MAX_DERIVATIVE)


def check_domain(domain: Any, name: str = "domain") -> tuple[float, float]:
    """Return (a, b) with a < b, both finite; KnotError, ValueError or TypeError mentions the given name."""
    pair = as_array(name, domain)
    if pair.shape != (2,) or np.iscomplexobj(pair):
        raise KnotError(f"{name} must be a pair (a, b) of real numbers; got {domain!r}")
    a, b = float(pair[0]), float(pair[1])
    if not a < b:
        raise KnotError(f"{name} must be a pair (a, b) with a < b; got ({a}, {b})")
    if max(-a, b) > HUGE:
        raise KnotError(f"{name} must not exceed {HUGE:.3g} in size; got ({a}, {b})")
    return a, b


def check_knots(knots: Any, order: int) -> FloatArray:
    """Check a knot vector of the given order and return it as a new read-only float64 array.

    Requires at least 2r finite knots in ascending order, none repeated more than r times, and t_0 < t_n.

    Raises
    ------
    KnotError
        Naming the requirement and the first knot that breaks it.
    """
    array = real("knots", numbers("knots", knots)).astype(np.float64)
    if array.ndim != 1:
        raise KnotError(f"knots must be a vector; got shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise KnotError(f"knots must be finite; got knots[{bad[0]}]={array[bad[0]]}")
    if array.size < 2 * order:
        raise KnotError(f"order {order} needs at least {2 * order} knots (n + 2r - 1 with n >= 1); got {array.size}")
    bad = np.flatnonzero(np.diff(array) < 0)
    if bad.size:
        k = int(bad[0]) + 1
        raise KnotError(f"knots must be in ascending order; got {_after(array, k)}")
    bad = np.flatnonzero(array[order:] == array[:-order])
    if bad.size:
        k = int(bad[0])
        raise KnotError(
            f"a knot may be repeated at most order = {order} times; got knots[{k}] to knots[{k + order}] = {array[k]}"
        )
    if not array[order - 1] < array[-order]:
        raise KnotError(f"the domain is empty: knots[{order - 1}] = knots[{array.size - order}] = {array[order - 1]}")
    if abs(array[0]) > HUGE or abs(array[-1]) > HUGE:
        raise KnotError(f"knots must not exceed {HUGE:.3g} in size; got {array[0]} to {array[-1]}")
    gaps = np.diff(array)
    bad = np.flatnonzero((gaps > 0) & (gaps < SMALLEST_SPAN))
    if bad.size:
        raise KnotError(f"knots must differ by 0 or at least {SMALLEST_SPAN:.3g}; got {_after(array, int(bad[0]) + 1)}")
    array.flags.writeable = False
    return array


def _after(knots: FloatArray, k: int, name: str = "knots") -> str:
    return f"{name}[{k}]={knots[k]} after {name}[{k - 1}]={knots[k - 1]}"


def check_strictly_increasing(knots: FloatArray, name: str = "knots") -> None:
    """Raise KnotError at the first repeated knot: repeated knots have no ReLU-power basis."""
    bad = np.flatnonzero(np.diff(knots) <= 0)
    if bad.size:
        k = int(bad[0]) + 1
        raise KnotError(f"{name} must be strictly increasing; got {_after(knots, k, name)}")


def extend_uniformly(breakpoints: Array, order: int) -> Array:
    """Extend breakpoints (..., n+1) to knots (..., n+2r-1), by r - 1 on both sides at the mean spacing h = (b-a)/n.

    The exterior knots depend only on a, b and n and are fixed when interior breakpoints move.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.knots import extend_uniformly
    >>> extend_uniformly(np.array([0.0, 0.5, 2.0]), order=3)
    array([-2. , -1. ,  0. ,  0.5,  2. ,  3. ,  4. ])
    """
    n = breakpoints.shape[-1] - 1
    a, b = breakpoints[..., :1], breakpoints[..., -1:]
    steps = (b - a) * (np.arange(1, order) / n)
    return np.concatenate([a - steps[..., ::-1], breakpoints, b + steps], axis=-1)


def uniform_breakpoints(intervals: int, domain: tuple[float, float]) -> FloatArray:
    """Breakpoints a + (b-a) k/n, k = 0..n, with both ends exact."""
    a, b = domain
    breakpoints = a + (b - a) * (np.arange(intervals + 1) / intervals)
    breakpoints[-1] = b
    return breakpoints


def is_uniform(knots: FloatArray) -> bool:
    """Whether the knots are equally spaced up to the rounding of the knots themselves."""
    steps = np.arange(knots.size) / (knots.size - 1)
    ideal = knots[0] + (knots[-1] - knots[0]) * steps
    # A knot computed as a + (b-a) k/n carries two roundings of size eps times the largest knot.
    return bool(np.all(np.abs(knots - ideal) <= 4 * np.finfo(np.float64).eps * np.abs(knots).max()))


FLOOR = 0.01
"""Least length eps of an interval of a free knot vector, relative to the mean spacing."""


def softmax(s: Array) -> Array:
    """exp(s) / sum(exp(s)) along the last axis, without overflow; of the shape of s, complex for complex steps."""
    e = np.exp(s - s.real.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def free_breakpoints(s: Array, domain: FloatArray) -> Array:
    r"""Increasing breakpoints from free parameters: t_k = a + (b-a) sum_{m<=k} q_m, q = (1-eps) softmax(s) + eps/n.

    The parameterisation of [A25] with a floor eps = 0.01: no interval is shorter than eps (b-a)/n, so that knots cannot
    merge. The ends are fixed. Adding a constant to s changes nothing.

    Parameters
    ----------
    s : array (..., n)
    domain : array (..., 2)
        Ends a < b of each knot vector.

    Returns
    -------
    array (..., n+1)

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.knots import free_breakpoints
    >>> free_breakpoints(np.zeros(4), np.array([0.0, 1.0]))
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    n = s.shape[-1]
    rows, domains = _rows(s, domain)
    out = np.empty((rows.shape[0], n + 1), np.result_type(s, np.float64))
    launch(kernels.fill_breakpoints, rows.shape[0], 40 * s.size, rows, domains, FLOOR, out)
    return out.reshape(*s.shape[:-1], n + 1)


def _rows(s: Array, domain: FloatArray) -> tuple[Array, FloatArray]:
    """s as rows (P, n), each with its domain (P, 2), for kernels."""
    if domain.shape[:-1] != s.shape[:-1]:
        domain = np.broadcast_to(domain, (*s.shape[:-1], 2)).copy()
    return np.ascontiguousarray(s).reshape(-1, s.shape[-1]), np.ascontiguousarray(domain).reshape(-1, 2)


def free_parameters(breakpoints: FloatArray) -> FloatArray:
    r"""Parameters of mean 0 whose free breakpoints are these: s = log p, p = (q - eps/n)/(1 - eps), q the intervals.

    An interval at its floor has p = 0 up to rounding, which no finite s gives. It gets p = 2^-52/n: all such shares
    together move no breakpoint by more than the rounding of b - a, and change values of a spline by the rounding of
    their largest slope times b - a. Its s is some 36 + log n below those of mean intervals, and its derivatives are as
    small as p, so that training does not move it.

    Parameters
    ----------
    breakpoints : array (P, n+1)
        One increasing row for each input.

    Returns
    -------
    array (P, n)

    Raises
    ------
    ValueError
        If an interval is shorter than its floor by more than rounding.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.knots import free_breakpoints, free_parameters
    >>> s = free_parameters(np.array([[0.0, 0.0025, 0.5, 0.75, 1.0]]))  # the first interval is at its floor
    >>> free_breakpoints(s, np.array([[0.0, 1.0]])).round(12)
    array([[0.    , 0.0025, 0.5   , 0.75  , 1.    ]])
    """
    eps, n = np.finfo(np.float64).eps, breakpoints.shape[1] - 1
    length = breakpoints[:, -1:] - breakpoints[:, :1]
    q = np.diff(breakpoints, axis=1) / length
    p = (q - FLOOR / n) / (1 - FLOOR)
    # A breakpoint is a plus up to n rounded shares of b - a, with 16 other roundings.
    rounding = eps * (16 + n + 2 * np.abs(breakpoints).max(axis=1, keepdims=True) / length)
    bad = np.argwhere(p < -rounding)
    if bad.size:
        i, m = map(int, bad[0])
        raise ValueError(
            f"free knots keep every interval at least {FLOOR} (b-a)/n = {FLOOR / n * length[i, 0]:g} long; "
            f"got an interval of {q[i, m] * length[i, 0]:g} between breakpoints {m} and {m + 1} of input {i}"
        )
    s = np.log(np.maximum(p, eps / n))
    return s - s.mean(axis=1, keepdims=True)


def free_breakpoints_vjp(s: FloatArray, domain: FloatArray, dt: FloatArray) -> FloatArray:
    r"""Pull a cotangent of the interior breakpoints back to s.

    With p = softmax(s) and g_m = (b-a) sum_{k=m}^{n-1} dt_k: ds = (1-eps) p (g - <p, g>). A constant added to g has no
    effect: g is taken relative to its entry at the largest p.

    Parameters
    ----------
    s : array (..., n)
    domain : array (..., 2)
    dt : array (..., n-1)
        Cotangent of t_1..t_{n-1}; may have more leading axes than s.

    Returns
    -------
    array (..., n)
        With the leading axes of dt.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.knots import free_breakpoints_vjp
    >>> free_breakpoints_vjp(np.zeros(2), np.array([0.0, 1.0]), np.ones(1))  # t_1 = 0.99 softmax(s)_1 + 0.005
    array([ 0.2475, -0.2475])
    """
    rows, domains = _rows(s, domain)
    (P, n), ds = rows.shape, np.empty((*dt.shape[:-1], s.shape[-1]), np.result_type(s, dt))
    stack = np.ascontiguousarray(dt).reshape(ds.size // rows.size, P, n - 1)
    operations = 40 * rows.size + 8 * ds.size
    launch(kernels.pull_back_breakpoints, P, operations, rows, domains, FLOOR, stack, ds.reshape(-1, P, n))
    return ds


def free_breakpoints_jvp(s: FloatArray, domain: FloatArray, ds: FloatArray) -> FloatArray:
    r"""Push a tangent of s to the interior breakpoints: dt_k = (b-a) sum_{m<=k} dq_m, dq = (1-eps) p (ds - <p, ds>).

    The sum of all dq is 0, and a constant added to ds has no effect. With ds relative to its entry at the largest p,
    and sums from the end that do not contain this entry, every dt_k is as accurate as its terms.

    Parameters
    ----------
    s, ds : array (..., n)
    domain : array (..., 2)

    Returns
    -------
    array (..., n-1)

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.splines.knots import free_breakpoints_jvp
    >>> free_breakpoints_jvp(np.zeros(2), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    array([0.2475])
    """
    p, length = softmax(s), domain[..., 1:] - domain[..., :1]
    peak = np.argmax(p, axis=-1)[..., None]
    ds = ds - np.take_along_axis(ds, peak, axis=-1)
    dq = (1 - FLOOR) * p * (ds - np.sum(p * ds, axis=-1, keepdims=True))
    from_left, from_right = np.cumsum(dq, axis=-1)[..., :-1], np.cumsum(dq[..., ::-1], axis=-1)[..., -2::-1]
    return length * np.where(np.arange(s.shape[-1] - 1) < peak, from_left, -from_right)


def greville_points(knots: FloatArray, order: int) -> FloatArray:
    """Averages (t_{i+1} + ... + t_{i+r-1})/(r-1), shape (dim,): the coefficients of x; midpoints for order 1."""
    if order == 1:
        return 0.5 * (knots[:-1] + knots[1:])
    means: FloatArray = np.lib.stride_tricks.sliding_window_view(knots[1:-1], order - 1).mean(axis=1)
    return means
