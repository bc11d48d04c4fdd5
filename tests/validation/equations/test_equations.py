"""The claims about differential equations: what criteria ask for, on made-up runs and small ones; Allen-Cahn too."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.kept_parts import Parts, run_task
from refkan.claims.running.outcomes import plain
from refkan.training.problems import allen_cahn
from tests.shared.pictures import NO_PICTURE
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row
from validation.equations import (
    burgers_cells,
    burgers_table,
    own_trainings,
    pde_accuracy,
    pde_runs,
    poisson_cells,
    poisson_staircases,
)
from validation.equations.allen_cahn import allen_cahn_as_printed as claim
from validation.equations.allen_cahn import allen_cahn_cells, allen_cahn_claims, allen_cahn_observed
from validation.equations.pde_runs import Model, run_models, train
from validation.equations.recipes.space_time_setups import burgers_setup


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
    ([1, 0.5, 0.6, 0.4, 0.5], "holds"),  # 0.4 in three steps of four, where the splines need two; rises by a quarter
    ([1, 0.5, 0.4, 0.3, 0.5], "refuted"),  # lower than the splines ever get
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


def test_the_plans_of_the_runs():
    for module, cells in ((burgers_table, 5), (poisson_staircases, 5), (allen_cahn_claims, 6)):
        full, few = module.full_cells(module.STATEMENT.seeds), module.full_cells(module.STATEMENT.seeds[:2])
        assert set(few) < set(full)
        assert {cell.seed for cell in few} == set(sorted({cell.seed for cell in full})[:2])
        large = {c.seed for c in full if all(c[name] == value for name, value in module.PAPER.items())}
        assert len(large) == cells
        assert len({cell.seed for cell in module.quick_cells()}) == module.FEW


@pytest.mark.parametrize("quick", [True, False])
def test_rows_of_our_own(quick):
    size = own_trainings.QUICK if quick else own_trainings.FULL
    own = own_trainings.burgers(size) | own_trainings.poisson(size) | own_trainings.allen_cahn(size)
    assert {target.model for target in pde_accuracy.TARGETS.values()} < {*own}
    assert own[own_trainings.ADAM].schedule == ((80, 40, 20) if quick else (800, 400, 200))
    if quick:
        return
    assert own[own_trainings.REDRAWN].setup.terms[0].n_points == 64**2
    few, more = (own[getattr(own_trainings, name)] for name in ("PUBLISHED_POINTS", "MORE_POINTS"))
    assert (few.setup.terms[0].n_points, len(few.schedule)) == (49**2, 3)
    assert (more.later.terms[0].n_points, len(more.schedule)) == (97**2, 4)


def found(spline=0.5, ours=0.5, relu=0.9, dense=0.9, widths=None, readings=allen_cahn_claims.LIST, seeds=range(3)):
    claim = allen_cahn_claims
    errors = dict(zip(claim.UNDECAYED, (spline, relu, dense, ours), strict=True))
    bands = dict.fromkeys(errors, (2.0, 2.0)) | {claim.UNDECAYED[k]: band for k, band in (widths or {}).items()}
    made = {}
    for reading in readings:
        for curve, error in errors.items():
            for cell in claim.cells_of(seeds, reading, [curve], **claim.PAPER):
                scale = 1 + 0.01 * cell.seed
                band = [width * scale for width in bands[curve]]
                record = {"errors": [error * scale] * 2, "error": error * scale, "loss": 1.0, "parameters": [10, 20]}
                record |= {"bandwidths": band, "bandwidth": band[-1]}
                made[cell] = record | {"residual": np.ones((4, 33, 256)), "solution": np.zeros((4, 33, 256))}
    return made


def test_the_equation_of_a_cell():
    grid = allen_cahn_cells.GRID
    random, lattice = (
        allen_cahn_cells.setup_of(grid.cell(0, points="900", layout=kind)) for kind in ("random", "grid")
    )
    assert random.terms[0].n_points == lattice.terms[0].n_points == 900
    x = lattice.terms[0].sides[0].points
    assert np.unique(x[:, 0]).size == np.unique(x[:, 1]).size == 30
    assert np.unique(random.terms[0].sides[0].points[:, 0]).size == 900
    names = [term.name for term in allen_cahn_cells.setup_of(grid.cell(0, points="900", periodic="without")).terms]
    assert names == ["equation", "initial"]
    rates = {rate: options_of(rate=rate)["schedule"] for rate in ("1e-2", "1e-3")}
    assert (rates["1e-2"](0), rates["1e-2"](10), rates["1e-3"]) == (1e-4, 1e-2, 1e-3)


def options_of(**choice):
    cell = allen_cahn_cells.GRID.cell(0, points="900", **choice)
    return allen_cahn_cells.model_of(cell, allen_cahn_cells.setup_of(cell)).options


def test_half_of_the_energy():
    x = allen_cahn_observed.X
    wave = np.cos(np.pi * 7 * x)[None, :] * np.ones((33, 1))
    energy = allen_cahn_observed.spectrum(wave)
    assert np.argmax(energy) == 7
    assert energy[7] == pytest.approx(energy.sum())
    assert allen_cahn_observed.half_energy(energy) == pytest.approx(7.5)
    assert allen_cahn_observed.half_energy([1.0, 1.0, 2.0, 0.0]) == 2.0
    # Parseval: the energies add up to the mean square.
    noise = np.random.default_rng(0).standard_normal((33, 256))
    assert allen_cahn_observed.spectrum(noise).sum() / 256**2 == pytest.approx(np.mean(noise**2))


def test_observations_are_on_the_grid_of_times_and_places():
    setup = allen_cahn_cells.setup_of(allen_cahn_cells.GRID.cell(0, points="300"))
    problem, theta = setup.start(setup.kan(widths=[2, 1]), np.random.default_rng(0))
    seen = allen_cahn_observed.observed(problem, theta)
    x, t = allen_cahn_observed.X[3], allen_cahn_observed.T[5]
    assert seen["solution"][5, 3] == pytest.approx(float(problem.net(theta, [[x, t]])[0, 0]), rel=1e-12)
    jet = problem.net.jet(theta, [[x, t]], np.eye(2), orders=(2, 1))
    u, u_t, u_xx = jet.value[0, 0], jet.first[0, 1, 0], jet.second[0, 0, 0]
    assert seen["residual"][5, 3] == pytest.approx(u_t - 1e-4 * u_xx - 5 * (u - u**3), rel=1e-10)


def test_verdicts_can_be_stored_and_have_every_seed(monkeypatch):
    for drawn in ("solutions", "residuals"):
        monkeypatch.setattr(allen_cahn_claims, drawn, lambda *arguments: NO_PICTURE)
    verdict, _ = allen_cahn_claims.verdicts(found())
    json.dumps(plain(verdict.readings), allow_nan=False)  # intervals of too few seeds are infinite
    assert verdict.data == {"seeds": [0, 1, 2]}
    assert {tuple(cell["seeds"]) for cell in verdict.readings[0]["cells"]} == {(0, 1, 2)}


SIZES = (128, 256)


def measured(module, equation):
    return module.measure([equation], SIZES)


def test_printed_and_corrected_have_the_signs_of_the_paper_and_of_this_project():
    """As printed, u_t = -eps u_xx + 5 u^3 - 5 u; as taken here, every sign reversed, like refkan.training.problems."""
    printed, corrected = (claim.equation(name) for name in ("as printed", "both signs reversed"))
    assert (printed.diffusion, printed.reaction) == (-1e-4, -5.0)
    assert (corrected.diffusion, corrected.reaction) == (allen_cahn.DIFFUSION, allen_cahn.REACTION)
    assert printed.rate(0, 0.0) == -5.0  # the text calls 0 unstable and 1 stable
    assert printed.rate(0, 1.0) == 10.0
    assert np.isclose(printed.rate(100, 0.0), np.pi**2 - 5.0)


def test_signs_decide_one_by_one():
    for diffusion, reaction, expected in ((-1e-4, -5.0, True), (1e-4, -5.0, False), (1e-4, 5.0, False)):
        case = measured(claim, claim.Equation(diffusion, reaction))
        assert claim.ill_posed(case) == expected
        assert claim.rate_error(case) < 1e-4


@each_row(
    "old, new",
    ("decay = -equation.diffusion *", "decay = equation.diffusion *"),
    ("decay = -equation.diffusion * (np.pi *", "decay = -equation.diffusion * (1.0 *"),
    ("equation.reaction * (u - u**3)", "equation.reaction * (u + u**3)"),
    ("self.reaction * (1 - 3 * state**2)", "self.reaction * (1 - 2 * state**2)"),
    ("spectrum[0] *= 2", "pass"),
    ("a[0] /= 2", "pass"),
)
def test_sabotage_of_the_system_refutes_the_claim(old, new):
    module = spoilt(claim, old, new)
    with np.errstate(all="ignore"):
        assert not module.ill_posed(measured(module, module.equation("as printed")))


def test_transforms_are_inverse(rng):
    a = rng.standard_normal(9)
    x = np.arange(36) / 18
    np.testing.assert_allclose(claim.values(a, 36), np.cos(np.pi * np.outer(x, np.arange(9))) @ a, atol=1e-13)
    np.testing.assert_allclose(claim.coefficients(claim.values(a, 36), 8), a, atol=1e-14)


def test_the_corrected_system_is_the_reference():
    """The claim's own Galerkin system, with both signs reversed, follows refkan.training.problems.allen_cahn."""
    modes = 192
    fine = np.arange(4096) / 2048
    x = np.where(fine > 1, fine - 2, fine)
    start = claim.coefficients(x**2 * np.cos(np.pi * x), modes)
    rate = claim.derivative(claim.equation("both signs reversed"), modes)
    run = solve_ivp(rate, (0.0, 0.5), start, method="DOP853", rtol=1e-9, atol=1e-12)
    u = claim.values(run.y[:, -1], 1024)[:513]
    points = np.column_stack([np.arange(513) / 512, np.full(513, 0.5)])
    reference = allen_cahn.reference(modes=384, tolerance=1e-3)
    np.testing.assert_allclose(u, reference(points)[:, 0], atol=2e-6)
