"""Q3, Q4: what figures 7 to 9 say of the Allen-Cahn equation, judged on one set of trainings.

Beside the ratios of Q3 stands the splines' true error itself: a loss a hundred times smaller goes with an error of one
half. Beside those of Q4 stands the growth in the ReLU basis: "the ReLU networks exhibit some improvement with
increasing spline resolution, but the spectra remains narrow".
"""

from collections.abc import Sequence
from itertools import chain, product

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims import Beside, Estimate, Figure, Verdict, estimate
from refkan.claims.cells import Cell
from refkan.claims.experiments import Choice
from validation.equations.allen_cahn.allen_cahn_cells import CURVES, DENSE, GRID, RELU, SPLINE
from validation.equations.allen_cahn.allen_cahn_observed import T, X
from validation.equations.curves import FEW, constant, written_curve, written_steps
from validation.equations.recipes.space_time_setups import allen_cahn_solution
from validation.panels import Line, figure, panel
from validation.statements import ByCells, Cells, Found, Size, Statement, named, over, times

CLAIMS = ("Q3", "Q4")
QUICK = {"points": "100", "divisor": "100", "levels": "3"}
SCREENING = {"points": "1000", "divisor": "20", "levels": "4"}
PAPER = {"points": "20000", "divisor": "1", "levels": "4"}
SEEDS = tuple(range(6))
BASE = GRID.reading()

LIST = (*GRID.around(), BASE | {"periodic": "without", "layout": "grid"})
"""The readings: the base reading, every other that differs from it in one factor, and what D.2 says alone."""

*UNDECAYED, DECAYED = CURVES.shown
cells_of = CURVES.cells_of

SETUP = """\
Network [2, 5, 5, 1], cubic on 4, 8, 16 and 32 intervals of [-1, 1] in every input, sigmoid maps; points in minibatches
of 1,000 where there are more; 501 initial points (101 where there are few points), periodicity of values and slopes at
101 (26) times, all in every step; weights 0.1 (equation), 1, 1; residual-based attention on the equation, begun anew on
each level. Adam, 2500 steps a level; as corrected and with a decaying rate it falls to 1e-4 on each level. The MLP has
tanh and takes all steps on its one level. Our own row, Levenberg-Marquardt: splines on the ranges of the variables,
points drawn anew every ten steps, the start with the least loss after one refinement on 1,024 points (6 starts), then
4,096 points (2 starts and fewer points at smaller sizes). Readings are screened on fewer points and steps, which the
size of each says: weak evidence."""


def quick_cells() -> list[Cell]:
    """The base reading, small, with one seed of the dense network and of our own training."""
    return cells_of(SEEDS[:FEW], BASE, UNDECAYED[:2], **QUICK) + cells_of(SEEDS[:1], BASE, UNDECAYED[2:], **QUICK)


def full_cells(seeds: Sequence[int]) -> list[Cell]:
    """All readings on fewer points and steps, then the base reading at the size of the paper."""
    few = seeds[:FEW]
    cells = [cell for seed in few for reading in LIST for cell in cells_of([seed], reading, UNDECAYED, **SCREENING)]
    return cells + cells_of(seeds, BASE, CURVES.shown, **PAPER)


def was_run(measured: Found, reading: Choice, size: Size) -> bool:
    """Whether the three curves of the paper were run."""
    return all(CURVES.of(measured, reading, size, curve) for curve in UNDECAYED[:3])


def written_size(size: Size) -> str:
    return f"{size['points']} points, {written_steps(size)}, {size['levels']} levels"


STATEMENT = Statement(GRID, LIST, (PAPER, SCREENING, QUICK), SEEDS, quick_cells, full_cells, was_run, written_size)


EXPERIMENT = GRID.experiment
UNITS = {"error": "true error, relative, in the 2-norm", "loss": "loss on the points"}
BAND = {"bandwidth": "half-energy bandwidth of the residual, modes in x"}
GROWTH = "half-energy bandwidth, last level over the first"

SHOWN = (*constant(SPLINE, RELU), CURVES.shown[3])
"""Splines, the ReLU basis, and splines by Levenberg-Marquardt."""

COST = "one seed takes an hour of processor time"


def asked(cells: Cells) -> tuple[Estimate, ...]:
    """Losses and errors of both rivals over those of the splines, above 1; the splines' error beside them."""
    compared = (
        over(f"{key} of {rival} over splines", cells, rival, SPLINE, unit, at_least=1.0, cost=COST)
        for (key, unit), rival in product(UNITS.items(), (RELU, DENSE))
    )
    own = named(cells, SPLINE, UNITS["error"])
    return (*chain(*compared), estimate("true error of the splines", own, cost=COST))


def asked_of_bands(cells: Cells) -> tuple[Estimate, ...]:
    """Growth of the splines' band, and that band over the ReLU basis's, above 1; growth in the ReLU basis beside them.

    Records from before the growth was kept have the band of the last level alone.
    """
    name, unit = "bandwidth of the splines over that of the ReLU basis", BAND["bandwidth"]
    grown = (("the splines", SPLINE, 1.0), ("the ReLU basis", RELU, None))
    return (
        *over(name, cells, SPLINE, RELU, unit, at_least=1.0, cost=COST),
        *(
            estimate(f"bandwidth of {of}, last level over first", values, at_least=least, cost=COST)
            for of, cell, least in grown
            if (values := named(cells, cell, GROWTH))
        ),
    )


JUDGED = {
    "Q3": ByCells(asked, control=times(ReLU=1e6, MLP=1e6), twin=times(spline=1e6)),
    "Q4": ByCells(asked_of_bands, control=times(spline=1e3), twin=times(spline=1e-3)),
}


def growth(measured: Found, reading: Choice, size: Size) -> tuple[Beside, ...]:
    """Return the bandwidth on the last level over that on the first, by seed."""
    made = []
    for curve in SHOWN:
        runs = CURVES.of(measured, reading, size, curve)
        values = {seed: run["bandwidths"][-1] / run["bandwidths"][0] for seed, run in runs.items()}
        made += [Beside(written_curve(curve), GROWTH, values)] if values else []
    return tuple(made)


DETAILS = """\
 The residual of the equation is taken on 33 times and 256 places after each level, transformed in x, and its energy
averaged over the times; the half-energy bandwidth is the mode below which half of the energy is. Training removes low
modes first, so that a wider band of removed modes shows as a larger bandwidth of what is left."""


def verdicts(measured: Found) -> list[Verdict]:
    def told(reading: Choice, size: Size) -> str:
        widths = CURVES.told(measured, reading, size, "bandwidths", ".2f", SHOWN)
        return f"median half-energy bandwidth of the residual after each level: {widths}"

    def bands(measured: Found, reading: Choice, size: Size) -> Cells:
        return *CURVES.cells(measured, reading, size, BAND), *growth(measured, reading, size)

    errors = STATEMENT.judged(JUDGED["Q3"], measured, lambda *place: CURVES.cells(*place, UNITS))
    widths = STATEMENT.judged(JUDGED["Q4"], measured, bands, told)
    return [
        STATEMENT.verdict("Q3", JUDGED["Q3"], measured, errors, [solutions], details=SETUP),
        STATEMENT.verdict("Q4", JUDGED["Q4"], measured, widths, [residuals], details=SETUP + DETAILS),
    ]


def solutions(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw errors after each level, and the solution of the first seed at the last time."""
    errors: list[Line] = []
    exact = allen_cahn_solution(np.column_stack([X, np.ones_like(X)]))[:, 0]
    ends: list[Line] = [(X, exact, "k--", {"lw": 0.8})]
    for k, curve in enumerate(CURVES.shown):
        at = measured, reading, size, curve
        runs, middle = CURVES.of(*at), CURVES.after_levels(*at, "errors")
        if runs:
            first, own = runs[min(runs)], {"color": f"C{k}"}
            errors.append((first["parameters"], middle, "o-", {**own, "ms": 4, "label": written_curve(curve)}))
            thin = {**own, "lw": 0.5, "alpha": 0.4}
            errors += [(run["parameters"], run["errors"], "-", thin) for run in runs.values()]
            ends += [(X, np.asarray(first["solution"])[-1][-1], "-", own)] if curve != DECAYED else []
    panels = panel(errors, xlabel="parameters", ylabel="relative error"), panel(ends, "plot", xlabel="x")
    caption = "Errors after each level, medians and all seeds; u(x, 1) of first seeds (dashed: spectral solution)."
    return figure("allen-cahn-success", f"{caption} {under(reading, size)}", *panels, size=(9.5, 3.4))


def under(reading: Choice, size: Size) -> str:
    return ", ".join([*(f"{name}={value}" for name, value in reading.items()), f"{written_size(size)}."])


def residuals(measured: Found, reading: Choice, size: Size) -> Figure:
    """Draw, for the first seed of each basis: solution, log residual, and its transform in x and t, levels abreast."""
    groups = {curve: CURVES.of(measured, reading, size, curve) for curve in SHOWN}
    first = {written_curve(curve): group[min(group)] for curve, group in groups.items() if group}
    levels = int(size["levels"])
    canvas = Drawing(figsize=(3.0 * levels, 2.0 * 3 * len(first)), layout="constrained")
    axes = canvas.subplots(3 * len(first), squeeze=False)[:, 0]
    for row, (name, run) in enumerate(first.items()):
        solution, residual = (np.array(run[key][:levels]) for key in ("solution", "residual"))
        transform = np.abs(np.fft.fftshift(np.fft.fft2(residual), axes=(1, 2))) / residual[0].size
        pictures = (
            ("u", solution, {"vmin": -1, "vmax": 1, "cmap": "RdBu"}, (T[0], T[-1])),
            ("log10 |residual|", np.log10(np.abs(residual) + 1e-12), {"vmin": -4, "vmax": 1}, (T[0], T[-1])),
            ("log10 |transform|", np.log10(transform + 1e-12), {"vmin": -6, "vmax": 0}, (-(T.size // 2), T.size // 2)),
        )
        for place, (label, picture, options, height) in zip(axes[3 * row : 3 * row + 3], pictures, strict=True):
            place.imshow(np.hstack(picture), origin="lower", aspect="auto", extent=(0, levels, *height), **options)
            place.set_ylabel(label, fontsize=7)
            place.tick_params(labelsize=6)
            place.set_xticks(np.arange(levels) + 0.5, [f"{number} parameters" for number in run["parameters"][:levels]])
        axes[3 * row].set_title(name, fontsize=8)
    caption = "First seed, levels abreast: solution over x and t, logarithm of residual and of its Fourier transform."
    return Figure.from_matplotlib(canvas, "residual-bandwidth", f"{caption} {under(reading, size)}")


run = STATEMENT.runner(verdicts)
