"""Residual-based attention: weights of collocation points that follow their residuals."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, as_vector, check_count, check_share, real


class Attention:
    r"""Weights lambda_i of points. They begin as 1, and each update makes of them

        lambda_i <- (1 - rate) lambda_i + rate e_i / max_j e_j,    e_i the absolute residual.

    This is the only object of the library that changes in place. A term whose attention is updated is another function
    of theta from then on, so that methods which compare values of several steps must be started anew.

    Parameters
    ----------
    n_points : int
    rate : float
        mu, in (0, 1].

    Raises
    ------
    ValueError, TypeError
        For a number of points or a rate that is not positive, and a rate above 1.

    Notes
    -----
    As in [S26] section 5.2; lambda starts at 1 and stays in [0, 1], above 0 for rates below 1.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> attention = rk.Attention(2, rate=0.5)
    >>> attention.update(np.array([2.0, 1.0]))
    >>> attention.weights
    array([1.  , 0.75])
    """  # noqa: D400  # the sentence ends in its formula

    def __init__(self, n_points: int, rate: float = 1e-4) -> None:
        self._weights: FloatArray = np.ones(check_count("n_points", n_points, 1))
        self.rate = check_share("rate", rate)

    @property
    def weights(self) -> FloatArray:
        """A copy of the current weights (N,)."""
        return self._weights.copy()

    @property
    def n_points(self) -> int:
        """Number of points N."""
        return self._weights.size

    def update(self, residuals: Any) -> None:
        """Update the weights from the absolute values of residuals e (N,); if all are zero, the weights shrink."""
        e = np.abs(real("residuals", as_vector("residuals", residuals, self.n_points)))
        largest = e.max()
        share = e / largest if largest > 0 else e
        self._weights = (1 - self.rate) * self._weights + self.rate * share

    def restart(self, n_points: int) -> "Attention":
        """Return an attention of the same rate for new points."""
        return Attention(n_points, self.rate)

    def part(self, rows: Any) -> "Attention":
        """Return an attention of some of the points (indices), with their current weights."""
        chosen = Attention(len(rows), self.rate)
        chosen._weights = self._weights[rows]
        return chosen

    def take_back(self, rows: Any, part: "Attention") -> None:
        """Copy back the updated weights of some of the points, from an attention that `part` returned."""
        self._weights[rows] = part._weights
