"""The rows on networks, limits and scaling: their reference, our contestant, and what their series hold."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from validation.benchmarks import limits, network, scaling
from validation.benchmarks.gauss_newton import network as build
from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Case, Settings, Timed, run_case
from validation.benchmarks.layer_case import LayerCase

FAST = Settings(quick=True, rounds=2, seconds_per_timing=0.0)
SMALL = GaussNewtonCase((2, 3, 4, 1), 5, 60)


def test_our_sweeps_of_a_network_agree_with_scipy():
    case = network.case(SMALL)
    (ours,) = run_case(Case(case.title, case.reference, case.contestants[:1]), FAST).entries
    assert ours.status == "timed", ours.difference
    other = GaussNewtonCase(SMALL.widths, SMALL.intervals, SMALL.samples, seed=23)
    (ours,) = run_case(Case(case.title, other.sweep_reference, case.contestants[:1]), FAST).entries
    assert ours.status == "disagrees"


def test_the_reference_of_a_network_is_the_complex_step():
    net, theta, x, dy = build(SMALL), SMALL.theta, SMALL.data[0], SMALL.cotangent
    _, dtheta, dx = SMALL.sweep_reference()
    for k in (0, 30, theta.size - 1):
        step = net(theta + 1e-30j * np.eye(theta.size)[k], x).imag / 1e-30
        assert dtheta[k] == pytest.approx(np.vdot(dy, step), rel=1e-11, abs=1e-11)
    step = net(theta, x + 1e-30j * np.array([0.0, 1.0])).imag / 1e-30
    np.testing.assert_allclose(dx[:, 1], (dy * step)[:, 0], rtol=0, atol=1e-11 * np.abs(dx).max())


@pytest.mark.parametrize("name", ["jax_network", "torch_network"])
def test_peers_have_their_modules(name):
    assert importlib.util.find_spec(f"validation.benchmarks.peers.{name}")


def test_work_is_scaled_to_that_of_the_first():
    calls = []
    result = limits.measure("title", {"a": (lambda: calls.append(1), 1.0), "b": (lambda: calls.append(2), 1e6)}, FAST)
    a, b = result.entries
    assert len(a.seconds) == len(b.seconds) == FAST.rounds
    assert result.ratio(b) < 1e-3
    assert {1, 2} == set(calls)


def test_series_are_timed_on_the_threads_they_name(monkeypatch):
    seen = []

    def count():
        return scaling.config.NUMBA_NUM_THREADS

    timed = Timed(lambda: seen.append(count()), lambda result: ())
    monkeypatch.setattr(scaling.refkan_layer, "backward", lambda case: timed)

    before = count()
    result = scaling.threads(LayerCase(2, 2, 4, samples=8), FAST)
    assert [entry.name for entry in result.entries] == ["1 thread(s)", "2 thread(s)"]
    assert {1, 2} <= set(seen)
    assert count() == before


def test_times_of_a_series():
    cases = {f"n = {n}": LayerCase(2, 2, n, samples=8) for n in (4, 8)}
    result = scaling.times("series", cases, FAST)
    assert all(len(entry.seconds) == FAST.rounds and min(entry.seconds) > 0 for entry in result.entries)


def test_chunks_of_many_points_stay_within_their_memory(monkeypatch):
    monkeypatch.setattr(scaling, "POINTS", (200, 400))
    assert all(entry.status == "timed" and "MB at most" in entry.note for entry in scaling.chunks(FAST).entries)
    monkeypatch.setattr(scaling, "child", lambda code: ["1.0", "2000"])
    assert all(entry.status == "failed" and "1 GB" in entry.reason for entry in scaling.chunks(FAST).entries)
