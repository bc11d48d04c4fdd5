"""A spectrum, and condition numbers of a study."""

import math
from typing import Any

import numpy as np

from refkan.analysis.conditioning import Spectrum
from refkan.analysis.conditioning.spectra import AMID
from refkan.analysis.conditioning.studies.study_rows import Study, StudyRow
from refkan.base import check_annotated, check_type
from refkan.plots.style import BLUE, GREY, LINE, ORANGE, THIN, Axes, Figure, Style, finish, place

MARKERS, STYLES = "os^Dv*XP", ("-", "--", "-.", ":")
"""Markers for orders, and line styles for architectures."""


def spectrum(spectrum: Spectrum, axes: Axes | None = None) -> Figure:
    """Draw the magnitudes of the eigenvalues in descending order.

    Markers are filled for eigenvalues in the numerical range and hollow for those beyond it, which are rounding;
    triangles are negative eigenvalues. The smallest one in the range has a ring if a flag casts doubt on it ("gap",
    "resolution"). A line marks where the analytic null space begins. The title shows the condition number and the
    flags.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> spectrum = rk.spectrum(rk.LeastSquares(net, x, x[:, :1]), theta)
    >>> axes = rk.plots.spectrum(spectrum).axes[0]
    >>> len(axes.lines[0].get_xdata()) == spectrum.n_range
    True
    """
    check_type("spectrum", spectrum, Spectrum)
    figure, axes = place(axes)
    numbers, sizes = np.arange(1, spectrum.values.size + 1), np.abs(spectrum.values)
    inside, below = numbers <= spectrum.n_range, spectrum.values < 0
    styles: dict[str, tuple[Any, Style]] = {
        "numerical range": (inside & ~below, {"marker": "o", "mfc": BLUE}),
        "negative": (inside & below, {"marker": "v", "mfc": BLUE}),
        "beyond it: rounding": (~inside, {"marker": "o", "mfc": "none"}),
    }
    for label, (chosen, style) in styles.items():
        shown = chosen & (sizes > 0)
        if shown.any():
            axes.semilogy(numbers[shown], sizes[shown], ls="none", ms=4, mec=BLUE, label=label, **style)
    doubted = [flag for flag in spectrum.flags if flag in ("gap", "resolution")]
    if doubted and spectrum.n_range:
        label = f"flagged: {', '.join(doubted)}"
        ring: Style = {"ls": "none", "marker": "o", "ms": 9, "mfc": "none", "mec": ORANGE}
        last = spectrum.n_range
        axes.plot(last, sizes[last - 1], label=label, gid="flagged", **ring)
    if spectrum.analytic_nullity:
        at = spectrum.size - spectrum.analytic_nullity + 0.5
        label = f"analytic null space, {spectrum.analytic_nullity}"
        axes.axvline(at, color=ORANGE, lw=LINE, ls="--", label=label, gid="null space")
    axes.set_yscale("log")
    title = f"{spectrum.which}: condition {spectrum.condition:.2e}, rank {spectrum.rank} of {spectrum.size}"
    if spectrum.flags:
        title += f"; flags: {', '.join(spectrum.flags)}"
    finish(axes, xlabel="number", ylabel="magnitude of the eigenvalue")
    axes.set_title(title, fontsize=9)
    axes.grid(axis="y", lw=THIN, color=GREY, alpha=0.3)
    return figure


def conditions(study: Study, axes: Axes | None = None) -> Figure:
    """Draw condition numbers of a study against the intervals: a line per series, medians and extremes over seeds.

    Series with the same basis and preconditioner share a colour, with the same order a marker, and with the same
    architecture a line style. The legend beside the axes also says what the bars mean, if there are any. Hollow markers
    show that a seed's row has a flag other than "middle", which casts doubt on its number. Dense networks, which have
    no intervals, are horizontal lines, dotted for rows with such flags.

    Examples
    --------
    >>> import refkan as rk
    >>> study = rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [4, 8], samples=50))
    >>> rk.plots.conditions(study).axes[0].get_xlabel()
    'intervals n'
    """
    check_annotated(conditions, locals())
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    figure, axes = place(axes, (9.5, 5.0))
    ticks: set[int] = set()
    flagged = barred = False
    series = _series(study)
    bases, orders, architectures = ([*dict.fromkeys(key[k] for key in series)] for k in range(3))
    for (basis, order, widths), points in series.items():
        label = " ".join(filter(None, (basis, widths, order)))
        colour = colormaps["tab10"](bases.index(basis) % 10)
        marker = MARKERS[orders.index(order) % len(MARKERS)]
        line = STYLES[architectures.index(widths) % len(STYLES)]
        values = {n: [row.condition for row in rows] for n, rows in points.items()}
        doubted = {n for n, rows in points.items() if any(set(row.flags) - {AMID} for row in rows)}
        flagged = flagged or bool(doubted)
        numbers = sorted(n for n in points if n is not None)
        if numbers:
            spread = np.array([[f(values[n]) for n in numbers] for f in (np.median, np.min, np.max)])
            ranges = None
            if np.ptp(spread, axis=0).any():
                ranges = np.abs(spread[1:] - spread[0])
                barred = True
            curve: Style = {"marker": marker, "color": colour, "linestyle": line, "zorder": 2}
            axes.errorbar(numbers, spread[0], ranges, capsize=3, label=label, **curve)
            hollow = [n in doubted for n in numbers]
            hole: Style = {"marker": marker, "mfc": "white", "mec": colour, "ls": "none", "zorder": 3}
            axes.plot(np.array(numbers)[hollow], spread[0][hollow], gid="flagged", **hole)
            ticks.update(numbers)
        else:
            line = "--"
            if doubted:
                line = ":"
            axes.axhline(float(np.median(values[None])), linestyle=line, color=colour, label=label)
    axes.set_xlabel("intervals n")
    axes.set_ylabel("condition number of the numerical range")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(ticks), labels=list(map(str, sorted(ticks))))
    axes.set_yscale("log")
    axes.grid(visible=True, alpha=0.3)
    handles, _ = axes.get_legend_handles_labels()
    if barred:
        bars = "markers: median over the seeds\nbars: smallest to largest"
        handles.append(Line2D([], [], marker="|", ms=12, linestyle="none", color="0.4", label=bars))
    if flagged:
        style: Style = {"marker": "o", "linestyle": ":", "color": "0.4", "markerfacecolor": "white"}
        handles.append(Line2D([], [], label="hollow, dotted: flagged", **style))
    if handles:
        beside: Style = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
        axes.legend(handles=handles, fontsize="small", frameon=False, **beside)
    return figure


def _series(study: Study) -> dict[tuple[str, str, str], dict[int | None, list[StudyRow]]]:
    """Rows with condition numbers by basis, order and widths, and by intervals (the largest if layers differ)."""
    series: dict[tuple[str, str, str], dict[int | None, list[StudyRow]]] = {}
    for row in study.rows:
        if not math.isfinite(row.condition):
            continue
        point = row.configuration
        order, basis, n = "", point.kind, point.intervals
        if point.order is not None:
            order = f"r = {point.order}"
        if point.preconditioner is not None:
            basis += f" with {point.preconditioner}"
        if isinstance(n, tuple):
            n = max(n)
        series.setdefault((basis, order, str(list(point.widths))), {}).setdefault(n, []).append(row)
    return series
