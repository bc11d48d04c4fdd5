"""Table 2 of [S26] beside what was measured under each reading, and histories like its figure 4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.cells import numbers, records
from refkan.claims.readings import Beside, Choice, written
from refkan.claims.verdicts import Figure
from validation.multilevel.table_two import BASES, FIDELITIES, GRID, LONGER, MLPS, OPEN, PLACE, PUBLISHED, UNIT, Cell

Found = Mapping[Cell, Mapping[str, Any]]

COLOURS = {"coarse": "C0", "fine": "C1", "multilevel": "C2"}


DEFAULTS = GRID.reading()


def place(reading: Choice, model: str, fidelity: str) -> dict[str, str]:
    """Return where the runs of a cell lie under a reading: what does not matter to it is at its default.

    MLPs know few of the factors, and where fine training starts matters to no other.
    """
    where = {**DEFAULTS, **reading}
    if model in MLPS:
        where = DEFAULTS | {name: where[name] for name in ("target", "inner", "rotation")}
    elif fidelity not in ("fine", LONGER):
        where["fine"] = DEFAULTS["fine"]
    return where | {"model": model, "fidelity": fidelity}


def shared(cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells, each once, with what does not matter to it at its default, so that readings share runs."""
    made = (
        Cell.of(cell.seed, **(dict(cell.choice) | place(cell.reading, cell["model"], cell["fidelity"])))
        for cell in cells
    )
    return list(dict.fromkeys(made))


def readings(found: Found) -> list[tuple[dict[str, str], str, str]]:
    """Readings with their number of samples and divisor, in the order of the runs."""
    keys = dict.fromkeys(
        (tuple(cell.reading.items()), cell["samples"], cell["divisor"]) for cell in found if cell["model"] in BASES
    )
    return [(dict(reading), samples, divisor) for reading, samples, divisor in keys]


def beside(found: Found, reading: Choice, size: Mapping[str, str], cells: Iterable[tuple[str, str]]) -> list[Beside]:
    """Published cells, (model, fidelity), beside those measured under a reading at a size."""
    made = []
    for model, fidelity in cells:
        where = place(reading, model, fidelity) | dict(size)
        values = numbers(found, "test", **where)
        if values:
            published, deviation = PUBLISHED.get((model, fidelity), (None, None))
            name = model if model in MLPS else f"{model}, {fidelity}"
            shown = {f.name: where[f.name] for f in (*OPEN, *PLACE) if f.name in where}
            made.append(Beside(name, UNIT, values, published, deviation, written(shown)))
    return made


def table(cells: Sequence[Beside]) -> str:
    """Return cells as one sentence each."""
    lines = []
    for cell in cells:
        text = f"{cell.cell}: median {cell.median:.2e}, mean {cell.mean:.2e} ({cell.spread:.1e})"
        text += f", {len(cell.values)} seeds"
        if cell.published is not None:
            text += f"; published {cell.published:.2e} ({cell.deviation:.1e})"
            text += ", near" if cell.near else f", {cell.median / cell.published:.2g} times"
        lines.append(text)
    return ". ".join(lines)


def histories(found: Found, reading: Choice, size: Mapping[str, str], name: str) -> Figure:
    """Every seed's best mean squared error so far against nominal work, and the medians, like figure 4."""
    drawing = Drawing(figsize=(10, 4), layout="constrained")
    for axes, model in zip(drawing.subplots(1, len(BASES), sharey=True), BASES, strict=True):
        for fidelity in FIDELITIES:
            runs = records(found, **place(reading, model, fidelity), **size)
            courses = [record["course"] for record in runs.values()]
            if not courses:
                continue
            for course in courses:
                axes.semilogy(course["work"], course["mse"], color=COLOURS[fidelity], lw=0.5, alpha=0.4)
            length = min(len(course["mse"]) for course in courses)  # runs that met a tolerance are shorter
            work, mse = (np.median([course[key][:length] for course in courses], axis=0) for key in ("work", "mse"))
            axes.semilogy(work, mse, color=COLOURS[fidelity], lw=2, label=fidelity)
        axes.set(title=f"{model} basis", xlabel="work, evaluations on the finest level")
        axes.legend(loc="upper right", fontsize=8, framealpha=0.7)
    drawing.axes[0].set_ylabel("mean square error on the samples")
    caption = f"Thin: each seed. Thick: median. {written(reading)}, {size['samples']} samples."
    return Figure.from_matplotlib(drawing, name, caption)
