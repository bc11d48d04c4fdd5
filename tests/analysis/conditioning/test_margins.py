"""Margins of ranks and methods, and preconditioners."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import modes
from refkan.analysis.conditioning.coordinate_frames import IDENTITY
from refkan.analysis.conditioning.modes import (
    factor_modes,
    numerical_rank,
    rounding_level,
    symmetric_modes,
)
from refkan.analysis.conditioning.spectra import CLEAR_GAP, doubts
from tests.analysis.conditioning.spectrum_problems import X, falling, small
from tests.shared.tables import each_row

ABOVE, BELOW = 1 + 1e-9, 1 - 1e-9
CLEAR = {"size": 4, "rank": 3, "analytic": 1, "gap": 1e12, "noise": 1e-15, "rows": 9}
VALUES = np.array([4.0, 2.0, 1.0, 0.0])


@each_row(
    "values, changes, flags",
    (VALUES, {}, ()),
    (VALUES, {"gap": CLEAR_GAP}, ()),
    (VALUES, {"gap": CLEAR_GAP * BELOW}, ("gap",)),
    (VALUES, {"noise": 1 / CLEAR_GAP * BELOW}, ()),
    (VALUES, {"noise": 1 / CLEAR_GAP * ABOVE}, ("resolution",)),
    (VALUES, {"noise": 0.0}, ()),
    (VALUES, {"analytic": 0}, ("nullity",)),
    (VALUES, {"analytic": None}, ()),
    (VALUES, {"analytic": None, "rank": 4, "noise": 1e-300}, ("resolution",)),
    # one value less than the rank: the known null space takes it out, whatever it is
    (np.array([4.0, 2.0, 1.0, 1e-14]), {"rank": 4}, ("nullity",)),
    (np.array([4.0, 2.0, 1.0, -1e-14]), {"rank": 4}, ("nullity",)),
    (np.array([4.0, 2.0, -1.0, 0.0]), {}, ("indefinite",)),
    (np.array([4.0, 2.0, -1.0, 0.0]), {"noise": 1e-2}, ("resolution", "indefinite")),
    (VALUES, {"rank": 0, "gap": 1.0}, ("zero",)),
)
def test_each_flag_alone(values, changes, flags):
    assert tuple(doubts(values, **{**CLEAR, **changes})) == flags


def test_the_flag_of_the_nullity_says_why():
    more = doubts(VALUES, **{**CLEAR, "analytic": 0})["nullity"]
    assert "on top of it 1 from the data" in more
    assert "rows only" not in more
    assert "4 of them" not in doubts(VALUES, **{**CLEAR, "analytic": 0, "rows": 4})["nullity"]
    assert "1 of them because J has 3 rows only" in doubts(VALUES, **{**CLEAR, "analytic": 0, "rows": 3})["nullity"]
    assert "rounding hides 1" in doubts(VALUES, **{**CLEAR, "analytic": 2})["nullity"]


@pytest.mark.parametrize("size", [1, 40, 5000])
def test_the_numerical_rank_at_its_margin(size):
    level = rounding_level(size)
    assert level == 8 * (size + 10) * np.finfo(float).eps
    for factor, rank in ((ABOVE, 2), (1.0, 1), (BELOW, 1)):
        ranks, gap = numerical_rank(np.array([3.0, 3.0 * level * factor, 0.0]), size)
        assert ranks == rank
        assert gap == pytest.approx(np.inf if rank == 2 else 1 / (level * factor))
    assert np.isnan(numerical_rank(np.zeros(2), size)[1])


def test_two_lists_of_eigenvalues_meet_where_both_are_resolved():
    level = rounding_level(4)
    direct = np.array([1.0, 1e-3, 1e-5, 1e-9])
    assert modes._cut(direct, np.array([1.0, 1e-3, 1e-5, 1e-9])) == 2  # above 1e-4.5, the geometric mean
    assert modes._cut(np.array([1.0, 1e-4, 1e-4, 1e-8]), np.array([1.0, 1e-4, 1e-4, 1e-8])) == 3  # at the mean too
    # the mean lies below what rounding leaves of the first list: the second one takes over
    small = np.array([1.0, level * ABOVE, level * BELOW, 1e-16])
    assert modes._cut(small, np.array([1.0, 1e-12, 1e-14, 1e-40])) == 2
    assert modes._cut(small, np.array([1.0, 1e-12, 1e-14, 1e-14])) == 1


def test_values_far_from_both_ends_are_flagged_at_the_margin():
    level = modes.EPS * 10.0 / modes.UNRESOLVED
    assert modes._middle(np.array([1.0, level]), 1, 10.0) == {}  # low = 1
    for factor, flagged in ((ABOVE, True), (BELOW, False)):
        least = level**2 / 1.5 * BELOW  # low = 2/3 level, high = level
        text = modes._middle(np.array([1.0, level * factor / 1.5, least]), 2, 10.0)
        assert bool(text) == flagged
    text = modes._middle(np.array([1.0, 1e-6, 1e-12]), 2, 1e9)["middle"]
    low, high = 1e-12 / (modes.EPS * 1e12), modes.EPS * 1e12
    assert text.startswith(f"1 eigenvalues between {low**2:.2g} and {high**2:.2g} ")


@pytest.mark.parametrize(("factor", "flagged"), [(0.9, False), (1.1, True)])
def test_null_directions_from_singular_values_are_flagged_at_the_margin(factor, flagged):
    """J = (e_1, e_2/2, e_3/8)^T in z = theta/s: the errors of e_4 and e_5 are 8 eps sqrt(3) s_4, s_5."""
    J, I = np.eye(5)[:3] / [[1.0], [2.0], [8.0]], np.eye(5)
    scale = np.array([1.0, 1.0, 1.0, 1.0, factor * modes.UNRESOLVED / (8 * modes.EPS * np.sqrt(3.0))])
    kernel, squared = partial(factor_modes, kernel=True), lambda J, *rest: symmetric_modes(J.T @ J, *rest)
    for compute in (factor_modes, kernel, squared):
        eighth = 8.0 if compute is squared else 1.0  # J^T J squares it
        own_modes = compute(J, IDENTITY.scaled(scale / [1, 1, 1, 1, eighth]))
        assert ("resolution" in own_modes.notes) == flagged
        known = compute(J, IDENTITY.scaled(scale), I[:, 3:])
        assert "resolution" not in known.notes


def inverse_of_the_inner_product(problem, basis="relu"):
    """B B^T with theta = B w: (A A^T)^-1, from columns of the public coordinates."""
    B = np.stack([problem.net.coordinates(basis).back(e) for e in np.eye(problem.net.n_params)], axis=1)
    return B @ B.T


def test_descent_in_another_geometry_is_a_preconditioner():
    problem, theta = small()
    there = rk.spectrum(problem, theta, basis="relu")
    here = rk.spectrum(problem, theta, preconditioner="relu")
    np.testing.assert_array_equal(here.values, there.values)
    C = inverse_of_the_inner_product(problem)
    A = [rk.ChangeOfBasis(layer.spaces[0]).dense() for layer in problem.net.layers]
    first = A[0].shape[0]
    np.testing.assert_allclose(C[:first, :first], np.linalg.inv(A[0] @ A[0].T), rtol=1e-10)


@pytest.mark.parametrize("basis", [None, "relu"])
@pytest.mark.parametrize("preconditioner", ["relu", "jacobi", "diagonal", "spline"])
def test_modes_under_every_preconditioner(basis, preconditioner):
    problem, theta = small()
    G = problem.gauss_newton(theta)
    B = np.eye(theta.size)
    if basis is not None:
        B = np.stack([problem.net.coordinates(basis).back(e) for e in B], axis=1)
    H = B.T @ G @ B
    if preconditioner in ("relu", "spline"):
        T = np.stack([problem.net.coordinates(preconditioner).back(e) for e in np.eye(theta.size)], axis=1)
        S = np.linalg.solve(B, T)
        C = S @ S.T
    else:
        d = 1 / np.diag(H) if preconditioner == "jacobi" else np.linspace(1.0, 2.0, theta.size)
        C = np.diag(d)
    given = np.diag(C) if preconditioner == "diagonal" else preconditioner
    spectrum = rk.spectrum(problem, theta, basis=basis, preconditioner=given)
    _assert_modes(spectrum, C, H, tolerance=1e-9)


def _assert_modes(found, C, H, tolerance=1e-11):
    V, D = found.vectors, found.dual_vectors
    scale = np.linalg.norm(C, 2) * np.linalg.norm(H, 2) * np.linalg.norm(V, 2)
    np.testing.assert_allclose(C @ (H @ V), V * found.values, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(D.T @ V, np.eye(V.shape[1]), rtol=0, atol=1e-7)
    np.testing.assert_allclose(C @ D, V, rtol=0, atol=tolerance * np.linalg.norm(C, 2) * np.linalg.norm(D, 2))
    expected = np.sort(np.linalg.eigvals(C @ H).real)[::-1]
    np.testing.assert_allclose(found.values[:10], expected[:10], rtol=1e-7)


def test_jacobi_leaves_parameters_that_nothing_depends_on():
    """Basis functions without data have a zero diagonal: they stay in the null space, and nothing is divided by 0."""
    net, theta = rk.kan([1, 1], 2, 8).initialize(np.random.default_rng(0), X[:, :1])
    x = np.linspace(0.0, 0.5, 40)[:, None]
    problem = rk.LeastSquares(net, x, np.zeros_like(x))
    spectrum = rk.spectrum(problem, theta, preconditioner="jacobi")
    assert (spectrum.nullity, spectrum.analytic_nullity, spectrum.flags) == (4, 0, ("nullity",))
    assert spectrum.condition < rk.spectrum(problem, theta).condition


def test_kernels_can_be_preconditioned():
    problem, theta = small()
    C = inverse_of_the_inner_product(problem)
    J = problem.jacobian(theta)
    spectrum = rk.spectrum(problem, theta, which="ntk", preconditioner="relu")
    K = J @ C @ J.T
    np.testing.assert_allclose(
        spectrum.values, falling(K)[: spectrum.values.size], rtol=0, atol=1e-11 * spectrum.largest
    )
    np.testing.assert_allclose(
        K @ spectrum.vectors, spectrum.vectors * spectrum.values, rtol=0, atol=1e-11 * spectrum.largest
    )
