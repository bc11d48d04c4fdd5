"""The style of all figures, the axes to draw into, and figures as bytes."""

import io
from typing import TYPE_CHECKING, Any

from refkan.base import Natural, check_annotated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
else:  # loaded when something is drawn
    Axes = Figure = Any

Style = dict[str, Any]
"""Arguments of matplotlib by name."""

BLUE, ORANGE, GREY = "#1f6fb4", "#d95f02", "#8a8f98"
"""Colours of computed values, of references and doubtful values, and of reading aids; legible on white and on black."""

LINE, THIN = 1.4, 0.7
"""Widths of lines in points."""


def place(axes: Axes | None, size: tuple[float, float] = (6.0, 3.8)) -> tuple[Figure, Axes]:
    """Return the axes and their figure; without axes those of a new figure without a window."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    if axes is None:
        figure = Figure(figsize=size, layout="constrained")
        return figure, figure.subplots()
    if not isinstance(axes, Axes):
        raise TypeError(f"axes must be matplotlib axes; got a {type(axes).__name__}")
    whole = axes.figure
    while not isinstance(whole, Figure):  # axes of a part of a figure
        whole = whole.figure
    return whole, axes


def finish(axes: Any, legend: bool = True, **names: Any) -> None:
    """Label the axes, and add a legend if anything has a label."""
    axes.set(**names)
    axes.spines[["top", "right"]].set_visible(False)
    if legend and axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)


def to_png(figure: Figure, dpi: Natural = 130) -> bytes:
    """Return the figure as a PNG file.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=3, intervals=4)
    >>> rk.plots.to_png(rk.plots.knots(net, [0.0] * 6))[1:4]
    b'PNG'
    """
    check_annotated(to_png, locals())
    if not hasattr(figure, "savefig"):
        raise TypeError(f"figure must be a matplotlib figure; got a {type(figure).__name__}")
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # Laid out once: savefig draws a figure that has an engine for its layout once more, only to lay it out.
    engine = figure.get_layout_engine()
    (engine or ConstrainedLayoutEngine()).execute(figure)
    figure.set_layout_engine("none")
    stream = io.BytesIO()
    try:
        # Software: None leaves the version of matplotlib out, so that equal pictures are equal bytes.
        figure.savefig(stream, format="png", dpi=dpi, metadata={"Software": None})
    finally:
        figure.set_layout_engine(engine)
    return stream.getvalue()
