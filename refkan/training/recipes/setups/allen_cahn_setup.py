r"""The Allen-Cahn equation as a set-up: residual and partial derivatives, points and weights as published."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_count
from refkan.base.array_types import Array, FloatArray
from refkan.training.losses import Side, Term, periodicity, prescribed
from refkan.training.problems import allen_cahn as allen_cahn_equation
from refkan.training.recipes.setups.setups import (
    AXES,
    SPACE_TIME,
    Setup,
    Shape,
    check_weights,
    on_initial_line,
    once_on_space_time,
    tensor_grid,
)


def allen_cahn_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t - nu u_xx - 5 (u - u^3)`` at inputs (x, t)."""
    return u_t - allen_cahn_equation.DIFFUSION * u_xx - allen_cahn_equation.REACTION * (u - u**3)


def allen_cahn_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `allen_cahn_residual`."""
    return -allen_cahn_equation.REACTION * (1 - 3 * u**2), 0.0, 1.0, -allen_cahn_equation.DIFFUSION


@lru_cache(maxsize=1)
def allen_cahn_reference() -> allen_cahn_equation.Reference:
    """The spectral solution, computed once: it takes about a second."""
    return allen_cahn_equation.reference()


def allen_cahn_solution(x: Any) -> FloatArray:
    """The spectral solution at points (x, t), shape (N, 1)."""
    return allen_cahn_reference()(x)


def allen_cahn(
    points: int = 20000,
    initial_points: int = 501,
    times: int = 101,
    weights: tuple[float, float, float] = (1e-1, 1.0, 1.0),
    seed: int = 0,
) -> Setup:
    """Return the Allen-Cahn equation, [S26] section 5.2.3, with the signs that make it well-posed.

    Parameters
    ----------
    points : int
        Collocation points, drawn uniformly.
    initial_points, times : int
        Initial points, and times at which periodicity of values and slopes is asked for.
    weights : tuple
        Of equation, initial values and periodicity.
    seed : int
        Of the collocation points.

    Examples
    --------
    >>> from refkan.training.recipes import allen_cahn
    >>> setup = allen_cahn(points=500)
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (280, [500, 501, 101])
    """
    weighted = check_weights(weights, "equation", "initial", "periodic")
    check_annotated(allen_cahn, locals())
    low, high = np.array(allen_cahn_equation.DOMAIN).T
    drawn = np.random.default_rng(seed).uniform(low, high, (check_count("points", points, 1), 2))
    inside = Side(drawn, AXES, orders=(2, 1))
    start = tensor_grid(np.linspace(-1.0, 1.0, check_count("initial_points", initial_points, 2)), [0.0])
    t = np.linspace(0.0, 1.0, check_count("times", times, 2))
    return Setup(
        name="allen-cahn",
        equation="u_t = 0.0001 u_xx + 5 (u - u^3) on [-1, 1] x [0, 1], periodic",
        ranges=allen_cahn_equation.DOMAIN,
        shape=Shape((2, 5, 5, 1), 4, (4, 8, 16, 32), "sigmoid"),
        terms=(
            Term("equation", (inside,), allen_cahn_residual, allen_cahn_partials, weighted[0]),
            prescribed("initial", start, on_initial_line(allen_cahn_equation.initial), weighted[1]),
            periodicity("periodic", tensor_grid([-1.0], t), tensor_grid([1.0], t), AXES[0], weighted[2]),
        ),
        reference=once_on_space_time(allen_cahn_solution),
        grid=SPACE_TIME,
        variables=("x", "t"),
    )
