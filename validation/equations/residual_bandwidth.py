"""Q4: refinement widens the band of Fourier modes that the residual loses, in the spline basis only.

The statement is judged under every reading that is run (`allen_cahn_cells.OPEN`): the median half-energy bandwidth of
the residual grows at each level for splines, and by less than 1.2 from the first to the last level in the ReLU basis.
The paper shows pictures of one seed: no numbers can stand beside ours. As corrected: for splines trained by
Levenberg-Marquardt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.cells import Found, seeds_of
from refkan.claims.readings import Choice, Reading, Readings
from refkan.claims.verdicts import Figure, Verdict, judge
from refkan.training.recipes.setups.space_time_setups import allen_cahn_solution
from validation.equations.allen_cahn_observed import T, X, half_energy, spectrum
from validation.equations.allen_cahn_runs import (
    CURVES,
    FEW,
    PAPER,
    SETUP,
    STATEMENT,
    after_levels,
    cells,
    of,
    written_curve,
    written_size,
)
from validation.statements import Size

RELU_GROWTH = 1.2

SECTIONS = (0.5, 1.0)
"""Times at which solutions are drawn."""

SHOWN = (CURVES[0], CURVES[1], CURVES[3])
"""Splines, the ReLU basis, and splines by Levenberg-Marquardt."""

UNITS = {"bandwidth": "half-energy bandwidth of the residual, modes in x"}

DETAILS = """\
 The residual of the equation is taken on 33 times and 256 places after each level, transformed in x, and its energy
averaged over the times; the half-energy bandwidth is the mode below which half of the energy is. Training removes low
modes first, so that a wider band of removed modes shows as a larger bandwidth of what is left."""


def readings(measured: Found) -> Readings:
    """Return the statement under every reading that was run."""
    results = []
    for reading, size in STATEMENT.at_largest_size(measured):
        widths = {curve: after_levels(measured, reading, size, curve, "bandwidths") for curve in SHOWN}
        spline, relu, ours = widths.values()
        seeds = len(of(measured, reading, size, CURVES[0]))
        enough = seeds >= FEW
        text = "; ".join(
            f"{written_curve(curve)} {' -> '.join(f'{w:.2f}' for w in values)}"
            for curve, values in widths.items()
            if values
        )
        results.append(
            Reading(
                {**reading, "points": size["points"]},
                holds(spline, relu) if enough else None,
                f"median half-energy bandwidth of the residual after each level, {seeds} seeds: {text}",
                corrected=bool(enough and ours and holds(ours, relu)),
                cells=cells(measured, reading, size, UNITS),
                size=written_size(size),
                reduced=size != PAPER,
            )
        )
    return STATEMENT.judged(measured, results)


def verdict(measured: Found) -> Verdict:
    """Judge median bandwidths after each level, under every reading."""
    made, every = readings(measured), STATEMENT.at_largest_size(measured)
    turned, constant = [], []
    for each in every:
        spline, relu = (after_levels(measured, *each, curve, "bandwidths") for curve in SHOWN[:2])
        turned.append(falls(spline) if holds(spline, relu) else False)
        constant.append(holds([spline[0]] * len(spline), relu))
    return Verdict(
        "Q4",
        made.status,
        made.told(),
        corrected="for splines under Levenberg-Marquardt" if any(r.corrected for r in made.results) else "",
        details=SETUP + DETAILS,
        data={"seeds": seeds_of(measured)},
        figures=tuple(drawing(measured, *each) for each in every[:1] for drawing in (draw, draw_sections)),
        mutations={
            "levels in reverse order": judge(any(turned), experiment=True),
            "bandwidth of the first level throughout": judge(any(constant), experiment=True),
        },
        readings=tuple(made.plain()),
    )


def falls(widths: Sequence[float]) -> bool:
    """Whether the bandwidth falls at each level."""
    return all(later < earlier for earlier, later in pairwise(widths))


def holds(spline: Sequence[float], relu: Sequence[float]) -> bool:
    """Whether the bandwidth grows at each level for splines, and by less than 1.2 in all in the ReLU basis."""
    return all(later > earlier for earlier, later in pairwise(spline)) and relu[-1] < RELU_GROWTH * relu[0]


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
