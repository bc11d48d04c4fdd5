"""Where a network is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.plots.style import BLUE, GREY, THIN, finish, place
from refkan.training.losses import LeastSquares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def residuals(problem: LeastSquares, theta: Any, output: int = 0, axes: Axes | None = None) -> Figure:
    """Draw F(x) - y at the samples: over one input as points, over two as a map, over more against y.

    Parameters
    ----------
    problem : LeastSquares
    theta : array (n_params,)
    output : int
        Which output.
    axes : matplotlib Axes, optional

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> problem = rk.LeastSquares(net, x, x[:, :1])
    >>> (points,) = rk.plots.residuals(problem, theta).axes[0].collections
    >>> bool(np.all(points.get_array() == problem.misfit(theta)[:, 0]))
    True
    """
    check_annotated(residuals, locals())
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    e = problem.misfit(theta)[:, output]
    figure, axes = place(axes, (5.4, 4.2) if x.shape[1] == 2 else (6.0, 3.8))
    if x.shape[1] == 2:
        reach = float(np.abs(e).max(initial=0.0)) or 1.0
        points = axes.scatter(
            x[:, 0], x[:, 1], s=12, c=e, cmap="RdBu_r", vmin=-reach, vmax=reach, edgecolors=GREY, linewidths=0.2
        )
        figure.colorbar(points, ax=axes, label="F(x) - y")
        finish(axes, xlabel="input 0", ylabel="input 1")
        return figure
    across, name = (x[:, 0], "input 0") if x.shape[1] == 1 else (y[:, output], "y")
    axes.axhline(0.0, color=GREY, lw=THIN)
    axes.plot(across, e, ls="none", marker=".", ms=3, color=BLUE)
    finish(axes, xlabel=name, ylabel="F(x) - y")
    return figure
