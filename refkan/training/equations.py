r"""The equations of the papers as set-ups: residuals with their partial derivatives, points and weights as published.

Points that the papers leave open are chosen here: equidistant ones, ends included, unless said otherwise.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from refkan.arguments import check_choice, check_count
from refkan.array_types import Array, FloatArray
from refkan.losses import Side, Term, flux_jump, periodicity, prescribed
from refkan.problems import TARGETS
from refkan.problems import allen_cahn as allen_cahn_equation
from refkan.problems import burgers as burgers_equation
from refkan.problems import poisson as poisson_equation
from refkan.problems.manufactured import HELMHOLTZ_1D, POISSON_1D, ManufacturedProblem
from refkan.training.setups import Setup, Shape, midpoints, tensor_grid

AXES = ((1.0, 0.0), (0.0, 1.0))


# ---------------------------------------------------------------------------------------- Poisson with a jump


def poisson_residual(x: Array, u: Array, u_x: Array, u_y: Array, u_xx: Array, u_yy: Array) -> Array:
    """``eps (u_xx + u_yy) - f`` at inputs (x, y, |x|), eps constant on either side."""
    return poisson_equation.coefficient(x[:, :2])[:, 0] * (u_xx + u_yy) - poisson_equation.source(x[:, :2])[:, 0]


def poisson_partials(x: Array, *quantities: Array) -> tuple[Any, ...]:
    """Derivatives of `poisson_residual`."""
    eps = poisson_equation.coefficient(x[:, :2])[:, 0]
    return 0.0, 0.0, 0.0, eps, eps


def poisson_seeds(inputs: FloatArray) -> FloatArray:
    """Derivatives of (x, y, |x|) along x and y (N, 2, 3)."""
    return poisson_equation.level_set_seeds(inputs[:, :2])


def without_level_set(points: FloatArray) -> FloatArray:
    """The points themselves as inputs."""
    return points


def poisson(
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
    >>> setup = poisson()
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (140, [2401, 49, 200])
    """
    inner = np.linspace(-1.0, 1.0, check_count("points", points, 1) + 2)[1:-1]
    inputs = poisson_equation.level_set_input if level_set else without_level_set
    seeds: Any = poisson_seeds if level_set else AXES
    along = np.linspace(-1.0, 1.0, 50, endpoint=False)
    one = np.ones_like(along)
    edges = ((along, -one), (one, along), (-along, one), (-one, -along))
    edge = np.concatenate([np.column_stack(side) for side in edges])
    inside = Side(inputs(tensor_grid(inner, inner)), seeds)
    interface = inputs(np.column_stack([0 * inner, inner]))
    normals = [poisson_equation.level_set_seeds([[0.0, 0.0]], side)[0, :1] for side in poisson_equation.SIDES]
    left, right = (Side(interface, normal[:, : interface.shape[1]], orders=1) for normal in normals)
    jump = (poisson_equation.LEFT_COEFFICIENT, poisson_equation.RIGHT_COEFFICIENT)
    cells = midpoints(-1.0, 1.0, 200)
    return Setup(
        name="poisson",
        equation="div(eps grad u) = f on [-1, 1]^2, eps = 1 | 1/2",
        ranges=poisson_equation.DOMAIN,
        shape=Shape((3 if level_set else 2, 5, 1), 4, (4, 8, 16, 32), "mean-std"),
        terms=(
            Term("equation", (inside,), poisson_residual, poisson_partials, weights[0]),
            flux_jump("interface", left, right, jump, weights[1]),
            prescribed("boundary", inputs(edge), 0.0, weights[2]),
        ),
        reference=poisson_equation.solution,
        grid=tensor_grid(cells, cells),
        inputs=inputs,
        domain=(*poisson_equation.DOMAIN, (0.0, 1.0)) if level_set else None,
    )


# --------------------------------------------------------------------------------------------------- Burgers


def burgers_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t + u u_x - nu u_xx`` at inputs (x, t)."""
    return u_t + u * u_x - burgers_equation.VISCOSITY * u_xx


def burgers_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `burgers_residual`."""
    return u_x, u, 1.0, -burgers_equation.VISCOSITY


def burgers_initial(inputs: Array) -> Array:
    """Initial values at inputs (x, 0), shape (N,)."""
    return burgers_equation.initial(inputs[:, :1])[:, 0]


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
    >>> setup = burgers()
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (3680, [4096, 64, 128])
    """
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
            Term("equation", (Side(inside, AXES, orders=(2, 1)),), burgers_residual, burgers_partials, weights[0]),
            prescribed("initial", start, burgers_initial, weights[1]),
            prescribed("boundary", ends, 0.0, weights[2]),
        ),
        reference=burgers_equation.solution,
        grid=tensor_grid(midpoints(-1.0, 1.0, 256), np.linspace(0.0, 1.0, 101)),
    )


# ------------------------------------------------------------------------------------------------ Allen-Cahn


def allen_cahn_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t - nu u_xx - 5 (u - u^3)`` at inputs (x, t)."""
    return u_t - allen_cahn_equation.DIFFUSION * u_xx - allen_cahn_equation.REACTION * (u - u**3)


def allen_cahn_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `allen_cahn_residual`."""
    return -allen_cahn_equation.REACTION * (1 - 3 * u**2), 0.0, 1.0, -allen_cahn_equation.DIFFUSION


def allen_cahn_initial(inputs: Array) -> Array:
    """Initial values at inputs (x, 0), shape (N,)."""
    return allen_cahn_equation.initial(inputs[:, :1])[:, 0]


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
    >>> setup = allen_cahn(points=500)
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (280, [500, 501, 101])
    """
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
            Term("equation", (inside,), allen_cahn_residual, allen_cahn_partials, weights[0]),
            prescribed("initial", start, allen_cahn_initial, weights[1]),
            periodicity("periodic", tensor_grid([-1.0], t), tensor_grid([1.0], t), AXES[0], weights[2]),
        ),
        reference=allen_cahn_solution,
        grid=tensor_grid(midpoints(-1.0, 1.0, 256), np.linspace(0.0, 1.0, 101)),
    )


# ------------------------------------------------------------------------------------------- one dimension


ORDINARY: dict[str, ManufacturedProblem] = {
    f"{kind}-{name}": problem
    for kind, group in (("poisson-1d", POISSON_1D), ("helmholtz-1d", HELMHOLTZ_1D))
    for name, problem in group.items()
}
"""Manufactured problems in one dimension, by name."""


def ordinary(name: str, points: int = 400, weights: tuple[float, float] = (1e-4, 1.0)) -> Setup:
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
    >>> setup = ordinary("helmholtz-1d-wave")
    >>> setup.equation, [term.n_points for term in setup.terms]
    ("u'' + 4.0^2 u = f, u = (1 + x/2) sin(4 pi x)", [400, 2])
    """
    problem = ORDINARY[check_choice("name", name, ORDINARY)]
    square = problem.wavenumber**2
    a, b = problem.domain

    def residual(x: Array, u: Array, u_x: Array, u_xx: Array) -> Array:
        return u_xx + square * u - problem.source(x)[:, 0]

    ends = np.array([[a], [b]])
    inside = np.linspace(a, b, check_count("points", points, 2))[:, None]
    return Setup(
        name=name,
        equation=f"u'' + {problem.wavenumber}^2 u = f, u = {problem.profile.formula}",
        ranges=(problem.domain,),
        shape=Shape((1, 1), 4, (16, 32, 64), "affine"),
        terms=(
            Term("equation", (Side(inside, [[1.0]]),), residual, lambda *_: (square, 0.0, 1.0), weights[0]),
            prescribed("boundary", ends, problem.solution(ends)[:, 0], weights[1]),
        ),
        reference=problem.solution,
        grid=midpoints(a, b, 1000)[:, None],
    )


# ------------------------------------------------------------------------------------------------ regression


def regression(name: str = "regression", points: int = 20000, seed: int = 0) -> Setup:
    """Return a target of `refkan.problems.TARGETS` at uniformly drawn samples; [S26] section 5.1 by default.

    Examples
    --------
    >>> regression("kink", points=100).samples.shape
    (100, 1)
    """
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


# ----------------------------------------------------------------------------------------------------- by name


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
    >>> setup_named("burgers", 16).terms[0].n_points
    256
    """
    check_choice("problem", name, PROBLEMS)
    if points is None:
        points = POINTS.get(name, 400 if name in ORDINARY else 20000)
    match name:
        case "poisson":
            return poisson(points)
        case "burgers":
            return burgers((points, points), edge_points=points)
        case "allen-cahn":
            return allen_cahn(points)
    return ordinary(name, points) if name in ORDINARY else regression(name, points)


POINTS = {"poisson": 49, "burgers": 64}
"""Points in each variable, as published."""

PROBLEMS = ("poisson", "burgers", "allen-cahn", *ORDINARY, *TARGETS)
"""Names that `setup_named` knows."""
