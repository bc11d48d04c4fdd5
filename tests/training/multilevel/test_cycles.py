from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.training.multilevel import CycleResult, Hierarchy, Subspace, vcycle
from tests.shared.factories import samples
from tests.shared.refusals import refused
from tests.training.multilevel.small_regressions import poisson, small_problem

LM = "levenberg-marquardt"


def two_levels(basis="spline", node_map="mean-std", **options):
    problem, theta = small_problem(basis, node_map, **options)
    return Hierarchy.refined(problem, [2]), theta


# --- Galerkin's products


@pytest.mark.parametrize("basis", ["spline", "relu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
def test_at_a_prolonged_point_the_subspace_is_the_coarse_problem(basis, node_map):
    """Proposition 1: value, gradient, Jacobian and Galerkin's matrix at P u are those of the coarse problem at u."""
    hierarchy, u = two_levels(basis, node_map)
    coarse, fine = hierarchy
    P = coarse.prolongation
    phi = Subspace(fine.problem, hierarchy.prolong(u, 0), P)
    d = 1e-2 * np.random.default_rng(0).standard_normal(u.size)
    r, J = phi.residual_and_jacobian(d)
    r_c, J_c = coarse.problem.residual_and_jacobian(u + d)
    # Relative to the sums of absolute contributions: the ReLU basis cancels.
    J_f = np.abs(fine.problem.residual_and_jacobian(phi.at(d))[1])
    size = J_f @ abs(P)
    assert phi.value(d) == pytest.approx(coarse.problem.value(u + d), rel=1e-12)
    assert np.abs(r - r_c).max() <= 1e-12 * np.abs(r_c).max()
    assert (np.abs(J - J_c) <= 1e-12 * size.max()).all()
    gradient = coarse.problem.gradient(u + d)
    assert np.abs(phi.gradient(d) - gradient).max() <= 1e-12 * (size.T @ np.abs(r_c)).max()
    H_c = coarse.problem.gauss_newton(u + d)
    assert np.abs(phi.gauss_newton(d) - H_c).max() <= 1e-12 * (size.T @ size).max()
    # Sabotage: the matrix of the fine problem in the first coefficients, and a transposed prolongation.
    wrong = fine.problem.gauss_newton(phi.at(d))[: u.size, : u.size]
    assert np.abs(wrong - H_c).max() > 1e-3 * np.abs(H_c).max()


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_elsewhere_it_is_the_fine_problem_along_coarse_directions(basis):
    hierarchy, u = two_levels(basis)
    coarse, fine = hierarchy
    theta = hierarchy.prolong(u, 0) + 0.05 * np.random.default_rng(1).standard_normal(fine.network.n_params)
    phi = Subspace(fine.problem, theta, coarse.prolongation)
    d = np.random.default_rng(2).standard_normal(phi.size) * 1e-2
    step = 1e-6
    numeric = np.array([(phi.value(d + step * e) - phi.value(d - step * e)) / (2 * step) for e in np.eye(phi.size)])
    np.testing.assert_allclose(phi.gradient(d), numeric, rtol=0, atol=1e-6 * np.abs(numeric).max())
    r, J = phi.residual_and_jacobian(d)
    np.testing.assert_allclose(J.T @ r, phi.gradient(d), rtol=0, atol=1e-12 * (np.abs(J).T @ np.abs(r)).max())
    size = (np.abs(J).T @ np.abs(J)).max()
    np.testing.assert_allclose(phi.gauss_newton(d), J.T @ J, rtol=0, atol=1e-11 * size)
    blocks = list(phi.residual_blocks(d))
    np.testing.assert_allclose(np.concatenate([part for _, part in blocks]), J, rtol=0, atol=1e-13 * np.abs(J).max())
    assert phi.n_residuals == r.size
    np.testing.assert_array_equal(phi.at(np.zeros(phi.size)), theta)


def test_collocation_has_subspaces():
    net, theta = rk.kan([2, 3, 1], 4, 2, node_map="sigmoid").initialize(np.random.default_rng(3), samples(30))
    coarse, fine = Hierarchy.refined(poisson(net), [2])
    phi = Subspace(fine.problem, coarse.prolongation @ theta, coarse.prolongation)
    J_c = coarse.problem.jacobian(theta)
    J = phi.residual_and_jacobian(np.zeros(theta.size))[1]
    np.testing.assert_allclose(J, J_c, rtol=0, atol=1e-12 * np.abs(J_c).max())
    result = vcycle(Hierarchy.refined(poisson(net), [2]), phi.theta, cycles=3)
    assert result.value < 0.1 * result.values[0]


# --- cycles


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_the_value_never_increases_and_is_that_of_theta(basis):
    problem, theta = small_problem(basis)
    hierarchy = Hierarchy.refined(problem, [2, 2])
    start = hierarchy.prolong(theta, 0, 2)
    seen = []
    result = vcycle(hierarchy, start, cycles=3, callback=lambda level, step: seen.append(level))
    assert result.visits.tolist() == [2, 1, 0, 1, 2] * 3 == seen
    assert result.values.size == 16
    assert result.values[0] == hierarchy.finest.problem.value(start)
    assert (np.diff(result.values) <= 0).all()
    assert result.value < 0.5 * result.values[0]
    assert hierarchy.finest.problem.value(result.theta) == pytest.approx(result.value, rel=1e-12)
    assert isinstance(result, CycleResult)
    assert "array" not in repr(result)


def test_coarse_corrections_stay_in_the_coarse_space():
    """From a coarse function, a visit of the coarse level alone changes theta by P d."""
    hierarchy, u = two_levels()
    P = hierarchy.matrix(0)
    start = hierarchy.prolong(u, 0)
    thetas = []

    def callback(level, result):
        thetas.append((level, result.theta))

    result = vcycle(hierarchy, start, cycles=1, callback=callback)
    assert [level for level, _ in thetas] == [1, 0, 1]
    total = thetas[0][1] + P @ thetas[1][1] + thetas[2][1]
    np.testing.assert_allclose(result.theta - start, total, rtol=0, atol=1e-12 * np.abs(total).max())
    assert thetas[1][1].size == u.size


def test_one_level_is_levenberg_marquardt():
    problem, theta = small_problem()
    result = vcycle(Hierarchy.of(problem, [problem.net]), theta, cycles=4)
    assert result.visits.tolist() == [0] * 4
    start, values, damping = theta, [problem.value(theta)], 1e-3
    for _ in range(4):
        step = rk.minimize(problem, start, LM, 1, damping=damping)
        rejected = step.n_evaluations - 2
        damping *= 2.0 ** (rejected * (rejected + 1) / 2)
        start = step.theta
        values.append(step.value)
    np.testing.assert_allclose(result.values, values, rtol=1e-9)


def test_counts_of_a_cycle():
    hierarchy, u = two_levels()
    calls = {"gradients": 0, "matrices": 0}

    class Counting:
        def __init__(self, problem):
            self.problem, self.net, self.n_residuals = problem, problem.net, problem.n_residuals

        def with_network(self, net):
            return Counting(replace(self.problem, net=net))

        def value_and_gradient(self, theta):
            calls["gradients"] += 1
            return self.problem.value_and_gradient(theta)

        def residual_and_jacobian(self, theta):
            calls["matrices"] += 1
            return self.problem.residual_and_jacobian(theta)

    counted = Hierarchy.refined(Counting(hierarchy[0].problem), [2])
    result = vcycle(counted, hierarchy.prolong(u, 0), cycles=3, steps=2)
    assert calls == {"gradients": result.n_evaluations, "matrices": result.n_matrices}


def test_damping_is_carried_from_visit_to_visit():
    """A first damping far too low is raised by rejections in the first cycle, and remembered in the second."""
    hierarchy, u = two_levels()
    start = hierarchy.prolong(u, 0)
    counts = [vcycle(hierarchy, start, cycles=n, damping=1e-11).n_evaluations for n in (1, 2)]
    assert counts[1] - counts[0] < counts[0]
    assert vcycle(hierarchy, start, cycles=0).value == hierarchy.finest.problem.value(start)


def test_bad_arguments_of_cycles():
    hierarchy, u = two_levels()
    start = hierarchy.prolong(u, 0)
    refused(lambda: vcycle(hierarchy, start, damping=0.0), "damping must be finite and positive")
    refused(lambda: vcycle(hierarchy, start, wrong=1), "TypeError: has no option 'wrong'")
    problem, theta = small_problem(free_knots=True)
    free = Hierarchy.refined(problem, [2])
    refused(lambda: vcycle(free, free.prolong(theta, 0)), "free knots")
