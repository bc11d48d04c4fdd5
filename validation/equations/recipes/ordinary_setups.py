"""Poisson's and Helmholtz's equation in one dimension as set-ups."""

import numpy as np

from refkan.base import Array, check_choice, check_count
from refkan.training.losses import Side, Term, prescribed
from refkan.training.problems.manufactured import HELMHOLTZ_1D, POISSON_1D, ManufacturedProblem
from validation.equations.recipes.setups import Setup, Shape, check_weights, midpoints

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
    >>> from validation.equations.recipes.ordinary_setups import ordinary_setup
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
