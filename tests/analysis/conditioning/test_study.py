"""Conditioning studies: points, executors that work and executors that die, resuming."""

import dataclasses
import json
import math
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import grid, study
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.analysis.conditioning.studies.studies import measure, problem_of
from refkan.analysis.conditioning.studies.study_rows import COLUMNS, Configuration, Study, StudyRow, to_json
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.plots import conditions, to_png
from tests.shared.refusals import refused
from tests.shared.tables import each_row

POINTS = grid(["spline", "relu", "mlp-tanh"], [[2, 3, 1]], orders=[2], intervals=[2, 3], seeds=[0, 1], samples=60)


def wave(x):
    return np.sin(5 * x[:, :1]) * x[:, 1:]


def as_numbers(result):
    """Rows without their times, comparable."""
    return [{k: v for k, v in row.as_dict().items() if k != "seconds"} for row in result.rows]


@pytest.fixture(scope="module")
def serial():
    return study(POINTS)


def test_a_grid_has_every_combination_and_dense_networks_once():
    assert len(POINTS) == 2 * 2 * 2 + 2
    assert len(set(POINTS)) == len(POINTS)
    dense = [p for p in POINTS if p.is_dense]
    assert {(p.order, p.intervals, p.seed) for p in dense} == {(None, None, 0), (None, None, 1)}
    assert str(POINTS[0]) == "spline [2, 3, 1] r=2 n=2 seed 0"
    assert "preconditioned by jacobi" in str(Configuration("relu", [1, 1], 2, 2, preconditioner="jacobi", which="ntk"))


def test_equal_points_are_equal_however_they_were_written():
    a = Configuration("spline", [2, 3, 1], 2, [2, 3], seed=np.int64(1))
    b = Configuration("spline", np.array([2, 3, 1]), 2, (2, 3), seed=1)
    assert a == b
    assert hash(a) == hash(b)
    assert Checkpoints.key(a.as_dict()) == Checkpoints.key(b.as_dict())


@each_row(
    "options, message",
    ({"preconditioner": "ilu"}, "preconditioner must be one of"),
    ({"widths": [2]}, "widths must hold at least two"),
    ({"order": None}, "kind 'spline' has order and intervals"),
    ({"intervals": [2, 2, 2]}, "intervals must be one value or one a layer"),
    ({"kind": "mlp-tanh"}, "kind 'mlp-tanh' has neither order nor intervals"),
    ({"kind": "mlp-relu", "order": None, "intervals": None, "node_map": "none"}, "node_map must be left out"),
)
def test_bad_points_are_refused_before_anything_runs(options, message):
    good = {"kind": "spline", "widths": [2, 3, 1], "order": 2, "intervals": 2}
    refused(lambda: study([{**good, **options}], progress=lambda line: pytest.fail("ran")), message)


def test_a_grid_without_orders_is_refused():
    refused(lambda: grid(["relu"], [[2, 1]]), "orders and intervals must hold at least one number each for kind 'relu'")
    refused(lambda: grid(["fourier"], [[2, 1]], [2], [2]), "kinds must be one of")
    assert len(grid(["mlp-relu"], [[2, 3, 1]])) == 1


def test_rows_are_spectra(serial):
    """The same numbers as by hand, and both bases of one seed one function."""
    for row in serial.rows[:1] + serial.rows[4:5]:
        point = row.configuration
        x = np.random.default_rng([point.seed, 1]).uniform(size=(60, 2))
        net, theta = rk.kan([2, 3, 1], 2, point.intervals).initialize(np.random.default_rng([point.seed, 0]), x)
        spectrum = rk.spectrum(rk.LeastSquares(net, x, np.zeros((60, 1))), theta, basis=point.kind)
        assert (row.condition, row.rank, row.gap, row.flags) == (
            spectrum.condition,
            spectrum.rank,
            spectrum.gap,
            spectrum.flags,
        )
    by_point = {(r.configuration.kind, r.configuration.intervals, r.configuration.seed): r for r in serial.rows}
    for n in (2, 3):
        assert by_point["relu", n, 0].rank == by_point["spline", n, 0].rank
        assert by_point["relu", n, 0].condition > by_point["spline", n, 0].condition


def test_every_kind_and_matrix_can_be_studied():
    points = grid(
        ["silu", "scaled-relu", "mlp-relu", "mlp-relu3"], [[2, 3, 1]], [3], [2], samples=60, node_map="mean-std"
    )
    points += grid(["spline"], [[2, 3, 1]], [3], [[2, 3]], which="hessian", samples=60)
    points += grid(["spline"], [[2, 3, 1]], [3], [2], which="ntk", preconditioner="jacobi", samples=60)
    result = study(points, target=wave)
    assert not result.failed
    assert all(row.condition > 1 for row in result.rows)
    assert result.rows[0].analytic_nullity == 3 + 2 + 6 + 3 + 6
    hessian, kernel = result.rows[-2:]
    problem, theta = problem_of(hessian.configuration, wave)
    assert hessian.condition == rk.spectrum(problem, theta, which="hessian").condition
    problem, theta = problem_of(kernel.configuration)
    assert kernel.condition == rk.spectrum(problem, theta, which="ntk", preconditioner="jacobi").condition
    assert (kernel.n_params, kernel.rank + kernel.nullity) == (theta.size, 60)  # rows of the kernel
    assert all(0 < row.seconds < 60 for row in result.rows)


def test_a_point_that_fails_does_not_stop_the_others(tmp_path):
    points = [*POINTS[:1], Configuration("spline", [2, 3, 1], 2, 2, which="hessian", samples=60)]
    result = study(points, checkpoints=tmp_path)
    assert [row.error is None for row in result.rows] == [True, False]
    assert "ValueError: target must be given for which='hessian'" in result.failed[0].error
    failed = result.failed[0]
    assert math.isnan(failed.condition)
    assert {failed.n_params, failed.rank, failed.nullity, failed.analytic_nullity, failed.negative} == {-1}
    assert "ValueError" in result.table
    assert len(list(tmp_path.glob("*.json"))) == 1  # failures are not kept
    assert len(study(points, target=wave).failed) == 0


def test_threads_give_the_same_rows(serial):
    lines = []
    with ThreadPoolExecutor(2) as pool:
        result = study(POINTS, pool, progress=lines.append)
    np.testing.assert_equal(as_numbers(result), as_numbers(serial))
    assert len(lines) == len(POINTS)
    assert any(line.startswith(f"{len(POINTS)}/{len(POINTS)} ") for line in lines)


def test_results_resume(tmp_path, serial, monkeypatch):
    study(POINTS[:4], checkpoints=tmp_path)
    ran = []
    monkeypatch.setattr(
        "refkan.analysis.conditioning.studies.studies.measure", lambda c, *rest: ran.append(c) or measure(c, *rest)
    )
    lines = []
    result = study(POINTS, checkpoints=Checkpoints(tmp_path), progress=lines.append)
    assert ran == POINTS[4:]
    assert lines[0] == "4 of 10 points are there already"
    np.testing.assert_equal(as_numbers(result), as_numbers(serial))
    # With another target it is another point.
    study(POINTS[:1], checkpoints=tmp_path, target=wave)
    assert ran[-1] == POINTS[0]


def test_the_same_point_twice_is_computed_once(tmp_path):
    result = study([POINTS[0], POINTS[0]], checkpoints=tmp_path)
    assert result.rows[0] is result.rows[1]
    assert len(list(tmp_path.glob("*.json"))) == 1


class Dying(Executor):
    """Runs the first `alive` tasks; all further ones, or submitting them, fail as a broken pool does."""

    def __init__(self, alive, on_submit=False, error=None):
        self.alive, self.on_submit = alive, on_submit
        self.error = BrokenProcessPool("a worker died") if error is None else error
        self.submitted = []

    def submit(self, fn, /, *args, **kwargs):
        if self.on_submit and len(self.submitted) >= self.alive:
            raise self.error
        future = Future()
        self.submitted.append(future)
        if len(self.submitted) <= self.alive:
            future.set_result(fn(*args, **kwargs))
        elif len(self.submitted) == self.alive + 1:
            future.set_exception(self.error)
        return future


@pytest.mark.parametrize("on_submit", [False, True])
def test_a_dead_executor_is_told_with_what_is_kept(tmp_path, on_submit, serial):
    executor = Dying(3, on_submit)
    message = (
        rf"the executor failed \(BrokenProcessPool: a worker died\) when 3 of 10 points were done; "
        rf"they are kept in {tmp_path}: the same call computes the other 7"
    )
    refused(lambda: study(POINTS, executor, tmp_path), f"RuntimeError: {message}")
    assert len(list(tmp_path.glob("*.json"))) == 3
    assert all(future.done() for future in executor.submitted)  # what was waiting is cancelled
    np.testing.assert_equal(as_numbers(study(POINTS, checkpoints=tmp_path)), as_numbers(serial))


def test_without_checkpoints_nothing_is_kept_and_that_is_said():
    refused(lambda: study(POINTS, Dying(2)), "RuntimeError: 2 of 10 points were done; none are kept: give checkpoints=")


def test_an_interruption_keeps_what_is_done(tmp_path):
    executor = Dying(4, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        study(POINTS, executor, tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 4
    assert all(future.done() for future in executor.submitted)

    def interrupt(line):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(POINTS, checkpoints=tmp_path, progress=interrupt)
    fresh = tmp_path / "fresh"
    with pytest.raises(KeyboardInterrupt):
        study(POINTS, checkpoints=fresh, progress=interrupt)
    assert len(list(fresh.glob("*.json"))) == 1


def test_functions_without_a_name_cannot_be_sent_or_stored(tmp_path):
    refused(lambda: study(POINTS[:1], checkpoints=tmp_path, target=lambda x: x), "target must be a function")
    assert not study(POINTS[:1], target=lambda x: x[:, :1]).failed


def test_a_dask_cluster_computes_the_same(tmp_path, cluster, serial):
    import distributed

    with distributed.Client(cluster, set_as_default=False) as client, client.get_executor(pure=False) as executor:
        result = study(POINTS, executor, tmp_path)
    np.testing.assert_equal(as_numbers(result), as_numbers(serial))


def test_table_json_and_figure(serial):
    lines = serial.table.splitlines()
    assert lines[0].split()[:5] == ["kind", "widths", "r", "n", "seed"]
    assert len(lines) == 11
    assert len({line.index("2,3,1") for line in lines[1:]}) == 1  # columns are aligned
    rows = json.loads(to_json(serial))
    assert [row["kind"] for row in rows] == [p.kind for p in POINTS]
    assert rows[0]["condition"] == serial.rows[0].condition
    assert rows[-1]["order"] is None
    assert rows[-1]["gap"] is None  # infinite
    assert to_png(conditions(serial)).startswith(b"\x89PNG")
    assert to_png(conditions(study([]))).startswith(b"\x89PNG")
    assert study([]).rows == ()
    assert str(serial) == serial.table


def test_each_row_of_a_table_says_what_it_is():
    points = [
        Configuration("spline", [2, 3, 1], 2, [2, 3], preconditioner="jacobi"),
        Configuration("mlp-relu", [2, 1], seed=12),
    ]
    numbers = {"condition": 1e3, "smallest": 0.5, "largest": 500.0, "flags": ("gap", "nullity")}
    rows = (StudyRow(points[0], 48, 43, 5, 4, **numbers), StudyRow(points[1], error="ValueError: no"))
    made = Study(rows)
    ends = ["1.000e+03", "5.000e-01", "5.000e+02"]
    header, first, second = made.table.splitlines()
    assert header.split() == [*COLUMNS, "flags"]
    assert first.split() == ["spline/jacobi", "2,3,1", "2", "2,3", "0", "48", "43", "5", "4", *ends, "gap", "nullity"]
    assert second.split() == ["mlp-relu", "2,1", "-", "-", "12", *"-------", "ValueError:", "no"]
    assert header.index("flags") == first.index("gap") == second.index("ValueError")
    for name in COLUMNS[2:-1]:  # numbers end, names begin, below each other
        end = header.index(f"{name} ") + len(name)
        assert first[end] == second[end] == " " != first[end - 1]
    assert header.index("widths") == first.index("2,3,1") == second.index("2,1")
    names = [line.split("  ")[0] for line in made.legend.splitlines()]
    assert names[-2:] == ["flag nullity", "flag gap"]
    assert (
        len(
            {
                line.index(meaning)
                for line, meaning in zip(made.legend.splitlines()[-2:], (FLAGS["nullity"], FLAGS["gap"]), strict=True)
            }
        )
        == 1
    )


def test_flagged_points_are_drawn_apart():
    """Beyond what can be resolved a point must not look like the others."""
    points = grid(["spline", "mlp-relu"], [[2, 1]], [3], [2, 4, 8], samples=60)
    rows = [
        StudyRow(point, condition=10.0**k, flags=("resolution",) if point.intervals in (8, None) else ())
        for k, point in enumerate(points)
    ]
    (axes,) = conditions(Study(tuple(rows))).axes
    (hollow,) = (line for line in axes.lines if line.get_gid() == "flagged")
    assert hollow.get_xdata().tolist() == [8]
    assert hollow.get_markerfacecolor() == "white"
    assert ":" in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" in [text.get_text() for text in axes.get_legend().get_texts()]
    sure = Study(tuple(dataclasses.replace(row, flags=()) for row in rows))
    (axes,) = conditions(sure).axes
    assert not any(line.get_gid() == "flagged" and len(line.get_xdata()) for line in axes.lines)
    assert ":" not in [line.get_linestyle() for line in axes.lines]
    assert "hollow, dotted: flagged" not in [text.get_text() for text in axes.get_legend().get_texts()]
