"""Statements about an experiment on a grid of cells, run under many readings and at several sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refkan.claims.cells import Cell, Found, Grid
from refkan.claims.readings import Choice, Reading, Readings
from refkan.claims.running.kept_parts import Parts, resume_from

Size = Mapping[str, str]
"""Values of the factors that say how large a run is."""


@dataclass(frozen=True)
class Statement:
    """A statement, its readings, the sizes at which it is run (largest first), and the cells that it takes.

    `quick` returns the cells of a quick run, `full` those of a full run with some seeds; `was_run` says whether the
    cells of a reading at a size are all there.
    """

    grid: Grid
    readings: Sequence[Choice]
    sizes: Sequence[Size]
    seeds: Sequence[int]
    quick: Callable[[], list[Cell]]
    full: Callable[[Sequence[int]], list[Cell]]
    was_run: Callable[[Found, Choice, Size], bool]

    def run(
        self,
        quick: bool,
        progress: Callable[[str], Any] = lambda message: None,
        checkpoints: Parts | None = None,
        seeds: int | None = None,
    ) -> dict[Cell, Mapping[str, Any]]:
        """Run or resume all cells; at full size with at most `seeds` seeds a reading."""
        cells = self.quick() if quick else self.full(self.seeds[:seeds])
        return self.grid.run(cells, resume_from(checkpoints), progress)

    def at_all_sizes(self, measured: Found) -> list[tuple[Choice, Size]]:
        """Return the readings that were run with each of their sizes, the largest first."""
        return [(r, size) for size in self.sizes for r in self.readings if self.was_run(measured, r, size)]

    def at_largest_size(self, measured: Found) -> list[tuple[Choice, Size]]:
        """Return each reading that was run with its largest size: fewer points and steps are no other reading."""
        pairs = self.at_all_sizes(measured)
        return [pair for k, pair in enumerate(pairs) if pair[0] not in [reading for reading, _ in pairs[:k]]]

    def judged(self, measured: Found, results: Sequence[Reading]) -> Readings:
        """Return the statement over its readings, those that were not run among them."""
        judged = [reading for reading, _ in self.at_all_sizes(measured)]
        return Readings(results, [reading for reading in self.readings if reading not in judged])
