"""Training histories, errors against parameters, and residuals."""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, as_array, check_annotated, check_count, check_type, is_sequence, real
from refkan.base.short_reprs import short
from refkan.plots.style import BLUE, GREY, LINE, THIN, Axes, Figure, Style, finish, place
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.staged_results import StagedResult
from refkan.training.optimizers import Result

Run = Result | StagedResult


def history(
    result: Run | Sequence[Run] | Mapping[str, Run],
    axes: Axes | None = None,
    labels: Sequence[str] | None = None,
    factor: float = 1.0,
) -> Figure:
    """Draw the value after each step, for one run level by level, or for several runs in the same axes.

    The end of a level, or of a round of refinement, is marked by a dotted line in the figure of one run, and by a dot
    on each curve in the figure of several runs.

    Parameters
    ----------
    result : Result or StagedResult, or a sequence or mapping of these
        Of a multistart, the trainings of its winner. The keys of a mapping are labels.
    axes : matplotlib Axes, optional
    labels : sequence of str, optional
        What the legend says of each level of one run, by default its number of parameters, or of each of several runs.
    factor : float
        Of the values: 2 for losses that are twice the value.

    Raises
    ------
    TypeError, ValueError
        For anything but results, and for labels of another number.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 50)[:, None]
    >>> net, theta = rk.kan([1, 1], order=3, intervals=2).initialize(np.random.default_rng(0), x)
    >>> problem = rk.LeastSquares(net, x, np.sin(9 * x))
    >>> result = rk.minimize_multilevel(problem, theta, [3, 2], method="lbfgs")
    >>> axes = rk.plots.history(result).axes[0]
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['4 parameters', '6 parameters']
    >>> axes = rk.plots.history([result, rk.minimize(problem, theta, steps=5)], labels=["two levels", "one"]).axes[0]
    >>> [text.get_text() for text in axes.get_legend().get_texts()]
    ['two levels', 'one']
    """
    check_annotated(history, {"labels": labels, "factor": factor})
    from matplotlib.ticker import MaxNLocator

    if isinstance(result, Mapping):
        if labels is None:
            labels = list(map(str, result))
        result = list(result.values())
    drawn: list[_Drawn]
    if isinstance(result, Sequence) and len(result) > 0:
        drawn = _as_runs([_levels(run) for run in result], labels)
    else:
        drawn = _as_levels(_levels(result), labels)
    figure, axes = place(axes)
    for one in drawn:
        if one.begins_after_line:
            axes.axvline(one.start, color=GREY, lw=THIN, ls=":", gid="level")
        values = factor * one.result.history.value
        axes.semilogy(one.start + np.arange(values.size), values, lw=LINE, **one.style)
    ylabel = "loss"
    if factor == 1.0:
        ylabel = "value (loss / 2)"
    finish(axes, xlabel="step", ylabel=ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


class _Drawn(Frozen):
    """One training: the step at which it starts, how it is drawn, and whether a dotted line marks its start."""

    result: Result
    start: int
    style: Style
    begins_after_line: bool = False


def _as_levels(levels: list[Result], labels: Sequence[str] | None) -> list[_Drawn]:
    """One run: each level in a colour of its own."""
    names: list[str | None] = [f"{level.theta.size} parameters" for level in levels]
    if labels is not None:
        names = list(_named(labels, len(levels), "levels"))
    elif len(levels) == 1:
        names = [None]
    return [
        _Drawn(level, start, {"label": name}, begins_after_line=start > 0)
        for level, start, name in zip(levels, _starts(levels), names, strict=True)
    ]


def _as_runs(runs: list[list[Result]], labels: Sequence[str] | None) -> list[_Drawn]:
    """Several runs: each in a colour of its own, with a dot on its curve at the start of each further level."""
    if labels is None:
        labels = [f"run {k}" for k in range(len(runs))]
    drawn = []
    for k, (levels, name) in enumerate(zip(runs, _named(labels, len(runs), "runs"), strict=True)):
        colour: Style = {"color": f"C{k}", "markevery": [0]}
        first, *others = zip(levels, _starts(levels), strict=True)
        drawn.append(_Drawn(*first, {"label": name, "marker": "", **colour}))
        drawn += [_Drawn(level, start, {"marker": "o", **colour}) for level, start in others]
    return drawn


def _starts(levels: list[Result]) -> list[int]:
    """The step at which each level starts."""
    steps = [level.history.value.size - 1 for level in levels]
    return [0, *accumulate(steps[:-1])]


def _named(labels: Sequence[str], count: int, what: str) -> list[str]:
    if len(labels) != count:
        raise ValueError(f"labels must be one for each of {count} {what}; got {len(labels)}")
    return list(labels)


def _levels(result: Any) -> list[Result]:
    """The trainings of which a result consists, one after the other."""
    if isinstance(result, Result):
        return [result]
    if isinstance(result, StagedResult):
        return list(result.levels)
    raise TypeError(
        "result must be what minimize, minimize_multilevel, minimize_adaptive or multistart returned, or a sequence or "
        f"mapping of such; got {result!r}"
    )


def convergence(
    curves: Mapping[str, tuple[Any, Any]], axes: Axes | None = None, xlabel: str = "parameters", ylabel: str = "error"
) -> Figure:
    """Draw errors against parameters, or any other cost, on logarithmic axes, with fitted exponents in the legend.

    Parameters
    ----------
    curves : mapping
        Name -> (costs, errors), both positive and equally many.
    axes : matplotlib Axes, optional
    xlabel, ylabel : str

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> n = np.array([8.0, 16.0, 32.0])
    >>> axes = rk.plots.convergence({"cubic": (n, n**-4.0)}).axes[0]
    >>> axes.get_legend().get_texts()[0].get_text()
    'cubic, exponent -4.0'
    """
    check_annotated(convergence, locals(), but=["curves"])
    check_type("curves", curves, Mapping)
    if not curves:
        raise ValueError("curves must hold at least one curve; got none")
    figure, axes = place(axes)
    for name, curve in curves.items():
        x, y = _positive_pair(f"curves[{name!r}]", curve)
        label = name
        if np.unique(x).size > 1:
            label += f", exponent {np.polyfit(np.log(x), np.log(y), 1)[0]:.1f}"
        axes.loglog(x, y, marker="o", ms=4, lw=LINE, label=label)
    finish(axes, xlabel=xlabel, ylabel=ylabel)
    return figure


def _positive_pair(name: str, curve: Any) -> tuple[FloatArray, FloatArray]:
    """The costs and the errors of a curve."""
    if not is_sequence(curve) or len(curve) != 2:
        raise TypeError(f"{name} must be a pair of arrays, costs and errors; got {short(curve)}")
    x, y = (real(name, as_array(name, part)) for part in curve)
    fits = x.ndim == 1 and x.shape == y.shape
    if not fits or (x <= 0).any() or (y <= 0).any():
        raise ValueError(f"{name} must hold positive costs and as many positive errors; got {short(curve)}")
    return x, y


def residuals(problem: LeastSquares, theta: Any, output: int = 0, axes: Axes | None = None) -> Figure:
    """Draw F(x) - y at the samples: as points for one input, as a map for two, and against y for more.

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
    check_count("output", output, 0, problem.y.shape[1] - 1)
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    e = problem.misfit(theta)[:, output]
    if x.shape[1] == 2:
        return _residual_map(x, e, axes)
    across, name = y[:, output], "y"
    if x.shape[1] == 1:
        across, name = x[:, 0], "input 0"
    figure, axes = place(axes)
    axes.axhline(0.0, color=GREY, lw=THIN)
    axes.plot(across, e, ls="none", marker=".", ms=3, color=BLUE)
    finish(axes, xlabel=name, ylabel="F(x) - y")
    return figure


def _residual_map(x: FloatArray, e: FloatArray, axes: Axes | None) -> Figure:
    """Residuals over a plane of inputs, white at zero."""
    figure, axes = place(axes, (5.4, 4.2))
    reach = float(np.abs(e).max(initial=0.0)) or 1.0
    scale: Style = {"c": e, "cmap": "RdBu_r", "vmin": -reach, "vmax": reach}
    points = axes.scatter(x[:, 0], x[:, 1], s=12, edgecolors=GREY, linewidths=0.2, **scale)
    figure.colorbar(points, ax=axes, label="F(x) - y")
    finish(axes, xlabel="input 0", ylabel="input 1")
    return figure
