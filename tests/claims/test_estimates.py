"""Estimates: intervals with the coverage that they claim, sides, and what a verdict makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refkan.claims import Estimate, Verdict, decide, estimate, exactly, twin
from refkan.claims.reporting.reading_tables import estimate_cells
from refkan.claims.running.outcomes import direction, status_of
from tests.shared.refusals import refused

SEEDS = range(25)


@pytest.mark.parametrize("statistic", ["median", "mean", "geometric mean", "share"])
def test_intervals_cover_the_truth_about_as_often_as_they_say(statistic):
    """Of 200 samples of 25, the interval misses the true value in 5 % to within four deviations of that count."""
    rng = np.random.default_rng(3)
    truth = {"median": 1.0, "mean": np.exp(0.125), "geometric mean": 1.0, "share": 0.6}[statistic]
    missed = 0
    for _ in range(200):
        drawn = rng.random(25) < 0.6 if statistic == "share" else np.exp(0.5 * rng.standard_normal(25))
        made = estimate("x", dict(zip(SEEDS, map(float, drawn), strict=True)), statistic)
        assert made.low <= made.value <= made.high
        missed += not made.low <= truth <= made.high
    assert missed <= 24


@pytest.mark.parametrize("statistic", ["mean", "geometric mean", "median"])
def test_intervals_of_few_seeds_cover_too(statistic):
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(200):
        drawn = 3 + rng.standard_normal(6)
        values = dict(enumerate(np.exp(drawn) if statistic == "geometric mean" else drawn))
        made = estimate("x", values, statistic)
        missed += not made.low <= (np.exp(3) if statistic == "geometric mean" else 3) <= made.high
    assert missed <= 24


@pytest.mark.parametrize(("statistic", "size"), [("mean", 1), ("geometric mean", 1), ("median", 5)])
def test_seeds_too_few_for_any_interval_leave_it_open(statistic, size):
    made = estimate("x", dict.fromkeys(range(size), 2.0), statistic, at_most=1.0, cost="a day")
    assert (made.value, made.high, made.holds) == (pytest.approx(2.0), np.inf, None)


def test_a_share_of_all_is_no_certainty():
    made = estimate("won", dict.fromkeys(SEEDS, 1.0), "share")
    assert (made.value, made.high) == (1.0, 1.0)
    assert made.low == pytest.approx(0.025 ** (1 / 25))


def test_a_geometric_mean_is_that_of_the_inverse_inverted():
    values = {seed: float(1 + seed) for seed in SEEDS}
    up, down = (estimate("x", {k: v**sign for k, v in values.items()}, "geometric mean") for sign in (1, -1))
    assert [up.value, up.low, up.high] == pytest.approx([1 / down.value, 1 / down.high, 1 / down.low], rel=1e-12)


def test_runs_that_diverge_are_infinite_and_no_error():
    made = estimate("x", {seed: float("inf") if seed < 5 else 1.0 for seed in SEEDS}, at_most=2.0)
    assert (made.value, made.holds) == (1.0, True)
    assert estimate("x", dict.fromkeys(SEEDS, float("inf")), at_most=2.0).holds is False


@pytest.mark.parametrize(
    ("low", "high", "holds"), [(3, 4, False), (3, 6, None), (5, 9, True), (6, 11, None), (11, 12, False)]
)
def test_the_side_of_the_interval_decides(low, high, holds):
    made = Estimate("x", (low + high) / 2, low, high, at_least=5.0, at_most=10.0, seeds=tuple(SEEDS))
    assert made.holds is holds
    assert decide([made]) == {True: "holds", False: "refuted", None: "undecided"}[holds]
    few = {"seeds": (1, 2)}
    assert Estimate("x", 7.0, low, high, at_least=5.0, at_most=10.0, **few).holds is None
    assert Estimate("x", 7.0, low, high, at_least=5.0, at_most=10.0, cost="9 h a seed", **few).holds is holds


def test_one_that_fails_decides_and_a_correction_asks_for_less():
    good, bad, open_ = (Estimate("x", v, v - 1, v + 1, at_least=5.0, seeds=tuple(SEEDS)) for v in (9.0, 2.0, 5.0))
    assert decide([good, open_]) == "undecided"
    assert decide([bad, open_]) == "refuted"
    assert decide([bad, good], corrected=[good]) == "holds as corrected"
    assert decide([open_], corrected=[good]) == "undecided"
    assert decide([exactly("n", 5, at_least=5)]) == "holds"
    assert (twin([good]), twin([good, bad])) == ("holds", "refuted")
    refused(lambda: decide([exactly("n", 5)]), "at least one with a bound")


@pytest.mark.parametrize(
    ("values", "statistic", "message"),
    [
        ({}, "median", "at least one number a seed"),
        ({1: float("nan")}, "median", "none of them NaN"),
        ({1: 0.5}, "share", "0 or 1 for a share"),
        ({1: -0.5}, "geometric mean", "not be negative"),
        ({1: 0.5}, "mode", "one of median, mean"),
    ],
)
def test_values_that_cannot_be_estimated(values, statistic, message):
    with pytest.raises(ValueError, match=message):
        estimate("x", values, statistic)


def test_a_failing_experiment_needs_a_positive_control():
    bad = estimate("x", dict.fromkeys(SEEDS, 2.0), at_least=5.0)
    mutations = {"m": "refuted"}

    def status(**more):
        return status_of(Verdict("A1", decide([bad]), "", mutations=mutations, estimates=(bad,), **more))

    assert status() == status(controls={"true data": "refuted"}) == "void"
    assert status(controls={"true data": "holds"}) == "refuted"


@pytest.mark.parametrize(
    ("recorded", "value", "told"),
    [
        ("holds", 9.0, "same direction"),
        ("holds under some readings", 2.0, "other direction"),
        ("holds as corrected", 2.0, "same direction"),
        ("refuted", 2.0, "same direction"),
        ("refuted", 9.0, "other direction"),
        ("undecided", 9.0, "points to the claim"),
    ],
)
def test_a_small_run_tells_a_direction(recorded, value, told):
    small = estimate("x", {1: value}, at_least=5.0)
    assert direction(recorded, Verdict("A1", decide([small]), "", estimates=(small,))) == told


def test_the_interval_of_seeds_that_agree_is_no_exact_number():
    """Exact is what was computed without seeds and is one number."""
    agreeing = estimate("ratio", dict.fromkeys(range(8), 3.0), at_least=1.0)
    (cells,) = estimate_cells([agreeing])
    assert (cells[2], cells[6]) == ("3 to 3", "8")
    (cells,) = estimate_cells([replace(agreeing, seeds=())])
    assert (cells[2], cells[6]) == ("exact", "")
    (cells,) = estimate_cells([replace(agreeing, seeds=(), high=4.0)])
    assert cells[2] == "3 to 4"
