"""The rows on evaluation, networks, limits, scaling, degrees and curves: references, contestants, series."""

import importlib.util
import sys
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from tests.shared import thresholds
from validation.benchmarks.cases.layer_case import LayerCase
from validation.benchmarks.cases.network_cases import GaussNewtonCase, JetCase
from validation.benchmarks.measured import curves, degrees, growth, layer, limits, networks, scaling, spline_evaluation
from validation.benchmarks.rows import ROWS, tasks
from validation.benchmarks.running.harness import Case, CaseResult, Limit, Settings, TooLargeError, run_case

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


def test_a_point_of_growth_is_measured_in_a_process_of_its_own(monkeypatch, capsys):
    code = []
    monkeypatch.setattr(growth, "child", lambda text: code.append(text) or ["0.5", "3.0"])
    (entry,) = growth.point("title", "N", 700).run(FAST).entries
    assert (entry.seconds, entry.megabytes) == ([0.5], 3.0)
    exec(code[0], {})
    seconds, megabytes = map(float, capsys.readouterr().out.split())
    assert 0.0 < seconds < 10.0
    assert 0.0 <= megabytes < 500.0


def test_both_sides_of_a_size_are_timed():
    seen = []
    task = growth.side("title", "SIZE", {"N": 10}, lambda N: lambda: seen.append(N))
    assert [entry.name for entry in task.run(FAST).entries] == ["N = 9", "N = 10"]
    assert set(seen) == {9, 10}


def functions_called(call):
    """Names of all functions of refkan that a call enters, in Python."""
    names = set()

    def enter(frame, event, _):
        if "refkan" in frame.f_code.co_filename:
            names.add(frame.f_code.co_qualname)

    call()  # what is found once, and kept, is no difference
    sys.setprofile(enter)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


def test_a_size_decides_where_its_sides_are():
    first, make = next((first, make) for size, call, _, first, make in growth.sides() if call.startswith("value and"))
    with rk.use_engine("auto"), thresholds.kernels_in_python():
        before, below, at = (functions_called(make(value)) for value in (first - 2, first - 1, first))
    assert before == below != at


def test_sizes_of_growth_are_those_that_tests_lower():
    known = {size for sizes in thresholds.LOWERED.values() for size in sizes} | {"CALLS", "MATRICES"}
    assert {size for size, *_ in growth.sides()} <= known


@pytest.mark.parametrize("row", ROWS)
def test_titles_of_a_row_are_different(row):
    """A record finds a case by its title."""
    for settings in (Settings(), Settings(quick=True)):
        titles = [task.title for task in tasks(row, settings)]
        assert titles
        assert len(set(titles)) == len(titles)


FEWEST = Settings(rounds=1, seconds_per_timing=0.0)


def statuses(result: CaseResult) -> dict[str, str]:
    return {entry.name: entry.status for entry in result.entries}


def test_knots_are_exact_in_float32():
    for _, _, intervals in layer.SHAPES:
        knots = LayerCase(1, 1, intervals).knots
        assert np.array_equal(knots, knots.astype(np.float32))


@pytest.mark.parametrize("sweep", ["forward", "backward"])
@pytest.mark.parametrize("name", ["refkan", "dense Phi + GEMM"])
def test_our_layers_agree_with_the_reference(name, sweep):
    case = LayerCase(2, 5, 4, samples=40)
    reference = getattr(case, f"{sweep}_reference")
    ours = next(p for p in layer.PROGRAMS if p.name == name).contestant(case, sweep)
    assert statuses(run_case(Case(name, reference, [ours]), FEWEST)) == {name: "timed"}

    other = LayerCase(2, 5, 4, samples=40, seed=22)
    sabotaged = getattr(other, f"{sweep}_reference")
    assert statuses(run_case(Case(name, sabotaged, [ours]), FEWEST)) == {name: "disagrees"}


@pytest.mark.parametrize("sweep", ["forward", "backward"])
def test_our_layer_agrees_at_a_size_that_is_worth_several_threads(sweep):
    case = LayerCase(8, 8, 4, samples=1024)
    ours = layer.PROGRAMS[0].contestant(case, sweep)
    result = run_case(Case("threads", getattr(case, f"{sweep}_reference"), [ours]), FEWEST)
    assert statuses(result) == {"refkan": "timed"}, result.entries[0].difference


def test_memory_of_layers_is_refused_before_it_is_used():
    case = LayerCase(256, 256, 16)
    case.require_memory(12)  # 12 arrays of 160 MB
    with pytest.raises(TooLargeError, match="17 GB"):
        case.require_memory(8, per_edge=True)


def test_every_program_and_row_has_its_module():
    modules = [f"validation.benchmarks.measured.{module}" for module, _ in ROWS.values()]
    programs = *layer.PROGRAMS, *networks.SWEEPS, *networks.ROWS_OF_JACOBIANS, *networks.DERIVATIVES.values()
    assert all(map(importlib.util.find_spec, [*modules, *(program.module for program in programs)]))
    assert len({p.name for p in layer.PROGRAMS}) == len(layer.PROGRAMS)


SIZES = ((2, 3, 1), 4, 50), ((2, 3, 4, 1), 5, 60)
SMALLEST = [GaussNewtonCase(*sizes) for sizes in SIZES]
JETS = [JetCase(*sizes) for sizes in SIZES]


@pytest.mark.parametrize(
    ("make", "data", "reference", "ours"),
    [
        *((networks.sweeps, data, "sweep_reference", 1) for data in SMALLEST),
        *((networks.matrix, data, "reference", 2) for data in SMALLEST),
        *((networks.jacobian, data, "jacobian_reference", 1) for data in SMALLEST),
        *((networks.jets, data, "reference", 1) for data in JETS),
    ],
)
def test_our_contestants_agree_with_scipy(make, data, reference, ours):
    case = make(data)
    contestants = case.contestants[:ours]
    result = run_case(Case("small", case.reference, contestants), FEWEST)
    assert [entry.status for entry in result.entries] == ["timed"] * ours, result.entries[0].difference
    other = getattr(replace(data, seed=24), reference)
    assert {entry.status for entry in run_case(Case("small", other, contestants), FEWEST).entries} == {"disagrees"}


@pytest.mark.parametrize("case", [*SMALLEST, networks.MATRICES[0]], ids=lambda case: str(case.widths))
def test_hidden_activations_stay_inside_the_domain(case):
    """Peers have no tangents outside: there the functions would differ."""
    net, z = networks.network(case), case.data[0]
    for at, where, node_map in zip(net.layers, net.slices, net.node_maps, strict=False):
        z = node_map.value(at.linearize(case.theta[where], z).value)
        assert (z.min(), z.max()) == (pytest.approx(0.01), pytest.approx(0.99))


def test_memory_is_refused_before_it_is_used():
    with pytest.raises(TooLargeError, match="12 GB"):
        GaussNewtonCase((2, 20, 20, 1), 5, 100_000).require_memory(4)
