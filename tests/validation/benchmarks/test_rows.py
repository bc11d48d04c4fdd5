"""The rows on evaluation, networks, limits, scaling, degrees and curves: references, contestants, series."""

import numpy as np
import pytest

from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.cases.network_cases import GaussNewtonCase
from validation.benchmarks.measured import curves, degrees, layer, limits, scaling, spline_evaluation
from validation.benchmarks.rows import ROWS, tasks
from validation.benchmarks.running.harness import Case, CaseResult, Limit, Settings, run_case

FAST = Settings(quick=True, rounds=2, seconds_per_timing=0.0)
SMALL = GaussNewtonCase((2, 3, 4, 1), 5, 60)


@pytest.mark.parametrize("kind", spline_evaluation.KNOTS)
def test_spline_evaluations_agree_with_the_design_matrix(kind):
    data = spline_evaluation.SplineCase(8, kind, 200)
    result = run_case(Case(data.title, data.reference, data.contestants()), FAST)
    assert [entry.status for entry in result.entries] == ["timed", "timed"]
    widths = np.diff(data.space.breakpoints)
    assert (widths.max() / widths.min() > 1.5) == (kind == "arbitrary")
    assert widths.max() / widths.min() <= 10.0


def test_work_is_scaled_to_that_of_the_first():
    calls = []
    contestants = {"a": Limit(lambda: calls.append(1)), "b": Limit(lambda: calls.append(2), 1e6)}
    a, b = entries = limits.measure(contestants, FAST)
    assert len(a.seconds) == len(b.seconds) == FAST.rounds
    assert CaseResult("case", entries).ratio(b).median > 1e3
    assert {1, 2} == set(calls)


def test_the_rates_of_the_machine():
    dgemm, copy = limits.rates().run(FAST).entries
    assert 1e-4 < dgemm.spread.median < 60.0  # between 1e7 and 1e13 operations a second
    assert 1e-3 < copy.spread.median < 60.0  # between 2e7 and 1e12 bytes a second


def test_operations_are_those_of_three_products():
    case = LayerCase(3, 5, 4, samples=7)
    assert case.operations == 3 * 2 * (4 * 7 * 3 * 5)
    assert degrees.operations(case, 4) == case.operations
    assert degrees.operations(case, 2) == case.operations / 2
    assert degrees.operations(case, 4, free_knots=True) == case.operations + 7 * 3 * 4 * 6 * 4


@pytest.mark.parametrize(("order", "free_knots"), [(2, False), (4, False), (4, True), (6, False)])
def test_layers_of_all_degrees_are_swept(order, free_knots):
    case = LayerCase(2, 3, 4, samples=10)
    value, (dtheta, dx) = degrees.sweeps(case, order, free_knots)()
    assert value.shape == (10, 3)
    assert dx.shape == (10, 2)
    assert dtheta.size == 3 * 2 * (4 + order - 1) + (2 * 4 if free_knots else 0)
    if free_knots:  # equal widths: the same function
        np.testing.assert_allclose(value, degrees.sweeps(case, order)()[0], rtol=0, atol=1e-13 * np.abs(value).max())
        assert np.abs(dtheta[-8:]).max() > 0.0


def test_degrees_are_compared_per_operation(monkeypatch):
    monkeypatch.setattr(degrees, "sweeps", lambda case, order, free_knots=False: lambda: None)
    entries = degrees.degrees(LayerCase(2, 2, 4, samples=8)).run(FAST).entries
    assert [entry.name for entry in entries] == ["cubic", "degree 1", "degree 2", "degree 5", "cubic, free knots"]


def test_the_axes_of_curves_meet_in_their_centre():
    cases = {task.title for task in curves.tasks(Settings())}
    assert len(cases) == sum(len(values) for _, values in curves.AXES.values())
    for axis, (name, values) in curves.AXES.items():
        assert getattr(curves.CENTRE, name) in values
        assert any(f"against {axis}" in title for title in cases)
    assert {program.name for program in layer.PROGRAMS} >= set(curves.NAMES)


def test_a_point_of_a_curve_has_the_limits_of_the_machine():
    case = curves.case("n", LayerCase(2, 3, 4, samples=20))
    ours = Case(case.title, case.reference, case.contestants[:1], case.parameters, case.limits)
    names = [entry.name for entry in run_case(ours, FAST).entries]
    assert names == ["refkan", limits.DGEMM, limits.COPY]
    assert case.limits[limits.COPY].share == (20 * 2 + 20 * 3 + 3 * 2 * 7) / limits.COPIED


def test_series_are_timed_on_the_threads_they_name(monkeypatch):
    seen = []

    def child(code, **variables):
        seen.append(variables)
        return ["2.0" if variables["NUMBA_NUM_THREADS"] == "1" else "1.0"]

    monkeypatch.setattr(scaling, "child", child)
    result = scaling.threads(LayerCase(2, 2, 4, samples=8)).run(FAST)
    assert [entry.name for entry in result.entries] == ["2 thread(s)", "1 thread(s)"]
    assert result.ratio(result.entries[1]).median == 2.0
    assert {v["OPENBLAS_NUM_THREADS"] for v in seen} == {"1", "2"}


def test_sweeps_are_timed_in_a_process_of_their_own():
    one = Settings(quick=True, rounds=1, threads=1, seconds_per_timing=0.0)
    (entry,) = scaling.threads(LayerCase(2, 2, 4, samples=8)).run(one).entries
    assert 0.0 < entry.seconds[0] < 10.0


def test_the_memory_of_many_points_is_measured():
    (entry,) = scaling.chunks(400).run(Settings(rounds=1)).entries
    assert entry.status == "timed"
    assert 30.0 < entry.megabytes < 1000.0  # an interpreter with NumPy at least


@pytest.mark.parametrize("row", ROWS)
def test_titles_of_a_row_are_different(row):
    """A record finds a case by its title."""
    for settings in (Settings(), Settings(quick=True)):
        titles = [task.title for task in tasks(row, settings)]
        assert titles
        assert len(set(titles)) == len(titles)
