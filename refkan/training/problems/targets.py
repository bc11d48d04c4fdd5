"""A target for regression: a function with its name, its domain and the places where it is not smooth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refkan.base import Array, Checked, FloatArray, OutsideDomainError, RandomSource, ShortRepr, as_generator
from refkan.base.arguments import as_array, as_samples, check_count

Range = tuple[float, float]


@dataclass(frozen=True)
class Target(ShortRepr, Checked):
    """A function of several variables on a box.

    Parameters
    ----------
    id : str
        Its name in tables and figures.
    function : callable
        Takes points (N, d) and returns (N, 1); pure. The first line of its docstring is the formula.
    domain : tuple of pairs
        The range of each variable.
    rough : str
        Where the function is not smooth, or steep beyond what the name says; empty if it is analytic on the box.
    breaks : tuple of float
        For functions of one variable: the points of the domain where it is not smooth.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> kink = rk.problems.TARGETS["kink"]
    >>> kink.dimension, kink.domain, kink.formula
    (1, ((0.0, 1.0),), '|x - 1/pi| on [0, 1].')
    >>> kink([[0.0], [1.0]]).round(6).ravel()
    array([0.31831, 0.68169])
    >>> kink.sample(np.random.default_rng(0), 500).shape
    (500, 1)
    """

    id: str
    function: Callable[[Array], Array]
    domain: tuple[Range, ...]
    rough: str = ""
    breaks: tuple[float, ...] = ()

    @property
    def dimension(self) -> int:
        """The number of variables."""
        return len(self.domain)

    @property
    def formula(self) -> str:
        """The first line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]

    def __call__(self, x: object) -> Array:
        """Return the values at x (N, d), shape (N, 1).

        Raises
        ------
        ValueError
            If x is not (N, d), or not finite.
        OutsideDomainError
            If a point is outside the domain; the entry is named.
        """
        points = as_samples("x", x, self.dimension)
        low, high = np.array(self.domain).T
        outside = np.argwhere((points.real < low) | (points.real > high))
        if outside.size:
            row, column = map(int, outside[0])
            raise OutsideDomainError(
                f"x must lie in the domain of target {self.id!r}, {list(self.domain[column])} in column {column}; got"
                f" x[{row}, {column}] = {points[row, column]}"
            )
        return as_array("values", self.function(points), ndim=2)

    def sample(self, rng: RandomSource, n: int) -> FloatArray:
        """Return n points drawn uniformly from the domain, shape (n, d)."""
        low, high = np.array(self.domain).T
        return as_generator("rng", rng).uniform(low, high, (check_count("n", n), self.dimension))


def by_id(*groups: tuple[Target, ...]) -> dict[str, Target]:
    """Return the targets of all groups by name.

    Raises
    ------
    ValueError
        If two have one name.
    """
    targets: dict[str, Target] = {}
    for target in (target for group in groups for target in group):
        if target.id in targets:
            raise ValueError(f"id must be given once; got {target.id!r} twice")
        targets[target.id] = target
    return targets
