"""Verdicts, their figures, cells and estimates, and the rows of the ledger that they answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import validation
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims import (
    Estimate,
    Factor,
    Figure,
    Grid,
    Reading,
    Readings,
    Verdict,
    decide,
    estimate,
    exactly,
    judge,
    twin,
)
from refkan.claims.cells import beside, numbers, records, seeds_of
from refkan.claims.reporting.page import _readings_of
from refkan.claims.reporting.reading_tables import estimate_cells
from refkan.claims.running import discovery
from refkan.claims.running.console import Progress, shorten, table
from refkan.claims.running.kept_parts import Parts
from refkan.claims.running.outcomes import (
    FileResult,
    Outcome,
    describe_error,
    direction,
    plain,
    status_of,
    without_folders,
)
from tests.shared.refusals import refused
from tests.shared.tables import each_row
from validation.ledger import LEDGER, row


def test_judge():
    assert judge(True) == judge(True, False) == "holds"
    assert judge(False, True) == "holds as corrected"
    assert judge(False) == judge(False, False) == "refuted"
    assert judge(False, None, experiment=True) == "undecided"


def test_a_status_is_one_of_ours():
    refused(lambda: Verdict("A1", "ok", ""), "A1: status must be one of 'holds', .*; got 'ok'")
    refused(lambda: Verdict("A1", "holds", "", mutations={"sign": "ok"}), r"A1: mutations\['sign'\] must be one of")


def test_figure_from_matplotlib_is_reproducible():
    from matplotlib.figure import Figure as MatplotlibFigure

    def draw() -> bytes:
        figure = MatplotlibFigure(figsize=(2, 1))
        figure.subplots().plot([0, 1])
        return Figure.from_matplotlib(figure, "line", "a line").png

    assert draw().startswith(b"\x89PNG\r\n")
    assert draw() == draw()


def test_ledger_is_complete_and_ids_are_unique():
    ids = [r.id for r in LEDGER]
    assert len(ids) == len(set(ids)) == 108
    assert all(r.source and r.claim and r.measured and r.criterion for r in LEDGER)
    assert row("G0").source == "ours"
    refused(lambda: row("Z9"), "'Z9'")


def test_claim_files_of_the_package_answer_rows_of_the_ledger():
    files = discovery.discover(Path(validation.__file__).parent, LEDGER)
    assert [file.problem for file in files if file.problem] == []
    assert {id for file in files for id in file.ids} == {row.id for row in LEDGER}


@pytest.mark.parametrize(("width", "claim"), [(40, 20), (80, 20), (84, 21), (120, 30), (176, 44), (400, 44)])
def test_columns_of_the_table_share_its_width(width, claim):
    """A quarter for the claim, from 20 to 44, and what is left to what was measured, 16 at least."""
    long = Verdict("A1", "holds", "m" * 500, mutations={"m": "refuted"})
    outcome = Outcome(replace(row("A1"), claim="c" * 99), "holds", long)
    header, line, *_ = table([outcome], width).splitlines()
    places = [0, 6, 22, 24 + claim, 44 + claim]
    assert [header.index(name) for name in ("id", "source", "claim", "verdict", "measured")] == places
    assert len(line) == 44 + claim + max(width - 44 - claim, 16)
    assert line[22 : 22 + claim] == "c" * (claim - 1) + "…"
    assert (line[:6], line[6:20].rstrip()) == ("A1    ", shorten(row("A1").source, 14))


def test_errors_that_do_not_fit_into_their_line_are_told_whole_below():
    long, short = (FileResult(None, error=f"Traceback\nValueError: {'x' * size}") for size in (99, 2))
    holds = Outcome(row("A1"), "holds", Verdict("A1", "holds", "m" * 99, mutations={"m": "refuted"}))
    errors = [Outcome(row(id), "error", None, result) for id, result in (("A2", long), ("A3", long), ("B1", short))]
    *lines, counts, told = table([holds, *errors], 120).splitlines()
    assert (len(lines), counts, told) == (6, "this run: 4 rows: 1 holds, 3 error", f"A2, A3: ValueError: {'x' * 99}")


def test_files_that_run_share_the_line_of_a_terminal():
    progress, shown = Progress(12), []
    progress._status = SimpleNamespace(width=80, update=shown.append, line=lambda text: None)
    progress.starts(3, "a" * 99)
    progress.message(3, "fitting " * 20)
    progress.starts(11, "b" * 99)
    assert list(map(len, shown)) == [76, 76, 2 * (78 // 2 - 2) + 2]
    assert shown[-1].count("…") == 2
    progress.ends(3, "a", "holds")
    assert shown[-1].startswith("[11/12] bbb")


def test_readings_count_those_that_are_decided():
    readings = tuple({"holds": holds} for holds in (True, False, None, True))
    assert (
        _readings_of(Verdict("A1", "holds", "1", readings=readings, mutations={"m": "refuted"})) == "holds under 2 of 3"
    )
    assert _readings_of(None) == _readings_of(Verdict("A1", "holds", "1", mutations={"m": "refuted"})) == "one"


@pytest.mark.parametrize("width", [1, 2, 5, 100])
def test_shorten(width):
    text = shorten("several  words\nin lines", width)
    assert len(text) <= width
    assert "\n" not in text


def test_plain_data():
    data = {"a": np.array([[1.0, np.inf]]), 2: np.int64(3), "z": 1 + 2j}
    assert plain(data) == {"a": [[1.0, "inf"]], "2": 3, "z": {"re": 1.0, "im": 2.0}}
    refused(lambda: plain({"a": {1, 2}}), "TypeError: JSON")


def test_folders_are_removed_from_messages():
    assert without_folders("no file '/a/b-c/d.txt' at 1/2 and x/y") == "no file 'd.txt' at 1/2 and x/y"


def raise_deep(depth: int, fail: Callable[[], None]) -> None:
    fail() if depth == 0 else raise_deep(depth - 1, fail)


def test_describe_error_names_every_frame():
    def fail():
        raise ValueError("two\nlines")

    with pytest.raises(ValueError) as info:
        raise_deep(2, fail)
    lines = describe_error(info.value, Path(__file__).parents[2]).splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("tests/claims/test_verdicts.py, line ")
    assert lines[-1] == "ValueError: two lines"


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
    refused(lambda: GRID.reading(points="20"), r"no factor is called points. Factors: start=normal\|linear")


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


def test_cells_are_run_once_and_kept(tmp_path):
    cells = [GRID.cell(seed) for seed in (1, 2)]
    store = Checkpoints(tmp_path)
    CALLS.clear()
    told = []
    first = GRID.run([cells[0], cells[0]], Parts(store), told.append)
    assert cells[:1] == CALLS
    assert told == ["1/1: normal, affine, 10, seed 1"]
    again = GRID.run(cells, Parts(store))
    assert again[cells[0]] == first[cells[0]]
    assert cells == CALLS


def test_a_line_runs_a_cell_again_without_what_is_too_large_to_print():
    experiment = GRID.experiment
    assert experiment.run(experiment.choose("start=linear,points=20"), 7) == {"loss": 127}


SEEDS = range(25)


@pytest.mark.parametrize(("statistic", "size"), [("median", 1), ("median", 4), ("mean of five", 24)])
def test_seeds_too_few_for_any_interval_leave_it_open(statistic, size):
    made = estimate("x", dict.fromkeys(range(size), 2.0), statistic, at_most=1.0, cost="a day")
    assert (made.value, made.high, made.holds) == (pytest.approx(2.0), np.inf, None)


def test_a_share_of_all_is_no_certainty():
    made = estimate("won", dict.fromkeys(SEEDS, 1.0), "share")
    assert (made.value, made.high) == (1.0, 1.0)
    assert made.low == pytest.approx(0.025 ** (1 / 25))


def test_runs_that_diverge_are_infinite_and_no_error():
    made = estimate("x", {seed: float("inf") if seed < 5 else 1.0 for seed in SEEDS}, at_most=2.0)
    assert (made.value, made.holds) == (1.0, True)
    assert estimate("x", dict.fromkeys(SEEDS, float("inf")), at_most=2.0).holds is False


def test_a_ratio_of_means_is_one_of_columns():
    """One run in five that is a thousand times as bad decides a mean, and no median; a common factor goes out."""
    below = {seed: 1.0 + seed / 10 for seed in SEEDS}
    above = {seed: value * (1000.0 if seed % 5 == 0 else 2.0) for seed, value in below.items()}
    of_means = estimate("x", above, "mean", over=below)
    assert of_means.value == pytest.approx(sum(above.values()) / sum(below.values()), rel=1e-14)
    of_tables = estimate("x", above, "mean of five", over=below, at_least=100.0, cost="a day")
    assert (of_tables.holds, of_tables.low > 100, of_tables.high < 300) == (True, True, True)
    assert estimate("x", {seed: above[seed] / below[seed] for seed in SEEDS}).value == 2.0
    same = estimate("x", {seed: 3 * value for seed, value in below.items()}, "geometric mean", over=below)
    assert same.value == pytest.approx(3.0, rel=1e-14)
    few = estimate("x", {1: 4.0}, "median", over={1: 2.0}, at_most=9.0, cost="a day")
    assert (few.value, few.high, few.holds) == (2.0, np.inf, None)
    infinite = dict.fromkeys(SEEDS, np.inf)
    diverged = estimate("x", infinite, over=infinite, at_least=1.0)
    assert (diverged.low, diverged.high, diverged.holds) == (-np.inf, np.inf, None)
    refused(lambda: estimate("x", above, "mean", over={1: 1.0}), "over must have the seeds of values")


@pytest.mark.parametrize(
    ("low", "high", "holds"), [(3, 4, False), (3, 6, None), (5, 9, True), (6, 11, None), (11, 12, False)]
)
def test_the_side_of_the_interval_decides(low, high, holds):
    middle = (low + high) / 2
    made = Estimate("x", middle, low, high, at_least=5.0, at_most=10.0, seeds=tuple(SEEDS))
    assert made.holds is holds
    assert decide([made]) == {True: "holds", False: "refuted", None: "undecided"}[holds]
    few = {"seeds": (1, 2)}
    assert Estimate("x", middle, low, high, at_least=5.0, at_most=10.0, **few).holds is None
    assert Estimate("x", middle, low, high, at_least=5.0, at_most=10.0, cost="9 h a seed", **few).holds is None
    five = {"seeds": (1, 2, 3, 4, 5), "cost": "9 h a seed"}
    assert Estimate("x", middle, low, high, at_least=5.0, at_most=10.0, **five).holds is holds


def test_one_that_fails_decides_and_a_correction_asks_for_less():
    good, bad, open_ = (Estimate("x", v, v - 1, v + 1, at_least=5.0, seeds=tuple(SEEDS)) for v in (9.0, 2.0, 5.0))
    assert decide([good, open_]) == "undecided"
    assert decide([bad, open_]) == "refuted"
    assert decide([bad, good], corrected=[good]) == "holds as corrected"
    assert decide([open_], corrected=[good]) == "undecided"
    assert decide([exactly("n", 5, at_least=5)]) == "holds"
    assert (twin([good]), twin([good, bad])) == ("holds", "refuted")
    refused(lambda: decide([exactly("n", 5)]), "at least one with a bound")


@each_row(
    "values, statistic, message",
    ({}, "median", "at least one number a seed"),
    ({1: float("nan")}, "median", r"values\[1\] must be a number, not NaN"),
    ({1: 0.5}, "share", "0 or 1 for a share"),
    ({1: -0.5}, "geometric mean", "not be negative"),
    ({1: 0.5}, "mode", "one of 'median', 'share'"),
)
def test_values_that_cannot_be_estimated(values, statistic, message):
    refused(lambda: estimate("x", values, statistic), message)


def test_a_failing_experiment_needs_a_positive_control():
    bad = estimate("x", dict.fromkeys(SEEDS, 2.0), at_least=5.0)
    mutations = {"m": "refuted"}

    def status(**more):
        return status_of(Verdict("A1", decide([bad]), "", mutations=mutations, estimates=(bad,), **more))

    assert status() == status(controls={"true data": "refuted"}) == "void"
    assert status(controls={"true data": "holds"}) == "refuted"


@each_row(
    "recorded, value, told",
    ("holds", 9.0, "same direction"),
    ("holds under some readings", 2.0, "other direction"),
    ("holds as corrected", 2.0, "not as printed either"),
    ("refuted", 2.0, "not as printed either"),
    ("refuted", 9.0, "other direction"),
    ("undecided", 9.0, "points to the claim"),
)
def test_a_small_run_tells_a_direction(recorded, value, told):
    small = estimate("x", {1: value}, at_least=5.0)
    assert direction(recorded, Verdict("A1", decide([small]), "", estimates=(small,))) == told


@each_row("recorded, told", ("holds under some readings", "same direction"), ("holds", "other direction"))
def test_a_record_that_depends_on_the_reading_is_pointed_to_by_any_of_them(recorded, told):
    first, second = (estimate("x", {1: value}, at_least=5.0) for value in (2.0, 9.0))
    small = Readings([Reading({"start": str(k)}, estimates=(e,)) for k, e in enumerate((first, second))])
    assert direction(recorded, small.verdict("A1")) == told


@pytest.mark.parametrize(("status", "told"), [("holds", "same"), ("holds as corrected", "other"), ("refuted", "other")])
def test_a_small_run_without_estimates_tells_one_by_its_status(status, told):
    assert direction("holds", Verdict("A1", status, "")) == f"{told} direction"
    assert direction("holds", Verdict("A1", "undecided", "")) == "undecided"


def test_the_interval_of_seeds_that_agree_is_no_exact_number():
    """Exact is what was computed without seeds and is one number."""
    agreeing = estimate("ratio", dict.fromkeys(range(8), 3.0), at_least=1.0)
    (cells,) = estimate_cells([agreeing])
    assert (cells[2], cells[6]) == ("3 to 3", "8")
    (cells,) = estimate_cells([replace(agreeing, seeds=())])
    assert (cells[2], cells[6]) == ("exact", "")
    (cells,) = estimate_cells([replace(agreeing, seeds=(), high=4.0)])
    assert cells[2] == "3 to 4"
