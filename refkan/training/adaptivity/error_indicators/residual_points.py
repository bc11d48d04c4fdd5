r"""The points of a problem and the squared residual at each: what refinement looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import FloatArray, as_samples, check_function, check_type, numbers
from refkan.networks import Network
from refkan.training.losses import Collocation, LeastSquares
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.multilevel.levels import samples_of


def sampled(net: Network, target: Callable[[FloatArray], Any], x: Any, weights: Any = None) -> LeastSquares:
    """Return the least-squares problem of a network on the values of a target function at samples.

    Parameters
    ----------
    net : Network
    target : callable
        x (N, P) -> (N, Q) or, for one output, (N,).
    x : array (N, P)
    weights : array (N,), optional

    Raises
    ------
    ValueError
        If the target's values have another shape, or are not finite: the first such point is named.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import sampled
    >>> problem = sampled(rk.kan([1, 1], order=2, intervals=2), lambda x: x > 0.5, [[0.25], [0.75]])
    >>> problem.y.ravel()
    array([0., 1.])
    """
    check_type("net", net, Network)
    check_function("target", target, 1)
    x = as_samples("x", x, net.widths[0])
    y = numbers("target", target(x))
    n_samples, n_outputs = x.shape[0], net.widths[-1]
    if y.shape == (n_samples,) and n_outputs == 1:
        y = y[:, None]
    if y.shape != (n_samples, n_outputs):
        raise ValueError(f"target must return values of shape ({n_samples}, {n_outputs}); got {y.shape}")
    bad = np.argwhere(~np.isfinite(y))
    if bad.size:
        s, q = map(int, bad[0])
        at = ", ".join(f"{value:.17g}" for value in x[s])
        raise ValueError(
            f"target must be finite; got {y[s, q]} for output {q} at x[{s}] = ({at}) "
            f"({len(bad)} of {y.size} values are not finite)"
        )
    return LeastSquares(net, x, y, weights)


def points_of(problem: Any) -> FloatArray:
    """Return the samples of least squares, or the points of all terms of a collocation problem, (N, d_0)."""
    if not isinstance(problem, LeastSquares | Collocation):
        raise TypeError(f"problem must be LeastSquares or Collocation; got {type(problem).__name__}")
    return samples_of(problem)


def squared_residuals(problem: Any, theta: FloatArray) -> FloatArray:
    """Return the squared residual at each point of `points_of`, with weights; they sum to twice the value.

    Both sides of a two-sided condition of a collocation problem carry half of its residual each.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.error_indicators.residual_points import squared_residuals
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.0], [1.0]], [[1.0], [2.0]])
    >>> squared_residuals(problem, np.zeros(3)), 2 * problem.value(np.zeros(3))
    (array([0.5, 2. ]), 2.5)
    """
    refuse_what_is_no_loss("problem", problem, "misfit")
    if isinstance(problem, Collocation):
        residuals, parts = problem.misfit(theta), []
        for term in problem.terms:
            carried = np.sum((term.factors[:, None] * residuals[term.name]) ** 2, axis=1)
            parts += [carried / len(term.sides)] * len(term.sides)
        return np.concatenate(parts)
    e = problem.misfit(theta)
    weights = 1.0 if problem.weights is None else problem.weights
    return weights * np.sum(e * e, axis=1) / e.shape[0]
