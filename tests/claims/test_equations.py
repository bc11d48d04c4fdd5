"""The claims about differential equations: what their criteria ask for, on made-up runs and on small real ones."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from refkan.checkpoints import Checkpoints
from refkan.claims.outcomes import plain
from refkan.claims.parts import Parts
from refkan.claims.verdicts import FAILING
from refkan.training import burgers
from validation.equations import (
    allen_cahn_runs,
    allen_cahn_success,
    burgers_table,
    pde_accuracy,
    pde_runs,
    poisson_staircases,
    residual_bandwidth,
)
from validation.equations.pde_runs import Model, run_models, train
from validation.ledger import row


def made(**levels):
    """Runs of three seeds whose levels have the given numbers, one list a key, and what figures need."""
    count = len(next(iter(levels.values())))
    runs = []
    for seed in range(3):
        made_levels = [
            {name: values[k] * (1 + 0.01 * seed) for name, values in levels.items()} | {"parameters": 10 * 2**k}
            for k in range(count)
        ]
        for level in made_levels:
            for name in ("loss", "error", "bandwidth"):
                level.setdefault(name, 1.0)
            level |= {"residual": np.ones((65, 256)), "solution": np.zeros((65, 256)), "lines": np.zeros((3, 201))}
        last = made_levels[-1]
        runs.append({"seed": seed, "levels": made_levels, "loss": last["loss"], "error": last["error"]})
    return runs


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("refkan.claims.verdicts.Figure.from_matplotlib", lambda *arguments: None)
    monkeypatch.setattr(allen_cahn_success, "exact_end", lambda: np.zeros(256))
    monkeypatch.setattr(residual_bandwidth, "exact_at", lambda t: np.zeros(256))


def staircases(spline, decayed=(0.5, 0.6), relu=(1.0, 0.9)):
    names = poisson_staircases
    runs = {
        names.SPLINE: made(error=spline),
        names.DECAYED: made(error=decayed),
        names.RELU: made(error=relu),
        names.DENSE: made(error=[0.5]),
    }
    return names.verdict(runs, [0, 1, 2])


@pytest.mark.parametrize(
    ("runs", "status"),
    [
        ({"spline": (0.5, 0.2)}, "holds"),
        ({"spline": (0.2, 0.5)}, "undecided"),
        ({"spline": (0.2, 0.5), "decayed": (0.5, 0.1)}, "holds as corrected"),
        ({"spline": (0.5, 0.2), "relu": (1.0, 0.25)}, "undecided"),
        ({"spline": (0.9, 0.95)}, "undecided"),
    ],
)
def test_staircases_must_fall_and_stay_up(runs, status):
    verdict = staircases(**runs)
    assert verdict.status == status
    assert not verdict.surviving_mutations or not status.startswith("holds")


def table_runs(multilevel, coarse=1.0, fine=1.0):
    names = burgers_table
    runs = {name: made(loss=[1.0]) for name in (names.SIGMOID, names.MLP, names.WIDE)}
    runs |= {names.COARSE: made(loss=[coarse]), names.FINE: made(loss=[fine])}
    return runs | {names.MULTILEVEL: made(loss=[multilevel])}


def table_of(*losses, **others):
    return burgers_table.verdict(table_runs(*losses, **others), [0, 1, 2])


def test_multilevel_must_be_a_hundred_times_ahead_of_both():
    assert table_of(0.009).status == "holds"
    assert not table_of(0.009).surviving_mutations
    assert table_of(0.011).status == "undecided"
    assert table_of(0.009, coarse=0.5).status == "undecided"
    assert table_of(0.009, fine=0.5).status == "undecided"


def test_ratios_are_paired_by_the_seeds_that_both_have():
    worse = [{"seed": 2, "loss": 8.0}, {"seed": 0, "loss": 6.0}]
    better = [{"seed": 0, "loss": 2.0}, {"seed": 1, "loss": 0.1}, {"seed": 2, "loss": 1.0}]
    assert burgers_table.ratio(worse, better) == np.median([8.0, 3.0])


@pytest.mark.parametrize(("loss", "status"), [(0.9e-4, "holds"), (1.1e-4, "refuted")])
def test_the_published_size_of_the_loss(loss, status):
    verdict = pde_accuracy.published_size(made(loss=[1.0, 1e-2, loss]))
    assert verdict.status == status
    assert len(verdict.mutations) == 2
    assert not verdict.surviving_mutations
    assert "losses of the seeds: " in verdict.measured


def solved(**errors):
    names = pde_accuracy
    runs = {name: made(error=[1.0, 0.9 * target.error]) for name, target in names.TARGETS.items()}
    runs |= {names.FIXED: made(error=[1.0, 1e-2])}
    return names.verdict(runs | {getattr(names, name): made(error=[1.0, error]) for name, error in errors.items()})


def test_all_equations_must_be_solved():
    assert solved().status == "holds"
    assert not solved().surviving_mutations
    too_large = {"BURGERS": 3.1e-4, "PUBLISHED_POINTS": 7.1e-3, "MORE_POINTS": 3.1e-3, "ALLEN_CAHN": 0.021}
    for name, error in too_large.items():
        assert solved(**{name: error}).status == "refuted"
    assert solved(FIXED=1.0).status == "holds"


def found(spline=0.5, ours=0.5, relu=0.9, dense=0.9, widths=None):
    names = allen_cahn_runs
    errors = {names.SPLINE: spline, names.DECAYED: spline, names.RELU: relu, names.DENSE: dense, names.OURS: ours}
    bands = dict.fromkeys(errors, (2.0, 2.0)) | (widths or {})
    return {name: made(error=[error] * 2, bandwidth=bands[name]) for name, error in errors.items()}


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ({"spline": 0.05}, "holds"),
        ({"spline": 0.05, "dense": 0.2}, "undecided"),
        ({"spline": 0.05, "relu": 0.2}, "undecided"),
        ({"ours": 0.05}, "holds as corrected"),
        ({"spline": 0.2}, "undecided"),
    ],
)
def test_success_is_below_a_tenth_and_failure_above_three(errors, status):
    verdict = allen_cahn_success.verdict(found(**errors))
    assert verdict.status == status
    assert not verdict.surviving_mutations


@pytest.mark.parametrize(
    ("widths", "status"),
    [
        ({allen_cahn_runs.SPLINE: (2.0, 3.0)}, "holds"),
        ({allen_cahn_runs.SPLINE: (2.0, 3.0), allen_cahn_runs.RELU: (2.0, 2.5)}, "undecided"),
        ({allen_cahn_runs.SPLINE: (3.0, 2.0), allen_cahn_runs.OURS: (2.0, 3.0)}, "holds as corrected"),
        ({}, "undecided"),
    ],
)
def test_bandwidths_must_grow_for_splines_alone(widths, status):
    verdict = residual_bandwidth.verdict(found(widths=widths))
    assert verdict.status == status
    if status.startswith("holds"):
        assert not verdict.surviving_mutations


def test_half_of_the_energy():
    x = allen_cahn_runs.X
    wave = np.cos(np.pi * 7 * x)[None, :] * np.ones((65, 1))
    energy = allen_cahn_runs.spectrum(wave)
    assert np.argmax(energy) == 7
    assert energy[7] == pytest.approx(energy.sum())
    assert allen_cahn_runs.half_energy(energy) == pytest.approx(7.5)
    assert allen_cahn_runs.half_energy([1.0, 1.0, 2.0, 0.0]) == 2.0
    # Parseval: the energies add up to the mean square.
    noise = np.random.default_rng(0).standard_normal((65, 256))
    assert allen_cahn_runs.spectrum(noise).sum() / 256**2 == pytest.approx(np.mean(noise**2))


def test_observations_are_on_the_grid_of_times_and_places():
    setup = allen_cahn_runs.common(quick=True)
    problem, theta = setup.start(setup.kan(widths=[2, 1]), np.random.default_rng(0))
    seen = allen_cahn_runs.observed(problem, theta)
    x, t = allen_cahn_runs.X[3], allen_cahn_runs.T[5]
    assert seen["solution"][5, 3] == pytest.approx(float(problem.net(theta, [[x, t]])[0, 0]), rel=1e-12)
    jet = problem.net.jet(theta, [[x, t]], np.eye(2), orders=(2, 1))
    u, u_t, u_xx = jet.value[0, 0], jet.first[0, 1, 0], jet.second[0, 0, 0]
    assert seen["residual"][5, 3] == pytest.approx(u_t - 1e-4 * u_xx - 5 * (u - u**3), rel=1e-10)


def small_model():
    return Model(burgers().kan([2, 1], intervals=2), (2, 1), "levenberg-marquardt", setup=burgers((6, 6), 6))


SMALL = small_model()


def test_a_run_reports_every_level_on_the_points_of_the_set_up():
    setup = burgers((6, 6), 6)
    run = train(SMALL, setup, 3, lambda problem, theta: {"seen": problem.net.n_params})
    assert [level["parameters"] for level in run["levels"]] == [level["seen"] for level in run["levels"]] == [10, 14]
    last = run["levels"][-1]
    assert (run["loss"], run["error"], run["seed"]) == (last["loss"], last["error"], 3)
    assert last["loss"] == pytest.approx(sum(last["mean squares"].values()))
    assert train(SMALL, setup, 3)["loss"] == run["loss"] != train(SMALL, setup, 4)["loss"]


def test_runs_with_checkpoints_are_kept_and_shared(tmp_path, monkeypatch):
    setup, told = burgers((6, 6), 6), []
    plain = run_models("Burgers", {"small": SMALL}, setup, [0], told.append)
    parts = Parts(Checkpoints(tmp_path))
    full = run_models("Burgers", {"small": SMALL}, setup, [0, 1], told.append, parts, last_line)
    assert full["small"][0]["loss"] == plain["small"][0]["loss"]
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert told[0] == "small, seed 0"
    monkeypatch.setattr(pde_runs, "train_starts", lambda *arguments, **options: pytest.fail("trained again"))
    # Everything is built anew, as in another process; how many seeds a model has is no part of a run.
    again = {"small": replace(small_model(), seeds=1)}
    kept = run_models("Burgers", again, burgers((6, 6), 6), [0, 1], told.append, parts, last_line)
    assert [run["loss"] for run in kept["small"]] == [run["loss"] for run in full["small"][:1]]
    for others in ({"problem": "Poisson"}, {"setup": burgers((6, 7), 6)}, {"observe": None}):
        arguments = {"problem": "Burgers", "setup": setup, "observe": last_line} | others
        with pytest.raises(pytest.fail.Exception, match="trained again"):
            run_models(models=again, seeds=[0], progress=told.append, checkpoints=parts, **arguments)


def last_line(problem, theta):
    return {"seen": float(problem.net(theta, [[0.5, 1.0]])[0, 0])}


def test_every_claim_is_a_row_and_its_verdict_can_be_stored():
    for verdict in (staircases((0.5, 0.2)), table_of(0.1), allen_cahn_success.verdict(found()), solved(BURGERS=1.0)):
        assert row(verdict.id).id == verdict.id
        json.dumps(plain(verdict.data))
        assert all(status in FAILING for status in verdict.mutations.values())


@pytest.mark.parametrize("quick", [True, False])
def test_models_of_all_claims_can_be_built_with_the_parameters_of_the_paper(quick):
    models = burgers_table.models(quick)
    assert set(burgers_table.PUBLISHED) < set(models)
    if not quick:
        assert models[burgers_table.COARSE].net.n_params == 3680
        cells = (burgers_table.COARSE, burgers_table.FINE, burgers_table.MULTILEVEL)
        assert [models[name].schedule for name in cells] == [(3200,), (0, 0, 800), (800, 400, 200)]
        assert poisson_staircases.models(False)[poisson_staircases.SPLINE].schedule == (1250,) * 4
        assert allen_cahn_runs.models(False)[allen_cahn_runs.RELU].schedule == (2500,) * 4
    staircase = poisson_staircases.models(quick)
    assert staircase[poisson_staircases.DENSE].net.widths == (2, 16, 16, 1)
    # More residuals than parameters on every level: else the network does as it likes between the points.
    coarsest, levels = staircase[poisson_staircases.SPLINE].net, len(staircase[poisson_staircases.SPLINE].schedule)
    finest = coarsest.refine([2 ** (levels - 1)] * 2)
    assert finest.n_params == (220 if quick else 700) < (17 if quick else 49) ** 2
    spline, relu = (allen_cahn_runs.models(quick)[name].net for name in (allen_cahn_runs.SPLINE, allen_cahn_runs.RELU))
    assert relu.n_params == spline.n_params == 280


@pytest.mark.parametrize("quick", [True, False])
def test_rows_of_our_own(quick):
    own = burgers_table.own_models(quick) | poisson_staircases.own_models(quick)
    assert {target.model for target in pde_accuracy.TARGETS.values()} < {*own, allen_cahn_runs.OURS}
    if quick:
        return
    assert own[burgers_table.REDRAWN].setup.terms[0].n_points == 64**2
    few, more = (own[getattr(poisson_staircases, name)] for name in ("PUBLISHED_POINTS", "MORE_POINTS"))
    assert (few.setup.terms[0].n_points, len(few.schedule)) == (49**2, 3)
    assert (more.later.terms[0].n_points, len(more.schedule)) == (97**2, 4)
