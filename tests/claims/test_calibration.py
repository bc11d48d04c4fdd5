"""Calibration: intervals cover as counting says, on a small draw; forms that do not are noticed."""

from collections import Counter
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from refkan.claims import estimate
from refkan.claims.calibration import (
    SIZES,
    accepted,
    coverage,
    judged,
    papers,
    populations,
    present,
    rates,
)
from refkan.claims.estimates import shown_by_tables
from refkan.claims.seed_intervals import LEAST_LEVEL, LEVEL, rank
from tests.shared.refusals import refused

DECIDING = [(name, s) for name, p in populations().items() for s in p.truths if s not in ("mean", "geometric mean")]


@pytest.mark.parametrize("size", range(1, 41))
def test_ranks_are_those_of_fair_coins(size):
    def surely(k):
        return 1 - 2 * sum(Fraction(comb(size, j), 2**size) for j in range(k))

    allowed = [k for k in range(1, size // 2 + 1) if surely(k) >= LEVEL]
    widest = 1 if size > 1 and surely(1) >= LEAST_LEVEL else 0
    k, covered = rank(size, LEVEL, LEAST_LEVEL)
    assert k == max(allowed, default=widest)
    assert covered == (pytest.approx(float(surely(k))) if k else 0.0)
    assert (size >= 5) == (k > 0)


@pytest.mark.parametrize(("name", "statistic"), DECIDING)
def test_deciding_intervals_cover(name, statistic):
    """At least 93 % up to three standard deviations of 300 samples; sizes without an interval decide nothing."""
    seen = [coverage(populations()[name], statistic, size, samples=300, seed=3) for size in SIZES]
    assert all(share is None or share >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / 300) for share in seen)
    assert statistic == "share" or seen[0] is None
    assert seen[-1] is not None


def test_an_interval_that_is_too_short_is_noticed():
    def shorter(rows, statistic):
        low, high = present(rows, statistic)
        middle = np.median(rows)
        return (low + middle) / 2, (middle + high) / 2

    population = populations()["log-normal, sigma 0.5"]
    assert coverage(population, "median", 25, samples=300, form=shorter) < 0.85
    assert coverage(population, "median", 25, samples=300) > 0.93


def test_truths_are_those_of_long_draws():
    rng = np.random.default_rng(7)
    for population in populations().values():
        rows = population.rows(rng, 1, 200_000)[0]
        if "median" in population.truths:
            medians = np.median(rows, axis=1)
            ratio = medians[0] / medians[1] if population.pair else medians[0]
            assert ratio == pytest.approx(population.truths["median"], rel=0.03)
        if "mean" in population.truths:
            assert rows.mean() == pytest.approx(population.truths["mean"], rel=0.05)
        if "geometric mean" in population.truths:
            assert np.exp(np.log(rows).mean()) == pytest.approx(population.truths["geometric mean"], rel=0.02)
        if "share" in population.truths:
            assert rows.mean() == pytest.approx(population.truths["share"], abs=0.01)


def test_verdicts_are_seldom_wrong_and_three_runs_decide_nothing():
    chosen = [p for p in papers() if p.size in (3, 25) and p.statistic == "median"]
    made = judged(chosen, repeats=1, seed=2)
    assert made["median", 3]["undecided"] == len(chosen) / 2
    few = rates(made["median", 25])
    assert few["false holds"] <= 0.1
    assert few["false refuted"] <= 0.1
    assert few["undecided"] < 1
    assert sum(made["median", 25][f"{truth}, {status}"] for truth, status in [("true", "holds"), ("false", "refuted")])
    assert rates(Counter({"true": 4, "true, refuted": 1})) == {
        "false holds": 0.0, "false refuted": 0.25, "undecided": 0.0,
    }  # fmt: skip


def test_invented_papers_are_two_hundred_with_true_and_false_claims_of_every_size():
    every = papers()
    assert len(every) >= 200
    assert {p.size for p in every} == set(SIZES)
    for size in SIZES:
        assert {p.true for p in every if p.size == size} == {True, False}


def test_ten_runs_reject_no_reading_and_25_do():
    population = populations()["log-normal, sigma 0.5"]
    assert accepted(population, 10, samples=20) == 1.0
    assert 0.5 < accepted(population, 25, samples=60) < 1.0


def test_three_seeds_decide_nothing_at_any_cost():
    for size, holds in ((3, None), (4, None), (5, True)):
        made = estimate("ratio", dict.fromkeys(range(size), 20.0), at_least=10.0, cost="an hour a seed")
        assert made.holds is holds
    share = estimate("won", dict.fromkeys(range(4), 1.0), "share", at_least=0.1, cost="an hour")
    assert share.holds is None
    refused(lambda: estimate("x", {1: 1.0}, "mean", at_least=1.0), "statistic must be 'median', 'share' or 'mean of")


def test_tables_of_five_print_means_of_five_seeds_in_their_order():
    """Five tables with means 1, 2, 3, 4, 105; of all choices of five, one in C(25, 5)/C(20, 5) avoids the bad seeds."""
    errors = {seed: float(1 + seed // 5) for seed in range(25)}
    errors |= {seed: errors[seed] + 100 for seed in range(20, 25)}
    made = estimate("mean", errors, "mean of five", at_least=1.0, cost="a day")
    assert (made.value, made.low, made.high, made.holds) == (3.0, 1.0, 105.0, True)
    assert estimate("mean", {s: errors[s] for s in range(24)}, "mean of five", at_least=1.0, cost="a day").holds is None
    halves = estimate("ratio", errors, "mean of five", over={s: 2 * e for s, e in errors.items()})
    assert (halves.value, halves.low, halves.high) == (0.5, 0.5, 0.5)
    seldom = shown_by_tables("tables without a bad run", errors, at_most=5.0)
    assert seldom.value == pytest.approx(comb(20, 5) / comb(25, 5), abs=0.02)
    assert (seldom.low, seldom.high) == pytest.approx((0.2836, 0.9949), abs=1e-4) or seldom.low <= seldom.value
