"""Claims W1 and X1: fair pairs, criteria computed from the errors, mistakes that show."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.kept_parts import run_task
from refkan.claims.running.outcomes import plain
from refkan.claims.verdicts import FAILING
from tests.shared.spoiling import spoilt
from validation.architectures import equal_work, high_dimension, splines_against_relu, splines_against_relu_pairs
from validation.architectures.equal_work import Budget, BudgetSpentError, Comparison, Contestant, Samples, train
from validation.ledger import row

W1 = high_dimension.Size((2,), (1, 2), 200, 300, 60)

X1 = tuple(splines_against_relu.Size((2,), ((3, 6),), (1, 2), samples, 300, n) for samples, n in ((100, 12), (200, 25)))

FOUR = rk.problems.SUPERPOSITIONS[::4]
"""The functions of two variables among them."""


@pytest.fixture(scope="module")
def dimension_two():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(high_dimension, "targets", lambda d: list(FOUR))
        yield high_dimension.answer(W1)[0]


def p_value(wins, n):
    return sum(comb(n, k) for k in range(wins, n + 1)) / 2**n


def test_criteria_are_those_of_the_ledger():
    assert all(text in row("W1").criterion for text in ("in each dimension", "median ratio >= 10", "p < 0.01"))
    assert row("X1").criterion == "median ratio >= 10"
    assert (equal_work.FACTOR, equal_work.LEVEL) == (10.0, 0.01)
    assert high_dimension.QUICK.dimensions == (2, 4)
    assert high_dimension.FULL.dimensions == (2, 4, 6, 10)
    for size in (high_dimension.QUICK, high_dimension.FULL):
        for d in size.dimensions:
            n = len(high_dimension.targets(d)) * len(size.seeds)
            assert p_value(n, n) < equal_work.LEVEL  # enough pairs to reach the level


def test_comparison():
    won = Comparison.of([1.0] * 8, [10.0] * 8)
    assert (won.median, won.p, won.clear) == (10.0, 2.0**-8, True)
    assert not Comparison.of([1.0] * 8, [9.99] * 8).clear
    assert not Comparison.of([1.0] * 6, [99.0] * 6).clear  # too few pairs
    mixed = Comparison.of([1.0] * 20, [99.0] * 15 + [0.5] * 5)
    assert mixed.p == pytest.approx(p_value(15, 20))
    assert not mixed.clear
    assert Comparison.of([1.0] * 8, [1.0] * 8).p == 1.0  # a tie is no win
    assert spoilt(equal_work, "b / a", "a / b").Comparison.of([1.0] * 8, [10.0] * 8).median == 0.1
    assert spoilt(equal_work, '"greater"', '"less"').Comparison.of([1.0] * 8, [10.0] * 8).p == 1.0


@pytest.mark.parametrize("id", ["bessel", "I.15.3x"])
def test_samples(id):
    target = rk.problems.TARGETS[id]
    first, second = (Samples.of(target, seed, 400, 300) for seed in (1, 2))
    for points in (first.x, first.x_test):
        assert points.min() >= 0.0
        assert points.max() <= 1.0
        assert points.max() - points.min() > 0.9
    assert first.y.mean() == pytest.approx(0.0, abs=1e-12)
    assert first.y.std() == pytest.approx(1.0)
    assert np.array_equal(first.x_test, second.x_test)
    assert not np.array_equal(first.x, second.x)
    # One affine function takes the target to both sets of values.
    low, high = np.array(target.domain).T
    points = np.clip(low + (high - low) * np.concatenate([first.x, first.x_test]), low, high)
    slope, shift = np.polyfit(target(points)[:400, 0], first.y[:, 0], 1)
    assert np.allclose(slope * target(points) + shift, np.concatenate([first.y, first.y_test]), atol=1e-9)


class Bowl:
    """|theta|^2/2, counting."""

    net = None
    calls = 0

    def value_and_gradient(self, theta):
        self.calls += 1
        return 0.5 * float(theta @ theta), theta


def test_budget():
    bowl = Bowl()
    budget = Budget(bowl, 3)
    for number in (3.0, 1.0, 2.0):
        budget.value_and_gradient(np.array([number]))
    with pytest.raises(BudgetSpentError):
        budget.value_and_gradient(np.array([0.0]))
    assert bowl.calls == 3
    assert budget.losses == [9.0, 1.0, 4.0]
    assert budget.at_budget == [1.0]
    assert budget.in_time == [3.0]  # no time was given: the start
    timed = Budget(bowl, 1, limit=1e9)
    for number in (3.0, 2.0, 1.0, 4.0):
        timed.value_and_gradient(np.array([number]))
    with pytest.raises(BudgetSpentError):
        timed.value_and_gradient(np.array([0.0]))
    assert (timed.at_budget, timed.in_time) == ([3.0], [1.0])


def test_training_is_repeatable_and_within_its_budget():
    samples = Samples.of(FOUR[0], 1, 100, 50)
    contestant = Contestant(rk.mlp([2, 6, 1]))
    first, second = (train(contestant, samples, 3, 40) for _ in range(2))
    assert first["evaluations"] <= 40
    assert first["training"] == first["curve"][-1] < first["curve"][0]
    assert len(first["curve"]) == len(equal_work.marks(40))
    assert "test in time" not in first
    assert [first[k] for k in ("training", "test")] == [second[k] for k in ("training", "test")]
    assert "test in time" in train(contestant, samples, 3, 5, limit=1e-4)


def test_w1_is_decided_at_fresh_points_and_corrected_by_the_losses(dimension_two):
    verdict = dimension_two
    assert verdict.id == "W1"
    runs = verdict.data["runs"][2]
    n = len(FOUR) * len(W1.seeds)
    passes = {"test": [], "training": []}
    for name in high_dimension.arms(2):
        assert [(run["target"], run["seed"]) for run in runs[name]] == [(t.id, s) for t in FOUR for s in W1.seeds]
        assert all(run["evaluations"] == W1.evaluations for run in runs[name])
        for what in passes if name != "spline" else ():
            pairs = zip(runs[name], runs["spline"], strict=True)
            ratios = [relu[what] / spline[what] for relu, spline in pairs]
            passes[what].append(np.median(ratios) >= 10 and p_value(sum(r > 1 for r in ratios), n) < 0.01)
    assert len(passes["test"]) == 3
    expected = "holds" if all(passes["test"]) else "holds as corrected" if all(passes["training"]) else "undecided"
    assert verdict.status == expected, verdict.measured
    assert len(verdict.mutations) == 3
    assert not verdict.surviving_mutations
    assert set(verdict.mutations.values()) <= set(FAILING)
    conditions = verdict.data["conditions at the start"][2]
    assert conditions["relu"] > conditions["scaled-relu"] > conditions["spline"] > 1
    json.dumps(plain(verdict.data))
    assert verdict.figures[0].png.startswith(b"\x89PNG")


def test_arms_of_a_pair_start_at_the_same_function(dimension_two):
    runs = dimension_two.data["runs"][2]
    starts = {name: np.array([run["curve"][0] for run in pairs]) for name, pairs in runs.items()}
    for name in ("ReLU, same start", "scaled ReLU, same start"):
        assert np.allclose(starts[name], starts["spline"], rtol=1e-9)
    assert not np.any(np.isclose(starts["ReLU, Gaussian start"], starts["spline"], rtol=1e-3))
    assert len({run["parameters"] for pairs in runs.values() for run in pairs}) == 1


def test_spline_coordinates_take_the_relu_basis_where_the_spline_basis_goes():
    """What differs between the arms is the geometry alone."""
    samples = Samples.of(FOUR[1], 1, 200, 50)
    both = high_dimension.arms(2) | high_dimension.mutants(2)
    curves = {name: train(both[name], samples, 1, 15)["curve"] for name in both}
    assert np.allclose(curves[high_dimension.IN_SPLINE_COORDINATES], curves["spline"], rtol=1e-6)
    assert curves["ReLU, same start"][-1] > 1.5 * curves["spline"][-1]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Contestant(network(dimension, "spline"))', 'Contestant(network(dimension, "relu"))'),
        ('"ReLU, same start": Contestant(relu)', '"ReLU, same start": Contestant(relu, geometry="spline")'),
    ],
)
def test_mistakes_in_the_arms_refute_w1(dimension_two, old, new):
    """With the right arms the claim holds at this size, so that it is the mistake that refutes it."""
    assert dimension_two.status == "holds", dimension_two.measured
    module = spoilt(high_dimension, old, new)
    module.targets = lambda d: list(FOUR)
    arms = {name: module.arms(2)[name] for name in ("spline", "ReLU, same start")}
    results = module.run_dimension(2, W1, arms, print, run_task)
    assert not module.holds({2: module.compare(results)})


def test_every_dimension_and_every_arm_counts():
    good, bad = Comparison((20.0,) * 8), Comparison((9.0,) * 8)
    assert high_dimension.holds({2: {"a": good, "b": good}, 4: {"a": good}})
    assert not high_dimension.holds({2: {"a": good, "b": good}, 4: {"a": bad}})
    assert not high_dimension.holds({2: {"a": good, "b": bad}, 4: {"a": good}})
    assert splines_against_relu.holds([good, good])
    assert not splines_against_relu.holds([good, bad])


@pytest.mark.parametrize("dimension", [1, 2, 10])
def test_contestants_of_x1_have_equal_parameters(dimension):
    nets = {name: c.net for name, c in splines_against_relu_pairs.contestants(dimension, (4, 12)).items()}
    assert tuple(nets) == ("spline", *splines_against_relu.RELU, *splines_against_relu.SHOWN)
    n_params = nets["spline"].n_params
    for name, net in nets.items():
        if "MLP" not in name:
            assert net.n_params == n_params
            continue
        hidden = net.widths[1:-1]
        assert len(hidden) == (2 if "2 hidden" in name else 1)
        narrower = rk.mlp([dimension, *(width - 1 for width in hidden), 1])
        assert narrower.n_params < n_params <= net.n_params
    assert Contestant(nets[splines_against_relu.RELU[2]]).centred
    assert not Contestant(nets["spline"]).centred


def test_x1_is_decided_by_the_errors_and_resumes(tmp_path, monkeypatch):
    claim = splines_against_relu
    for module in (claim, splines_against_relu_pairs):
        monkeypatch.setattr(module, "targets", lambda size: list(FOUR[:2]))
    store = Checkpoints(tmp_path)
    verdict = claim.answer(X1, resume=store.run)[0]
    pairs = verdict.data["pairs"]
    assert [splines_against_relu_pairs.pair_key(pair) for pair in pairs] == [
        {"intervals": [3, 6], "target": target.id, "seed": seed} for target in FOUR[:2] for seed in X1[-1].seeds
    ]
    medians = [np.median([pair[name]["test"] / pair["spline"]["test"] for pair in pairs]) for name in claim.RELU]
    assert len(verdict.readings) == 2 * 3 * 2
    first = verdict.readings[0]
    assert first["choice"] == {"budget": "large", "against": "all", "work": "evaluations"}
    assert first["holds"] == all(median >= 10 for median in medians), verdict.measured
    assert (verdict.status == "holds") == all(reading["holds"] for reading in verdict.readings)
    again = claim.EXPERIMENT.run(claim.EXPERIMENT.choose(first["cells"][2]["again"]), X1[-1].seeds[1])
    assert f"{again['median ratio']:.4g}" == f"{first['cells'][2]['values'][1]:.4g}"
    assert [(b["samples"], b["evaluations"]) for b in verdict.data["budgets"]] == [(100, 12), (200, 25)]
    assert verdict.data["budgets"][-1]["ratios"] == pytest.approx(dict(zip(claim.RELU, medians, strict=True)))
    assert all(f"{n} evaluations" in verdict.measured for n in (12, 25))
    assert not verdict.surviving_mutations
    json.dumps(plain(verdict.data))
    assert verdict.figures[0].png.startswith(b"\x89PNG")

    def refuse(configuration, task):
        return store.run(configuration, lambda: pytest.fail(f"{configuration} was run again"))

    again = claim.answer(X1, resume=refuse)[0]
    assert (again.status, again.measured) == (verdict.status, verdict.measured)
    assert plain(again.data) == plain(verdict.data)


def test_x1_tells_a_ratio_of_ten_from_one_below():
    """Errors by hand: the same measurement with one contestant at 9 times the error."""
    claim = splines_against_relu
    names = ("spline", *claim.RELU)

    def pairs(factors):
        values = dict(zip(names, (1.0, *factors), strict=True))
        return [{name: {"test": value} for name, value in values.items()} for _ in range(3)]

    for factors, expected in (((10, 10, 10, 10), True), ((10, 10, 10, 9), False), ((0.1, 50, 50, 50), False)):
        assert claim.holds(claim.compare(pairs(factors), name) for name in claim.RELU) == expected
    assert claim.compare_with_best(pairs((30, 20, 10, 40))).median == 10
    swapped = spoilt(claim, 'pair[name]["test"] for name in RELU', 'pair[name]["test"] for name in RELU[:1]')
    assert swapped.compare_with_best(pairs((30, 20, 10, 40))).median == 30


def test_ratios_on_the_way_are_those_of_the_curves():
    claim = splines_against_relu
    places = equal_work.marks(X1[-1].evaluations)
    pair = {"spline": {"curve": np.ones(places.size)}} | {name: {"curve": 7.0 * places} for name in claim.RELU}
    text = claim.on_the_way(X1[-1], [pair])
    assert text.startswith(f"after 6 evaluations {claim.RELU[0]} 42, ")  # a quarter of 25 evaluations
    assert f"after 12 evaluations {claim.RELU[0]} 84, " in text
