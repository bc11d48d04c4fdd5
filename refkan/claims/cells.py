"""Cells: single runs of an experiment, each a choice of its factors for a seed, run or resumed, and found again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any, TypeVar

from refkan.base import Checked, check_annotated, check_type, lazy
from refkan.claims.experiments import Choice, Experiment, Factor, check_names, written
from refkan.claims.readings import Beside
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.kept_parts import Resume, run_task


class Cell(Checked, order=True):
    """One run of an experiment: a value for every factor, as pairs (factor, value) of text, and a seed.

    Examples
    --------
    >>> from refkan.claims.cells import Cell
    >>> Cell((("start", "normal"), ("points", "64")), seed=1234)["points"]
    '64'
    """

    choice: tuple[tuple[str, str], ...]
    seed: int

    def __getitem__(self, name: str) -> str:
        return dict(self.choice)[name]

    @lazy
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs as a set, for fast searches through thousands of cells."""
        return frozenset(self.choice)


C = TypeVar("C", bound=Cell)
"""Cells of an experiment may have a class of their own."""

Found = Mapping[Cell, Mapping[str, Any]]
"""What each cell that was run returned."""


class Grid(Checked):
    """All cells of an experiment.

    Attributes
    ----------
    task : str
        What its cells are called where they are kept.
    open, place : tuple of Factor
        What its description leaves open; the cell of its tables that a run belongs to, and the size of the run.
    measure : callable
        Runs a cell. Keep it in its own module: cached results are reused until that module or its imports change.
    apart : tuple of str
        Names of results of `measure` that are too large to be printed.

    Examples
    --------
    >>> from refkan.claims import Factor, Grid
    >>> start, points = Factor("start", ("linear", "normal")), Factor("points", ("10",), number=True)
    >>> grid = Grid("toy", (start,), (points,), lambda cell: {"loss": cell.seed / int(cell["points"])})
    >>> grid.around()
    [{'start': 'linear'}, {'start': 'normal'}]
    >>> measured = grid.run([grid.cell(3, start="normal")])
    >>> [record["loss"] for record in measured.values()]
    [0.3]
    """

    task: str
    open: tuple[Factor, ...]
    place: tuple[Factor, ...]
    measure: Callable[[Cell], Mapping[str, Any]]
    apart: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names((*self.open, *self.place))

    def reading(self, **changes: str) -> dict[str, str]:
        """Return the default of every open factor but for `changes`; ValueError for one that does not exist."""
        self._check_names(changes, self.open)
        return {factor.name: factor.check(changes.get(factor.name, factor.values[0])) for factor in self.open}

    def around(self) -> list[dict[str, str]]:
        """Return the reading of all defaults, and every reading that differs from it in one factor."""
        others = [self.reading(**{factor.name: value}) for factor in self.open for value in factor.values[1:]]
        return [self.reading(), *others]

    def every(self) -> list[dict[str, str]]:
        """Return every reading: all combinations of the values of the open factors."""
        combinations = product(*(factor.values for factor in self.open))
        return [dict(zip((factor.name for factor in self.open), values, strict=True)) for values in combinations]

    def cell(self, seed: int, **choice: str) -> Cell:
        """Return a cell, with the default of every factor that is not given."""
        check_annotated(Grid.cell, locals())
        factors = (*self.open, *self.place)
        self._check_names(choice, factors)
        return Cell(tuple((f.name, f.check(choice.get(f.name, f.values[0]))) for f in factors), seed)

    def _check_names(self, chosen: Iterable[str], factors: Iterable[Factor]) -> None:
        unknown = set(chosen) - {factor.name for factor in factors}
        if unknown:
            raise ValueError(f"no factor is called {', '.join(sorted(unknown))}. {self.experiment.describe()}")

    @property
    def experiment(self) -> Experiment:
        """The experiment, which runs one cell from the command line."""

        def run(choice: Choice, seed: int) -> dict[str, Any]:
            measured = self.measure(self.cell(seed, **choice))
            return {name: value for name, value in measured.items() if name not in self.apart}

        return Experiment((*self.open, *self.place), run)

    def run(
        self, cells: Iterable[C], resume: Resume = run_task, progress: Callable[[str], Any] = lambda text: None
    ) -> dict[C, Mapping[str, Any]]:
        """Run or resume each cell once, and return the cells in their order."""
        check_annotated(Grid.run, locals())
        cells = list(dict.fromkeys(cells))
        for k, cell in enumerate(cells):
            check_type(f"cells[{k}]", cell, Cell)

        def run(numbered: tuple[int, C]) -> Mapping[str, Any]:
            number, cell = numbered
            progress(f"{number}/{len(cells)}: {', '.join(value for _, value in cell.choice)}, seed {cell.seed}")
            record: Mapping[str, Any] = resume({"task": self.task, **asdict(cell)}, partial(self.measure, cell))
            check_type("measure(cell)", record, Mapping)
            return record

        return dict(zip(cells, resume.each(run, enumerate(cells, 1)), strict=True))


def records(measured: Mapping[C, Mapping[str, Any]], **where: str) -> dict[int, Mapping[str, Any]]:
    """Return what the cells with these factors returned, by seed.

    Raises
    ------
    ValueError
        If they differ in more than the seed, or a factor is not one of theirs.
    """
    made: dict[int, Mapping[str, Any]] = {}
    wanted = set(where.items())
    if measured:
        unknown = where.keys() - dict(next(iter(measured)).choice).keys()
        if unknown:
            raise ValueError(f"no factor is called {', '.join(sorted(unknown))}")
    for cell, record in measured.items():
        if wanted <= cell.pairs:
            if cell.seed in made:
                raise ValueError(f"{where} names several cells of seed {cell.seed}")
            made[cell.seed] = record
    return made


def numbers(measured: Mapping[C, Mapping[str, Any]], key: str, **where: str) -> dict[int, float]:
    """Return a number of the cells with these factors, by seed."""
    return {seed: float(record[key]) for seed, record in records(measured, **where).items()}


def beside(
    measured: Found,
    name: str,
    unit: str,
    key: str,
    where: Choice,
    published: tuple[float, float | None] | None = None,
) -> list[Beside]:
    """Return a number of the cells with these factors beside the published mean and deviation; nothing if none ran."""
    values = numbers(measured, key, **where)
    if not values:
        return []
    mean, deviation = published or (None, None)
    return [Beside(name, unit, values, mean, deviation, written(where))]


def seeds_of(measured: Found) -> list[int]:
    """Return the seeds of all cells, each once."""
    return sorted({cell.seed for cell in measured})


def sizes(measured: Found, names: Sequence[str]) -> list[dict[str, str]]:
    """Return the different values of some factors among the cells, in the order of the runs."""
    return [dict(item) for item in dict.fromkeys(tuple((name, cell[name]) for name in names) for cell in measured)]


def run_one_cell(files: Sequence[ClaimFile], text: str, seed: int) -> None:
    """Run a cell of the one file chosen and print its choice and its numbers.

    Raises
    ------
    ValueError
        Unless there is one file, whose module has an EXPERIMENT or a GRID, and the choice is one of its cells.
    """
    if len(files) != 1:
        raise ValueError(f"--cell needs one NAME, a row or file with cells; got {len(files)} files")
    if seed < 0:
        raise ValueError(f"--seed must not be negative; got {seed}")
    with files[0].loaded() as module:
        experiment = getattr(module, "EXPERIMENT", None)
        if experiment is None:
            experiment = getattr(getattr(module, "GRID", None), "experiment", None)
        if not isinstance(experiment, Experiment):
            raise ValueError(f"{files[0].name} has no cells that can be run alone")
        choice = experiment.choose(text)
        print(f"{written(choice)}, seed {seed}")
        for name, value in experiment.run(choice, seed).items():
            print(f"{name}: {value:.6g}" if isinstance(value, float) else f"{name}: {value}")
