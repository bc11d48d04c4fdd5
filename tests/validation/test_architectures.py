"""W1, X1 and X2: fair contestants, criteria computed from errors under every reading, mistakes that show."""

import numpy as np
import pytest

import refkan as rk
from refkan.claims.cells import numbers
from refkan.training.problems.formulas import SUPERPOSITIONS
from validation.architectures import equal_work, high_dimension, splines_against_relu
from validation.architectures import first_experiment as claim
from validation.architectures import first_experiment_cells as cells
from validation.architectures.equal_work import Budget, BudgetSpentError, Contestant, Samples, train

W1 = high_dimension.QUICK.but(dimensions=(2,), seeds=(1, 2), samples=200, test_points=300, evaluations=60)
X1 = tuple(splines_against_relu.Size((2,), ((3, 6),), (1, 2), samples, 300, n) for samples, n in ((100, 12), (200, 25)))

FOUR = SUPERPOSITIONS[::4]
"""The functions of two variables among them."""


@pytest.fixture(scope="module")
def dimension_two():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(high_dimension, "targets", lambda d: list(FOUR))
        yield high_dimension.answer(W1)[0]


def test_contestants_are_compared_by_the_median_of_their_ratios():
    pairs = [{"spline": {"test": 1.0}, "MLP": {"test": e, "test in time": 2 * e}} for e in (3.0, 10.0, 40.0)]
    assert splines_against_relu.compare(pairs, "MLP") == 10.0
    assert splines_against_relu.compare(pairs, "MLP", column="test in time") == 20.0
    assert splines_against_relu.compare(pairs, "spline", "MLP") == 0.1


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
    first, second = (train(contestant, lambda: samples, 3, 40) for _ in range(2))
    assert first["evaluations"] <= 40
    assert first["training"] == first["curve"][-1] < first["curve"][0]
    assert len(first["curve"]) == len(equal_work.marks(40))
    assert "test in time" not in first
    assert [first[k] for k in ("training", "test")] == [second[k] for k in ("training", "test")]
    assert "test in time" in train(contestant, lambda: samples, 3, 5, limit=1e-4)


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
    name = high_dimension.IN_SPLINE_COORDINATES
    both = high_dimension.arms(2) | {name: Contestant(high_dimension.network(2, "relu"), geometry="spline")}
    curves = {name: train(both[name], lambda: samples, 1, 15)["curve"] for name in both}
    assert np.allclose(curves[name], curves["spline"], rtol=1e-6)
    assert curves["ReLU, same start"][-1] > 1.5 * curves["spline"][-1]


@pytest.mark.parametrize("dimension", [1, 2, 10])
def test_contestants_of_x1_have_equal_parameters(dimension):
    nets = {name: c.net for name, c in splines_against_relu.contestants(dimension, (4, 12)).items()}
    assert tuple(nets) == ("spline", *splines_against_relu.RELU)
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


SMALL = {"samples": "80", "evaluations": "12"}


@pytest.fixture(scope="module")
def found():
    readings = [reading for reading in claim.LIST if reading["map"] == "affine"]
    return cells.GRID.run(cells.cells_of(range(1, 4), readings, **SMALL))


def test_contestants_share_shape_or_surround_its_parameters():
    nets = {model: cells.network_of(cells.GRID.cell(0, model=model))[0] for model in claim.NAMES}
    ours = nets[cells.OURS].n_params
    assert nets["ReLU"].n_params == nets["ReLU-gaussian"].n_params == ours
    assert nets["MLP-30"].n_params < ours < nets["MLP-20-20"].n_params


def test_arms_of_x2_start_at_the_same_function(found):
    assert all(record["mse"] > 0 for record in found.values())
    for start in ("linear", "normal"):
        reading, size = cells.GRID.reading(start=start), SMALL | {"evaluations": "1"}
        places = {model: cells.place(reading, model) | size for model in ("ReLU", "spline", "ReLU-gaussian")}
        first = {model: cells.run_cell(cells.GRID.cell(1, **at))["mse"] for model, at in places.items()}
        assert first["ReLU"] == pytest.approx(first["spline"], rel=1e-9)
        assert first["ReLU-gaussian"] != pytest.approx(first["spline"], rel=1e-2)


def test_readings_share_the_runs_of_what_a_contestant_does_not_have(found):
    # Six contestants under the linear start; under the normal one three KANs of their own.
    assert len(found) == 3 * (6 + 3)
    assert cells.place(claim.LIST[-1], "MLP-30") == cells.place(claim.LIST[0], "MLP-30")


def test_a_budget_ends_a_training():
    x = np.random.default_rng(0).uniform(size=(30, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    spent = Budget(rk.LeastSquares(net, x, x[:, :1]), 3)
    spent.spend(theta, 9)
    assert len(spent.losses) == 3


def test_a_cell_is_run_again_by_its_line(found):
    reading = cells.GRID.reading(start="normal")
    where = cells.place(reading, "SiLU") | SMALL
    line = ",".join(f"{name}={value}" for name, value in where.items())
    again = cells.GRID.experiment.run(cells.GRID.experiment.choose(line), 2)
    assert again["mse"] == numbers(found, "mse", **where)[2]
