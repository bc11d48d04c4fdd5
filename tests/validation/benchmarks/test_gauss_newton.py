"""The benchmark of Gauss-Newton assembly: its reference, our contestants, and that a wrong result gets no time."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from validation.benchmarks import gauss_newton
from validation.benchmarks.gauss_newton_case import GaussNewtonCase
from validation.benchmarks.harness import Case, Contestant, Settings, TooLargeError, run_case

FAST = Settings(rounds=1, seconds_per_timing=0.0)
SMALL = [GaussNewtonCase((2, 3, 1), 4, 50), GaussNewtonCase((2, 3, 4, 1), 5, 60)]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: str(case.widths))
@pytest.mark.parametrize("path", ["auto", "dense", "sparse"])
def test_our_contestants_agree_with_scipy(case, path):
    ours = Contestant("refkan", lambda: gauss_newton._ours(case, path))
    result = run_case(Case("small", case.reference, [ours]), FAST)
    assert result.entries[0].status == "timed", result.entries[0].difference

    other = GaussNewtonCase(case.widths, case.intervals, case.samples, seed=23)
    sabotaged = run_case(Case("small", other.reference, [ours]), FAST)
    assert sabotaged.entries[0].status == "disagrees"


@pytest.mark.parametrize("case", SMALL, ids=lambda case: str(case.widths))
def test_our_jacobian_agrees_with_scipy(case):
    data = gauss_newton.jacobian(case)
    (ours,) = run_case(Case("small", data.reference, data.contestants[:1]), FAST).entries
    assert ours.status == "timed", ours.difference
    other = GaussNewtonCase(case.widths, case.intervals, case.samples, seed=23)
    (ours,) = run_case(Case("small", other.jacobian_reference, data.contestants[:1]), FAST).entries
    assert ours.status == "disagrees"


def test_the_reference_is_the_jacobian_by_differences():
    case = SMALL[1]
    net, theta, (x, _) = gauss_newton.network(case), case.theta, case.data
    J = np.stack([net(theta + 1e-30j * e, x)[:, 0].imag / 1e-30 for e in np.eye(theta.size)], axis=1)
    (expected,) = case.reference()
    assert np.abs(J.T @ J / case.samples - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("case", [*SMALL, *gauss_newton.CASES[:1]], ids=lambda case: str(case.widths))
def test_hidden_activations_stay_inside_the_domain(case):
    """Peers have no tangents outside: there the functions would differ."""
    net, z = gauss_newton.network(case), case.data[0]
    for layer, where, node_map in zip(net.layers, net.slices, net.node_maps, strict=False):
        z = node_map.value(layer.linearize(case.theta[where], z).value)
        assert (z.min(), z.max()) == (pytest.approx(0.01), pytest.approx(0.99))


def test_sizes_are_those_that_are_compared():
    assert [case.n_params for case in gauss_newton.CASES] == [105, 285, 1005, 3680]
    assert [case.samples for case in gauss_newton.CASES] == [20_000, 20_000, 20_000, 4096]
    assert len(list(gauss_newton.tasks(Settings(quick=True)))) == gauss_newton.QUICK + 1


def test_memory_is_refused_before_it_is_used():
    with pytest.raises(TooLargeError, match="12 GB"):
        GaussNewtonCase((2, 20, 20, 1), 5, 100_000).require_memory(4)


def test_every_program_has_its_module():
    assert all(importlib.util.find_spec(program.module) for program in (gauss_newton.JAX, gauss_newton.TORCH))
