r"""Burgers' equation as a set-up: residual and partial derivatives, points and weights as published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base.arguments import check_count
from refkan.base.array_types import Array
from refkan.training.losses import Side, Term, prescribed
from refkan.training.problems import burgers as burgers_equation
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


def burgers_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t + u u_x - nu u_xx`` at inputs (x, t)."""
    return u_t + u * u_x - burgers_equation.VISCOSITY * u_xx


def burgers_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `burgers_residual`."""
    return u_x, u, 1.0, -burgers_equation.VISCOSITY


def burgers(
    points: tuple[int, int] = (64, 64), edge_points: int = 64, weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> Setup:
    """Return Burgers' equation, [S26] section 5.2.2.

    Parameters
    ----------
    points : pair of int
        Collocation points in x and t, a tensor grid; 64 x 64 as published.
    edge_points : int
        On the initial line, and on each of the two ends.
    weights : tuple
        Of equation, initial and boundary values.

    Examples
    --------
    >>> from refkan.training.recipes import burgers
    >>> setup = burgers()
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (3680, [4096, 64, 128])
    """
    weighted = check_weights(weights, "equation", "initial", "boundary")
    if not isinstance(points, Sequence | np.ndarray) or len(points) != 2:
        raise ValueError(f"points must be a pair of numbers, in x and in t; got {points!r}")
    space, time = (check_count(f"points[{k}]", n, 2) for k, n in enumerate(points))
    edge_points = check_count("edge_points", edge_points, 2)
    inside = tensor_grid(np.linspace(-1.0, 1.0, space), np.linspace(0.0, 1.0, time))
    start = tensor_grid(np.linspace(-1.0, 1.0, edge_points), [0.0])
    ends = tensor_grid([-1.0, 1.0], np.linspace(0.0, 1.0, edge_points))
    return Setup(
        name="burgers",
        equation="u_t + u u_x = nu u_xx on [-1, 1] x [0, 1], nu = 0.01",
        ranges=burgers_equation.DOMAIN,
        shape=Shape((2, 20, 20, 1), 4, (5, 10, 20), "sigmoid"),
        terms=(
            Term("equation", (Side(inside, AXES, orders=(2, 1)),), burgers_residual, burgers_partials, weighted[0]),
            prescribed("initial", start, on_initial_line(burgers_equation.initial), weighted[1]),
            prescribed("boundary", ends, 0.0, weighted[2]),
        ),
        reference=once_on_space_time(burgers_equation.solution),
        grid=SPACE_TIME,
        variables=("x", "t"),
    )
