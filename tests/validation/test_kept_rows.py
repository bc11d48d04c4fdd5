"""Kept rows that their numbers decide, judged again: the criterion of each is that by which it was judged."""

import json
from pathlib import Path

import pytest

import validation
from refkan.claims import Beside
from refkan.claims.running.discovery import discover
from tests.validation import quick_runs
from tests.validation.quick_runs import alike
from tests.validation.replays import (
    FOLDER,
    decoded,
    digest,
    judged,
    kept,
    measured_in,
    named,
    one_by_one,
    runs,
    told,
)
from validation.architectures import first_experiment
from validation.equations import burgers_table, poisson_staircases
from validation.ledger import LEDGER, row
from validation.literature import truncated_power_bases
from validation.records.store import is_old, judged_again, load

FILES = discover(Path(validation.__file__).parent, LEDGER)

JUDGED = {
    id: judged for file in FILES if "JUDGED" in file.path.read_text() for id, judged in file.load().JUDGED.items()
}

FULL = load("full")

KEPT = [id for id in JUDGED if id in FULL and not is_old(FULL[id])]


@pytest.fixture
def few_draws():
    """All draws, as of the numbers that are kept."""


def rounding(estimate, name):
    """How far a number of an estimate is off that is made of four digits: 5e-4 each, a ratio of two by d = 1e-3.

    So is the mean of their logarithms. Their deviation is off by d sqrt(n/(n-1)), an end mean +- t s/sqrt(n) by
    d (1 + t/sqrt(n-1)): 4.04 d for three seeds, of which t is 4.303.
    """
    wide = name in ("low", "high") and estimate["method"].startswith("geometric mean") and len(estimate["seeds"]) == 3
    return 4.1e-3 if wide else 1e-3


@pytest.mark.parametrize("id", KEPT)
def test_kept_rows_are_what_their_numbers_make_of_them(id):
    """Under every reading, and what is asked of each number: those of seeds are kept to four digits."""
    kept = FULL[id]
    again = judged_again(kept, JUDGED[id], row(id))
    assert (again["status"], again["controls"]) == (kept["status"], kept["controls"])
    assert again["mutations"].items() <= kept["mutations"].items()  # X1 has others, of its runs
    for ours, theirs in zip([again, *again["readings"]], [kept, *kept["readings"]], strict=True):
        for name in ("holds", "corrected", "calibrated"):
            assert ours.get(name) == theirs.get(name)
        for mine, other in zip(ours["estimates"], theirs["estimates"], strict=True):
            assert mine["name"] == other["name"]
            for name in ("value", "low", "high", "at_least", "at_most", "published"):
                assert float(mine[name] or 0) == pytest.approx(float(other[name] or 0), rel=rounding(other, name))
    assert set(kept["controls"].values()) == {"holds"}
    assert "holds" not in kept["mutations"].values()


@pytest.mark.parametrize("id", [id for id in KEPT if FULL[id].get("judged")])
def test_other_numbers_would_have_another_verdict(id):
    """Numbers of which the claim is true are never refuted, whatever was measured."""
    kept, (_, change) = FULL[id], JUDGED[id].control

    def changed(cell):
        ours = Beside(cell["cell"], cell["unit"], dict(enumerate(cell["values"])), cell["published"])
        return [cell | {"values": list(made.values.values())} for made in change([ours])]

    readings = [
        r | {kind: [new for cell in r[kind] for new in changed(cell)] for kind in ("cells", "calibration")}
        for r in kept["readings"]
    ]
    assert judged_again({**kept, "readings": readings}, JUDGED[id], row(id))["status"] != "refuted"


REPLAYS = {
    f"{replay['by'].removeprefix('validation.')}, {k}": replay
    for file in sorted(FOLDER.glob("*.json"))
    for k, replay in enumerate(json.loads(file.read_text(encoding="utf-8")))
}

EXACT = {replay["by"].partition(":")[0].rpartition(".")[2] for replay in REPLAYS.values() if runs(replay)}

ANEW = "if that is meant, python -m tests.validation.replays judges all measurements anew"


@pytest.mark.parametrize("by", [by for by, replay in REPLAYS.items() if not runs(replay)])
def test_numbers_and_statuses_are_those_of_the_measurements(by):
    assert alike(told(judged(REPLAYS[by])), REPLAYS[by]["outcome"]), ANEW


TOLD = json.loads(quick_runs.TABLE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("stem", TOLD)
def test_altered_statements_do_not_hold_in_quick_runs_and_what_is_exact_does(stem):
    for verdict in TOLD[stem]:
        assert verdict["mutations"]
        assert "holds" not in verdict["mutations"].values()
        assert stem not in EXACT or verdict["status"] in ("holds", "holds as corrected")


@pytest.mark.parametrize(
    "by", [pytest.param(by, marks=[pytest.mark.exhaustive] * runs(replay)) for by, replay in REPLAYS.items()]
)
@pytest.mark.filterwarnings("ignore")
def test_scattered_measurements_are_judged_as_they_were(by):
    for seed, before in enumerate(REPLAYS[by]["scattered"]):
        assert digest(REPLAYS[by], seed) == before, (seed, ANEW)


@pytest.mark.exhaustive
@pytest.mark.parametrize("by", [by for by, replay in REPLAYS.items() if runs(replay)])
def test_one_wrong_number_among_all_that_are_right_is_judged_as_it_was(by):
    assert one_by_one(REPLAYS[by]) == REPLAYS[by]["one by one"], ANEW


def test_measurements_are_kept_as_they_are_read():
    for replay in REPLAYS.values():
        measured = {name: decoded(item) for name, item in replay["measured"].items()}
        assert kept(named(replay["by"]), **measured) == {name: replay[name] for name in ("by", "measured")}


def run_under(file, measured):
    """How many readings of a row have been run."""
    by = getattr(file, "STATEMENT", None)
    return len(by.at_largest_size(measured) if by else file.verdict(measured).readings)


@pytest.mark.parametrize(
    ("file", "factor", "values"),
    [
        (truncated_power_bases, "target", truncated_power_bases.TARGETS),
        (burgers_table, "fidelity", burgers_table.FIDELITIES),
        (poisson_staircases, "model", (poisson_staircases.SPLINE, poisson_staircases.RELU)),
        (first_experiment, "model", first_experiment.NAMES),
    ],
    ids=["O12", "Q2", "Q1", "X2"],
)
def test_a_reading_of_which_a_part_was_not_run_is_left(file, factor, values):
    measured = measured_in(file.__name__.removeprefix("validation.").replace(".", "_"))["measured"]
    assert run_under(file, measured)
    for value in values:
        assert not run_under(file, {cell: run for cell, run in measured.items() if cell[factor] != value}), value
