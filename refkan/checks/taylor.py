"""The Taylor check: one line of remainders checks a value, its gradient and its Hessian together."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import Array, FloatArray, Frozen, RandomSource
from refkan.base.arguments import as_array, as_generator, check_count, check_function, check_positive
from refkan.checks.differences import as_point, evaluate_real
from refkan.checks.reports import Report, format_table, verdict

_NAMES = ("R0", "R1", "R2")
_USABLE = 100.0  # a remainder this many times above the noise has a rate that noise cannot move by 0.2
_SLACK = 0.2


class Remainder(Frozen):
    """One order of the Taylor check.

    Attributes
    ----------
    name : str
        "R0", "R1" or "R2".
    expected : int
        The rate if the derivatives are right: 1, 2 or 3.
    values : ndarray
        The remainders, one a step.
    rate : float
        The observed rate at the smallest step where rounding does not matter; infinity if `exact`.
    exact : bool
        All remainders are rounding: the function is a polynomial of low degree, and rates mean nothing.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> report = rk.checks.taylor_check(lambda t: np.sin(t).sum(), np.cos, np.array([0.5, 1.0]))
    >>> [(remainder.name, remainder.expected, remainder.ok) for remainder in report.remainders]
    [('R0', 1, True), ('R1', 2, True)]
    """

    name: str
    expected: int
    values: FloatArray
    rate: float
    exact: bool

    @property
    def ok(self) -> bool:
        """Whether the rate is at least the expected one, less 0.2."""
        return self.exact or self.rate >= self.expected - _SLACK


class TaylorReport(Report):
    """The outcome of `taylor_check`: the steps t and the remainders R0, R1 and, with a Hessian, R2.

    Attributes
    ----------
    steps : ndarray
        The steps t.
    remainders : tuple of Remainder
    noise : float
        Size of the rounding errors in values of f, below which a remainder says nothing.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> report = rk.checks.taylor_check(lambda t: np.sin(t).sum(), np.cos, np.array([0.5, 1.0]))
    >>> report.ok, np.round(report.rates)
    (True, array([1., 2.]))
    """

    steps: FloatArray
    remainders: tuple[Remainder, ...]
    noise: float

    @property
    def rates(self) -> tuple[float, ...]:
        """The observed rates of R0, R1 (and R2); infinity where a remainder is exact."""
        return tuple(remainder.rate for remainder in self.remainders)


def taylor_check(
    value: Callable[[Array], Any],
    gradient: Callable[[Array], Any],
    theta: npt.ArrayLike,
    direction: npt.ArrayLike | None = None,
    hessian_vector: Callable[[Array, Array], Any] | None = None,
    rng: RandomSource = 0,
    *,
    largest: float = 0.25,
    halvings: int = 18,
) -> TaylorReport:
    """Test derivatives by the rates at which Taylor remainders vanish along a line theta + t d.

    ::

        R0(t) = |f(theta + t d) - f(theta)|                                       rate 1
        R1(t) = |f(theta + t d) - f(theta) - t <g, d>|                            rate 2
        R2(t) = |f(theta + t d) - f(theta) - t <g, d> - t^2/2 <d, H d>|           rate 3

    for t = `largest` 2^-k. The rate is ``log2(R(t) / R(t/2))`` at the smallest t whose remainder is 100 times above the
    noise; it must be at least the expected one, less 0.2. It may be larger (a direction without curvature). The noise
    is measured: it is the greater of 16 eps times the terms' sizes and four times the largest R1 at eight steps of
    about 1e-12, where a Taylor remainder of a smooth function has vanished. A remainder that is noise at every t is
    called exact: a polynomial of low degree has no rates.

    Parameters
    ----------
    value, gradient : callable
        theta to a real scalar, and to an array of theta's shape.
    theta : array_like
        The point, of any shape.
    direction : array_like, optional
        d; by default a random unit vector.
    hessian_vector : callable, optional
        ``hessian_vector(theta, d)``, an array of theta's shape.
    rng : numpy.random.Generator or seed
        Draws the direction.
    largest : float
        The largest step.
    halvings : int
        How often it is halved, at least 1.

    Returns
    -------
    TaylorReport

    Raises
    ------
    ValueError
        For shapes that differ, values that are not finite (with the step), a zero direction.
    TypeError
        For values that are not real.

    Notes
    -----
    A gradient wrong by a relative 1e-5 or so is still noticed; smaller mistakes are for `gradient_check`. The idea is
    that of pyadjoint's Taylor tests (Farrell, Ham, Funke, Rognes, SIAM J. Sci. Comput. 35 (2013)).

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.checks import taylor_check
    >>> hv = lambda t, d: np.exp(t) * d
    >>> report = taylor_check(lambda t: np.exp(t).sum(), np.exp, [0.0, 1.0], hessian_vector=hv)
    >>> [round(rate, 1) for rate in report.rates]
    [1.0, 2.0, 3.0]
    >>> taylor_check(lambda t: t.sum(), np.ones_like, [0.0, 1.0]).remainders[1].exact
    True
    """
    check_function("value", value, 1)
    check_function("gradient", gradient, 1)
    if hessian_vector is not None:
        check_function("hessian_vector", hessian_vector, 2)
    rng = as_generator("rng", rng)
    point = as_array("theta", as_point("theta", theta))
    largest = check_positive("largest", largest)
    steps = np.array([largest * 0.5**k for k in range(check_count("halvings", halvings, minimum=1) + 1)])
    d = _direction(point, direction, rng)
    centre = float(evaluate_real("value(theta)", value, point, ()))
    slope = float(np.sum(evaluate_real("gradient(theta)", gradient, point, point.shape) * d))
    coefficients = [centre, slope]
    if hessian_vector is not None:
        curved = evaluate_real("hessian_vector(theta, d)", lambda t: hessian_vector(t, d.copy()), point, point.shape)
        coefficients.append(float(np.sum(d * curved)) / 2)

    def value_at(t: float) -> float:
        return float(evaluate_real(f"value(theta + {t:.3g} d)", value, point + t * d, ()))

    def remainders(t: FloatArray) -> FloatArray:
        values = np.array([value_at(s) for s in t])
        rows = [values - coefficients[0]]
        for power, coefficient in enumerate(coefficients[1:], start=1):
            rows.append(rows[-1] - coefficient * t**power)
        return np.abs(np.array(rows))

    table = remainders(steps)
    # 2^-40 is about 1e-12: far enough for new roundings, so near that R1 shows nothing else.
    nearby = np.array([k * 2.0**-40 for k in range(1, 9)])
    jitter = float(remainders(nearby)[1].max())
    size = table[0].max() + sum(abs(c) * largest**power for power, c in enumerate(coefficients))
    noise = max(16 * float(np.finfo(np.float64).eps) * size, 4 * jitter)
    orders = tuple(_remainder(k, row, noise) for k, row in enumerate(table))
    ok = all(order.ok for order in orders)
    return TaylorReport(ok, _table(ok, steps, orders, noise), steps, orders, noise)


def _direction(theta: Array, direction: npt.ArrayLike | None, rng: np.random.Generator) -> Array:
    if direction is None:
        d: Array = rng.standard_normal(theta.shape)
        return d / max(float(np.linalg.norm(d)), math.ulp(0.0))
    d = as_array("direction", as_point("direction", direction))
    if d.shape != theta.shape:
        raise ValueError(f"direction must have theta's shape {theta.shape}; got {d.shape}")
    if theta.size and not d.any():
        raise ValueError("direction must not be zero")
    return d


def _remainder(order: int, values: FloatArray, noise: float) -> Remainder:
    usable = np.flatnonzero(values[:-1] > _USABLE * noise)
    rate = float("inf")
    if usable.size:
        k = usable[-1]
        # Under the noise the next remainder is unknown; the noise bounds the rate from below.
        rate = float(np.log2(values[k] / max(values[k + 1], noise)))
    return Remainder(_NAMES[order], order + 1, values, rate, exact=usable.size == 0)


def _table(ok: bool, steps: FloatArray, orders: tuple[Remainder, ...], noise: float) -> str:
    rates = ", ".join(map(_rate, orders))
    rows = [[f"{t:.3e}", *(f"{order.values[k]:.6e}" for order in orders)] for k, t in enumerate(steps)]
    body = format_table(["t", *(order.name for order in orders)], rows)
    return f"Taylor check {verdict(ok)}: rates {rates}; noise {noise:.1e}\n{body}"


def _rate(order: Remainder) -> str:
    rate = f"{order.rate:.3f}"
    if order.exact:
        rate = "exact"
    expected = f"expected {order.expected}"
    if not order.ok:
        expected += "; WRONG"
    return f"{order.name} {rate} ({expected})"
