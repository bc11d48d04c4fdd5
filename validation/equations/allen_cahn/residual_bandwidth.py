"""Q4: refinement widens the band of Fourier modes that the residual loses, in the spline basis only.

"The support of the Fourier modes active in the residual widen as we refine the spline representations. ... In contrast,
the ReLU networks exhibit some improvement with increasing spline resolution, but the spectra remains narrow." Figures 8
and 9 show one seed: no numbers can stand beside ours. Estimated under every reading that is run
(`allen_cahn_cells.OPEN`), paired by seed, geometric means: the half-energy bandwidth of the splines' residual on the
last level over that on the first, and over that of the ReLU basis. Both ask for more than 1; the growth in the ReLU
basis stands beside them. That it grows at each single level, as an earlier criterion had it, the paper does not say.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Beside, Choice, Estimate, Figure, Verdict, estimate
from refkan.claims.cells import Found
from validation.equations.allen_cahn.allen_cahn_cells import RELU, SPLINE
from validation.equations.allen_cahn.allen_cahn_observed import T, X
from validation.equations.allen_cahn.allen_cahn_runs import (
    CURVES,
    SETUP,
    STATEMENT,
    after_levels,
    cells,
    of,
    written_curve,
    written_size,
)
from validation.statements import ByCells, Cells, Size, named, ratios, times

SHOWN = (CURVES[0], CURVES[1], CURVES[3])
"""Splines, the ReLU basis, and splines by Levenberg-Marquardt."""

UNITS = {"bandwidth": "half-energy bandwidth of the residual, modes in x"}

GROWTH = "half-energy bandwidth, last level over the first"

DETAILS = """\
 The residual of the equation is taken on 33 times and 256 places after each level, transformed in x, and its energy
averaged over the times; the half-energy bandwidth is the mode below which half of the energy is. Training removes low
modes first, so that a wider band of removed modes shows as a larger bandwidth of what is left."""


COST = "one seed takes an hour of processor time"


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """Growth of the splines' band, and that band over the ReLU basis's, above 1; growth in the ReLU basis beside them.

    Records from before the growth was kept have the band of the last level alone.
    """
    grown = {name: named(cells, name, GROWTH) for name in (SPLINE, RELU)}
    parts: list[tuple[str, Mapping[int, float], float | None]] = [
        ("bandwidth of the splines over that of the ReLU basis", ratios(cells, SPLINE, RELU, UNITS["bandwidth"]), 1.0),
        ("bandwidth of the splines, last level over first", grown[SPLINE], 1.0),
        ("bandwidth of the ReLU basis, last level over first", grown[RELU], None),
    ]
    return tuple(
        estimate(name, values, "geometric mean", at_least=least, cost=COST) for name, values, least in parts if values
    )


JUDGED = {"Q4": ByCells(asked, control=times(spline=1e3), twin=times(spline=1e-3))}


def growth(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    """Return the bandwidth on the last level over that on the first, by seed."""
    made = []
    for curve in SHOWN:
        runs = of(measured, reading, size, curve)
        values = {seed: run["bandwidths"][-1] / run["bandwidths"][0] for seed, run in runs.items()}
        made += [Beside(written_curve(curve), GROWTH, values)] if values else []
    return tuple(made)


def verdict(measured: Found) -> Verdict:
    """Judge bandwidths under every reading."""

    def told(reading: Choice, size: Size) -> str:
        widths = {curve: after_levels(measured, reading, size, curve, "bandwidths") for curve in SHOWN}
        text = "; ".join(f"{written_curve(c)} {' -> '.join(f'{w:.2f}' for w in of)}" for c, of in widths.items() if of)
        return f"median half-energy bandwidth of the residual after each level: {text}"

    def about(measured: Found, reading: Choice, size: Size) -> Cells:
        return *cells(measured, reading, size, UNITS), *growth(measured, reading, size)

    results = STATEMENT.judged(JUDGED["Q4"], measured, about, told)
    return STATEMENT.verdict("Q4", JUDGED["Q4"], measured, results, [draw], details=SETUP + DETAILS)


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw, for the first seed of each basis: solution, log residual, and its transform in x and t, by level."""
    groups = {curve: of(measured, reading, size, curve) for curve in SHOWN}
    first = {written_curve(curve): group[min(group)] for curve, group in groups.items() if group}
    levels = int(size["levels"])
    canvas = Drawing(figsize=(3.0 * levels, 2.0 * 3 * len(first)), layout="constrained")
    axes = canvas.subplots(3 * len(first), levels, sharex="row", sharey="row", squeeze=False)
    for row, (name, run) in enumerate(first.items()):
        for column in range(levels):
            solution, residual = (np.asarray(run[key][column]) for key in ("solution", "residual"))
            transform = np.abs(np.fft.fftshift(np.fft.fft2(residual))) / residual.size
            pictures = (
                (solution, {"vmin": -1, "vmax": 1, "cmap": "RdBu"}, (X[0], X[-1], T[0], T[-1])),
                (np.log10(np.abs(residual) + 1e-12), {"vmin": -4, "vmax": 1}, (X[0], X[-1], T[0], T[-1])),
                (np.log10(transform + 1e-12), {"vmin": -6, "vmax": 0}, (-128, 128, -(T.size // 2), T.size // 2)),
            )
            for k, (picture, options, extent) in enumerate(pictures):
                place = axes[3 * row + k, column]
                place.imshow(picture, origin="lower", aspect="auto", extent=extent, **options)
                place.tick_params(labelsize=6)
                if column == 0:
                    place.set_ylabel(("u", "log10 |residual|", "log10 |transform|")[k], fontsize=7)
            axes[3 * row, column].set_title(f"{name}, {run['parameters'][column]} parameters", fontsize=8)
    return Figure.from_matplotlib(
        canvas,
        "residual-bandwidth",
        "First seed, level by level: solution over x and t, logarithm of the residual, and of its Fourier transform. "
        + ", ".join([*(f"{name}={value}" for name, value in reading.items()), f"{written_size(size)}."]),
    )
