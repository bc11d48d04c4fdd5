"""Curves of a figure, each a model with the rate of Adam on every level, constant as published or decaying."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from refkan.base import Frozen
from refkan.claims import Beside, Grid
from refkan.claims.cells import Cell, Found, beside, records
from refkan.claims.experiments import Choice
from validation.statements import Size, cells_at, place_of

FEW = 3
"""Fewer seeds decide nothing about a median."""

Curve = tuple[str, str]


def constant(*models: str) -> tuple[Curve, ...]:
    return tuple((model, "constant") for model in models)


def written_curve(curve: Curve) -> str:
    model, rate = curve
    if rate == "constant":
        return model
    return f"{model}, {rate} rate"


def written_steps(size: Size) -> str:
    """Write which part of the published steps is taken."""
    if size["divisor"] == "1":
        return "all steps"
    return f"1/{size['divisor']} of the steps"


class Curves(Frozen):
    """The curves of a figure as cells of a grid, those that are published first.

    `rate` is the name of the factor of the rate; `matters` are the open factors that a model has: others are at their
    defaults in its cells, so that readings share its runs.
    """

    grid: Grid
    rate: str
    matters: Mapping[str, tuple[str, ...]]
    shown: tuple[Curve, ...]

    def place(self, reading: Choice, model: str, rate: str = "constant") -> dict[str, str]:
        """Return where the runs of a curve lie under a reading."""
        return place_of(self.grid, reading, self.matters[model], **{"model": model, self.rate: rate})

    def cells_of(self, seeds: Sequence[int], reading: Choice, curves: Iterable[Curve], **size: str) -> list[Cell]:
        return cells_at(self.grid, seeds, (self.place(reading, *curve) for curve in curves), **size)

    def of(self, measured: Found, reading: Choice, size: Size, curve: Curve) -> dict[int, Mapping[str, Any]]:
        return records(measured, **self.place(reading, *curve), **size)

    def after_levels(self, measured: Found, reading: Choice, size: Size, curve: Curve, key: str) -> list[float]:
        """Return the medians over seeds of a number after each level; nothing for a curve that was not run."""
        runs = self.of(measured, reading, size, curve).values()
        return [float(np.median(values)) for values in zip(*(run[key] for run in runs), strict=True)]

    def told(self, measured: Found, reading: Choice, size: Size, key: str, form: str, curves: Sequence[Curve]) -> str:
        """Tell the medians of a number after each level of some curves, in a format."""
        stairs = {curve: self.after_levels(measured, reading, size, curve, key) for curve in curves}
        lines = {written_curve(c): " -> ".join(f"{value:{form}}" for value in of) for c, of in stairs.items() if of}
        return "; ".join(f"{name} {line}" for name, line in lines.items())

    def cells(self, measured: Found, reading: Choice, size: Size, units: Mapping[str, str]) -> tuple[Beside, ...]:
        """Return numbers at the end, each in its unit, with every seed."""
        return tuple(
            cell
            for key, unit in units.items()
            for curve in self.shown
            for cell in beside(measured, written_curve(curve), unit, key, self.place(reading, *curve) | dict(size))
        )
