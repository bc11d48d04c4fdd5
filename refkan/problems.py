r"""Targets and problems of the papers, with their reference solutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from refkan.arguments import as_samples
from refkan.array_types import Array

ROTATION = 0.175
"""Angle in radians by which [S26] turns the regression target off the axes."""


def regression_target(x: Any, angle: float = ROTATION, centre: tuple[float, float] = (0.0, 0.0)) -> Array:
    r"""The two-dimensional regression target of [S26] section 5.1.

    f(x, y) = cos(4 pi x') + sin(pi y') + sin(2 pi y') + |sin(3 pi y'^2)| at the rotated point
    x' = c x - s y, y' = s x + c y, with c and s the cosine and sine of the angle.

    Parameters
    ----------
    x : array (N, 2)
    angle : float
        Radians; 0 for the unrotated target.
    centre : pair of float
        Fixed point of the rotation.

    Returns
    -------
    array (N, 1)

    Examples
    --------
    >>> import refkan as rk
    >>> rk.problems.regression_target([[0.0, 0.0], [0.5, 0.5]], angle=0.0).round(6)
    array([[1.      ],
           [2.707107]])
    """
    points = as_samples("x", x, 2) - np.asarray(centre)
    c, s = np.cos(angle), np.sin(angle)
    u = c * points[:, 0] - s * points[:, 1] + centre[0]
    v = s * points[:, 0] + c * points[:, 1] + centre[1]
    kink = np.sin(3 * np.pi * v**2)
    values = np.cos(4 * np.pi * u) + np.sin(np.pi * v) + np.sin(2 * np.pi * v) + np.where(kink.real < 0, -kink, kink)
    return values[:, None]
