r"""Changes of a network between two trainings that leave its function as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refkan.base.annotations import Checked
from refkan.base.array_types import FloatArray
from refkan.networks import Network
from refkan.training.losses.mistaken import refuse_what_is_no_loss

Change = Callable[[Any, FloatArray], tuple[Network, FloatArray]]
"""(problem, theta) -> another network that is the same function, and its parameters."""


@dataclass(frozen=True)
class Refined(Checked):
    """A change that cuts every interval into `factor` equal ones, one number or one a layer, as `Network.refine`.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.training.multilevel import Refined
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
    >>> net, theta = Refined()(problem, [0.0, 1.0, 4.0])
    >>> net.layers[0].intervals, theta
    (4, array([0. , 0.5, 1. , 2.5, 4. ]))
    """

    factor: int | tuple[int, ...] = 2

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value")
        fine = problem.net.refine(self.factor)
        return fine, problem.net.convert(theta, fine)
