r"""Poisson's and Helmholtz's equation in one dimension with manufactured solutions.

::

    u'' + k^2 u = f on [a, b],    u(a), u(b) given;    k = 0 is Poisson's equation u'' = f

u is chosen, f follows: both are closed forms, and so are u' and u''.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import Array, Checked, Frozen, as_array, as_samples, as_vector, check_annotated, real


class Profile(Checked):
    """A function of one variable with its first two derivatives.

    Parameters
    ----------
    formula : str
        How it is written in tables.
    value, first, second : callable
        The function and its first two derivatives, each from arrays to arrays, elementwise.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.problems.manufactured import ManufacturedProblem, Profile
    >>> line = Profile("2 x", lambda x: 2 * x, lambda x: 0 * x + 2, lambda x: 0 * x)
    >>> ManufacturedProblem(line).source(np.array([[0.5]]))  # u'' = 0
    array([[0.]])
    """

    formula: str
    value: Callable[[Array], Array]
    first: Callable[[Array], Array]
    second: Callable[[Array], Array]


TWO_SCALES = Profile(
    "sin(2 pi x) + sin(16 pi x) / 10",
    lambda x: np.sin(2 * np.pi * x) + np.sin(16 * np.pi * x) / 10,
    lambda x: 2 * np.pi * np.cos(2 * np.pi * x) + 1.6 * np.pi * np.cos(16 * np.pi * x),
    lambda x: -4 * np.pi**2 * np.sin(2 * np.pi * x) - 25.6 * np.pi**2 * np.sin(16 * np.pi * x),
)
"""A wave and a short ripple on it, which is weak in u and stronger than the wave in u''."""

PEAK = Profile(
    "x + exp(-200 (x - 3/10)^2)",
    lambda x: x + np.exp(-200 * (x - 0.3) ** 2),
    lambda x: 1 - 400 * (x - 0.3) * np.exp(-200 * (x - 0.3) ** 2),
    lambda x: (160000 * (x - 0.3) ** 2 - 400) * np.exp(-200 * (x - 0.3) ** 2),
)
"""A peak of width 1/14 on a slope: what matters happens in a small part of the domain."""

MODULATED_WAVE = Profile(
    "(1 + x/2) sin(4 pi x)",
    lambda x: (1 + x / 2) * np.sin(4 * np.pi * x),
    lambda x: np.sin(4 * np.pi * x) / 2 + 4 * np.pi * (1 + x / 2) * np.cos(4 * np.pi * x),
    lambda x: 4 * np.pi * np.cos(4 * np.pi * x) - 16 * np.pi**2 * (1 + x / 2) * np.sin(4 * np.pi * x),
)
"""A wave with growing amplitude."""


class ManufacturedProblem(Frozen, eq=True):
    """The equation u'' + k^2 u = f on an interval, with a source f that makes a given u the solution.

    Parameters
    ----------
    profile : Profile
        The solution u and its derivatives.
    wavenumber : float
        k >= 0; 0 for Poisson's equation.
    domain : pair of float

    Raises
    ------
    ValueError
        If the domain is empty, k negative, or k (b - a) so near a multiple m pi, m >= 1, that the boundary value
        problem is singular to 1e-6.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.problems.manufactured import MODULATED_WAVE, PEAK, TWO_SCALES, ManufacturedProblem
    >>> problem = ManufacturedProblem(MODULATED_WAVE, wavenumber=10.0)
    >>> x = np.linspace(-1.0, 1.0, 5)[:, None]
    >>> residual = problem.second_derivative(x) + 10.0**2 * problem.solution(x) - problem.source(x)
    >>> float(abs(residual).max())
    0.0
    >>> [bool(ManufacturedProblem(u).solution(x).any()) for u in (TWO_SCALES, PEAK)]
    [True, True]
    """

    profile: Profile
    wavenumber: float = 0.0
    domain: tuple[float, float] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        check_annotated(ManufacturedProblem, vars(self), but=("domain",))
        k = float(real("wavenumber", as_array("wavenumber", self.wavenumber, ndim=0)))
        a, b = map(float, real("domain", as_vector("domain", self.domain, 2)))
        if a >= b:
            raise ValueError(f"domain must be a pair a < b; got {self.domain}")
        if k < 0:
            raise ValueError(f"wavenumber must be at least 0; got {k}")
        phase = k * (b - a) / np.pi
        if round(phase) >= 1 and abs(phase - round(phase)) < 1e-6:
            raise ValueError(
                f"wavenumber must not be an eigenvalue's, m pi / (b - a): the solution would not be unique; got {k}"
            )

    def solution(self, x: Any) -> Array:
        """Return u at x (N, 1), shape (N, 1)."""
        return self.profile.value(as_samples("x", x, 1))

    def derivative(self, x: Any) -> Array:
        """Return u' at x (N, 1), shape (N, 1)."""
        return self.profile.first(as_samples("x", x, 1))

    def second_derivative(self, x: Any) -> Array:
        """Return u'' at x (N, 1), shape (N, 1)."""
        return self.profile.second(as_samples("x", x, 1))

    def source(self, x: Any) -> Array:
        """Return f = u'' + k^2 u at x (N, 1), shape (N, 1)."""
        points = as_samples("x", x, 1)
        return self.profile.second(points) + self.wavenumber**2 * self.profile.value(points)


POISSON_1D = {"two-scales": ManufacturedProblem(TWO_SCALES), "peak": ManufacturedProblem(PEAK)}
"""Problems with k = 0, by name."""

HELMHOLTZ_1D = {
    "wave": ManufacturedProblem(MODULATED_WAVE, wavenumber=4.0),
    "resonant": ManufacturedProblem(MODULATED_WAVE, wavenumber=12.5),
}
"""Helmholtz problems by name: k far below the frequency 4 pi of the solution, and close to it, where u'' and k^2 u
almost cancel in f (12.5 is close to the eigenvalue 8 pi / 2 of the interval as well, without meeting it)."""
