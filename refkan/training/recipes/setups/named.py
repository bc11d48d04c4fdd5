r"""Set-ups by name.

Targets of regression as set-ups.

Poisson's and Helmholtz's equation in one dimension as set-ups.

Poisson's equation with a jump as a set-up: residual and partial derivatives, points and weights as published.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, check_annotated, check_choice, check_count
from refkan.training.losses import Side, Term, flux_jump, prescribed
from refkan.training.problems import TARGETS, poisson
from refkan.training.problems.manufactured import HELMHOLTZ_1D, POISSON_1D, ManufacturedProblem
from refkan.training.recipes.setups.setups import AXES, Setup, Shape, check_weights, midpoints, tensor_grid
from refkan.training.recipes.setups.space_time_setups import allen_cahn_setup, burgers_setup


def poisson_data(x: Array) -> FloatArray:
    """The coefficient eps, constant on either side, and the right-hand side f at inputs (x, y, |x|), shape (N, 2)."""
    return np.hstack([poisson.coefficient(x[:, :2]), poisson.source(x[:, :2])])


def poisson_residual(x: Array, u: Array, u_x: Array, u_y: Array, u_xx: Array, u_yy: Array, data: Array) -> Array:
    """``eps (u_xx + u_yy) - f``."""
    return data[:, 0] * (u_xx + u_yy) - data[:, 1]


def poisson_partials(x: Array, *quantities: Array, data: Array) -> tuple[Any, ...]:
    """Derivatives of `poisson_residual`."""
    return 0.0, 0.0, 0.0, data[:, 0], data[:, 0]


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
    >>> from refkan.training.recipes import poisson_setup
    >>> setup = poisson_setup()
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (140, [2401, 49, 200])
    """
    check_annotated(poisson_setup, locals(), but=("points", "weights"))
    weighted = check_weights(weights, "equation", "interface", "boundary")
    inner = np.linspace(-1.0, 1.0, check_count("points", points, 1) + 2)[1:-1]
    inputs: Any = poisson.level_set_input if level_set else np.asarray
    seeds: Any = (lambda inputs: poisson.level_set_seeds(inputs[:, :2])) if level_set else AXES
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
        shape=Shape((3 if level_set else 2, 5, 1), 4, (4, 8, 16, 32), "mean-std"),
        terms=(
            Term("equation", (inside,), poisson_residual, poisson_partials, weighted[0], data=poisson_data),
            flux_jump("interface", left, right, jump, weighted[1]),
            prescribed("boundary", inputs(edge), 0.0, weighted[2]),
        ),
        reference=poisson.solution,
        grid=tensor_grid(cells, cells),
        inputs=inputs,
        domain=(*poisson.DOMAIN, (0.0, 1.0)) if level_set else None,
    )


ORDINARY: dict[str, ManufacturedProblem] = {
    f"{kind}-{name}": problem
    for kind, group in (("poisson-1d", POISSON_1D), ("helmholtz-1d", HELMHOLTZ_1D))
    for name, problem in group.items()
}
"""Manufactured problems in one dimension, by name."""


def ordinary_setup(name: str, points: int = 400, weights: tuple[float, float] = (1e-4, 1.0)) -> Setup:
    """Return a problem of `ORDINARY`, ``u'' + k^2 u = f``, with its boundary values.

    Parameters
    ----------
    name : str
    points : int
        Equidistant collocation points.
    weights : pair
        Of the equation, whose residual is hundreds of times as large as u, and of the boundary values.

    Examples
    --------
    >>> from refkan.training.recipes import ordinary_setup
    >>> setup = ordinary_setup("helmholtz-1d-wave")
    >>> setup.equation, [term.n_points for term in setup.terms]
    ("u'' + 4^2 u = f, u = (1 + x/2) sin(4 pi x)", [400, 2])
    """
    weighted = check_weights(weights, "equation", "boundary")
    problem = ORDINARY[check_choice("name", name, ORDINARY)]
    square = problem.wavenumber**2
    a, b = problem.domain

    def source(x: Array) -> Array:
        return problem.source(x)[:, 0]

    def residual(x: Array, u: Array, u_x: Array, u_xx: Array, data: Array) -> Array:
        return u_xx + square * u - data

    def partials(x: Array, u: Array, u_x: Array, u_xx: Array, data: Array) -> tuple[float, ...]:
        return square, 0.0, 1.0

    ends = np.array([[a], [b]])
    inside = np.linspace(a, b, check_count("points", points, 2))[:, None]
    return Setup(
        name=name,
        equation=f"u''{f' + {problem.wavenumber:g}^2 u' if square else ''} = f, u = {problem.profile.formula}",
        ranges=(problem.domain,),
        shape=Shape((1, 1), 4, (16, 32, 64), "sigmoid"),
        terms=(
            Term("equation", (Side(inside, [[1.0]]),), residual, partials, weighted[0], data=source),
            prescribed("boundary", ends, problem.solution(ends)[:, 0], weighted[1]),
        ),
        reference=problem.solution,
        grid=midpoints(a, b, 1000)[:, None],
    )


def regression_setup(name: str = "regression", points: int = 20000, seed: int = 0) -> Setup:
    """Return a target of `rk.problems.TARGETS` at uniformly drawn samples; [S26] section 5.1 by default.

    Examples
    --------
    >>> from refkan.training.recipes import regression_setup
    >>> regression_setup("kink", points=100).samples.shape
    (100, 1)
    """
    check_annotated(regression_setup, locals())
    target = TARGETS[check_choice("name", name, TARGETS)]
    return Setup(
        name=name,
        equation=f"values of {target.formula}",
        ranges=target.domain,
        shape=Shape((target.dimension, 5, 1), 3, (3, 6, 12, 24), "mean-std"),
        terms=(),
        reference=target,
        grid=target.sample(np.random.default_rng([seed, 1]), 20000),
        samples=target.sample(np.random.default_rng([seed, 0]), check_count("points", points, 1)),
    )


def setup_named(name: str, points: int | None = None) -> Setup:
    """Return a set-up by name: "poisson", "burgers", "allen-cahn", one of `ORDINARY`, or a target of regression.

    Parameters
    ----------
    name : str
    points : int, optional
        Points in each variable for Poisson and Burgers, in all for others; as published by default.

    Raises
    ------
    ValueError
        For an unknown name; all names are listed.

    Examples
    --------
    >>> from refkan.training.recipes import setup_named
    >>> setup_named("burgers", 16).terms[0].n_points
    256
    """
    check_annotated(setup_named, locals())
    check_choice("problem", name, PROBLEMS)
    if points is None:
        points = POINTS.get(name, 400 if name in ORDINARY else 20000)
    match name:
        case "poisson":
            return poisson_setup(points)
        case "burgers":
            return burgers_setup((points, points), edge_points=points)
        case "allen-cahn":
            return allen_cahn_setup(points)
    return ordinary_setup(name, points) if name in ORDINARY else regression_setup(name, points)


POINTS = {"poisson": 49, "burgers": 64}
"""Points in each variable, as published."""

PROBLEMS = ("poisson", "burgers", "allen-cahn", *ORDINARY, *TARGETS)
"""Names that `setup_named` knows."""
