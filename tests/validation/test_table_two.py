"""R1 to R4: the claims over readings, on invented numbers, and the runs of cells."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.kept_parts import Parts
from refkan.training.multilevel.unchanged import RTOL
from tests.shared.pictures import NO_PICTURE
from validation.multilevel import multilevel_training, table_two
from validation.multilevel.multilevel_training import BASE, LIST, SEVEN, full_cells, quick_cells, verdicts
from validation.multilevel.table_two import BASES, EXPERIMENT, FIDELITIES, LONGER, MLPS, PUBLISHED, SEEDS, Cell
from validation.multilevel.table_two_comparisons import Comparison, Under, best_of
from validation.multilevel.table_two_report import histories, place

LINEAR = BASE | {"start": "linear"}


def record(test, cell, halving):
    """A run of one second a level; with `halving` the loss falls fourfold in the first step of each level."""
    level = np.repeat(np.arange(4), 5)
    mse = np.concatenate([test * 4.0 ** (3 - k) * np.array([4.0, *[1.0 if halving else 3.9] * 4]) for k in range(4)])
    mse[-1] = test
    course = {
        "level": level,
        "mse": np.minimum.accumulate(mse),
        "seconds": np.linspace(0.0, 4.0, level.size),
        "work": np.linspace(0.0, 16.0, level.size),
    }
    parameters = 55 if cell["fidelity"] == "coarse" else 230
    return {"test": test, "training": test, "parameters": parameters, "seconds": 4.0, "course": course}


AS_PRINTED = {key: mean for key, (mean, _) in PUBLISHED.items()}


def invented(changes=None, halving=True, seeds=SEVEN, readings=(BASE, LINEAR), samples="4000"):
    """Runs whose errors are the published means, or what is given for a reading, with a little spread over seeds."""
    found = {}
    for reading in readings:
        errors = AS_PRINTED | ((changes or {}).get(reading["start"], {}))
        for seed in seeds:
            for (model, fidelity), error in errors.items():
                cell = Cell.of(seed, samples=samples, **place(reading, model, fidelity))
                found[cell] = record(error * (1 + 0.01 * (seed % 5)), cell, halving and model == "spline")
    return found


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Verdicts without their picture, which takes longer than the rest and is drawn by one test."""
    monkeypatch.setattr(multilevel_training, "histories", lambda *args: NO_PICTURE)


def test_the_picture_has_a_curve_for_each_run():
    found = invented(readings=(BASE,), seeds=SEVEN[:2])
    figure = histories(found, BASE, {"samples": "4000", "divisor": "1"}, "table-two")
    assert figure.name == "table-two"
    assert figure.png.startswith(b"\x89PNG")


def statuses(found):
    return {verdict.id: verdict.status for verdict in verdicts(found)}


def test_every_claim_holds_on_the_published_numbers():
    assert statuses(invented(readings=LIST)) == dict.fromkeys(("R1", "R2", "R3", "R4"), "holds")
    made = verdicts(invented())
    assert {v.status for v in made} == {"holds under some readings"}  # of the list, the others are not run
    for verdict in made:
        assert verdict.mutations
        assert not verdict.surviving_mutations
        assert "holds under 2 of 2 readings; of the 2 that meet the calibration cells, under 2" in verdict.measured
        json.dumps(verdict.readings, allow_nan=False)


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("R1", {("ReLU", "coarse"): 5e-3, ("ReLU", "fine"): 5e-3}),
        ("R1", {("ReLU", "multilevel"): 1e-4}),
        ("R2", {("spline", "coarse"): 3e-4}),
        ("R2", {("spline", "fine"): 3e-4}),
        ("R3", {("ReLU", "multilevel"): 5e-3}),
    ],
)
def test_each_comparison_counts_under_its_reading(id, change):
    made = {v.id: v for v in verdicts(invented({"linear": change}))}
    assert made[id].status == "holds under some readings"
    assert "holds under 1 of 2 readings: start=normal" in made[id].measured
    assert [reading["holds"] for reading in made[id].readings] == [True, False]
    # Readings of the list are left, so that nothing is "not reproduced" yet.
    assert statuses(invented({"linear": change, "normal": change}))[id] == "undecided"
    every = {reading["start"]: change for reading in LIST}
    assert statuses(invented(every, readings=LIST))[id] == "not reproduced"


def test_the_best_mlp_counts_for_every_reading():
    found = {
        cell: result | {"test": 1e-4} if cell["model"] == "MLP-30" else result for cell, result in invented().items()
    }
    assert statuses(found)["R2"] == "undecided"


def test_an_order_less_on_the_coarse_level_is_the_corrected_claim():
    every = {reading["start"]: {("ReLU", "coarse"): 4e-3} for reading in LIST}
    made = {v.id: v for v in verdicts(invented(every, readings=LIST))}
    assert made["R1"].status == "holds as corrected"
    assert "less on the coarse level" in made["R1"].corrected


def test_losses_that_do_not_drop_are_noticed():
    assert statuses(invented(halving=False))["R4"] == "undecided"
    under = Under(invented(), BASE, {"samples": "4000", "divisor": "1", "method": "L-BFGS"})
    assert under.drops() == [[True] * 7] * 3
    assert under.drops(before=True) == [[False] * 7] * 3
    assert under.drops("ReLU") == [[False] * 7] * 3


def test_too_few_seeds_decide_nothing():
    made = {v.id: v for v in verdicts(invented(seeds=SEEDS[:6]))}  # p = 1/64 at best
    assert made["R1"].status == "undecided"
    assert "2 readings too small to decide" in made["R1"].measured
    assert [reading["holds"] for reading in made["R3"].readings] == [True, True]


def test_comparisons_are_paired():
    ours = {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}
    comparison = Comparison.of(ours, {1: 2.0, 2: 30.0, 3: 0.5, 5: 9.0}, "x")
    assert (comparison.pairs, comparison.ratio) == (3, 2.0)
    assert comparison.p == pytest.approx(0.5)  # two of three
    assert not comparison.ahead
    assert best_of([{1: 2.0, 2: 1.0}, {1: 1.0, 2: 3.0, 3: 0.0}, {}]) == {1: 1.0, 2: 1.0}


def test_equal_time_is_that_of_the_multilevel_run():
    size = {"samples": "4000", "divisor": "1", "method": "L-BFGS"}
    found = invented()
    full = Under(found, BASE, size).in_equal_time()[0]
    for cell in list(found):
        if cell["fidelity"] == "coarse":  # what is reached at the limit itself counts
            found[cell]["course"]["mse"][-1] /= 2
    assert Under(found, BASE, size).in_equal_time()[0].ratio == pytest.approx(full.ratio / 2)
    for cell in list(found):
        if cell["fidelity"] == "multilevel":
            found[cell] = found[cell] | {"seconds": 2.0}
    half = Under(found, BASE, size).in_equal_time()[0]
    assert half.ratio > full.ratio == pytest.approx(AS_PRINTED["spline", "coarse"] / AS_PRINTED["spline", "multilevel"])


def test_sizes_are_judged_apart():
    small = invented({"normal": {("ReLU", "multilevel"): 1e-3}}, readings=[BASE])
    made = {v.id: v for v in verdicts({**invented(readings=[BASE], samples="20000"), **small})}
    assert "holds under 1 of 2 readings: samples=20000" in made["R3"].measured
    assert [reading["size"] for reading in made["R3"].readings] == ["20000 points", "4000 points"]


def test_runs_that_were_interrupted_are_judged_as_far_as_they_went():
    """The MLPs and the ReLU rows of one reading are missing."""
    whole = invented()
    found = {c: r for c, r in whole.items() if c["model"] == "spline" or (c["model"] == "ReLU" and c.reading == BASE)}
    made = {v.id: v for v in verdicts(found)}
    assert [reading["holds"] for reading in made["R1"].readings] == [True, None]
    assert [reading["holds"] for reading in made["R2"].readings] == [None, None]
    assert [reading["holds"] for reading in made["R3"].readings] == [True, None]
    assert made["R1"].readings[1]["cells"][0]["seeds"] == list(SEVEN)


def test_published_numbers_stand_beside_ours_with_every_seed_and_the_line_that_runs_them():
    (reading, _) = verdicts(invented())[1].readings
    fine = next(cell for cell in reading["cells"] if cell["cell"] == "spline, fine")
    assert (fine["published"], fine["published deviation"]) == PUBLISHED["spline", "fine"]
    assert fine["near"] is True
    assert fine["seeds"] == list(SEVEN)
    assert fine["values"] == [pytest.approx(2.54e-3 * (1 + 0.01 * (seed % 5)), rel=1e-3) for seed in SEVEN]
    chosen = EXPERIMENT.choose(fine["again"])
    assert {name: chosen[name] for name in BASE} == BASE
    assert (chosen["model"], chosen["fidelity"], chosen["samples"]) == ("spline", "fine", "4000")


def test_the_table_is_that_of_the_paper():
    assert PUBLISHED["spline", "multilevel"] == (3.67e-5, 7.2e-5)
    assert len(PUBLISHED) == 9
    assert Cell.of(1, fidelity="multilevel").schedule == [32, 16, 8, 4]
    assert Cell.of(1, fidelity=LONGER, fine="prolonged").schedule == [0, 0, 0, 60]
    assert Cell.of(1, fidelity="multilevel", divisor="4").schedule == [8, 4, 2, 1]
    assert Cell.of(1, model="MLP-5", divisor="8").schedule == [16]
    assert {sum(n * 2**k for k, n in enumerate(s)) / 8 for s in FIDELITIES.values()} == {16.0}


SMALL = {"samples": "80", "divisor": "16"}


@pytest.mark.parametrize("method", table_two.METHODS)
def test_cells_run(method):
    for model, target in (("spline", "raw"), ("ReLU", "scaled"), ("MLP-5", "raw")):
        cell = Cell.of(1234, model=model, method=method, target=target, map="mean-std", start="linear", **SMALL)
        result = table_two.run_cell(cell)
        assert result["parameters"] == (20 if model in MLPS else 230)
        assert result["training"] < result["start"]
        assert result["course"]["mse"][-1] == pytest.approx(result["training"], rel=1e-12)
        assert result["change by prolongation"] <= RTOL
    assert table_two.run_cell(Cell.of(1234, fidelity="coarse", **SMALL))["parameters"] == 55


def test_errors_of_raw_and_scaled_targets_are_in_one_unit():
    x, _, _, y_test, squared_range = table_two.data("origin", "raw", 1234, 500)
    assert squared_range == pytest.approx(24.8, rel=0.05)
    scaled = table_two.data("origin", "scaled", 1234, 500)
    np.testing.assert_array_equal(scaled[0], x)
    assert (scaled[1].min(), scaled[1].max(), scaled[4]) == (0.0, 1.0, 1.0)
    spread = np.var(y_test) / squared_range
    assert np.var(scaled[3]) == pytest.approx(spread, rel=1e-12)
    starts = {
        target: table_two.run_cell(Cell.of(1234, model="MLP-5", target=target, **SMALL)) for target in ("raw", "scaled")
    }
    assert starts["raw"]["test"] < 1.0
    assert starts["scaled"]["test"] < 1.0


def test_fine_training_starts_from_coefficients_of_its_own_or_from_the_coarse_start():
    for model in BASES:
        starts = {
            (fine, fidelity): table_two.run_cell(Cell.of(1234, model=model, fine=fine, fidelity=fidelity, **SMALL))
            for fine in ("own", "prolonged")
            for fidelity in ("coarse", "fine", LONGER)
        }
        coarse = starts["own", "coarse"]["start"]
        assert starts["own", "fine"]["start"] == starts["own", LONGER]["start"] != coarse
        assert starts["prolonged", "fine"]["start"] == coarse
        assert starts["own", "fine"]["parameters"] == starts["prolonged", "fine"]["parameters"] == 230
    assert Cell.of(1, fidelity="fine").schedule == [16]
    assert Cell.of(1, fidelity="fine", fine="prolonged").schedule == [0, 0, 0, 16]


def test_both_bases_start_from_the_same_function_but_under_the_gaussian_start():
    for start in ("normal", "linear", "gaussian"):
        spline, relu = (table_two.run_cell(Cell.of(1234, model=m, start=start, **SMALL))["start"] for m in BASES)
        assert (relu == pytest.approx(spline, rel=1e-10)) == (start != "gaussian")


def test_single_precision_rounds_what_is_optimised_and_the_change_of_basis():
    x, y = table_two.data("origin", "scaled", 1, 60)[:2]
    for basis in ("spline", "relu"):
        net = rk.kan([2, 3, 1], 3, [6, 6], basis=basis, node_map="min-max")
        net, theta = net.initialize(np.random.default_rng(0), x, "normal")
        problem = rk.LeastSquares(net, x, y)
        value, gradient = table_two.SinglePrecision(problem).value_and_gradient(theta)
        exact = problem.value_and_gradient(theta)
        assert value == float(np.float32(value)) != exact[0]
        np.testing.assert_array_equal(gradient, gradient.astype(np.float32))
        rounded = table_two.rounded(net, theta)
        size = np.abs(theta).max()
        assert 1e-9 * size < np.abs(rounded - theta).max() < 1e-5 * size
        assert np.array_equal(rounded, rounded.astype(np.float32))
        # Rounding in u is worse seen in w: A loses digits.
        assert value == pytest.approx(exact[0], rel=1e-6 if basis == "spline" else 1e-3)


def test_cells_resume(tmp_path, monkeypatch):
    cells = [Cell.of(seed, fidelity="coarse", samples="80", divisor="32") for seed in (1, 2)]
    parts = Parts(Checkpoints(tmp_path))
    first = table_two.GRID.run(cells, parts.run)
    calls = []
    monkeypatch.setattr(table_two.rk, "LeastSquares", lambda *data: calls.append(data))
    again = table_two.GRID.run(cells, parts.run)
    assert not calls
    assert [again[cell]["test"] for cell in cells] == [first[cell]["test"] for cell in cells]
    np.testing.assert_array_equal(again[cells[0]]["course"]["mse"], first[cells[0]]["course"]["mse"])


def test_what_is_kept_of_an_interrupted_run_is_found_and_nothing_is_run(tmp_path):
    cells = [Cell.of(seed, fidelity="coarse", samples="80", divisor="32") for seed in (1, 2)]
    store = Checkpoints(tmp_path)
    first = table_two.GRID.run(cells[:1], Parts(store).run)
    found = table_two.GRID.run(cells, Parts(store, only=True).run)
    assert {cell: record["test"] for cell, record in found.items()} == {cells[0]: first[cells[0]]["test"]}


def test_a_cell_is_run_again_by_its_line():
    cell = Cell.of(7, model="ReLU", fidelity="coarse", target="raw", **SMALL)
    numbers = EXPERIMENT.run(EXPERIMENT.choose("model=ReLU,fidelity=coarse,target=raw,samples=80,divisor=16"), 7)
    assert numbers["test"] == table_two.run_cell(cell)["test"]
    assert "course" not in numbers
    assert multilevel_training.EXPERIMENT is EXPERIMENT


def test_the_plans_of_the_runs():
    full, quick, seven = full_cells(), quick_cells(), full_cells(7)
    assert len(set(full)) == len(full)
    assert len(SEEDS) == 25
    assert {cell.seed for cell in full} == set(SEEDS)
    assert set(seven) < set(full)
    assert {cell.seed for cell in seven} == set(SEVEN)
    large = [c for c in full if c["samples"] == "20000" and c["model"] in BASES and c["fidelity"] != LONGER]
    assert len(large) == 25 * 2 * 3
    assert all(cell.reading == BASE for cell in large)
    screened = {tuple(c.reading.items()) for c in full if c["samples"] == "4000" and c["model"] in BASES}
    assert screened == {tuple(reading.items()) for reading in LIST}
    assert len(LIST) == 1 + 10 + 1
    assert all(cell["divisor"] == "1" for cell in full)
    assert {cell["samples"] for cell in quick} == {"400"}


def test_findings_compare_readings_of_one_size():
    change = {("ReLU", "fine"): 2e-3, ("spline", "fine"): 1e-3}
    prolonged = BASE | {"fine": "prolonged"}
    found = invented() | invented({"normal": change}, readings=[prolonged]) | invented(readings=[LINEAR], samples="80")
    made = {v.id: v for v in verdicts(found)}
    median = 1 + 0.01 * np.median([seed % 5 for seed in SEVEN])
    fine = f"ends at {1.35 * median:.2g} from coefficients drawn on the finest level and at {2e-3 * median:.2g} from"
    assert fine in made["R1"].details
    assert "(4000 points, 7 seeds)" in made["R1"].details
    assert "are 45 and 69 times those of multilevel training from N(0, 1) coefficients, 45 and 69" in made["R2"].details
    assert "1 under the base reading, 1 with fine=prolonged" in made["R3"].details
    (table,) = made["R1"].tables
    assert table.rows[0][3:] == tuple(f"{PUBLISHED[b, f][0]:.2e}" for b in BASES for f in FIDELITIES)
    assert [row[:3] for row in table.rows[1:]] == [
        ("base reading", "4000", "7"),
        ("start=linear", "4000", "7"),
        ("fine=prolonged", "4000", "7"),
        ("start=linear", "80", "7"),
    ]


def test_one_seed_decides_nothing():
    made = {v.id: v for v in verdicts(invented(seeds=SEEDS[:2]))}
    assert {v.status for v in made.values()} == {"undecided"}
