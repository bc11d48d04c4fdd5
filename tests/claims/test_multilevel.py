from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from refkan.checkpoints import Checkpoints
from refkan.hierarchy.unchanged import RTOL
from validation.ledger import LEDGER
from validation.multilevel import multilevel_targets, multilevel_training, table_two
from validation.multilevel.multilevel_training import (
    Comparison,
    best_of,
    drops,
    full_cells,
    quick_cells,
    verdicts,
    within_time,
)
from validation.multilevel.table_two import BASES, FIDELITIES, LONGER, METHODS, MLPS, PAPERS, PUBLISHED, SEEDS, Cell
from validation.multilevel.table_two_report import reproduced, rows, table

SPLINE, SAME, GAUSSIAN = BASES


def record(cell, test, halving=False):
    """A run of one second a level; with `halving` the loss falls fourfold in the first step of each level."""
    steps = [4, 4, 4, 4]
    level = np.repeat(np.arange(4), [n + 1 for n in steps])
    mse = np.concatenate([test * 4.0 ** (3 - k) * np.array([4.0, *[1.0 if halving else 3.9] * 4]) for k in range(4)])
    mse[-1] = test
    return {
        "test": test,
        "training": test,
        "parameters": 55 if cell.fidelity == "coarse" else 230,
        "nominal": 16.0,
        "measured": 20.0,
        "seconds": 4.0,
        "course": {
            "level": level,
            "mse": np.minimum.accumulate(mse),
            "seconds": np.linspace(0.0, 4.0, level.size),
            "work": np.linspace(0.0, 16.0, level.size),
        },
    }


def invented(errors, halving=True, seeds=SEEDS[:7]):
    """Runs whose errors are what is given for (model, fidelity), with a little spread over the seeds."""
    found = {}
    for method in PAPERS:
        for seed in seeds:
            for (model, fidelity), error in errors.items():
                cell = Cell("rotated", model, method, fidelity, seed, 600)
                found[cell] = record(cell, error * (1 + 0.01 * (seed % 5)), halving and model == SPLINE)
    return found


AS_PRINTED = {
    (SPLINE, "coarse"): 1e-3, (SPLINE, "fine"): 2e-3, (SPLINE, "multilevel"): 3e-5, (SPLINE, LONGER): 2e-3,
    (SAME, "coarse"): 3e-2, (SAME, "fine"): 1.3, (SAME, "multilevel"): 2e-2,
    (GAUSSIAN, "coarse"): 5e-2, (GAUSSIAN, "fine"): 1.3, (GAUSSIAN, "multilevel"): 4e-2,
    ("MLP [2,5,1]", "fine"): 3e-2, ("MLP [2,30,1]", "fine"): 1e-3, ("MLP [2,20,20,1]", "fine"): 4e-4,
}  # fmt: skip


def statuses(found):
    return {verdict.id: verdict.status for verdict in verdicts(found)}


def test_claims_hold_on_numbers_like_the_published_ones():
    found = invented(AS_PRINTED)
    assert statuses(found) == {"R1": "holds", "R2": "holds", "R3": "holds", "R4": "holds"}
    for verdict in verdicts(found):
        assert verdict.mutations
        assert not verdict.surviving_mutations


@pytest.mark.parametrize(
    ("id", "change", "status"),
    [
        ("R1", {(SAME, "coarse"): 5e-3}, "holds as corrected"),
        ("R1", {(SAME, "fine"): 1e-2}, "not reproduced"),
        ("R1", {(GAUSSIAN, "multilevel"): 1e-4}, "not reproduced"),
        ("R2", {(SPLINE, "coarse"): 2e-4}, "not reproduced"),
        ("R2", {(SPLINE, "fine"): 2e-4}, "not reproduced"),
        ("R2", {(SPLINE, LONGER): 2e-4}, "not reproduced"),
        ("R2", {("MLP [2,20,20,1]", "fine"): 2e-4}, "not reproduced"),
        ("R3", {(SAME, "multilevel"): 1e-2}, "not reproduced"),
        ("R3", {(GAUSSIAN, "multilevel"): 1e-2}, "not reproduced"),
    ],
)
def test_each_comparison_counts(id, change, status):
    assert statuses(invented(AS_PRINTED | change))[id] == status


def test_losses_that_do_not_drop_are_noticed():
    assert statuses(invented(AS_PRINTED, halving=False))["R4"] == "not reproduced"
    found = invented(AS_PRINTED)
    assert drops(found, "rotated", PAPERS[0], SPLINE) == [1.0, 1.0, 1.0]
    assert drops(found, "rotated", PAPERS[0], SPLINE, before=True) == [0.0, 0.0, 0.0]
    assert drops(found, "rotated", PAPERS[0], SAME) == [0.0, 0.0, 0.0]


def test_sign_tests_need_pairs():
    assert statuses(invented(AS_PRINTED, seeds=SEEDS[:6]))["R1"] == "not reproduced"  # p = 1/64
    ours = {1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}
    comparison = Comparison.of(ours, {1: 2.0, 2: 30.0, 3: 0.5, 5: 9.0}, "x")
    assert comparison.pairs == 3
    assert comparison.ratio == 2.0
    assert comparison.p == pytest.approx(0.5)  # two of three
    assert not comparison.ahead
    assert best_of([{1: 2.0, 2: 1.0}, {1: 1.0, 2: 3.0, 3: 0.0}, {}]) == {1: 1.0, 2: 1.0}


def test_equal_time_is_that_of_the_multilevel_run():
    found = invented(AS_PRINTED)
    full = within_time(found, "rotated", PAPERS[0], SPLINE, "coarse")
    for cell in list(found):
        if cell.fidelity == "multilevel":
            found[cell] = found[cell] | {"seconds": 2.0}
    half = within_time(found, "rotated", PAPERS[0], SPLINE, "coarse")
    course = next(found[cell]["course"] for cell in found if (cell.model, cell.fidelity) == (SPLINE, "coarse"))
    assert half[1234] == course["mse"][course["seconds"] <= 2.0][-1]
    assert half[1234] > full[1234] == course["mse"][-1]


def test_published_numbers_are_compared():
    found = invented({(SPLINE, "coarse"): 1.65e-3, (SAME, "fine"): 1.35 * 3.5, ("MLP [2,5,1]", "fine"): 2.94e-2 / 2.8})
    answers = {(row["model"], row["fidelity"]): row["reproduced"] for row in rows(found) if row["method"] == PAPERS[0]}
    assert answers == {(SPLINE, "coarse"): True, (SAME, "fine"): False, ("MLP [2,5,1]", "fine"): True}
    assert f"rotated, {PAPERS[0]}: 2 of 3" in reproduced(found)
    assert "1.65e-03, reproduced" in table(found)
    assert "4.82e+00 / 1.35e+00, not reproduced" in table(found)


def test_the_table_is_that_of_the_paper():
    assert PUBLISHED["spline", "multilevel"] == (3.67e-5, 7.2e-5)
    assert len(PUBLISHED) == 9
    cell = Cell("rotated", SPLINE, PAPERS[0], "multilevel", 1234, 60)
    assert cell.schedule == [32, 16, 8, 4]
    assert replace(cell, fidelity=LONGER).schedule == [0, 0, 0, 60]
    assert replace(cell, divisor=4).schedule == [8, 4, 2, 1]
    weighted = {f: sum(n * 2**k for k, n in enumerate(s)) / 8 for f, s in FIDELITIES.items()}
    assert set(weighted.values()) == {16.0}


@pytest.mark.parametrize("method", METHODS)
def test_cells_run(method):
    for model in (SPLINE, SAME, "MLP [2,5,1]"):
        cell = Cell("unrotated", model, method, "multilevel" if model in BASES else "fine", 1234, 80, 16)
        result = table_two.run_cell(cell)
        assert result["parameters"] == (20 if model in MLPS else 230)
        assert result["training"] < result["start"]
        assert result["course"]["mse"][-1] == pytest.approx(result["training"], rel=1e-12)
        assert result["change by prolongation"] <= RTOL
    coarse = table_two.run_cell(Cell("rotated", SPLINE, method, "coarse", 1234, 80, 64))
    assert coarse["parameters"] == 55


def test_both_bases_start_from_the_same_function():
    cells = [Cell("rotated", model, PAPERS[0], "coarse", 1234, 80, 128) for model in BASES]
    spline, same, gaussian = (table_two.run_cell(cell)["start"] for cell in cells)
    assert same == pytest.approx(spline, rel=1e-10)
    assert abs(gaussian - spline) > 1e-3 * spline


def test_cells_resume_and_are_void_once_the_library_trains_otherwise(tmp_path, monkeypatch):
    cells = [Cell("rotated", SPLINE, PAPERS[0], "coarse", seed, 80, 32) for seed in (1, 2)]
    store = Checkpoints(tmp_path)
    first = table_two.run_cells(cells, store)
    run_cell = table_two.run_cell
    monkeypatch.setattr(table_two, "run_cell", None)
    again = table_two.run_cells(cells, store)
    assert [again[cell]["test"] for cell in cells] == [first[cell]["test"] for cell in cells]
    np.testing.assert_array_equal(again[cells[0]]["course"]["mse"], first[cells[0]]["course"]["mse"])
    calls = []
    monkeypatch.setattr(table_two, "run_cell", lambda cell: calls.append(cell) or run_cell(cell))
    monkeypatch.setattr(table_two, "mark", lambda kind, method: [0.0])
    table_two.run_cells(cells, store)
    assert calls == cells


def test_the_plans_of_the_runs():
    full, quick = full_cells(), quick_cells()
    assert len(set(full)) == len(full)
    assert {cell.seed for cell in full} == set(SEEDS)
    assert len(SEEDS) == 25
    for method, wanted in zip(PAPERS, (SEEDS, multilevel_training.TEN), strict=True):
        for target in multilevel_training.JUDGED:
            for model in (*BASES, *MLPS):
                for fidelity in ("fine",) if model in MLPS else FIDELITIES:
                    where = (method, target, model, fidelity)
                    seeds = [c.seed for c in full if (c.method, c.target, c.model, c.fidelity) == where]
                    assert sorted(seeds) == list(wanted)
    assert {cell.method for cell in full} == set(METHODS)
    assert all(cell.samples == 20_000 and cell.divisor == 1 for cell in full)
    assert {cell.method for cell in quick} == set(PAPERS)


# --- R5


def test_a_seed_of_the_targets_reports_its_last_levels():
    setting = multilevel_targets.Setting(
        (1, 2), ((1, 2), 2, 2), (3, 3, 3, 3), (3, 2, 2, 1), (80, 80, None, None), reported=2, kink=False
    )
    record = multilevel_targets.run_seed(setting, 1, 150)
    assert record["parameters"] == [10 * 4 + 5 * 10, 10 * 6 + 5 * 18]
    assert [len(values) for values in record["of many starts"]] == [3, 2, 2, 1]
    assert record["training"] == [values[0] for values in record["of many starts"][2:]]
    # Training never makes the loss worse, and a refinement leaves it as it was.
    assert record["training"][0] >= record["training"][1]
    # In evaluations of a network with twice the intervals the same work is half as much.
    assert record["nominal"][1] > record["nominal"][0] / 2 > 0
    assert min(record["measured"]) > 0
    # The last level alone: the same network.
    last = multilevel_targets.run_seed(replace(setting, reported=1), 1, 150)
    assert last["test"] == record["test"][1:]
    assert last["nominal"] == record["nominal"][1:]
    assert record["of it beyond the last kink"] == [0.0, 0.0]
    assert record["samples beyond the last kink"] == 0


def test_the_corner_beyond_the_last_kink():
    rotated, unrotated = multilevel_targets.FULL["rotated"], multilevel_targets.FULL["unrotated"]
    x = np.array([[0.9999, 0.9999], [0.99, 0.99], [0.5, 0.9999], [0.0, 0.0]])
    assert multilevel_targets.beyond_last_kink(x, rotated).tolist() == [True, False, False, False]
    assert not multilevel_targets.beyond_last_kink(x, unrotated).any()
    assert not multilevel_targets.beyond_last_kink(x, multilevel_targets.FULL["rotated, smooth"]).any()
    # The target has a kink there: its slope along y' changes sign between the first two points and nowhere near them.
    c, s = np.cos(rotated.angle), np.sin(rotated.angle)
    along = np.array([1.0, 1.0]) - np.linspace(0.003, 0.006, 301)[:, None] * np.array([s, c])
    values = multilevel_targets.rk.problems.regression_target(along, rotated.angle)[:, 0]
    smooth = multilevel_targets.rk.problems.regression_target(along, rotated.angle, kink=False)[:, 0]
    least = int(np.argmin(values - smooth))
    assert 0 < least < 300
    assert along[least] @ [s, c] == pytest.approx(multilevel_targets.LAST_KINK, abs=2e-5)


@pytest.mark.parametrize(("change", "status"), [(1.0, "holds"), (3.0, "not reproduced")])
def test_the_bounds_of_the_targets(change, status):
    def invented(test):
        return [
            {
                "seed": seed,
                "test": [e * (1 + 0.01 * seed) for e in test],
                "of it beyond the last kink": [0.1 * e for e in test],
                "samples beyond the last kink": seed,
                "training": test,
                "parameters": [230, 430, 830, 1630][: len(test)],
                "cpu seconds": 1.0,
                "nominal": [1.0] * len(test),
                "measured": [1.0] * len(test),
            }
            for seed in range(3)
        ]

    found = {
        "rotated": invented([3e-5, 4e-6, 5e-7]),
        "rotated, outer layer finer": invented([1e-5 * change]),
        "unrotated": invented([2e-6]),
        "rotated, smooth": invented([40e-8, 1e-8, 1e-8 / 40]),
        "rotated, smooth, two nodes": invented([80e-8, 1e-8, 1e-8 / 60, 1e-8 / 60**2]),
    }
    verdict = multilevel_targets.verdict(found, multilevel_targets.BOUNDS)
    assert verdict.status == status
    assert not verdict.surviving_mutations
    # A tenth of each error at seed 0 lies beyond the last kink, and is said.
    assert "without the test points beyond the last kink the medians are 2.73e-05, 3.64e-06" in verdict.details
    assert "training samples there, by seed: 0, 1, 2" in verdict.details
    assert "factors between levels 40, 40" in verdict.details
    assert set(multilevel_targets.FULL) == set(found)


def test_what_was_run_is_what_is_told():
    """A quick run has seven of the criterion's seeds, and no other optimisers."""
    found = verdicts(invented(AS_PRINTED))
    assert "paired over 7 of the 25 seeds;" in found[0].measured
    for verdict in found:
        assert "Other optimisers were not run." in verdict.details
        assert ": ." not in verdict.details
    fewer = invented(AS_PRINTED, seeds=SEEDS[:10])
    fewer = {cell: run for cell, run in fewer.items() if cell.method == PAPERS[0] or cell.seed in SEEDS[:8]}
    assert "paired over 8 to 10 of the 25 seeds;" in verdicts(fewer)[0].measured
    other = {replace(cell, method="L-BFGS-B, 20 iterations"): run for cell, run in invented(AS_PRINTED).items()}
    for verdict in verdicts(invented(AS_PRINTED) | other):
        assert "Other optimisers: rotated, L-BFGS-B, 20 iterations" in verdict.details
    (criterion,) = (row.criterion for row in LEDGER if row.id == "R1")
    assert f"paired over {len(SEEDS)} seeds" in criterion
