"""Balanced and moved rows of Table 2, and R12 and R13 on invented runs."""

import numpy as np
import pytest

from validation.statements import NEAR
from validation.table_two import gauge_page, gauge_rows
from validation.table_two.cells_of_table import GRID as TABLE
from validation.table_two.cells_of_table import HIDDEN, LinearFirst, cells_of, data, run_cell
from validation.table_two.cells_of_table import SEEDS as OF_TABLE
from validation.table_two.gauge_cells import GRID, SEEDS, balanced, first_layer, moved, spreads, start_of_level
from validation.table_two.gauge_rows import CLAIMS, FULL, JUDGED, QUICK, besides, cells_of_run, cures, rests, verdict

SIZE = {"samples": "300", "divisor": "16"}


def network(seed=3, model="spline", samples=300):
    (cell,) = cells_of([seed], TABLE.reading(), [model], ["multilevel"], samples=str(samples), divisor="1")
    x, y, _ = data("function", "scaled", seed, samples, seed)
    made = LinearFirst(cell, x, y, np.random.default_rng(seed))
    return made, x


@pytest.mark.parametrize("model", ["spline", "ReLU"])
def test_balanced_rows_change_no_bit(model):
    made, x = network(model=model)
    first_layer(made.theta)[...] *= 10.0 ** np.array([-13, -3, 0, 4, 9])[:, None]
    near = balanced(made.theta, x)
    loss, g = made.function()(made.theta)
    loss_there, g_there = made.function()(near)
    assert loss == loss_there
    width = spreads(near, x)
    assert np.all((width > 2**-0.5 * (1 - 1e-12)) & (width < 2**0.5 * (1 + 1e-12)))
    powers = first_layer(near) / first_layer(made.theta)
    assert np.all(np.frexp(powers)[0] == 0.5)
    np.testing.assert_array_equal(first_layer(g_there) * powers, first_layer(g))
    np.testing.assert_array_equal(g_there[2 * HIDDEN :], g[2 * HIDDEN :])
    np.testing.assert_array_equal(balanced(near, x), near)


def test_moved_rows_are_the_next_numbers():
    made, x = network()
    there = moved(made.theta, x)
    assert np.all(there[2 * HIDDEN :] == made.theta[2 * HIDDEN :])
    assert np.all((there > made.theta)[: 2 * HIDDEN])
    assert np.all(np.nextafter(there, -np.inf)[: 2 * HIDDEN] == made.theta[: 2 * HIDDEN])


def test_at_a_tie_the_slope_is_that_of_the_other_piece():
    """A row at right angles to the difference of its two greatest samples: along -g_i the slope is -g_i . g_j/|g_i|."""
    seen = 0
    for seed in range(40):
        made, x = network(seed)
        rows = first_layer(made.theta)
        first, other = np.argsort(x @ rows[0])[-2:]
        across = x[first] - x[other]
        rows[0] -= across * (rows[0] @ across) / (across @ across)
        if np.argmax(x @ rows[0]) not in (first, other):
            continue
        near = balanced(made.theta, x)
        gradients = []
        for nudge in (1e-9, -1e-9):
            there = near.copy()
            first_layer(there)[0] += nudge * across
            gradients.append(made.function()(there)[1])
        g = made.function()(near)[1]
        here = int(np.linalg.norm(gradients[1] - g) < np.linalg.norm(gradients[0] - g))
        stays = (g[:2] @ across > 0) == (here == 1)  # whether the sample of g is the greater along -g, too
        start = start_of_level(made, x)
        assert start["extremes apart"] < 1e-13
        expected = -(g @ gradients[here if stays else 1 - here]) / np.linalg.norm(g)
        assert start["slope"] == pytest.approx(expected, rel=1e-4)
        seen += abs(start["slope"] / start["gradient"] + 1) > 1e-3
    assert seen > 2
    for seed in range(10):
        smooth = start_of_level(*network(seed))
        assert smooth["slope"] / smooth["gradient"] == pytest.approx(-1, abs=1e-3)
        assert smooth["extremes apart"] > 1e-6


def test_free_rows_are_the_runs_of_table_two():
    for model in ("spline", "ReLU"):
        (same,) = cells_of([7], TABLE.reading(), [model], ["multilevel"], **SIZE)
        known, made = run_cell(same), GRID.measure(GRID.cell(7, model=model, rows="free", **SIZE))
        assert made["mse"] == known["mse"]
        assert made["course"] == known["course"]
        assert len(made["levels"]) == 4
    other = GRID.measure(GRID.cell(7, model="spline", rows="balanced", **SIZE))
    assert other["levels"][0] == GRID.measure(GRID.cell(7, model="spline", rows="free", **SIZE))["levels"][0]
    for level in other["levels"][1:]:
        assert level["greatest spread"] / level["least spread"] <= 2 * (1 + 1e-12)


def test_the_runs_that_decide_are_those_of_new_seeds():
    cells = cells_of_run(SEEDS, **FULL)
    assert not set(SEEDS) & set(OF_TABLE)
    assert len(cells) == len(set(cells))
    decisive = {(cell["model"], cell["rows"], cell.seed) for cell in cells if cell.seed in SEEDS}
    for rows in ("free", "balanced"):
        assert {seed for model, of, seed in decisive if (model, of) == ("spline", rows)} == set(SEEDS)
        assert {seed for model, of, seed in decisive if (model, of) == ("ReLU", rows)} == set(SEEDS[: gauge_rows.FEW])


def record(mse, coarse=1e-3, slope=-1.0, spread=1.0):
    start = {"least spread": 1.0, "greatest spread": spread, "extremes apart": 1e-3, "gradient": 1.0, "slope": slope}
    levels = [start | {"first": 1.0, "last": coarse, "evaluations": 9} for _ in range(4)]
    course = {"level": [k for k in range(4) for _ in range(5)], "mse": list(np.geomspace(1, 0.1, 20))}
    return {"mse": mse, "levels": levels, "course": course}


def invented(spline=lambda k, rows: 1e-6, relu=lambda k, rows: 1e-3, n=60, **more):
    """All cells, with these errors of the k-th seed."""
    cells = {}
    for cell in cells_of_run(SEEDS[:n], **FULL):
        k, error = cell.seed - SEEDS[0], spline if cell["model"] == "spline" else relu
        cells[cell] = record(error(k, cell["rows"]), **more)
    return besides(cells, **FULL)


def told(estimates):
    return {e.name: e.value for e in estimates}


def test_cures_counts_runs_that_become_good_and_bad():
    """Of 60 runs every third is bad; of these every fourth is mended, and one good run of forty spoilt."""

    def error(k, rows):
        mended, spoilt = rows == "balanced" and k % 12 == 0, rows == "balanced" and k == 1
        return 1e-2 if (k % 3 == 0 and not mended) or spoilt else 1e-6

    made = told(cures(invented(error)))
    assert made["bad runs that become good"] == pytest.approx(1 / 4)
    assert made["good runs that become bad"] == pytest.approx(1 / 40)
    assert made["bad runs that become good if moved by one unit"] == 0
    assert made["bad runs, rows free"] == pytest.approx(1 / 3)
    assert made["bad runs, rows balanced"] == pytest.approx(16 / 60)


def test_rests_counts_runs_that_rest_and_move():
    """Of 60 runs four in five rest, and every other of these moves."""

    def error(k, rows):
        gains = k % 5 == 0 or (rows == "balanced" and k % 2 == 1)
        return 5e-4 if gains else 0.999e-3

    made = told(rests(invented(relu=error, slope=0.5, spread=10.0)))
    assert made["runs at rest, rows free"] == pytest.approx(4 / 5)
    assert made["of them moving with balanced rows"] == pytest.approx(1 / 2)
    assert made["of them with a loss that rises along -g"] == 1
    assert made["of them with spreads of a ratio above 1000"] == 0
    assert told(rests(invented(relu=error, spread=2e3)))["of them with either"] == 1


CASES = {
    "R12": {
        "holds": lambda k, rows: 1e-2 if k % 3 == 0 and not (rows == "balanced" and k % 2) else 1e-6,
        "too few mended": lambda k, rows: 1e-2 if k % 3 == 0 else 1e-6,
        "too many spoilt": lambda k, rows: (
            1e-2 if (k % 3 == 0 and not (rows == "balanced" and k % 2)) or (rows == "balanced" and k % 5 == 1) else 1e-6
        ),
    },
    "R13": {
        "holds": lambda k, rows: 0.5e-3 if rows == "balanced" and k % 4 else 1e-3,
        "too few rest": lambda k, rows: 0.5e-3 if k % 4 or rows == "balanced" else 1e-3,
        "too few move": lambda k, rows: 1e-3,
    },
}


@pytest.mark.parametrize(("id", "case"), [(id, case) for id, cases in CASES.items() for case in cases])
def test_each_condition_decides(id, case):
    error = CASES[id][case]
    model = {"R12": "spline", "R13": "relu"}[id]
    made = verdict(id, invented(n=len(SEEDS), **{model: error}))
    assert made.status == ("holds" if case == "holds" else "refuted")
    near = made.mutations[NEAR]
    assert near == ("undecided" if case == "too few mended" else "refuted")  # three times no run
    assert [status for name, status in made.mutations.items() if name != NEAR] == ["refuted"]
    assert set(made.controls.values()) == {"holds"}
    assert made.data["seeds"]


def test_without_bad_or_resting_runs_nothing_is_decided():
    cells = invented()
    assert verdict("R12", cells).status == "undecided"
    moving = invented(relu=lambda k, rows: 1e-5)
    assert [e.holds for e in rests(moving)[:2]] == [False, None]
    assert verdict("R12", cells, quick=True).status == "undecided"
    assert set(JUDGED) == set(CLAIMS)
    assert QUICK != FULL


def test_the_page_shows_what_is_recorded():
    """But for numbers with intervals, which follow the statistics of the claims."""
    written = gauge_page.PAGE.read_text().partition(gauge_page.HEADING)[2].split("\n\n")
    made = gauge_page.section().partition(gauge_page.HEADING)[2].split("\n\n")
    assert len(written) == len(made)
    assert written[-1].strip() == made[-1].strip()
    for text in (gauge_page.INTRODUCTION, gauge_page.AFTER_SHARES, gauge_page.WITHOUT):
        assert text.strip() in gauge_page.PAGE.read_text()
    ten, hundred = dict.fromkeys(range(9), 10.0), dict.fromkeys(range(9), 100.0)
    assert gauge_page.chance(hundred, ten, lambda ratio: ratio >= 10) == 1
    assert gauge_page.chance(hundred, ten, lambda ratio: ratio > 10) == 0
    mixed = {seed: 100.0 * (seed % 2) + 1 for seed in range(8)}
    assert gauge_page.chance(mixed, dict.fromkeys(mixed, 1.0), lambda r: r > 1) == pytest.approx(31 / 32, abs=0.01)
