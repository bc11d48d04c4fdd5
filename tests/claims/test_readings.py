"""Readings: over which set-ups a statement holds, and when "not reproduced" may be said."""

import json
from dataclasses import replace

import pytest

from refkan.claims import Beside, Experiment, Factor, Reading, Readings, estimate
from refkan.claims.experiments import written
from refkan.claims.reporting.reading_tables import readings_html
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def cell(median, published=1.0, name="c"):
    return Beside(name, "mm", {1: median, 2: median * 0.9, 3: median * 1.1}, published, 0.5)


ONE = (cell(1.0),)


def reading(holds, start="normal", inner="20", cells=ONE, calibration=(), corrected=False, reduced=False):
    choice = {"start": start, "inner": inner, "target": "raw"}
    return Reading(choice, holds, "x", corrected, tuple(cells), tuple(calibration), "9 points", reduced)


FOUR = [("normal", "20"), ("normal", "1"), ("linear", "20"), ("linear", "1")]


def made(*holds, left=(), general=False, **more):
    return Readings([reading(h, *which, **more) for h, which in zip(holds, FOUR, strict=False)], left, not general)


@each_row(
    "readings, status, text",
    (made(True, True, True, True), "holds", "holds under 4 of 4 readings"),
    (made(True, True, False, False), "holds under some readings", "holds under 2 of 4 readings: start=normal"),
    (
        made(True, False, False, False),
        "holds under some readings",
        "holds under 1 of 4 readings: start=normal, inner=20",
    ),
    (
        made(True, True, True, False),
        "holds under some readings",
        "holds under 3 of 4 readings",
    ),
    (made(False, False), "not reproduced", "holds under 0 of 2 readings"),
    (made(False, False, corrected=True), "holds as corrected", "as corrected under 2 more"),
    (made(False, False, left=[{}]), "undecided", "1 reading not run"),
    (made(True, True, left=[{}]), "holds under some readings", "holds under 2 of 2 readings; 1 reading not run"),
    (made(True, None), "holds under some readings", "holds under 1 of 1 reading; 1 reading undecided"),
    (made(False, None, corrected=True), "undecided", "as corrected under 1 more"),
    (made(False, None), "undecided", "holds under 0 of 1 reading; 1 reading undecided"),
    (made(False, False, cells=()), "undecided", "holds under 0 of 2 readings"),
    (made(False, False, cells=[cell(1.0, None)]), "undecided", "holds under 0 of 2 readings"),
    (made(), "undecided", "no reading was run"),
    (made(None, None), "undecided", "undecided under 2 readings"),
    (made(False, False, reduced=True), "undecided", "2 readings at less than the published size"),
    (made(False, False, cells=(), general=True), "refuted", "holds under 0 of 2 readings"),
    (made(False, None, general=True), "undecided", "holds under 0 of 1 reading"),
    (made(True, False, general=True), "holds under some readings", "holds under 1 of 2 readings"),
)
def test_the_status_over_readings(readings, status, text):
    assert readings.status == status
    assert text in readings.over()


def test_a_description_that_also_fits_readings_that_fail_says_so():
    results = [reading(True, "normal", "20"), reading(False, "normal", "20"), reading(False, "linear", "20")]
    assert "holds under 1 of 3 readings: start=normal (of 2 so)" in Readings(results).over()


def spread_out(seeds, centre=1.0, width=0.5):
    return {seed: centre + width * (2 * k / (seeds - 1) - 1) for k, seed in enumerate(range(100, 100 + seeds))}


@each_row(
    "published, deviation, of, meets",
    (1.0, 0.3, 5, True),
    (1.0, None, 5, True),
    (1.4, 0.3, 5, False),  # no five of ours have this mean
    (1.0, 0.01, 5, False),  # nor are five of ours so alike
    (1.0, 0.9, 5, False),
    (1.4, None, 1, True),  # but one may be there
    (1.0, 0.3, 40, None),  # of more than were run
    (None, None, 5, None),
)
def test_published_numbers_are_met_in_mean_and_deviation(published, deviation, of, meets):
    assert Beside("c", "mm", spread_out(25), published, deviation, of=of).meets is meets


def test_a_reading_that_is_singled_out_speaks_alone():
    """Whichever cells it and the others meet; that its set-up is the published one is not known by that."""
    met, missed = (Beside("c", "mm", spread_out(25), mean, 0.3) for mean in (1.0, 2.0))

    def judged(holds, *cells):
        others = [reading(not holds, calibration=[met]), reading(not holds)]
        return Readings([*others, replace(reading(holds, calibration=cells), speaks=True)])

    assert judged(True, missed).status == judged(True).status == "holds"
    assert judged(False, missed).status == judged(False).status == "not reproduced"
    assert judged(False, met).status == "refuted"
    assert "; 1 of 3 tried is singled out, and speaks" in judged(True).over()
    assert [r["speaks"] for r in judged(True).plain()] == [False, False, True]


def test_the_readings_that_meet_the_calibration_cells_speak():
    met, missed = (Beside("c", "mm", spread_out(25), mean, 0.3) for mean in (1.0, 2.0))

    def status(*pairs):
        results = [reading(holds, calibration=cells) for holds, cells in pairs]
        return Readings(results).status, Readings(results).over()

    assert status((True, [met]), (False, [missed]), (False, [met, missed]))[0] == "holds"
    assert status((False, [met]), (True, [missed]))[0] == "refuted"
    assert status((True, [missed]), (True, [missed])) == (
        "not reproduced",
        "no reading speaks; 0 of 2 tried meet the calibration cells, and speak",
    )
    assert status((True, ()), (True, ())) == ("holds", "holds under 2 of 2 readings")
    assert Readings([reading(True, calibration=[missed], reduced=True)]).status == "undecided"


def test_readings_are_decided_by_the_intervals_of_their_estimates():
    def under(value, **more):
        ratio = estimate("ratio", {seed: value * number for seed, number in spread_out(25).items()}, at_least=10.0)
        return reading(None, cells=(), **more), ratio

    made = [replace(each, measured="", estimates=(ratio,)) for each, ratio in map(under, (1.0, 10.0, 100.0))]
    assert [each.holds for each in made] == [False, None, True]
    assert [Readings([each]).status for each in made] == ["refuted", "undecided", "holds"]
    assert Readings([replace(made[0], reduced=True)]).status == "undecided"
    verdict = Readings([made[2]]).verdict("A1", mutations={"a": "refuted"})
    assert verdict.status == "holds"
    assert verdict.estimates == made[2].estimates
    assert "ratio 100 [" in verdict.measured


def test_numbers_stand_beside_the_published_with_every_seed():
    plain = Beside("spline, fine", "mm", {4: 1.0, 7: 3.0, 5: 20.0}, 2.5, 0.1, "a=b").plain()
    assert (plain["median"], plain["mean"], plain["meets"]) == (3.0, 8.0, None)
    assert plain["seeds"] == [4, 7, 5]
    assert plain["values"] == [1.0, 3.0, 20.0]
    assert plain["deviation"] == pytest.approx(10.44, abs=0.01)
    assert Beside("c", "mm", {1: 2.0}).spread == 0.0
    json.dumps(made(True, False).plain(), allow_nan=False)


FACTORS = (Factor("start", ("normal", "linear")), Factor("points", ("100",), number=True))


def test_a_choice_is_read_and_written():
    experiment = Experiment(FACTORS, lambda choice, seed: {"error": seed * int(choice["points"])})
    assert experiment.choose() == {"start": "normal", "points": "100"}
    chosen = experiment.choose(" points=007, start=linear")
    assert chosen == {"start": "linear", "points": "7"}
    assert experiment.choose(written(chosen)) == chosen
    assert experiment.run(chosen, 3) == {"error": 21}


@each_row(
    "text, message",
    ("stat=normal", r"no factor is called 'stat'. Factors: start=normal\|linear, points=any number, default 100"),
    ("start=he", "start must be one of normal, linear; got 'he'"),
    ("points=-3", "points must be a positive whole number; got '-3'"),
    ("points=0", "positive whole number"),
    ("start", "name=value,name=value; got 'start'. Factors: start"),
    ("start=normal,start=linear", "start is given twice"),
)
def test_choices_that_do_not_exist_list_those_that_do(text, message):
    refused(lambda: Experiment(FACTORS, lambda choice, seed: {}).choose(text), message)


def test_cells_of_different_units_stand_in_tables_of_their_own():
    cells = [cell(1.0), Beside("d", "kg", {1: 5.0})]
    html = readings_html(Readings([reading(True, cells=cells)]).plain(), "run")
    assert "Cells of the claim: mm" in html
    assert "Cells of the claim: kg" in html
    first, second = html.split("Cells of the claim: kg")
    assert "published mean (deviation)" in first
    assert "published mean (deviation)" not in second
    assert "Size: 9 points" in html
    sizes = [reading(True), replace(reading(False), size="4 points")]
    assert "<td>4 points</td>" in readings_html(Readings(sizes).plain(), "run")


def test_two_factors_in_common_are_counted_together():
    readings = [Reading({"a": a, "b": b}, a == b == "1", "") for a in "12" for b in "12"]
    assert Readings(readings).over() == "holds under 1 of 4 readings: a=1, b=1"


def test_one_calibrated_reading_among_others_has_a_column():
    met = Beside("cell", "mm", {seed: float(seed) for seed in range(6)}, 2.5)
    readings = [Reading({"a": a}, True, "", calibration=(met,) * (a == "1")) for a in "12"]
    assert readings[0].calibrated
    assert "<th>calibrated</th>" in readings_html(Readings(readings).plain(), "")
