"""What becomes of rows, intervals against formulas of their own, and what is said where readings differ."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refkan.claims import (
    Beside,
    Estimate,
    Figure,
    Reading,
    Readings,
    Row,
    Table,
    Verdict,
    decide,
    estimate,
    exactly,
    judge,
    twin,
)
from refkan.claims.reporting import page as pages
from refkan.claims.reporting.reading_tables import estimate_cells
from refkan.claims.running import capsule
from refkan.claims.running.console import table
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.outcomes import FileResult, direction, gather, pack, status_of, unpack
from refkan.claims.running.processes import in_words
from tests.shared.refusals import refused
from tests.shared.tables import each_row

SEEDS = range(25)


class File:
    """A claim file that answers rows."""

    def __init__(self, *ids):
        self.ids, self.place = ids, "-".join(ids)

    def command(self, id):
        return f"run {id}"


def row(id, goal=False):
    return Row(id, "here", "it is so", "how", "when", goal=goal)


def test_the_processor_is_named_as_the_system_does(monkeypatch):
    monkeypatch.setattr(capsule.Path, "read_text", lambda *_, **__: "processor\t: 0\nmodel name\t: Z80 @ 4 MHz\n")
    assert capsule.cpu_model() == "Z80 @ 4 MHz"
    monkeypatch.setattr(capsule.Path, "read_text", lambda *_, **__: "processor\t: 0\n")
    monkeypatch.setattr(capsule.platform, "machine", lambda: "z80")
    assert capsule.cpu_model() in (capsule.platform.processor(), "z80")


def test_every_row_comes_out_by_what_became_of_its_file():
    """Recorded statuses are told of experiments alone, that are no goals and whose verdicts are worth something."""
    met, missed = (exactly("n", n, at_least=2) for n in (3, 1))
    ran, crashed, waiting = File("A1", "A2", "A3", "A4"), File("B1"), File("C1")
    verdicts = (
        Verdict("A1", "holds", "", estimates=(met,)),
        Verdict("A2", "undecided", "", estimates=(met, missed, exactly("beside", 9))),
        Verdict("A3", "holds", "", estimates=(met,), mutations={"m": "holds"}),
        Verdict("A4", "holds", ""),
    )
    rows = [row(id, goal=id == "A2") for id in ("A1", "A2", "A3", "A4", "B1", "C1", "D1")]
    results = [FileResult(crashed, error="Traceback\nValueError: no"), FileResult(ran, verdicts)]
    made = gather(rows, [ran, crashed, waiting], results, {row.id: "refuted" for row in rows})
    assert [outcome.status for outcome in made] == [
        "holds", "1 of 2 reached", "void", "holds", "error", "not run", "pending",
    ]  # fmt: skip
    assert [outcome.recorded for outcome in made] == ["refuted", *[""] * 6]
    assert made[0].said == "recorded: refuted; small run: other direction"
    assert [outcome.measured for outcome in made[4:]] == ["ValueError: no", "", ""]
    assert [outcome.surviving_mutations for outcome in made[2:5]] == [("m",), (), ()]
    assert [outcome.said for outcome in made[1:]] == [outcome.status for outcome in made[1:]]
    assert replace(made[4], recorded="refuted").said == "error"
    assert gather(rows, [ran], results)[0].recorded == ""
    assert status_of(verdicts[2]) == "void"


def test_intervals_are_those_of_the_tables_and_means_have_none():
    """Of 7 of 10 the ends of Clopper and Pearson's interval are 0.3475 and 0.9333; five numbers have their range."""
    five = dict(enumerate([1.0, 2.0, 4.0, 8.0, 16.0]))
    mean, geometric = estimate("x", five, "mean"), estimate("x", five, "geometric mean")
    assert (mean.value, geometric.value) == pytest.approx((6.2, 4.0), rel=1e-14)
    assert {(made.low, made.high) for made in (mean, geometric)} == {(-np.inf, np.inf)}
    median = estimate("x", dict(enumerate([5.0, 1.0, 2.0, 9.0, 3.0, 4.0])))
    assert (median.value, median.low, median.high) == (3.5, 1.0, 9.0)
    share = estimate("x", {seed: float(seed < 7) for seed in range(10)}, "share")
    assert [share.value, share.low, share.high] == pytest.approx([0.7, 0.34754714, 0.93326049], abs=1e-7)
    ratio = estimate("x", five, "mean", over=five)
    assert (ratio.value, ratio.low, ratio.high) == (1.0, -np.inf, np.inf)
    assert [made.method for made in (mean, geometric, median, share)] == [
        "mean, which no interval of few runs covers", "geometric mean, which no interval of few runs covers",
        "median, order statistics 1 and 6 of 6, covering 96.88%", "share, Clopper-Pearson",
    ]  # fmt: skip
    refused(lambda: Estimate("x", 1.0, 2.0, 3.0), r"value must lie between low and high; got 1.0 and .* \(2.0, 3.0\)")
    refused(lambda: estimate("x", {1: 2.0, 2: np.nan}), r"values\[2\] must be a number, not NaN; got nan")
    refused(lambda: estimate("x", {1: -1e-300, 2: 4.0}, "geometric mean"), "must not be negative")
    refused(lambda: estimate("x", {1: 1.0, 2: 2.0}, "share"), "must be 0 or 1 for a share")
    refused(lambda: estimate("x", five, "geometric mean", at_least=1.0), "no interval of few runs covers a geometric")


@each_row(
    "numbers, statistic, value",
    ((0.0, 4.0), "geometric mean", 0.0),
    ((np.inf, 4.0), "geometric mean", np.inf),
    ((np.inf, 4.0), "mean", np.inf),
    ((np.inf, np.inf), "mean", np.inf),
    ((2.0,), "median", 2.0),
    ((2.0,), "mean of five", 2.0),
)
def test_few_seeds_of_which_one_diverged_have_no_interval(numbers, statistic, value):
    made = estimate("x", dict(enumerate(numbers)), statistic)
    assert (made.value, made.low, made.high) == (pytest.approx(value, rel=1e-15), -np.inf, np.inf)


@pytest.mark.parametrize(("size", "k"), [(5, 1), (8, 1), (9, 2), (11, 2), (25, 8)])
def test_the_interval_of_a_median_ends_at_order_statistics(size, k):
    numbers = np.exp(np.random.default_rng(5).standard_normal(size))
    made = estimate("x", dict(enumerate(numbers.tolist())))
    assert (made.low, made.high) == (np.sort(numbers)[k - 1], np.sort(numbers)[-k])


def test_the_interval_of_a_ratio_of_medians_is_that_of_both():
    """Of eleven numbers at 97.5 %: the range misses with 2^-10, the next ends with 12 2^-10, 1.2 %, the third 6.5 %."""
    above, below = np.exp(np.random.default_rng(5).standard_normal((2, 11)))
    made = estimate("x", dict(enumerate(above.tolist())), over=dict(enumerate(below.tolist())))
    first, other = np.sort(above), np.sort(below)
    assert made.value == np.median(above) / np.median(below)
    assert (made.low, made.high) == (first[1] / other[-2], first[-2] / other[1])
    few = estimate("x", dict(enumerate(above[:5].tolist())), over=dict(enumerate(below[:5].tolist())))
    assert (few.low, few.high) == (-np.inf, np.inf)
    zero = estimate("x", dict(enumerate(above.tolist())), over=dict.fromkeys(range(11), 0.0))
    assert (zero.value, zero.low, zero.high) == (np.inf, -np.inf, np.inf)


def test_what_asks_nothing_decides_nothing():
    beside = Estimate("x", 1.0, 0.5, 2.0, seeds=tuple(SEEDS))
    assert (beside.decides, beside.enough, beside.holds, beside.asked) == (False, True, None, "")
    assert beside.told() == "x 1 [0.5, 2]"
    assert replace(beside, unit="mm", at_most=3.0, at_least=0.1).told() == (
        "x 1 [0.5, 2] mm (asked: at least 0.1, at most 3)"
    )


@each_row(
    "values, statistic, told",
    ((3.0, 3.0, 3.0, 3.0, 4.0), "median", "x 3 [3, 4] (asked: at least 2)"),
    ((3.0,), "median", "x 3 (1 seed: no interval; asked: at least 2)"),
    ((3.0, 4.0), "mean of five", "x 3.5 (2 seeds: no interval; asked: at least 2)"),
    ((3.0, 4.0), "median", "x 3.5 (2 seeds: no interval; asked: at least 2)"),
)
def test_an_interval_that_says_nothing_is_not_printed(values, statistic, told):
    made = estimate("x", dict(enumerate(values)), statistic, at_least=2.0)
    assert made.told() == told
    ((*_, interval, _, _, _, _, _, _),) = estimate_cells([made])
    assert ("no interval" in interval) == ("no interval" in told)


def test_estimates_without_a_bound_decide_nothing_and_are_refused():
    beside = Estimate("x", 1.0, 0.5, 2.0, seeds=tuple(SEEDS))
    for judged in (twin, decide):
        refused(lambda judged=judged: judged([]), "at least one with a bound .* got none")
        refused(lambda judged=judged: judged([beside]), "at least one with a bound")


def test_the_table_begins_with_the_rows_of_this_run_and_counts_the_others():
    """Recorded verdicts stand beside the results of this run, and are counted on a line of their own."""
    small = Verdict("A2", "undecided", "m", estimates=(estimate("x", {1: 3.0}, at_least=2.0),))
    here, there = File("A1", "A2"), File("B1", "C1")
    results = [
        FileResult(here, (Verdict("A1", "holds", "exact"), small)),
        FileResult(there, (Verdict("B1", "refuted", ""), Verdict("C1", "holds", ""))),
    ]
    rows = [row(id) for id in ("C1", "B1", "A1", "A2", "D1")]
    made = gather(rows, [here, there], results, {"A2": "refuted", "B1": "holds"}, [here])
    lines = table(made, 120, first=("A2",)).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["id", "A2", "A1"]
    assert lines[0].split() == ["id", "source", "claim", "this", "run", "recorded", "measured"]
    assert re.search(r"other direction +refuted +m$", lines[1])
    assert lines[3].startswith("D1")  # no file answers it
    assert lines[4:] == [
        "",
        "this run: 3 rows: 1 holds, 1 pending, 1 other direction",
        "recorded at full size: 1 refuted",
        "not selected: 2 rows; 2 with results of earlier runs: 1 holds, 1 refuted",
    ]
    alone = table(gather(rows[2:3], [here], results[:1]), 120).splitlines()
    assert "recorded" not in alone[0]
    assert alone[-1] == "this run: 1 row: 1 holds"


def test_a_row_that_cannot_be_measured_here_says_what_it_needs():
    absent = Verdict("A1", "pending", "0 of 0", needs="the extra backends", mutations={"m": "refuted"})
    (made,) = gather([row("A1")], [File("A1")], [FileResult(File("A1"), (absent,))])
    assert (made.status, made.here, made.said) == ("pending", *["not run: needs the extra backends"] * 2)
    assert "not run: needs the extra backends" in table([made])
    assert "this run: 1 row: 1 not run" in table([made])
    assert in_words(made.result, {}) == "0.0 s: A1 not run: needs the extra backends"
    assert "not run: needs the extra backends" in pages.page([made], [], {"configuration": {"size": "quick"}}, {})


@pytest.mark.parametrize("value", [1.0, "yes", None])
def test_statuses_come_from_truth_values(value):
    refused(lambda: judge(value), "TypeError: as_printed must be")
    if value is not None:
        refused(lambda: judge(False, value), "TypeError: as_corrected must be")
    refused(lambda: Verdict("A1", True, ""), r"status must be a status; got True: use judge\(True\)")


def cell(mean, published=1.0):
    return Beside("c", "mm", {seed: mean + 0.1 * (seed % 5 - 2) for seed in SEEDS}, published)


def reading(start, holds, **more):
    return Reading({"start": start}, holds, **more)


def test_what_is_said_of_all_readings_asks_every_one():
    """One that is not corrected, one at less than the published size, one without a published number is enough."""
    fails = [reading("a", False, corrected=True), reading("b", False)]
    assert Readings(fails, experiment=False).status == "refuted"
    assert Readings([fails[0], replace(fails[0], choice={"start": "b"})]).status == "holds as corrected"
    published = [reading(name, False, cells=(cell(2.0),)) for name in "ab"]
    assert Readings(published).status == "not reproduced"
    assert Readings([published[0], replace(published[1], reduced=True)]).status == "undecided"
    assert Readings([published[0], reading("b", False, cells=(cell(2.0, None),))]).status == "undecided"
    mixed = [reading("a", True, corrected=True), reading("b", False, corrected=True), reading("c", None)]
    assert Readings(mixed).over() == (
        "holds under 1 of 2 readings: start=a; as corrected under 1 more; 1 reading undecided"
    )
    assert Readings(fails).verdict("A1", corrected="so").corrected == "so"
    assert Readings(fails[1:]).verdict("A1", corrected="so").corrected == ""


def test_calibration_is_by_published_numbers_alone():
    """Those that meet them speak; where one set-up had no cells, nobody is silenced."""
    met, missed, silent = cell(1.0), cell(2.0), cell(2.0, None)
    assert reading("a", True, calibration=(met, silent)).calibrated is True
    assert reading("a", True, calibration=(met, missed)).calibrated is False
    assert reading("a", True, calibration=(silent,)).calibrated is None
    two = [reading("a", True, calibration=(missed,)), reading("b", False)]
    assert Readings(two).status == "holds under some readings"
    spread = [Beside("c", "mm", {1: 1.0, 2: 3.0}).spread, Beside("c", "mm", {1: 1.0}).spread]
    assert spread == [pytest.approx(np.sqrt(2)), 0.0]


def test_what_is_told_is_of_the_first_reading_that_speaks():
    ratio = estimate("ratio", dict.fromkeys(SEEDS, 3.0), at_least=1.0)
    results = [
        reading("a", False, measured="low"),
        reading("b", None, estimates=(ratio,), speaks=True, size="9 points"),
    ]
    made = Readings(results)
    assert made.first is results[1]
    text = "ratio 3 (asked: at least 1)"
    assert made.told() == (
        f"holds under 1 of 1 reading; 1 of 2 tried is singled out, and speaks. Under start=b (9 points): {text}"
    )
    assert made.verdict("A1").estimates == (ratio,)
    assert made.verdict("A1", measured="mine").measured == "mine"
    assert replace(results[1], measured="also").measured == f"also. {text}"
    assert Readings(results[:1]).told() == "holds under 0 of 1 reading. Under start=a: low"
    none = Readings([], [{"start": "a"}])
    assert (none.told(), none.verdict("A1").estimates) == ("no reading was run; 1 reading not run", ())


def claim_file(package="", ids=("A1",)):
    return ClaimFile(Path("/folder/claims/subject/name.py"), Path("/folder/claims"), ids, package=package)


def test_files_have_their_places_and_commands():
    ours, own = claim_file("package"), claim_file()
    assert (ours.place, ours.name) == ("subject/name", "name")
    assert [file.command("A1") for file in (ours, own)] == ["python -m package A1", "refkan verify name.py"]


def test_results_are_kept_whole():
    met = exactly("n", 3, at_least=2)
    picture = Figure("f", "c", b"\x89PNG")
    parts = {"figures": (picture,), "tables": (Table("t", ("a",), (("b",),)),), "estimates": (met,)}
    result = FileResult(
        claim_file(), (Verdict("A1", "holds", "m", mutations={"m": "refuted"}, **parts),), "", 2.5, "noon"
    )
    assert unpack(result.file, pack(result)) == replace(result, resumed=True)


def test_a_line_says_how_long_a_file_took_and_what_came_of_it():
    result = FileResult(
        claim_file(ids=("A1", "A2")), (Verdict("A1", "holds", ""), Verdict("A2", "refuted", "")), seconds=1.26
    )
    told = "A1 holds, A2 refuted"
    assert in_words(result, {}) == f"1.3 s: {told} (no mutated claim was run)"
    altered = replace(
        result.verdicts[1],
        mutations={"m": "refuted"},
        controls={"c": "holds"},
        estimates=(exactly("n", 1, at_least=2),),
    )
    other = replace(result, verdicts=(result.verdicts[0], altered), resumed=True)
    small = "recorded: refuted; small run: not as printed either"
    assert in_words(other, {"A2": "refuted"}) == f"kept: A1 holds, A2 {small}"
    places = ("subject/other.py, line 3, in f: x", "name.py, line 7, in run: f()", "name.py, line 9, in g: 1 / 0")
    frames = "\n".join((*places, "other.py, line 2, in h"))
    crashed = replace(result, verdicts=(), error=f"{frames}\nZeroDivisionError: division by zero")
    assert in_words(crashed, {}).endswith("error: ZeroDivisionError: division by zero (name.py, line 9)")


def test_a_record_that_depends_on_the_reading_is_not_contradicted_by_the_corrected_statement():
    corrected = Verdict("A1", "holds as corrected", "")
    assert direction("holds under some readings", corrected) == "undecided"
    assert direction("holds", corrected) == "other direction"
    assert direction("holds as corrected", corrected) == "not as printed either"
