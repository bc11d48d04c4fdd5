"""Cells: choices of factors that are run, kept, found again, and put beside published numbers."""

from __future__ import annotations

from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims import Factor, Grid
from refkan.claims.cells import beside, numbers, records, seeds_of
from refkan.claims.running.kept_parts import Parts
from tests.shared.refusals import refused

CALLS = []


def measure(cell):
    CALLS.append(cell)
    return {"loss": len(cell["start"]) * int(cell["points"]) + cell.seed, "curve": [1.0]}


GRID = Grid(
    "toy",
    (Factor("start", ("normal", "linear")), Factor("map", ("affine", "tanh", "min-max"))),
    (Factor("points", ("10",), number=True),),
    measure,
    apart=("curve",),
)


def test_readings_around_the_defaults_differ_in_one_factor():
    assert GRID.around() == [
        {"start": "normal", "map": "affine"},
        {"start": "linear", "map": "affine"},
        {"start": "normal", "map": "tanh"},
        {"start": "normal", "map": "min-max"},
    ]
    refused(lambda: GRID.reading(map="cubic"), "map must be one of affine, tanh, min-max; got 'cubic'")


def test_a_cell_has_a_value_for_every_factor():
    cell = GRID.cell(3, start="linear")
    assert [cell[name] for name in ("start", "map", "points")] == ["linear", "affine", "10"]
    refused(lambda: GRID.cell(3, colour="red"), r"no factor is called colour. Factors: start=normal\|linear")


def test_cells_are_found_by_their_factors_and_stand_beside_published_numbers():
    found = GRID.run([GRID.cell(seed, start=start) for seed in (4, 2) for start in ("linear", "normal")])
    assert records(found, start="linear", map="affine").keys() == {2, 4}
    assert numbers(found, "loss", start="linear") == {4: 64.0, 2: 62.0}
    assert seeds_of(found) == [2, 4]
    refused(lambda: records(found, map="affine"), "names several cells of seed")
    refused(lambda: records(found, mapp="affine"), "no factor is called mapp")
    (cell,) = beside(found, "toy, linear", "mm", "loss", {"start": "linear"}, (60.0, 1.0))
    assert (cell.median, cell.published, cell.meets, cell.again) == (63.0, 60.0, None, "start=linear")
    assert beside(found, "toy, tanh", "mm", "loss", {"map": "tanh"}) == []


def test_cells_are_run_once_kept_and_left_out_where_nothing_may_run(tmp_path):
    cells = [GRID.cell(seed) for seed in (1, 2)]
    store = Checkpoints(tmp_path)
    CALLS.clear()
    told = []
    first = GRID.run([cells[0], cells[0]], Parts(store).run, told.append)
    assert cells[:1] == CALLS
    assert told == ["1/1: normal, affine, 10, seed 1"]
    again = GRID.run(cells, Parts(store, only=True).run)
    assert again == {cells[0]: first[cells[0]]}
    assert len(CALLS) == 1


def test_a_line_runs_a_cell_again_without_what_is_too_large_to_print():
    experiment = GRID.experiment
    assert experiment.run(experiment.choose("start=linear,points=20"), 7) == {"loss": 127}
