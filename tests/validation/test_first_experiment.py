"""Claim X2: fair contestants, curves of the best loss, the criterion computed from the losses under every reading."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.claims import FAILING
from refkan.claims.cells import numbers, records
from validation.architectures import first_experiment as claim
from validation.architectures import first_experiment_cells as cells
from validation.ledger import row

SMALL = {"samples": "80", "evaluations": "12"}


@pytest.fixture(scope="module")
def found():
    readings = [reading for reading in claim.LIST if reading["map"] == "affine"]
    return cells.GRID.run(cells.cells_of(range(1, 4), readings, **SMALL))


def test_the_criterion_is_that_of_the_ledger():
    assert "spline KAN first, p < 0.01" in row("X2").criterion
    others = {"a": 2.0, "b": 3.0}
    assert claim.comes_first("ours", {"ours": 1.0, **others}, dict.fromkeys(others, 0.009))
    assert not claim.comes_first("ours", {"ours": 1.0, **others}, {"a": 0.01, "b": 0.0})
    assert not claim.comes_first("ours", {"ours": 2.5, **others}, dict.fromkeys(others, 0.001))


def test_contestants_share_shape_or_surround_its_parameters():
    nets = {model: cells.network_of(cells.GRID.cell(0, model=model))[0] for model in claim.NAMES}
    ours = nets[cells.OURS].n_params
    assert nets["ReLU"].n_params == nets["ReLU-gaussian"].n_params == ours
    assert nets["MLP-30"].n_params < ours < nets["MLP-20-20"].n_params


def test_curves_fall_and_start_at_the_same_function(found):
    for record in found.values():
        curve = record["course"]
        assert curve["loss"].shape == curve["seconds"].shape == (12,)
        assert np.all(np.diff(curve["loss"]) <= 0)
        assert np.all(np.diff(curve["seconds"]) >= 0)
        assert record["mse"] == curve["loss"][-1]
    for start in ("linear", "normal"):
        reading = cells.GRID.reading(start=start)
        first = {
            model: [r["course"]["loss"][0] for r in records(found, **cells.place(reading, model)).values()]
            for model in claim.NAMES
        }
        assert np.allclose(first["ReLU"], first["spline"], rtol=1e-9)
        assert not np.allclose(first["ReLU-gaussian"], first["spline"], rtol=1e-2)


def test_readings_share_the_runs_of_what_a_contestant_does_not_have(found):
    # Six contestants under the linear start; under the normal one three KANs of their own.
    assert len(found) == 3 * (6 + 3)
    assert cells.place(claim.LIST[-1], "MLP-30") == cells.place(claim.LIST[0], "MLP-30")


def test_the_recorder_notes_mean_squared_errors_and_ends_a_training():
    x = np.random.default_rng(0).uniform(size=(30, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, x[:, :1])
    recorder = cells.Recorder(problem, 3)
    for _ in range(3):
        value, gradient = recorder.value_and_gradient(theta)
    assert value == problem.value(theta)
    assert np.any(gradient)
    value, gradient = recorder.value_and_gradient(theta + 1)
    assert value == problem.value(theta)
    assert not np.any(gradient)
    np.testing.assert_allclose(recorder.curve()["loss"], problem.mse(theta))
    early = cells.Recorder(problem, 4)
    early.value_and_gradient(theta)
    assert early.curve()["loss"].tolist() == [problem.mse(theta)] * 4  # a training that ended before its budget


def test_losses_within_a_time():
    curve = {"loss": np.array([4.0, 2.0, 1.0]), "seconds": np.array([1.0, 2.0, 3.0])}
    assert [claim.best_within(curve, t) for t in (0.5, 1.0, 2.5, 9.0)] == [4.0, 4.0, 2.0, 1.0]


def test_medians_and_sign_tests():
    seeds = range(7)
    losses = {"ours": dict.fromkeys(seeds, 1.0), "worse": dict.fromkeys(seeds, 2.0), "even": dict.fromkeys(seeds, 1.0)}
    medians, p = claim.compare(losses, "ours")
    assert medians == {"ours": 1.0, "worse": 2.0, "even": 1.0}
    assert p == {"worse": pytest.approx(2.0**-7), "even": 1.0}


def invented(silu, slow=1.0, seeds=claim.SEEDS[: claim.FEW]):
    """Losses 1 of the spline KAN, 9 of all others but the traditional one; `slow` is the time of its evaluations."""
    found = {}
    for cell in cells.cells_of(seeds, claim.LIST, **claim.QUICK):
        loss = {cells.OURS: 1.0, "SiLU": silu}.get(cell["model"], 9.0) + 0.01 * (cell.seed - 1233)
        seconds = np.arange(1.0, 5.0) * (slow if cell["model"] == "SiLU" else 1.0)
        course = {"loss": np.array([50.0, 40.0, 30.0, loss]), "seconds": seconds}
        found[cell] = {"mse": loss, "seconds": seconds[-1], "course": course}
    return found


def test_the_verdict_is_computed_from_the_losses():
    ahead = claim.verdict(invented(5.0))
    assert ahead.status == "holds"
    assert all(status in FAILING for status in ahead.mutations.values())
    json.dumps(ahead.readings)
    assert claim.verdict(invented(0.5)).status == "undecided"
    assert claim.verdict(invented(5.0, seeds=claim.SEEDS[:3])).status == "undecided"


def test_the_kind_of_work_may_decide():
    slower = claim.readings(invented(0.5, slow=9.0))
    assert slower.status == "holds under some readings"
    assert "holds under 4 of 8 readings: work=seconds" in slower.told()


def test_a_cell_is_run_again_by_its_line(found):
    reading = cells.GRID.reading(start="normal")
    where = cells.place(reading, "SiLU") | SMALL
    line = ",".join(f"{name}={value}" for name, value in where.items())
    again = claim.EXPERIMENT.run(claim.EXPERIMENT.choose(line), 2)
    assert again["mse"] == numbers(found, "mse", **where)[2]
    assert "course" not in again
