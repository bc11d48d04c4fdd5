"""Q4: refinement widens the band of Fourier modes that the residual loses, in the spline basis only.

"The support of the Fourier modes active in the residual widen as we refine the spline representations. ... In contrast,
the ReLU networks exhibit some improvement with increasing spline resolution, but the spectra remains narrow." Figures 8
and 9 show one seed: no numbers can stand beside ours. Estimated under every reading that is run
(`allen_cahn_cells.OPEN`), paired by seed, geometric means: the half-energy bandwidth of the splines' residual on the
last level over that on the first, and over that of the ReLU basis. Both ask for more than 1; the growth in the ReLU
basis stands beside them. That it grows at each single level, as an earlier criterion had it, the paper does not say.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Beside, Choice, Estimate, Figure, Reading, Verdict, estimate
from refkan.claims.cells import Found, seeds_of
from refkan.training.recipes.setups.space_time_setups import allen_cahn_solution
from validation.equations.allen_cahn.allen_cahn_cells import RELU, SPLINE
from validation.equations.allen_cahn.allen_cahn_observed import T, X, half_energy, spectrum
from validation.equations.allen_cahn.allen_cahn_runs import (
    CURVES,
    PAPER,
    SETUP,
    STATEMENT,
    after_levels,
    cells,
    of,
    written_curve,
    written_size,
)
from validation.statements import ByCells, Cells, Size, named, ratios, times

SECTIONS = (0.5, 1.0)
"""Times at which solutions are drawn."""

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


def readings(measured: Found) -> list[Reading]:
    """Return the statement under every reading that was run."""
    results = []
    for reading, size in STATEMENT.at_largest_size(measured):
        widths = {curve: after_levels(measured, reading, size, curve, "bandwidths") for curve in SHOWN}
        text = "; ".join(
            f"{written_curve(curve)} {' -> '.join(f'{w:.2f}' for w in values)}"
            for curve, values in widths.items()
            if values
        )
        results.append(
            JUDGED["Q4"].reading(
                {**reading, "points": size["points"]},
                (*cells(measured, reading, size, UNITS), *growth(measured, reading, size)),
                measured=f"median half-energy bandwidth of the residual after each level: {text}",
                size=written_size(size),
                reduced=size != PAPER,
            )
        )
    return results


def verdict(measured: Found) -> Verdict:
    """Judge bandwidths under every reading."""
    every = STATEMENT.at_largest_size(measured)
    return JUDGED["Q4"].verdict(
        "Q4",
        readings(measured),
        STATEMENT.left(measured),
        details=SETUP + DETAILS,
        data={"seeds": seeds_of(measured)},
        figures=tuple(drawing(measured, *each) for each in every[:1] for drawing in (draw, draw_sections)),
    )


def draw(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw, for the first seed of each basis: solution, log residual, and its transform in x and t, by level."""
    first = first_runs(measured, reading, size)
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
        + told(reading, size),
    )


def first_runs(measured: Found, reading: Choice, size: Size) -> dict[str, Any]:
    """Return the run of the first seed of each curve that was run, by its name."""
    groups = {curve: of(measured, reading, size, curve) for curve in SHOWN}
    return {written_curve(curve): group[min(group)] for curve, group in groups.items() if group}


def told(reading: Choice, size: Size) -> str:
    """Write the reading and the size of what is drawn."""
    return ", ".join([*(f"{name}={value}" for name, value in reading.items()), f"{written_size(size)}."])


def draw_sections(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw cross-sections, level by level: the solution at two times, and the energy of the residual by mode."""
    first = first_runs(measured, reading, size)
    canvas = Drawing(figsize=(10, 7.2), layout="constrained")
    rows = canvas.subplots(len(SECTIONS) + 1, len(first), sharex="row", sharey="row", squeeze=False)
    for column, (name, run) in enumerate(first.items()):
        *solutions, energies = rows[:, column]
        for k, parameters in enumerate(run["parameters"]):
            label = f"{parameters} parameters"
            for place, t in zip(solutions, SECTIONS, strict=True):
                values = np.asarray(run["solution"][k])[np.argmin(abs(t - T))]
                place.plot(X, values, color=f"C{k}", lw=1, label=label)
            energy = spectrum(np.asarray(run["residual"][k])) / X.size**2
            energies.loglog(np.arange(energy.size) + 1, energy, color=f"C{k}", lw=1, label=label)
            energies.axvline(half_energy(energy) + 1, color=f"C{k}", lw=0.8, ls=":")
        for place, t in zip(solutions, SECTIONS, strict=True):
            place.plot(X, exact_at(t), "k--", lw=0.8, label="spectral solution")
            place.set(xlabel="x")
            if column == 0:
                place.set_ylabel(f"u(x, {t:g})")
        solutions[0].set_title(name, fontsize=10)
        energies.set(xlabel="mode in x, plus 1")
        if column == 0:
            energies.set_ylabel("energy of the residual")
    rows[0, 0].legend(fontsize=7, framealpha=0.7)
    return Figure.from_matplotlib(
        canvas,
        "residual-cross-sections",
        "First seed, level by level: the solution at two times, and the energy of the residual by Fourier mode in x, "
        f"mean over t; dotted: half-energy bandwidth. {told(reading, size)}",
    )


def exact_at(t: float) -> np.ndarray:
    """The spectral solution at a time on the grid."""
    return allen_cahn_solution(np.column_stack([X, np.full_like(X, t)]))[:, 0]
