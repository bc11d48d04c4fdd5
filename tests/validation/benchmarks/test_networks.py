"""The benchmark of networks: its references, our contestants, and that a wrong result gets no time."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from validation.benchmarks.cases.network_cases import NU, GaussNewtonCase, JetCase
from validation.benchmarks.measured import networks
from validation.benchmarks.rows import tasks
from validation.benchmarks.running.harness import Case, Settings, TooLargeError, run_case

FAST = Settings(rounds=1, seconds_per_timing=0.0)
SIZES = ((2, 3, 1), 4, 50), ((2, 3, 4, 1), 5, 60)
SMALL = [GaussNewtonCase(*sizes) for sizes in SIZES]
JETS = [JetCase(*sizes) for sizes in SIZES]


@pytest.mark.parametrize(
    ("make", "data", "reference", "ours"),
    [
        *((networks.sweeps, data, "sweep_reference", 1) for data in SMALL),
        *((networks.matrix, data, "reference", 2) for data in SMALL),
        *((networks.jacobian, data, "jacobian_reference", 1) for data in SMALL),
        *((networks.jets, data, "reference", 1) for data in JETS),
    ],
)
def test_our_contestants_agree_with_scipy(make, data, reference, ours):
    case = make(data)
    contestants = case.contestants[:ours]
    result = run_case(Case("small", case.reference, contestants), FAST)
    assert [entry.status for entry in result.entries] == ["timed"] * ours, result.entries[0].difference
    other = getattr(replace(data, seed=24), reference)
    assert {entry.status for entry in run_case(Case("small", other, contestants), FAST).entries} == {"disagrees"}


def test_the_reference_of_sweeps_is_the_complex_step():
    data = SMALL[1]
    net, theta, x, dy = networks.network(data), data.theta, data.data[0], data.cotangent
    _, dtheta, dx = data.sweep_reference()
    for k in (0, 30, theta.size - 1):
        step = net(theta + 1e-30j * np.eye(theta.size)[k], x).imag / 1e-30
        assert dtheta[k] == pytest.approx(np.vdot(dy, step), rel=1e-11, abs=1e-11)
    step = net(theta, x + 1e-30j * np.array([0.0, 1.0])).imag / 1e-30
    np.testing.assert_allclose(dx[:, 1], (dy * step)[:, 0], rtol=0, atol=1e-11 * np.abs(dx).max())


def test_the_reference_of_matrices_is_the_jacobian_by_complex_steps():
    case = SMALL[1]
    net, theta, (x, _) = networks.network(case), case.theta, case.data
    J = np.stack([net(theta + 1e-30j * e, x)[:, 0].imag / 1e-30 for e in np.eye(theta.size)], axis=1)
    (expected,) = case.reference()
    assert np.abs(J.T @ J / case.samples - expected).max() <= 1e-12 * np.abs(expected).max()


def test_the_reference_of_jets_is_the_derivative_of_the_value():
    case = JETS[1]
    net, theta, (x, _) = networks.network(case), case.theta, case.data
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


@pytest.mark.parametrize("case", [*SMALL, networks.MATRICES[0]], ids=lambda case: str(case.widths))
def test_hidden_activations_stay_inside_the_domain(case):
    """Peers have no tangents outside: there the functions would differ."""
    net, z = networks.network(case), case.data[0]
    for layer, where, node_map in zip(net.layers, net.slices, net.node_maps, strict=False):
        z = node_map.value(layer.linearize(case.theta[where], z).value)
        assert (z.min(), z.max()) == (pytest.approx(0.01), pytest.approx(0.99))


def test_sizes_are_those_that_are_compared():
    assert [case.n_params for case in networks.MATRICES] == [105, 285, 1005, 3680]
    assert [case.samples for case in networks.MATRICES] == [20_000, 20_000, 20_000, 4096]
    quick = {row: len(list(tasks(row, Settings(quick=True)))) for row in ("network", "gauss-newton", "jets")}
    assert quick == {"network": 1, "gauss-newton": 3, "jets": 2}
    assert any((c.widths, c.intervals, c.samples) == ((2, 20, 20, 1), 5, 4096) for c in networks.JETS[:2])


def test_memory_is_refused_before_it_is_used():
    with pytest.raises(TooLargeError, match="12 GB"):
        GaussNewtonCase((2, 20, 20, 1), 5, 100_000).require_memory(4)


def test_every_program_has_its_module():
    programs = *networks.SWEEPS, *networks.ROWS_OF_JACOBIANS, *networks.DERIVATIVES.values()
    assert all(importlib.util.find_spec(program.module) for program in programs)
