"""Table 2: what its digits and numbers of parameters say, its network and optimiser, and R1 to R4 on invented runs."""

import json
from fractions import Fraction
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.claims.running.outcomes import plain, said_of
from tests.shared.tables import each_row
from tests.training.optimizers.descent_problems import START, Chain
from validation.table_two import printed_digits, quasi_newton, table_two_rows
from validation.table_two.cells_of_table import FIDELITIES, GRID, MLPS, PUBLISHED, cells_of, run_cell
from validation.table_two.compared_cells import OF_FIVE, SHOWN, TYPICAL, over
from validation.table_two.parameter_counts import KANS, Printed, mlp_parameters, networks, splits
from validation.table_two.printed_digits import PRINTED, far_out, rounded_from, shape, shapes
from validation.table_two.quasi_newton import Trial, lbfgs, search
from validation.table_two.ridge_network import BOUNDS, bisected, change_of_basis, local_polynomials, value_and_gradient
from validation.table_two.table_two_rows import BASE, CLAIMS, FULL, LIST, QUICK, SMALL, STATEMENT, full_cells, verdicts


def test_runs_have_the_shape_that_is_proven_of_their_mean_and_deviation():
    """Any five numbers, most of them with one far out, lie within the bounds of their own mean and deviation."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        runs = np.sort(rng.exponential(size=5) * [1, 1, 1, 1, rng.choice([1, 30])])
        tiny = Fraction(1, 10**9)
        given = [Fraction(float(value)) for value in (runs.mean(), runs.std(ddof=1))]
        made = shape(*((value * (1 - tiny), value * (1 + tiny)) for value in given))
        for value, (low, high) in [
            (runs[-1], made.largest),
            (runs[:-1].mean(), made.mean_of_others),
            (runs[:-1].sum() / runs[-1], made.others_over_largest),
            *((run, made.each) for run in runs),
        ]:
            assert low <= Fraction(float(value)) <= high
        width = made.others_over_largest[1] - made.others_over_largest[0]
        assert width < 4


def test_bounds_are_reached():
    """Equal others are one vertex, one other that is all of the sum the other."""
    for runs in ([1, 1, 1, 1, 40], [0, 0, 0, 4, 40]):
        m, s = (Fraction(float(value)) for value in (np.mean(runs), np.std(runs, ddof=1)))
        ends = shape((m, m), (s, s)).others_over_largest
        assert min(abs(float(end) - 0.1) for end in ends) < 1e-7
    m, s = Fraction(11, 10), Fraction(float(np.sqrt(0.05)))  # of 1, 1, 1, 1, 3/2: no run is below 7/10
    assert [float(end) for end in shape((m, m), (s, s)).each] == pytest.approx([0.7, 1.5], rel=1e-7)


def test_what_table_two_leaves_room_for():
    made = shapes()
    assert [cell for cell, one in made.items() if one.far_out] == list(printed_digits.FAR_OUT)
    assert far_out(made, printed_digits.FAR_OUT)
    fine, multilevel = (made[cell] for cell in printed_digits.FAR_OUT)
    assert 1.2e-2 < fine.largest[0] < 1.26e-2 < fine.largest[1] < 1.3e-2
    assert 4.4e-6 < multilevel.mean_of_others[0] < 4.65e-6 < multilevel.mean_of_others[1] < 4.9e-6
    assert [cell for cell, one in shapes(divided_by=5).items() if one is None] == [("spline", "fine")]
    assert rounded_from("1.35e0") == (Fraction(269, 200), Fraction(271, 200))


def test_networks_have_the_numbers_of_parameters():
    made = {printed.where: networks(printed) for printed in KANS}
    assert made["Table 3"] == [("linear first layer", 4, (5,))]
    assert ("linear first layer with biases", 4, (5,)) in made["Table 2"]
    assert ("splines throughout, intervals of each layer", 3, (1, 3)) in made["Table 2"]
    assert ("splines throughout, equal intervals", 4, (4,)) in made["figure 5"]
    for order, intervals in ((3, (1, 3)), (4, (2, 2))):
        nets = [rk.kan([2, 5, 1], order=order, intervals=[k * n for n in intervals]).n_params for k in (1, 8)]
        found = networks(Printed("", (2, 5, 1), ((0, nets[0]), (3, nets[1]))))
        assert any(net[1] == order and net[2] in (intervals, intervals[:1]) for net in found)
    assert [mlp_parameters(widths, False) for widths in MLPS.values()] == [
        rk.mlp(list(w)).n_params for w in MLPS.values()
    ]


def test_numbers_are_split_exactly_into_positive_parts():
    assert [[*splits(total, (2,))] for total in (-2, 0, 3, 4)] == [[], [], [], [(2,)]]
    assert [*splits(7, (2, 1))] == [(1, 5), (2, 3), (3, 1)]


def drawn(order, n, kind=np.float64):
    rng = np.random.default_rng(order)
    theta = np.concatenate([rng.uniform(-1, 1, 10), rng.standard_normal(5 * (n + order - 1))]).astype(kind)
    X = rng.uniform(size=(2, 40)).astype(kind)
    return theta, X, rng.standard_normal(40).astype(kind)


@pytest.mark.parametrize("bounds", BOUNDS.values())
@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.exhaustive
def test_the_network_is_one_of_the_library_and_its_gradient_that_of_differences(order, bounds):
    n, M = 4, local_polynomials(order)
    theta, X, y = drawn(order, n)
    g, unused = np.empty_like(theta), np.empty_like(theta)
    loss = value_and_gradient(theta, 5, n, M, bounds, X, y, g)
    steps = 1e-6 * np.eye(theta.size)
    up, down = (
        [value_and_gradient(theta + side * step, 5, n, M, bounds, X, y, unused) for step in steps] for side in (1, -1)
    )
    np.testing.assert_allclose((np.array(up) - down) / 2e-6, g, atol=1e-7, rtol=1e-6)

    z = theta[:10].reshape(5, 2) @ X
    low, high = {
        "samples": (z.min(axis=1), z.max(axis=1)),
        "layer": (np.full(5, z.min()), np.full(5, z.max())),
        "box": tuple(side(theta[:10].reshape(5, 2), 0).sum(axis=1) for side in (np.minimum, np.maximum)),
    }[{v: k for k, v in BOUNDS.items()}[bounds]]
    s = ((z.T - low) / (high - low)).clip(0, 1)
    net = rk.kan([5, 1], order=order, intervals=n)
    u = theta[10:].reshape(5, -1)
    assert loss == pytest.approx(np.mean((net(u.ravel(), s).ravel() - y) ** 2), rel=1e-12)
    halved = np.concatenate([theta[:10], bisected(u, order).ravel()])
    fine = value_and_gradient(halved, 5, 2 * n, M, bounds, X, y, np.empty_like(halved))
    assert fine == pytest.approx(loss, rel=1e-12)
    space = rk.SplineSpace.uniform(order, n)
    np.testing.assert_allclose(change_of_basis(n, order), rk.ChangeOfBasis(space).dense(), rtol=1e-12, atol=1e-9)


@pytest.mark.exhaustive
def test_single_precision_stays_single_and_is_near():
    losses = []
    for kind in (np.float32, np.float64):
        theta, X, y = drawn(4, 5, kind)
        g = np.empty_like(theta)
        losses.append(value_and_gradient(theta, 5, 5, local_polynomials(4).astype(kind), 0, X, y, g))
        assert g.dtype == kind
    assert type(losses[0]) is not type(losses[1]) or losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def banana(theta):
    a, b = theta[0], theta[1]
    gradient = np.array([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)], theta.dtype)
    return float((1 - a) ** 2 + 100 * (b - a * a) ** 2), gradient


# torch 2.13.0, float64, x the start, f the chain:
#   opt = torch.optim.LBFGS([x], lr=1, max_iter=inner, history_size=history)
#   def closure(): opt.zero_grad(); v = f(); v.backward(); return v
#   for epoch in range(8): opt.step(closure); print(f().item())
LIBRARY = [
    (1.0, 100, 5, [1.5035989427, 0.1125952786, 8.3659547831e-3, 4.733253884e-12]),
    (1.0, 3, 4, [1.6481857035, 1.4221998720, 0.4916319620, 0.0320282618, 3.5767178849e-3, 7.4065908509e-6]),
    (10.0, 100, 20, [3.8090113930, 3.8045677855]),
    (10.0, 3, 4, [4.2687849868, 5845.256298285, 4.2508502681, 4.2059863546]),
]


@pytest.mark.parametrize(("a", "history", "inner", "losses"), LIBRARY)
def test_without_a_line_search_it_is_the_method_of_the_library(a, history, inner, losses, monkeypatch):
    monkeypatch.setattr(quasi_newton, "HISTORY", history)
    ours = lbfgs(Chain(a).function, START, len(losses), wolfe=False, inner=inner)
    # Rounding in up to 32 steps, some of them to values of 6000.
    np.testing.assert_allclose(ours.losses[1:], losses, rtol=1e-7)


def test_a_search_ends_where_the_strong_wolfe_conditions_hold():
    rng = np.random.default_rng(1)
    for _ in range(50):
        theta, d = rng.standard_normal((2, 2))
        f, g = banana(theta)
        d *= -np.sign(g @ d)
        start = Trial(0.0, f, g, float(g @ d))
        end = search(banana, theta, d, start, float(10.0 ** rng.uniform(-3, 1)), 1e-12)
        value, gradient = banana(theta + end.t * d)
        assert value <= f + 1e-4 * end.t * start.slope
        assert abs(gradient @ d) <= -0.9 * start.slope
        assert (end.f, end.slope) == (value, pytest.approx(gradient @ d))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_with_a_line_search_it_descends_and_converges(kind):
    run = lbfgs(banana, np.array([-1.2, 1.0], kind), 10, wolfe=True, changes=1e-18)
    assert run.theta.dtype == kind
    assert np.all(np.diff(run.losses) <= 1e-12)
    np.testing.assert_allclose(run.theta, 1.0, atol=1e-3 if kind is np.float32 else 1e-6)


def record(error, dropping, levels=4):
    """A run whose loss falls fourfold in the first epoch of each level and then rests, or by little all the time."""
    within = (4.0, *([1.0] * 4 if dropping else [3.9] * 4))
    mse = [error * 4.0 ** (levels - 1 - k) * fall for k in range(levels) for fall in within]
    return {"mse": error, "test": error, "course": {"level": np.repeat(np.arange(levels), 5).tolist(), "mse": mse}}


def invented(changes=None, dropping=True, samples="20000"):
    """Runs of the base reading that are the published means with a little spread."""
    rng, made = np.random.default_rng(0), {}
    for (model, fidelity), mean in ({cell: mean for cell, (mean, _) in PUBLISHED.items()} | (changes or {})).items():
        for seed in range(25):
            place = cells_of([seed], BASE, [model], [fidelity], samples=samples)[0]
            levels = 4 if fidelity == "multilevel" else 1
            made[place] = record(mean * rng.lognormal(sigma=0.1), dropping and model == "spline", levels)
    return made


def judged(id, runs):
    """The verdict of one statement: all of them take eight times as long."""
    return table_two_rows.verdict(id, runs, STATEMENT.at_largest_size(runs))


PRINTED_ARE = dict.fromkeys(CLAIMS, "holds") | {"R10": "refuted"}


def test_the_published_numbers_are_judged_by_their_intervals():
    every = verdicts(invented())
    assert {made.id: made.status for made in every} == PRINTED_ARE
    for made in every:
        assert not made.surviving_mutations
        assert not made.uncontrolled
        assert made.estimates
        json.dumps(plain(made.readings), allow_nan=False)
    fewer = verdicts(invented(samples="4000"))
    assert {made.id: made.status for made in fewer} == PRINTED_ARE | {"R10": "undecided"}


TYPICAL_MEANS = {tuple(cell.split(", ")): error for cell, error in TYPICAL.items()}


def test_one_run_in_five_decides_a_mean_and_no_typical_run():
    """One multilevel run in five is bad, once in every table of five: R2 as printed is not reproduced, R10 holds."""
    runs = invented(changes=TYPICAL_MEANS)
    for cell in [cell for cell in runs if (cell["model"], cell["fidelity"]) == ("spline", "multilevel")][::5]:
        runs[cell] = record(1.6e-3, True)
    made = {id: judged(id, runs) for id in ("R2", "R10")}
    assert made["R10"].status == "holds"
    told = {e.name: e for e in made["R2"].estimates}
    pair = "spline, coarse over spline, multilevel"
    tables, shown, mean = (told[f"{name}, {pair}"] for name in (OF_FIVE, SHOWN, "mean error"))
    assert mean.value == pytest.approx(5.0, rel=0.1)
    assert 4 < tables.low < tables.value < tables.high < 6
    assert tables.holds is False
    assert shown.value == pytest.approx(comb(20, 5) / comb(25, 5), abs=0.02)  # of tables without a bad run
    assert made["R2"].status == "not reproduced"
    (share,) = (e for e in made["R10"].estimates if e.name == "runs above ten times the median, spline, multilevel")
    assert share.value == pytest.approx(5 / 25)


def test_a_statement_on_a_cell_that_was_not_run_is_left_open():
    runs = {cell: made for cell, made in invented().items() if cell["model"] != "MLP-20-20"}
    made = judged("R2", runs)
    assert made.status == "undecided"
    (missing,) = (e for e in made.estimates if e.name.endswith("not run"))
    assert (missing.low, missing.high, missing.holds) == (0.0, np.inf, None)


@pytest.mark.parametrize("id", ["R10", "R11"])
def test_a_small_run_says_nothing_of_typical_runs_and_of_parts_of_levels(id):
    runs = {cell: record(1e-3, True) for cell in cells_of(range(3), BASE, **QUICK)}
    assert said_of(judged(id, runs), "holds") == "recorded: holds; small run: undecided"


def test_losses_that_do_not_drop_are_noticed():
    assert judged("R4", invented(dropping=False)).status == "not reproduced"
    (reading,) = judged("R4", invented()).readings
    asked = [e["at_least"] is not None for e in reading["estimates"]]
    assert asked == [True] * 3 + [False] * 3  # of the ReLU basis nothing, beside it


def test_a_loss_that_still_falls_has_not_stalled():
    runs = invented()
    for cell in (cell for cell in runs if cell["model"] == "MLP-30"):
        runs[cell]["course"]["mse"][-1] /= 2.1
    assert judged("R11", runs).status == "not reproduced"


@pytest.mark.parametrize(("sizes", "quarters"), [((9, 9, 10, 3), (2, 3, 1)), ((3, 13, 5, 6), (2, 1, 2))])
def test_falls_are_those_of_a_quarter_of_a_level(sizes, quarters):
    """Rounded upwards, and no more than the level before has: of losses 2^(-k^2), 2^(2 q (q + 1))."""
    course = {"level": np.repeat(range(4), sizes), "mse": 2.0 ** -(np.arange(sum(sizes)) ** 2)}
    assert table_two_rows.falls({"course": course}) == [4.0 ** (q * (q + 1)) for q in quarters]
    last = [table_two_rows.fall(2.0 ** -np.arange(size)) for size in (2, 9, 10, 13)]
    assert last == [2.0, 4.0, 8.0, 8.0]


def test_other_readings_stand_beside_the_one_that_is_singled_out():
    """They change no verdict, whatever came out under them."""
    others = {}
    for reading in LIST[1:]:
        for cell in cells_of(range(3), reading, **SMALL):
            others[cell] = record(1.0, False)
    made = {verdict.id: verdict for verdict in verdicts(invented() | others)}
    assert {id: verdict.status for id, verdict in made.items()} == PRINTED_ARE
    assert [r["speaks"] for r in made["R1"].readings] == [True] + [False] * (len(LIST) - 1)


def test_errors_from_moved_starts_are_told_beside_those_of_seeds():
    runs = invented()
    assert table_two_rows.digits(runs) == ""
    cells = cells_of(range(3), BASE, ["spline"], ["coarse"], ulps="one")
    started = cells_of(range(3), BASE, ["spline"], ["coarse"])
    errors = {seed: runs[cell]["mse"] for seed, cell in enumerate(started)}
    told = table_two_rows.digits(runs | {cell: record(errors[k] * 10.0**k, True) for k, cell in enumerate(cells)})
    spread = np.std(np.log10([*errors.values()]))
    assert f"spline, coarse 1 (largest 2) against {spread:.2g}." in told


def test_what_was_not_run_leaves_open_what_is_asked_of_it():
    """One estimate, whose interval holds all numbers, however many bounds there are."""
    (left,) = over([], (("ReLU", "coarse"), ("spline", "coarse")), at_least=1.0, at_most=9.0)
    assert (left.value, left.low, left.high, left.at_least, left.at_most) == (1.0, 0.0, np.inf, 1.0, 9.0)


def test_cells_are_shared_between_readings_and_hold_every_cell_of_the_table():
    cells = full_cells(range(1234, 1237))
    assert len(cells) == len(set(cells))
    for reading, size in [(BASE, FULL), *((reading, SMALL) for reading in LIST[1:])]:
        wanted = cells_of([1234], reading, **size)
        assert set(wanted) <= set(cells)
        assert len(wanted) == 6


@each_row(
    "choice",
    {"model": "spline", "fidelity": "multilevel"},
    {"model": "ReLU", "fidelity": "fine", "fine": "prolonged", "precision": "32"},
    {"model": "spline", "fidelity": "coarse", "network": "splines", "search": "fixed"},
    {"model": "ReLU", "fidelity": "multilevel", "network": "splines"},
    {"model": "MLP-5", "fidelity": "coarse", "target": "raw"},
)
def test_a_cell_runs(choice):
    made = run_cell(GRID.cell(1234, samples="60", divisor="64", **choice))
    assert made["mse"] <= made["course"]["mse"][0] * 1.001
    fine = choice["fidelity"] != "coarse"
    assert made["parameters"] == (20 if choice["model"] == "MLP-5" else 230 if fine else 55)
    assert len(made["course"]["mse"]) == sum(1 + (-(-e // 64)) for e in FIDELITIES[choice["fidelity"]] if e)
    if choice["fidelity"] == "multilevel":
        mse = made["course"]["mse"]
        assert mse[2::2] == pytest.approx(mse[1:-1:2], rel=1e-3), "a refinement changes the function"
    assert GRID.experiment.choose("start=he")["start"] == "he"
    assert set(PRINTED) == set(PUBLISHED)


def test_the_ratio_of_typical_runs_is_the_quotient_of_intervals():
    means = {("spline", "fine"): (8.0, 12.0), ("spline", "multilevel"): (2.0, 4.0)}
    made = {cell: SimpleNamespace(mean_of_others=ends) for cell, ends in means.items()}
    assert printed_digits.typical_ratio(made) == (2.0, 6.0)
