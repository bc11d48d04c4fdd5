"""Claim X2: fair contestants, curves of the best loss, the criterion computed from the losses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.checkpoints import Checkpoints
from refkan.claims.outcomes import plain
from refkan.claims.parts import Parts, run_task
from refkan.claims.verdicts import FAILING
from validation.architectures import first_experiment as claim
from validation.ledger import row

SEEDS = range(1, 4)


@pytest.fixture(scope="module")
def curves():
    return claim.train("affine", 80, 12, SEEDS, lambda text: None, run_task)


def test_the_criterion_is_that_of_the_ledger():
    assert "spline KAN first, p < 0.01" in row("X2").criterion
    others = {"a": 2.0, "b": 3.0}
    assert claim.comes_first("ours", {"ours": 1.0, **others}, dict.fromkeys(others, 0.009))
    assert not claim.comes_first("ours", {"ours": 1.0, **others}, {"a": 0.01, "b": 0.0})
    assert not claim.comes_first("ours", {"ours": 2.5, **others}, dict.fromkeys(others, 0.001))


def test_contestants_share_shape_or_surround_its_parameters():
    nets = {name: c.net for name, c in claim.contestants("affine").items()}
    ours = nets[claim.OURS].n_params
    assert all(nets[name].n_params == ours for name in nets if "ReLU basis" in name)
    assert nets["MLP [2,30,1]"].n_params < ours < nets["MLP [2,20,20,1]"].n_params


def test_curves_fall_and_start_at_the_same_function(curves):
    for runs in curves.values():
        for curve in runs:
            assert curve["loss"].shape == curve["seconds"].shape == (12,)
            assert np.all(np.diff(curve["loss"]) <= 0)
            assert np.all(np.diff(curve["seconds"]) >= 0)
    first = {name: [curve["loss"][0] for curve in runs] for name, runs in curves.items()}
    assert np.allclose(first["KAN, ReLU basis, same start"], first[claim.OURS], rtol=1e-9)
    assert not np.allclose(first["KAN, ReLU basis, Gaussian start"], first[claim.OURS], rtol=1e-2)


def test_the_recorder_notes_mean_squared_errors_and_ends_a_training():
    x = np.random.default_rng(0).uniform(size=(30, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, x[:, :1])
    recorder = claim.Recorder(problem, 3)
    for _ in range(3):
        value, gradient = recorder.value_and_gradient(theta)
    assert value == problem.value(theta)
    assert np.any(gradient)
    value, gradient = recorder.value_and_gradient(theta + 1)
    assert value == problem.value(theta)
    assert not np.any(gradient)
    np.testing.assert_allclose(recorder.curve()["loss"], problem.mse(theta))
    early = claim.Recorder(problem, 4)
    early.value_and_gradient(theta)
    assert early.curve()["loss"].tolist() == [problem.mse(theta)] * 4  # a training that ended before its budget


def test_losses_within_a_time():
    curve = {"loss": np.array([4.0, 2.0, 1.0]), "seconds": np.array([1.0, 2.0, 3.0])}
    assert [claim.best_within(curve, t) for t in (0.5, 1.0, 2.5, 9.0)] == [4.0, 4.0, 2.0, 1.0]


def test_medians_and_sign_tests():
    medians, p = claim.compare({"ours": [1.0] * 7, "worse": [2.0] * 7, "even": [1.0] * 7}, "ours")
    assert medians == {"ours": 1.0, "worse": 2.0, "even": 1.0}
    assert p == {"worse": pytest.approx(2.0**-7), "even": 1.0}


def test_the_verdict_is_computed_from_the_losses(monkeypatch, tmp_path):
    """Losses by hand: ahead of all, then behind one; kept parts are not trained again."""

    def run(factor):
        def curve(node_map, name, seed, n_samples, budget):
            loss = 1.0 if name == claim.OURS else factor if "SiLU" in name else 9.0
            return {"loss": np.full(budget, loss + 0.01 * (seed - 1233)), "seconds": np.arange(1.0, budget + 1)}

        monkeypatch.setattr(claim, "train_one", curve)
        return claim.run(True)[0]

    ahead = run(5.0)
    assert ahead.status == "holds"
    assert all(status in FAILING for status in ahead.mutations.values())
    json.dumps(plain(ahead.data))
    assert ahead.figures[0].png.startswith(b"\x89PNG")
    assert run(0.5).status == "undecided"

    monkeypatch.undo()
    store = Parts(Checkpoints(tmp_path))
    first = claim.train("affine", 40, 2, range(1), lambda text: None, store.run)
    monkeypatch.setattr(claim.Recorder, "curve", lambda self: pytest.fail("trained again"))
    again = claim.train("affine", 40, 2, range(1), lambda text: None, store.run)
    assert plain(again) == plain(first)
