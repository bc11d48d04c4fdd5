"""The claims about differential equations: what their criteria ask for, on made-up runs and on small real ones."""

from dataclasses import replace

import numpy as np
import pytest

from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.kept_parts import Parts, run_task
from refkan.training.recipes import burgers_setup
from tests.shared.tables import each_row
from validation.equations import (
    attention,
    burgers_cells,
    burgers_table,
    own_trainings,
    pde_accuracy,
    pde_runs,
    poisson_cells,
    poisson_staircases,
)
from validation.equations.allen_cahn import allen_cahn_cells, allen_cahn_claims
from validation.equations.pde_runs import Model, run_models, train


def small_model():
    net = burgers_setup().kan([2, 1], intervals=2)
    return Model(net, (2, 1), "levenberg-marquardt", setup=burgers_setup((6, 6), 6))


SMALL = small_model()


def test_a_run_reports_every_level_on_the_points_of_the_set_up():
    setup = burgers_setup((6, 6), 6)
    run = train(SMALL, setup, 3, lambda problem, theta: {"seen": problem.net.n_params})
    assert [level["parameters"] for level in run["levels"]] == [level["seen"] for level in run["levels"]] == [10, 14]
    last = run["levels"][-1]
    assert (run["loss"], run["error"], run["seed"]) == (last["loss"], last["error"], 3)
    assert last["loss"] == pytest.approx(sum(last["mean squares"].values()))
    assert train(SMALL, setup, 3)["loss"] == run["loss"] != train(SMALL, setup, 4)["loss"]


def test_runs_with_checkpoints_are_kept_and_shared(tmp_path, monkeypatch):
    setup, told = burgers_setup((6, 6), 6), []
    plain = run_models("Burgers", {"small": SMALL}, setup, [0], told.append, run_task)
    parts = Parts(Checkpoints(tmp_path))
    full = run_models("Burgers", {"small": SMALL}, setup, [0, 1], told.append, parts, last_line)
    assert full["small"][0]["loss"] == plain["small"][0]["loss"]
    assert len(list(tmp_path.glob("*.json"))) == 2
    assert told[0] == "small, seed 0"
    monkeypatch.setattr(pde_runs, "train_starts", lambda *arguments, **options: pytest.fail("trained again"))
    # Everything is built anew, as in another process; how many seeds a model has is no part of a run.
    again = {"small": replace(small_model(), seeds=1)}
    kept = run_models("Burgers", again, burgers_setup((6, 6), 6), [0, 1], told.append, parts, last_line)
    assert [run["loss"] for run in kept["small"]] == [run["loss"] for run in full["small"][:1]]
    for others in ({"problem": "Poisson"}, {"setup": burgers_setup((6, 7), 6)}, {"observe": None}):
        arguments = {"problem": "Burgers", "setup": setup, "observe": last_line} | others
        with pytest.raises(pytest.fail.Exception, match="trained again"):
            run_models(models=again, seeds=[0], progress=told.append, resume=parts, **arguments)


def last_line(problem, theta):
    return {"seen": float(problem.net(theta, [[0.5, 1.0]])[0, 0])}


def test_the_course_of_a_training():
    run = train(SMALL, burgers_setup((6, 6), 6), 3, every=1)
    course = run["course"]
    assert course["steps of errors"].tolist() == [1, 2, 3]
    assert course["errors"][-1] == run["error"]
    assert course["steps"].tolist() == [0, 1, 2, 2, 3]
    assert course["losses"][-1] == pytest.approx(run["loss"])
    assert "course" not in train(SMALL, burgers_setup((6, 6), 6), 3)


@each_row(
    "grid, small",
    (burgers_cells.GRID, "points=6,divisor=200,width=2,intervals=1-5-2,boundary=without,loss=sums,start=normal"),
    (burgers_cells.GRID, "points=6,divisor=200,model=MLP-20-20,activation=relu3"),
    (poisson_cells.GRID, "points=5,divisor=500,levels=2,loss=sums,map=min-max"),
    (poisson_cells.GRID, "points=5,divisor=500,levels=2,model=MLP,mlp=level-set"),
    (allen_cahn_cells.GRID, "points=100,divisor=1000,levels=2,layout=grid,rate=1e-3,periodic=without"),
    (allen_cahn_cells.GRID, "points=100,divisor=100,levels=2,model=LM"),
)
def test_a_cell_is_run_again_by_its_line(grid, small):
    numbers = grid.experiment.run(grid.experiment.choose(small), 3)
    assert np.isfinite(numbers["loss"])
    assert numbers["error"] == numbers["errors"][-1] > 0
    assert len(numbers["losses"]) == (1 if "MLP" in small else 3 if grid is burgers_cells.GRID else 2)
    assert not set(grid.apart) & set(numbers)


def test_networks_have_the_parameters_of_the_paper():
    def net(**choice):
        cell = poisson_cells.GRID.cell(0, **choice)
        return poisson_cells.model_of(cell, poisson_cells.setup_of(cell)).net

    assert (net().n_params, net().refine([8, 8]).n_params) == (140, 700)
    assert net(model="MLP", mlp="level-set").n_params == 352  # as printed
    assert net(model="MLP").widths == (2, 16, 16, 1)
    # More residuals than parameters on every level: else the network does as it likes between the points.
    for size in (poisson_staircases.QUICK, poisson_staircases.SCREENING, poisson_staircases.PAPER):
        factor = 2 ** (int(size["levels"]) - 1)
        assert net(**size).refine([factor, factor]).n_params < int(size["points"]) ** 2 + 200
    spline, relu = (
        allen_cahn_cells.model_of(cell, allen_cahn_cells.setup_of(cell)).net
        for cell in (allen_cahn_cells.GRID.cell(0, model=model) for model in ("spline", "ReLU"))
    )
    assert relu.n_params == spline.n_params == 280


@each_row(
    "mlp, status",
    (
        [1, 0.5, 0.6, 0.4, 0.5],
        "holds",
    ),  # 0.4 in three steps of four, where the splines need two; rises by a quarter
    ([1, 0.5, 0.4, 0.3, 0.5], "refuted"),  # lower than the splines ever get
    ([1, 0.5, 0.45, 0.4, 0.4], "refuted"),  # it never rises
    ([1, 0.39, 0.6, 0.5, 0.5], "refuted"),  # it is there first
)
def test_a_race_asks_for_a_lower_error_in_fewer_steps_that_rises_less(mlp, status):
    """The errors of the splines fall to 0.35 and rise by a tenth once."""
    steps = dict.fromkeys(("steps", "steps of errors"), range(25, 150, 25))
    errors = {poisson_cells.SPLINE: [1, 0.4, 0.44, 0.35, 0.35], poisson_cells.DENSE: mlp}
    measured = {
        cell: {"error": course[-1], "errors": [course[-1]] * 4, "loss": 1.0, "losses": [1.0] * 4}
        | {"course": steps | {"errors": course, "losses": course}}
        for model, course in (errors | {poisson_cells.RELU: [1.0] * 5}).items()
        for cell in poisson_staircases.cells_of(range(5), poisson_staircases.BASE, [(model, "constant")])
    }
    stairs, race = poisson_staircases.verdicts(measured)
    assert [race.readings[0][name] for name in ("holds", "size")] == [status == "holds", stairs.readings[0]["size"]]
    assert stairs.status == "holds under some readings"  # on their bounds: each level as good as the one before


@pytest.mark.parametrize(("without", "status"), [(2.0, "holds"), (0.5, "refuted")])
def test_attention_is_judged_by_what_is_without_it(without, status):
    scale = {attention.WITH: 1.0, attention.WITHOUT: without}
    measured = {
        cell: {"error": 0.1 * scale[cell["attention"]], "loss": scale[cell["attention"]] * (1 + 0.1 * cell.seed)}
        for cell in attention.cells(quick=False)
    }
    made = attention.verdict(measured)
    assert made.status == status
    assert not made.surviving_mutations
    assert not made.uncontrolled


def test_the_plans_of_the_runs():
    for claim, cells in ((burgers_table, 5), (poisson_staircases, 5), (allen_cahn_claims, 6)):
        full, few = claim.full_cells(claim.STATEMENT.seeds), claim.full_cells(claim.STATEMENT.seeds[:2])
        assert set(few) < set(full)
        assert {cell.seed for cell in few} == set(sorted({cell.seed for cell in full})[:2])
        large = {c.seed for c in full if all(c[name] == value for name, value in claim.PAPER.items())}
        assert len(large) == cells
        assert len({cell.seed for cell in claim.quick_cells()}) == claim.FEW


@pytest.mark.parametrize("quick", [True, False])
def test_rows_of_our_own(quick):
    own = own_trainings.burgers(quick) | own_trainings.poisson(quick) | own_trainings.allen_cahn(quick)
    assert {target.model for target in pde_accuracy.TARGETS.values()} < {*own}
    assert own[own_trainings.ADAM].schedule == ((80, 40, 20) if quick else (800, 400, 200))
    if quick:
        return
    assert own[own_trainings.REDRAWN].setup.terms[0].n_points == 64**2
    few, more = (own[getattr(own_trainings, name)] for name in ("PUBLISHED_POINTS", "MORE_POINTS"))
    assert (few.setup.terms[0].n_points, len(few.schedule)) == (49**2, 3)
    assert (more.later.terms[0].n_points, len(more.schedule)) == (97**2, 4)
