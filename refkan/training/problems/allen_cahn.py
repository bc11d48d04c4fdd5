r"""The Allen-Cahn equation, [S26] section 5.2.3, well posed: a spectral reference at two resolutions.

::

    u_t = nu u_xx + 5 (u - u^3) on [-1, 1] x [0, 1],    u(x, 0) = x^2 cos(pi x),    periodic in x,    nu = 1e-4

[S26] prints u_t = -eps u_xx + 5 u^3 - 5 u, which is ill-posed, and no value of eps.

u(., 0) is even, so that u is a series of cosines at all times. Continued periodically it has a kink at x = 1, where its
slope jumps from -2 to 2: its coefficients fall like k^-2, and a truncated series is wrong by 1e-3 at x = 1 until
diffusion has rounded the kink. Therefore u = v + w, where

::

    w(x, t) = -exp(-10 t) h(x, nu t)

takes the kink along: h is x^2 under the heat equation (`_spread_square`), and -10 = 5 (1 - 3 u^2) is
the rate of the reaction linearised about u(1, 0) = -1. The rest solves v_t = nu v_xx + 5 (u - u^3) + 10 w, and its
coefficients start like k^-4. Modes up to K are kept. The cubic term is formed at 2K + 1 points: products of three such
series alias into mode K alone; w, which has all modes, aliases everywhere, within the errors stated below. The system
of ordinary differential equations is solved by the Runge-Kutta method of order 8 with dense output of order 7 (DOP853).

Measured, largest difference from K = 2048 over all x and t: 8e-9 for K = 512, 6e-10 for K = 1024. At t = 0 the error is
that of the truncation, third order in K; from t = 0.1 on the series converges faster than any power, once K resolves
the two fronts near x = +-1/2 (K = 256: 6e-6 at t = 1).

x^2 on [-1, 1] with period 2 has a jump of -4 in its slope at every odd integer, so that its second derivative is
2 - 4 sum_j delta(x - 2j - 1). The solution of h_s = h_xx with h(x, 0) = x^2 is therefore

::

    h(x, s) = x^2 + 2 s - 4 sum_j I(|x - 2j - 1|, s),
    I(d, s) = int_0^s exp(-d^2/(4 r)) / sqrt(4 pi r) dr = sqrt(s/pi) exp(-q^2) - (d/2) erfc(q),   q = d/(2 sqrt(s))

A solver that subtracts a multiple of h is left with a function that is smoother by two orders.
"""

from dataclasses import field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.fft import dct
from scipy.special import erfc

from refkan.base import Array, ConvergenceError, FloatArray, Frozen, as_samples, check_count, check_positive, real

__all__ = ["reference"]

if TYPE_CHECKING:
    from scipy.integrate import OdeSolution


LONGEST = 0.05
"""Largest s for which the images nearest to [-1, 1], at -3, -1, 1, 3, are enough: erfc(3/(2 sqrt(s))) < 3e-21."""

VANISHED = 27.5
"""q from which exp(-q^2) and erfc(q) are 0 in float64: images so far away, for small s all but one, add nothing."""


def _spread_square(x: Array, s: Array | float) -> FloatArray:
    """The function h(x, s) for |x| <= 1 and 0 <= s <= LONGEST; x and s broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> _spread_square(np.array([0.5, 1.0]), 0.0)
    array([0.25, 1.  ])
    >>> float(_spread_square(np.array(1.0), 0.01).round(6))  # 1 + 2 s - 4 sqrt(s/pi)
    0.794324
    """
    distance, root = np.abs(x), np.sqrt(s)
    total = x**2 + 2 * np.asarray(s)
    for d in (1 - distance, 1 + distance, 3 - distance, 3 + distance):
        if not np.any(d < VANISHED * 2 * root):
            continue
        # q is infinite at s = 0, and 0/0 on the image itself, where the limit of I is 0 whatever q is.
        q = np.divide(d, 2 * root, out=np.full(np.broadcast(d, root).shape, np.inf), where=root > 0)
        total = total - 4 * (root / np.sqrt(np.pi) * np.exp(-(q**2)) - d / 2 * erfc(q))
    return total


def _square_coefficients(modes: int) -> FloatArray:
    """Coefficients of x^2 = sum_k m_k cos(k pi x) on [-1, 1], k = 0..modes.

    m_0 = 1/3 and m_k = 4 (-1)^k / (k pi)^2; they fall like k^-2, as those of every function with a kink.

    Examples
    --------
    >>> _square_coefficients(2).round(6)
    array([ 0.333333, -0.405285,  0.101321])
    """
    k = np.arange(1, modes + 1)
    return np.concatenate([[1 / 3], 4 * (-1.0) ** k / (np.pi * k) ** 2])


DOMAIN = ((-1.0, 1.0), (0.0, 1.0))
"""Ranges of x and t."""

DIFFUSION = 1e-4

REACTION = 5.0

KINK_RATE = -2 * REACTION
"""Derivative of REACTION (u - u^3) at u = -1, the initial value at the kink."""

MODES = 1024

LONGEST_STEP = 1 / 200
"""Without a bound the steps grow to 0.02, where the dense output, which no step control sees, is wrong by 1e-7."""

BLOCK = 1024
"""Points evaluated at a time, so that the table of points times modes stays at a few megabytes."""


def initial(x: Any) -> Array:
    """Return the initial values x^2 cos(pi x) at x (N, 1), |x| <= 1, shape (N, 1).

    Examples
    --------
    >>> from refkan.training.problems.allen_cahn import initial
    >>> initial([[-1.0], [0.0], [0.25]]).round(6).ravel()
    array([-1.      ,  0.      ,  0.044194])
    """
    points = as_samples("x", x, 1)
    return points**2 * np.cos(np.pi * points)


class Reference(Frozen):
    """The reference solution, which can be evaluated at any point; :func:`reference` makes it.

    Attributes
    ----------
    modes : int
        K of the finer of two series, the one that is evaluated.
    difference : float
        Largest difference between both series on a grid of points and times: an estimate of the error of the coarser.
    diffusion : float
        nu.

    Examples
    --------
    >>> from refkan.training.problems.allen_cahn import reference
    >>> u = reference(modes=64, tolerance=1e-2, diffusion=1e-2)
    >>> u.modes, u.difference < 1e-2, u([[0.0, 0.0], [1.0, 0.0]]).round(6).ravel() + 0.0
    (64, True, array([ 0.      , -0.999998]))
    """

    modes: int
    difference: float
    diffusion: float
    _coefficients: "OdeSolution" = field(repr=False)

    def __call__(self, x: Any) -> FloatArray:
        """Return u at points (x, t), shape (N, 1); x of any size, by periodicity, and 0 <= t <= 1.

        Raises
        ------
        ValueError
            If x is not (N, 2), or a time is outside [0, 1]; the first such time is named.
        """
        points = real("x", as_samples("x", x, 2))
        (start, end), t = DOMAIN[1], points[:, 1]
        outside = np.flatnonzero((t < start) | (t > end))
        if outside.size:
            raise ValueError(f"x[:, 1] must hold times within [0, 1]; got {t[outside[0]]} at position {outside[0]}")
        return _evaluate(self._coefficients, points, self.diffusion)[:, None]


def reference(modes: int = MODES, tolerance: float = 1e-8, diffusion: float = DIFFUSION) -> Reference:
    """Solve the equation with `modes` and with half as many modes, and compare.

    Parameters
    ----------
    modes : int, at least 16
        Takes about a second at 1024 and four times as much for each doubling beyond.
    tolerance : float
        Largest difference allowed between the two solutions, anywhere.
    diffusion : float
        nu, in (0, 0.05]. Fronts have the width sqrt(nu): smaller values need more modes.

    Returns
    -------
    Reference
        Called with points (x, t), shape (N, 2).

    Raises
    ------
    ConvergenceError
        If the two solutions differ by more than `tolerance`; place and time are named.
    ValueError
        If an argument is out of range. A negative diffusion is ill-posed and has no solution to compute.

    Examples
    --------
    >>> from refkan.training.problems.allen_cahn import reference
    >>> u = reference(modes=256, tolerance=1e-5, diffusion=1e-3)
    >>> u([[0.0, 1.0], [0.5, 0.0], [0.25, 1.0]]).round(5).ravel()
    array([ 0.27533, -0.     ,  0.98732])
    """
    count = check_count("modes", modes, 16)
    limit, nu = check_positive("tolerance", tolerance), check_positive("diffusion", diffusion)
    if nu > LONGEST:
        raise ValueError(f"diffusion must be at most {LONGEST}; got {nu}")
    # x is dense near the kink at 1, t near 0.
    x = np.concatenate([np.linspace(0.0, 1.0, 201), 1 - np.logspace(-4, -2.5, 20)])
    points = np.stack(np.meshgrid(x, np.concatenate([[0.0], np.logspace(-6, 0, 25)])), axis=-1).reshape(-1, 2)
    # The coarser solution takes longer steps as well, so that the difference speaks of time and of space.
    fine, coarse = _solve(count, nu), _solve(count // 2, nu, coarsening=1.5)
    differences = np.abs(_evaluate(fine, points, nu) - _evaluate(coarse, points, nu))
    worst = int(differences.argmax())
    if not differences[worst] <= limit:
        raise ConvergenceError(
            f"u must agree to {limit:.1e} with {count} and with {count // 2} modes; it differs by"
            f" {differences[worst]:.1e} at (x, t) = {tuple(map(float, points[worst]))}: take more modes"
        )
    return Reference(count, float(differences[worst]), nu, fine)


def _solve(modes: int, nu: float, coarsening: float = 1.0) -> "OdeSolution":
    """Coefficients of v in cos(k pi x), k = 0..modes, as a function of t."""
    from scipy.integrate import solve_ivp  # here, as nothing else in the library needs it and importing it takes time

    cells = 2 * modes
    grid = np.arange(cells + 1) / cells
    decay = -nu * (np.pi * np.arange(modes + 1)) ** 2
    padded = np.zeros(cells + 1)

    def rate(t: float, v: FloatArray) -> FloatArray:
        padded[: modes + 1] = v
        padded[1 : modes + 1] /= 2  # the transform counts every mode but the first and last twice
        w = _kink(grid, t, nu)
        u = dct(padded, type=1) + w
        forcing = dct(REACTION * (u - u**3) - KINK_RATE * w, type=1)[: modes + 1] / cells
        forcing[0] /= 2
        return decay * v + forcing

    # x^2 cos(pi x) cos(k pi x) = x^2 (cos((k+1) pi x) + cos((k-1) pi x)) / 2, and v = u - w = u + x^2 at t = 0
    square = _square_coefficients(modes + 1)
    v = square[:-1].copy()
    v[0] += square[1] / 2
    v[1] += square[2] / 2 + square[0]
    v[2:] += (square[3:] + square[1:-2]) / 2
    # The coefficients are of order one and fall off: what is below the absolute tolerance is of no account.
    answer = solve_ivp(
        rate,
        DOMAIN[1],
        v,
        method="DOP853",
        rtol=coarsening**4 * 1e-11,
        atol=coarsening**4 * 1e-13,
        max_step=coarsening * LONGEST_STEP,
        dense_output=True,
    )
    if not answer.success:
        raise ConvergenceError(f"the time integration must reach t = 1; it stopped at {answer.t[-1]}: {answer.message}")
    return answer.sol


def _kink(x: Array, t: Array | float, nu: float) -> FloatArray:
    return -np.exp(KINK_RATE * np.asarray(t)) * _spread_square(x, nu * np.asarray(t))


def _evaluate(coefficients: "OdeSolution", points: FloatArray, nu: float) -> FloatArray:
    """Return u = v + w at points (N, 2), shape (N,)."""
    x, t = points[:, 0] - 2 * np.round(points[:, 0] / 2), points[:, 1]
    u = _kink(x, t, nu)
    order = np.argsort(t, kind="stable")  # points of one block then share few steps of the dense output
    for start in range(0, len(points), BLOCK):
        rows = order[start : start + BLOCK]
        # Points of a grid share times and places: series and cosines are computed once for each.
        times, time_of = np.unique(t[rows], return_inverse=True)
        places, place_of = np.unique(x[rows], return_inverse=True)
        v = coefficients(times).T
        cosines = np.cos(np.pi * places[:, None] * np.arange(v.shape[1]))
        u[rows] += np.einsum("nk,nk->n", v[time_of], cosines[place_of])
    return u
