"""The benchmark of input derivatives: its reference, our contestant, and that a wrong result gets no time."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from validation.benchmarks import jets
from validation.benchmarks.gauss_newton import network
from validation.benchmarks.harness import Case, Contestant, Settings, run_case
from validation.benchmarks.jet_case import NU, JetCase

FAST = Settings(rounds=1, seconds_per_timing=0.0)
SMALL = [JetCase((2, 3, 1), 4, 50), JetCase((2, 3, 4, 1), 5, 60)]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: str(case.widths))
def test_our_contestant_agrees_with_scipy(case):
    ours = Contestant("refkan", lambda: jets._ours(case))
    result = run_case(Case("small", case.reference, [ours]), FAST)
    assert result.entries[0].status == "timed", result.entries[0].difference

    other = JetCase(case.widths, case.intervals, case.samples, seed=23)
    sabotaged = run_case(Case("small", other.reference, [ours]), FAST)
    assert sabotaged.entries[0].status == "disagrees"


def test_the_reference_is_the_derivative_of_the_value():
    case = SMALL[1]
    net, theta, (x, _) = network(case), case.theta, case.data
    u, u_x, u_xx, gradient = case.reference()
    step, e = 1e-30, np.array([1.0, 0.0])
    np.testing.assert_allclose(u, net(theta, x)[:, 0], rtol=0, atol=1e-13 * np.abs(u).max())
    slopes = net(theta, x + 1j * step * e)[:, 0].imag / step
    np.testing.assert_allclose(u_x, slopes, rtol=0, atol=1e-12 * np.abs(u_x).max())

    def loss(t):
        jet = net.jet(t, x, e[None])
        return np.sum((jet.value * jet.first[:, 0] - NU * jet.second[:, 0]) ** 2) / (2 * case.samples)

    v = np.random.default_rng(0).standard_normal(theta.size)
    assert loss(theta + 1j * step * v).imag / step == pytest.approx(gradient @ v, rel=1e-11)
    bends = net.jet(theta, x + 1j * step * e, e[None], orders=1).first[:, 0, 0].imag / step
    np.testing.assert_allclose(u_xx, bends, rtol=0, atol=1e-12 * np.abs(u_xx).max())


def test_the_case_of_the_issue_is_among_those_compared():
    assert any((c.widths, c.intervals, c.samples) == ((2, 20, 20, 1), 5, 4096) for c in jets.CASES[: jets.QUICK])
    assert len(list(jets.tasks(Settings(quick=True)))) == jets.QUICK


def test_every_program_has_its_module():
    assert all(importlib.util.find_spec(program.module) for program in jets.PROGRAMS.values())
