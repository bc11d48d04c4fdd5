r"""Burgers' and the Allen-Cahn equation as set-ups: residuals, their derivatives, points and weights as published."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, check_annotated, check_count
from refkan.training.losses import Side, Term, periodicity, prescribed
from refkan.training.problems import allen_cahn, burgers
from validation.equations.recipes.setups import AXES, Setup, Shape, check_weights, midpoints, tensor_grid

SPACE_TIME = tensor_grid(midpoints(-1.0, 1.0, 256), np.linspace(0.0, 1.0, 101))
"""Points (x, t) at which errors on [-1, 1] x [0, 1] are measured."""


@lru_cache(maxsize=4)
def _on_space_time(solution: Callable[[FloatArray], Any]) -> FloatArray:
    values: FloatArray = np.array(solution(SPACE_TIME))
    values.flags.writeable = False
    return values


def once_on_space_time(solution: Callable[[FloatArray], Any]) -> Callable[[FloatArray], Any]:
    """Return a solution that is computed on `SPACE_TIME` once for all set-ups that ask for it."""
    return lambda x: _on_space_time(solution) if x is SPACE_TIME else solution(x)


def on_initial_line(initial: Callable[[FloatArray], FloatArray]) -> Callable[[FloatArray], FloatArray]:
    """Return initial values (N,) at inputs (x, 0)."""
    return lambda inputs: initial(inputs[:, :1])[:, 0]


def on_strip(problem: ModuleType, inside: Term, start: FloatArray, weight: float, ends: Term, **more: Any) -> Setup:
    """A set-up on [-1, 1] x [0, 1]: the equation inside, initial values at `start`, and what holds at the ends of x."""
    terms = inside, prescribed("initial", start, on_initial_line(problem.initial), weight), ends
    return Setup(ranges=problem.DOMAIN, terms=terms, grid=SPACE_TIME, **more)


def burgers_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t + u u_x - nu u_xx`` at inputs (x, t)."""
    return u_t + u * u_x - burgers.VISCOSITY * u_xx


def burgers_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `burgers_residual`."""
    return u_x, u, 1.0, -burgers.VISCOSITY


def burgers_setup(
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
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> setup = burgers_setup()
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
    return on_strip(
        burgers,
        Term("equation", (Side(inside, AXES, orders=(2, 1)),), burgers_residual, burgers_partials, weighted[0]),
        start,
        weighted[1],
        prescribed("boundary", ends, 0.0, weighted[2]),
        name="burgers",
        equation="u_t + u u_x = nu u_xx on [-1, 1] x [0, 1], nu = 0.01",
        shape=Shape((2, 20, 20, 1), 4, (5, 10, 20), "sigmoid"),
        reference=once_on_space_time(burgers.solution),
    )


def allen_cahn_residual(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> Array:
    """``u_t - nu u_xx - 5 (u - u^3)`` at inputs (x, t)."""
    return u_t - allen_cahn.DIFFUSION * u_xx - allen_cahn.REACTION * (u - u**3)


def allen_cahn_partials(x: Array, u: Array, u_x: Array, u_t: Array, u_xx: Array) -> tuple[Any, ...]:
    """Derivatives of `allen_cahn_residual`."""
    return -allen_cahn.REACTION * (1 - 3 * u**2), 0.0, 1.0, -allen_cahn.DIFFUSION


@lru_cache(maxsize=1)
def allen_cahn_reference() -> allen_cahn.Reference:
    """The spectral solution, computed once: it takes about a second."""
    return allen_cahn.reference()


def allen_cahn_solution(x: Any) -> FloatArray:
    """The spectral solution at points (x, t), shape (N, 1)."""
    return allen_cahn_reference()(x)


def allen_cahn_setup(
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
        Initial points, and times at which values and slopes must be periodic.
    weights : tuple
        Of equation, initial values and periodicity.
    seed : int
        Of the collocation points.

    Examples
    --------
    >>> from validation.equations.recipes.space_time_setups import allen_cahn_setup
    >>> setup = allen_cahn_setup(points=500)
    >>> setup.kan().n_params, [term.n_points for term in setup.terms]
    (280, [500, 501, 101])
    """
    weighted = check_weights(weights, "equation", "initial", "periodic")
    check_annotated(allen_cahn_setup, locals())
    low, high = np.array(allen_cahn.DOMAIN).T
    drawn = np.random.default_rng(seed).uniform(low, high, (check_count("points", points, 1), 2))
    start = tensor_grid(np.linspace(-1.0, 1.0, check_count("initial_points", initial_points, 2)), [0.0])
    t = np.linspace(0.0, 1.0, check_count("times", times, 2))
    return on_strip(
        allen_cahn,
        Term("equation", (Side(drawn, AXES, orders=(2, 1)),), allen_cahn_residual, allen_cahn_partials, weighted[0]),
        start,
        weighted[1],
        periodicity("periodic", tensor_grid([-1.0], t), tensor_grid([1.0], t), AXES[0], weighted[2]),
        name="allen-cahn",
        equation="u_t = 0.0001 u_xx + 5 (u - u^3) on [-1, 1] x [0, 1], periodic",
        shape=Shape((2, 5, 5, 1), 4, (4, 8, 16, 32), "sigmoid"),
        reference=once_on_space_time(allen_cahn_solution),
    )
