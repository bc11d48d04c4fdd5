"""Poisson's equation with a jump as a set-up: residual and partial derivatives, points and weights as published."""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, check_annotated, check_count
from refkan.training.losses import Side, Term, flux_jump, prescribed
from refkan.training.problems import poisson
from validation.equations.recipes.setups import AXES, Setup, Shape, check_weights, midpoints, tensor_grid


def poisson_data(x: Array) -> FloatArray:
    """The coefficient eps, constant on either side, and the right-hand side f at inputs (x, y, |x|), shape (N, 2)."""
    return np.hstack([poisson.coefficient(x[:, :2]), poisson.source(x[:, :2])])


def poisson_residual(x: Array, u: Array, u_x: Array, u_y: Array, u_xx: Array, u_yy: Array, data: Array) -> Array:
    """``eps (u_xx + u_yy) - f``."""
    return data[:, 0] * (u_xx + u_yy) - data[:, 1]


def poisson_partials(x: Array, *quantities: Array, data: Array) -> tuple[Any, ...]:
    """Derivatives of `poisson_residual`."""
    return 0.0, 0.0, 0.0, data[:, 0], data[:, 0]


def level_set_seeds(inputs: Array) -> FloatArray:
    """Seeds of the derivatives along both axes at inputs (x, y, |x|)."""
    return poisson.level_set_seeds(inputs[:, :2])


def poisson_setup(
    points: int = 49, weights: tuple[float, float, float] = (1e-2, 1e-1, 1.0), level_set: bool = True
) -> Setup:
    """Return Poisson's equation with a jump in the coefficient, [S26] section 5.2.1.

    Parameters
    ----------
    points : int
        points x points interior points, and as many on the interface; 49 as published. 200 on the boundary.
    weights : tuple
        Of equation, interface and boundary.
    level_set : bool
        Whether |x| is a third input. Without it a smooth network cannot have the kink of the solution.

    Examples
    --------
    >>> from validation.equations.recipes.poisson_setup import poisson_setup
    >>> setup = poisson_setup()
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (140, [2401, 49, 200])
    """
    check_annotated(poisson_setup, locals(), but=("points", "weights"))
    weighted = check_weights(weights, "equation", "interface", "boundary")
    inner = np.linspace(-1.0, 1.0, check_count("points", points, 1) + 2)[1:-1]
    inputs: Any = np.asarray
    seeds: Any = AXES
    widths, domain = (2, 5, 1), None
    if level_set:
        inputs = poisson.level_set_input
        seeds = level_set_seeds
        widths, domain = (3, 5, 1), (*poisson.DOMAIN, (0.0, 1.0))
    along = np.linspace(-1.0, 1.0, 50, endpoint=False)
    ones = np.ones_like(along)
    edges = ((along, -ones), (ones, along), (-along, ones), (-ones, -along))
    edge = np.concatenate([np.column_stack(side) for side in edges])
    inside = Side(inputs(tensor_grid(inner, inner)), seeds)
    interface = inputs(np.column_stack([0 * inner, inner]))
    normals = [poisson.level_set_seeds([[0.0, 0.0]], side)[0, :1] for side in poisson.SIDES]
    left, right = (Side(interface, normal[:, : interface.shape[1]], orders=1) for normal in normals)
    jump = (poisson.LEFT_COEFFICIENT, poisson.RIGHT_COEFFICIENT)
    cells = midpoints(-1.0, 1.0, 200)
    return Setup(
        name="poisson",
        equation="div(eps grad u) = f on [-1, 1]^2, eps = 1 | 1/2",
        ranges=poisson.DOMAIN,
        shape=Shape(widths, 4, (4, 8, 16, 32), "mean-std"),
        terms=(
            Term("equation", (inside,), poisson_residual, poisson_partials, weighted[0], data=poisson_data),
            flux_jump("interface", left, right, jump, weighted[1]),
            prescribed("boundary", inputs(edge), 0.0, weighted[2]),
        ),
        reference=poisson.solution,
        grid=tensor_grid(cells, cells),
        inputs=inputs,
        domain=domain,
    )
