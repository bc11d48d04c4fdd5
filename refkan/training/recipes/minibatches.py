r"""A collocation problem of which each evaluation sees only some points of the first term."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray, IntArray, RandomSource, as_generator, check_count, check_type
from refkan.training.losses import Collocation
from refkan.training.losses.terms import Term


class Minibatches:
    r"""Values and gradients of a problem in which the first term has a batch of its points, the next one at each call.

    The points are taken in a random order, all of them once before any a second time; a last batch that would be
    smaller is left out. All other terms keep all their points.

    Parameters
    ----------
    problem : Collocation
    size : int
        Points in a batch, at most those of the first term.
    rng : numpy.random.Generator or seed

    Raises
    ------
    ValueError
        For a size that is not positive or exceeds the number of points.
    TypeError
        If rng is neither.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import Minibatches, burgers_setup
    >>> setup = burgers_setup(points=(4, 4), edge_points=4)
    >>> problem, theta = setup.start(setup.kan(widths=[2, 1]), np.random.default_rng(0))
    >>> batches = Minibatches(problem, 8, np.random.default_rng(1))
    >>> a, b = (batches.value_and_gradient(theta)[0] for _ in range(2))
    >>> bool(np.isclose((a + b) / 2, problem.value(theta)))  # two batches are all points
    True
    """

    def __init__(self, problem: Collocation, size: int, rng: RandomSource) -> None:
        check_type("problem", problem, Collocation)
        self.problem = problem
        self.size = check_count("size", size, 1, problem.terms[0].n_points)
        self._rng = as_generator("rng", rng)
        self._waiting: IntArray = np.empty(0, dtype=np.int64)
        self._rows = self._waiting
        self._present = problem

    @property
    def net(self) -> Any:
        """The network, which gives `minimize` its coordinates."""
        return self.problem.net

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Take the next batch, and return value and gradient on it."""
        if self._waiting.size < self.size:
            self._waiting = self._rng.permutation(self.problem.terms[0].n_points)
        self._rows, self._waiting = np.split(self._waiting, [self.size])
        first, *others = self.problem.terms
        self._present = replace(self.problem, terms=(part_of(first, self._rows), *others), check=False, quiet=True)
        return self._present.value_and_gradient(theta)

    def attend(self, theta: FloatArray) -> None:
        """Update the attention of the present batch, of all points before the first.

        The weights of other points of the first term stay as they are.
        """
        if self._present is self.problem:
            self.problem.attend(theta)
            return
        self._present.attend(theta)
        whole, part = self.problem.terms[0].attention, self._present.terms[0].attention
        if whole is not None and part is not None:
            whole.take_back(self._rows, part)


def part_of(term: Term, rows: IntArray) -> Term:
    """Return a term at some of its points, with their data and the weights of their attention."""
    data = None if term.data is None else term.data[rows]
    part = term.at(*(side.points[rows] for side in term.sides), data=data)
    return part if term.attention is None else replace(part, attention=term.attention.part(rows))
