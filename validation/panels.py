"""Figures of the report: panels of lines, which claim files give as data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

from refkan.claims import Figure

Line = tuple[Any, Any, str, Mapping[str, Any]]
"""x, y, format and options of a line, as `matplotlib.axes.Axes.plot` takes them."""

Panel = Callable[[Axes], object]


def panel(
    lines: Iterable[Line],
    scale: str = "loglog",
    *,
    levels: Sequence[float] = (),
    marks: Iterable[float] = (),
    ticks: Iterable[int] = (),
    **said: Any,
) -> Panel:
    """Return a panel of lines by a method of Axes ("loglog", ...), with levels across, marks down, and ticks of x.

    `said` are properties of the axes: title, xlabel, ylabel, ylim.
    """

    def draw(axes: Axes) -> None:
        for x, y, style, options in lines:
            getattr(axes, scale)(x, y, style, **options)
        for level in levels:
            axes.axhline(level, color="0.5", lw=0.8)
        for mark in marks:
            axes.axvline(mark, color="0.7", lw=0.8, ls=":")
        axes.set(**said)
        if places := sorted(set(ticks)):
            axes.set_xticks(places, labels=[str(n) for n in places])
            axes.xaxis.set_minor_formatter(NullFormatter())
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize="x-small")

    return draw


def figure(name: str, caption: str, *panels: Panel, size: tuple[float, float] = (9.0, 3.6), **shared: Any) -> Figure:
    """Return a figure of panels side by side; `shared` goes to `matplotlib.figure.Figure.subplots`."""
    canvas = Canvas(figsize=size, layout="constrained")
    grid = canvas.subplots(**{"ncols": len(panels), "squeeze": False, **shared})
    for axes, draw in zip(grid.flat, panels, strict=True):
        draw(axes)
    return Figure.from_matplotlib(canvas, name, caption)
