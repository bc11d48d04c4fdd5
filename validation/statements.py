"""Statements about an experiment on a grid of cells, run under many readings and at several sizes."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, product
from types import SimpleNamespace
from typing import Any, TypeVar

from refkan.base import Frozen
from refkan.claims import Beside, Estimate, Figure, Grid, Reading, Readings, Verdict, estimate, judge
from refkan.claims.cells import Cell, Found, seeds_of
from refkan.claims.estimates import agree, twin
from refkan.claims.experiments import Choice
from refkan.claims.running.kept_parts import Parts, Resume, run_task
from refkan.claims.statuses import Status

Size = Mapping[str, str]
"""Values of the factors that say how large a run is."""

Cells = Sequence[Beside]


class Statement(Frozen):
    """A statement, its readings, the sizes at which it is run (largest first), and the cells that it takes.

    `quick` returns the cells of a quick run, `full` those of a full run with some seeds; `was_run` says whether the
    cells of a reading at a size are all there, and `written` says a size in words.
    """

    grid: Grid
    readings: Sequence[Choice]
    sizes: Sequence[Size]
    seeds: Sequence[int]
    quick: Callable[[], list[Cell]]
    full: Callable[[Sequence[int]], list[Cell]]
    was_run: Callable[[Found, Choice, Size], bool]
    written: Callable[[Size], str] = lambda size: ""

    def judged(
        self,
        by: "ByCells",
        measured: Found,
        cells: Callable[[Found, Choice, Size], Cells],
        told: Callable[[Choice, Size], str] = lambda reading, size: "",
        calibration: Callable[[Found, Choice, Size], Cells] = lambda *place: (),
    ) -> list[Reading]:
        """Return a statement under every reading of which there are cells, at the largest size; `told` beside them."""
        return [
            by.reading(
                {**reading, "points": size["points"]},
                own,
                calibration=tuple(calibration(measured, reading, size)),
                measured=told(reading, size),
                size=self.written(size),
                reduced=size != self.sizes[0],
            )
            for reading, size in self.at_largest_size(measured)
            if (own := cells(measured, reading, size))
        ]

    def verdict(
        self,
        id: str,
        by: "ByCells",
        measured: Found,
        results: Sequence[Reading],
        drawn: Sequence[Callable[[Found, Choice, Size], Figure]] = (),
        **more: Any,
    ) -> Verdict:
        """Return the verdict of a row over its readings, with the seeds, and figures of the first reading."""
        figures = tuple(draw(measured, *pair) for pair in self.at_largest_size(measured)[:1] for draw in drawn)
        return by.verdict(id, results, self.left(measured), data={"seeds": seeds_of(measured)}, figures=figures, **more)

    def runner(self, verdicts: Callable[[Found], list[Verdict]]) -> Callable[..., list[Verdict]]:
        """Return the `run` of a claim file: all cells, run or resumed, and their verdicts."""

        def run(
            quick: bool,
            progress: Callable[[str], Any] = lambda message: None,
            checkpoints: Parts | None = None,
            seeds: int | None = None,
        ) -> list[Verdict]:
            """Run all cells and judge them; at full size with at most `seeds` seeds a reading."""
            cells = self.quick() if quick else self.full(self.seeds[:seeds])
            return verdicts(self.grid.run(cells, checkpoints or run_task, progress))

        return run

    def at_all_sizes(self, measured: Found) -> list[tuple[Choice, Size]]:
        """Return the readings that were run with each of their sizes, the largest first."""
        return [(r, size) for size in self.sizes for r in self.readings if self.was_run(measured, r, size)]

    def at_largest_size(self, measured: Found) -> list[tuple[Choice, Size]]:
        """Return each reading that was run with its largest size: fewer points and steps are no other reading."""
        pairs = self.at_all_sizes(measured)
        return [pair for k, pair in enumerate(pairs) if pair[0] not in [reading for reading, _ in pairs[:k]]]

    def left(self, measured: Found) -> list[Choice]:
        judged = [reading for reading, _ in self.at_all_sizes(measured)]
        return [reading for reading in self.readings if reading not in judged]


def differences(reading: Choice, base: Choice) -> str:
    """Write in which factors a reading differs from the base reading."""
    return ", ".join(f"{name}={value}" for name, value in reading.items() if value != base[name]) or "base reading"


def place_of(grid: Grid, reading: Choice, matters: Collection[str], **part: str) -> dict[str, str]:
    """Return where runs lie under a reading: what does not matter to them is at its default, so that readings share."""
    return grid.reading(**{name: value for name, value in reading.items() if name in matters}) | part


def cells_at(grid: Grid, seeds: Iterable[int], places: Iterable[Choice], **size: str) -> list[Cell]:
    """Return the cells at some places, seed by seed, so that an interrupted run has whole seeds."""
    places = list(places)
    return [grid.cell(seed, **place, **size) for seed in seeds for place in places]


def named(cells: Cells, cell: str, unit: str | None = None) -> Mapping[int, float]:
    """Return the numbers of a cell by seed; nothing where it was not run."""
    return next((c.values for c in cells if c.cell == cell and unit in (None, c.unit)), {})


def ratios(cells: Cells, above: str, below: str, unit: str | None = None) -> dict[int, float]:
    """Return the number of one cell over that of another, seed by seed."""
    own, other = named(cells, above, unit), named(cells, below, unit)
    return {seed: own[seed] / other[seed] for seed in own if seed in other}


def over(name: str, cells: Cells, above: str, below: str, unit: str | None = None, **asked: Any) -> list[Estimate]:
    """Return what decides of one cell over another, by seed, beside the published ratio; nothing if not run."""
    values = ratios(cells, above, below, unit)
    published = {c.cell: c.published for c in cells if c.published and unit in (None, c.unit)}
    beside = published[above] / published[below] if {above, below} <= published.keys() else None
    return medians(name, values, published=beside, **asked) if values else []


def medians(name: str, values: Mapping[int, float], **asked: Any) -> list[Estimate]:
    """Return the median over seeds, which decides, and the geometric mean, which no interval covers, beside it."""
    return [estimate(name, values, **asked), estimate(f"{name}, geometric mean", values, "geometric mean")]


Change = tuple[str, Callable[[Cells], Cells]]
"""A name, and how cells are changed so that a claim is true of them, or false."""


def times(**factors: float) -> Change:
    """Multiply the numbers of the cells in whose name one of the words is found; `_` is a blank there, `__` a comma."""
    words = {name.replace("__", ", ").replace("_", " "): value for name, value in factors.items()}

    def factor(cell: Beside) -> float:
        return next((value for word, value in words.items() if word in cell.cell), 1.0)

    told = ", ".join(f"{word} times {value:g}" for word, value in words.items())
    return f"with {told}", lambda cells: [
        replace(c, values={seed: v * factor(c) for seed, v in c.values.items()}) for c in cells
    ]


def exchanged(word: str, other: str) -> Change:
    """Give the cells in whose name one word is found to the other, and back."""
    names = {word: other, other: word}
    words = re.compile("|".join(map(re.escape, names)))
    return f"with {word} and {other} exchanged", lambda cells: [
        replace(c, cell=words.sub(lambda match: names[match[0]], c.cell)) for c in cells
    ]


def levelled(told: str, number: Callable[[Beside], float]) -> Change:
    """Give every seed of a cell one number, which is a function of the cell."""
    return told, lambda cells: [replace(c, values=dict.fromkeys(c.values, number(c))) for c in cells]


AS_PUBLISHED: Change = (
    "with the published means",
    lambda cells: [replace(c, values=dict.fromkeys(c.values, c.published)) for c in cells if c.published],
)


NEAR = "with every ratio moved beyond its bound by a factor of 3, as widely spread"


def near_twin(readings: Sequence[Sequence[Estimate]]) -> Status:
    """Return whether runs as widely spread as ours refute a statement that is off by a factor of 3.

    Every estimate is multiplied so that it lies a factor of 3 beyond its bound; its interval keeps its relative width.
    "undecided" says that the runs do not tell such a factor apart under one reading at least.
    """
    answers = [any(_refuted_beyond(e) for e in estimates if e.decides and e.value > 0) for estimates in readings]
    return "refuted" if answers and all(answers) else "undecided"


def _refuted_beyond(e: Estimate) -> bool:
    apart = e.high < 3 * e.value if e.at_least is not None else e.low > e.value / 3
    return apart and e.enough


class ByCells(Frozen):
    """A statement that the numbers of a reading's cells decide: those that are kept can be judged again.

    `estimates` and `corrected` say what is asked of the cells, as printed and as corrected; `control` and `twin` change
    cells so that the statement is true of them, or false; `experiment` is as for `Readings`. Not `published` are
    published numbers of kept cells where earlier records have a factor of ours in their place.
    """

    estimates: Callable[[Cells], tuple[Estimate, ...]]
    control: Change
    twin: Change
    corrected: Callable[[Cells], tuple[Estimate, ...]] = lambda cells: ()
    published: bool = True
    experiment: bool = True

    def reading(self, choice: Choice, cells: Cells, **more: Any) -> Reading:
        """Return the statement under one reading; what is asked may be of the calibration cells, too."""
        every = (*cells, *more.get("calibration", ()))
        corrected, estimates = self.corrected(every), self.estimates(every)
        right = bool(corrected) and agree(estimates) is False and agree(corrected) is True
        return Reading(choice, cells=tuple(cells), estimates=estimates, corrected=right, **more)

    def checks(self, results: Sequence[Reading]) -> dict[str, dict[str, Status]]:
        """Return the positive control and the twin of a statement that was judged, for `Verdict`."""

        def statuses(change: Change, every: Callable[[list[bool]], bool]) -> dict[str, Status]:
            name, of = change
            seen = [of((*result.cells, *result.calibration)) for result in results]
            return {name: judge(every([twin(self.estimates(cells)) == "holds" for cells in seen]))}

        near = {NEAR: near_twin([result.estimates for result in results if result.estimates])}
        return {"controls": statuses(self.control, all), "mutations": statuses(self.twin, any) | near}

    def verdict(self, id: str, results: Sequence[Reading], left: Sequence[Choice] = (), **more: Any) -> Verdict:
        """Return the verdict of a row over its readings; control and twin are of those that speak."""
        made = Readings(results, left, self.experiment)
        checks = self.checks(made.speaking or results)
        checks["mutations"] |= more.pop("mutations", {})
        return made.verdict(id, **checks, **more)


def asked_of_cells(least: float, cost: str, told: str = "{}") -> Callable[[Cells], tuple[Estimate, ...]]:
    """Ask of every cell that its median over seeds is at least a number."""

    def asked(cells: Cells) -> tuple[Estimate, ...]:
        every = (medians(told.format(cell.cell), cell.values, at_least=least, cost=cost) for cell in cells)
        return tuple(chain(*every))

    return asked


Progress = Callable[[str], Any]


def silent(text: str) -> None:
    """Report no progress."""


def by_criterion(
    id: str, holds: bool, measured: str, altered: Mapping[str, bool], right: bool | None = None, **more: Any
) -> Verdict:
    """Return the verdict on what is true or not: a statement as printed, as corrected (`right`), and altered."""
    mutations = {name: judge(value) for name, value in altered.items()}
    return Verdict(id, judge(holds, right), measured, mutations=mutations, **more)


def each(progress: Progress, told: str, *values: Iterable[Any]) -> Iterator[Any]:
    """Yield all combinations of values, those of one by themselves; tell progress of each, in a format."""
    for place in product(*values):
        progress(told.format(*place))
        yield place if len(values) > 1 else place[0]


def each_part(
    resume: Resume, progress: Progress, told: str, run: Callable[..., Any], *values: Iterable[Any]
) -> list[Any]:
    """Return what `run` returns for all combinations of values, whose parts may run beside one another."""

    def of(place: tuple[Any, ...]) -> Any:
        progress(told.format(*place))
        return run(*place)

    return resume.each(of, product(*values))


class RunSize(SimpleNamespace):
    """Numbers that say how large a run is, by name."""

    def but(self, **changes: Any) -> "RunSize":
        return RunSize(**(vars(self) | changes))


def quick_and_full(**numbers: tuple[Any, Any]) -> tuple[RunSize, RunSize]:
    """Return the quick and the full size of a run, of both values of each number."""
    quick, full = (RunSize(**{name: both[k] for name, both in numbers.items()}) for k in range(2))
    return quick, full


S = TypeVar("S")


def answers(
    small: S, large: S
) -> Callable[[Callable[[S, Progress, Resume], list[Verdict]]], Callable[..., list[Verdict]]]:
    """Make a claim file's `run` of a function of its size, what tells progress, and what resumes parts."""

    def decorate(measure: Callable[[S, Progress, Resume], list[Verdict]]) -> Callable[..., list[Verdict]]:
        def run(quick: bool, progress: Progress = silent, checkpoints: Parts | None = None) -> list[Verdict]:
            return measure(small if quick else large, progress, checkpoints or run_task)

        return run

    return decorate


def on_grid(
    grid: Grid, cells: Callable[[bool], list[Cell]], verdict: Callable[[Found], Verdict]
) -> Callable[..., list[Verdict]]:
    """Return the `run` of a claim file that judges the cells of a grid, those of a quick run or all."""
    decorate = answers(True, False)
    return decorate(lambda quick, progress, resume: [verdict(grid.run(cells(quick), resume, progress))])


def raw(measured: Found) -> dict[str, Any]:
    """Return what each cell returned as the raw data of a verdict, with the seeds."""
    runs = [dict(cell.choice) | {"seed": cell.seed} | dict(record) for cell, record in measured.items()]
    return {"seeds": seeds_of(measured), "runs": runs}


def tree(measured: Found, *names: str) -> dict[str, Any]:
    """Return what cells returned by the values of these factors, the first outermost, and by seed."""
    branches: dict[Any, Any] = {}
    for cell, record in measured.items():
        place = branches
        for name in names:
            place = place.setdefault(cell[name], {})
        place[cell.seed] = record
    return branches
