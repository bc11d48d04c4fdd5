r"""Poisson's and Helmholtz's equation in one dimension as set-ups."""

from __future__ import annotations

import numpy as np

from refkan.base.arguments import check_choice, check_count
from refkan.base.array_types import Array
from refkan.training.losses import Side, Term, prescribed
from refkan.training.problems.manufactured import HELMHOLTZ_1D, POISSON_1D, ManufacturedProblem
from refkan.training.recipes.setups.setups import Setup, Shape, check_weights, midpoints

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
    >>> from refkan.training.recipes import ordinary
    >>> setup = ordinary("helmholtz-1d-wave")
    >>> setup.equation, [term.n_points for term in setup.terms]
    ("u'' + 4^2 u = f, u = (1 + x/2) sin(4 pi x)", [400, 2])
    """
    weighted = check_weights(weights, "equation", "boundary")
    problem = ORDINARY[check_choice("name", name, ORDINARY)]
    square = problem.wavenumber**2
    a, b = problem.domain

    def residual(x: Array, u: Array, u_x: Array, u_xx: Array) -> Array:
        return u_xx + square * u - problem.source(x)[:, 0]

    ends = np.array([[a], [b]])
    inside = np.linspace(a, b, check_count("points", points, 2))[:, None]
    return Setup(
        name=name,
        equation=f"u''{f' + {problem.wavenumber:g}^2 u' if square else ''} = f, u = {problem.profile.formula}",
        ranges=(problem.domain,),
        shape=Shape((1, 1), 4, (16, 32, 64), "sigmoid"),
        terms=(
            Term("equation", (Side(inside, [[1.0]]),), residual, lambda *_: (square, 0.0, 1.0), weighted[0]),
            prescribed("boundary", ends, problem.solution(ends)[:, 0], weighted[1]),
        ),
        reference=problem.solution,
        grid=midpoints(a, b, 1000)[:, None],
    )
