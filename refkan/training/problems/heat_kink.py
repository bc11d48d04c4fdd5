r"""The kink of x^2, continued periodically, under the heat equation: a closed form.

x^2 on [-1, 1] with period 2 has a jump of -4 in its slope at every odd integer, so that its second derivative is
2 - 4 sum_j delta(x - 2j - 1). The solution of h_s = h_xx with h(x, 0) = x^2 is therefore

::

    h(x, s) = x^2 + 2 s - 4 sum_j I(|x - 2j - 1|, s),
    I(d, s) = int_0^s exp(-d^2/(4 r)) / sqrt(4 pi r) dr = sqrt(s/pi) exp(-q^2) - (d/2) erfc(q),   q = d/(2 sqrt(s))

A solver that subtracts a multiple of h is left with a function that is smoother by two orders.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfc

from refkan.base import Array, FloatArray

LONGEST = 0.05
"""Largest s for which the images nearest to [-1, 1], at -3, -1, 1, 3, are enough: erfc(3/(2 sqrt(s))) < 3e-21."""

VANISHED = 27.5
"""q from which exp(-q^2) and erfc(q) are 0 in float64: images so far away, for small s all but one, add nothing."""


def spread_square(x: Array, s: Array | float) -> FloatArray:
    """The function h(x, s) for |x| <= 1 and 0 <= s <= LONGEST; x and s broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> spread_square(np.array([0.5, 1.0]), 0.0)
    array([0.25, 1.  ])
    >>> float(spread_square(np.array(1.0), 0.01).round(6))  # 1 + 2 s - 4 sqrt(s/pi)
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


def square_coefficients(modes: int) -> FloatArray:
    """Coefficients of x^2 = sum_k m_k cos(k pi x) on [-1, 1], k = 0..modes.

    m_0 = 1/3 and m_k = 4 (-1)^k / (k pi)^2; they fall like k^-2, as those of every function with a kink.

    Examples
    --------
    >>> square_coefficients(2).round(6)
    array([ 0.333333, -0.405285,  0.101321])
    """
    k = np.arange(1, modes + 1)
    return np.concatenate([[1 / 3], 4 * (-1.0) ** k / (np.pi * k) ** 2])
