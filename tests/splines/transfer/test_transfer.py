"""Laws of prolongation and refined spaces; transfer by least squares; spaces that are not nested, bad input."""

from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.checks import dot_check
from refkan.splines import bsplines, transfer
from refkan.splines.transfer.matrices import injection_matrix, require_nested
from tests.shared.factories import EPS, points, space
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row
from tests.splines.transfer.nested_spaces import PAIRS, SPACES, finer


@SPACES
@PAIRS
def test_prolong_is_the_matrix_and_passes_the_dot_test(kind, order, how):
    coarse = space(kind, order)
    fine = finer(coarse, how)
    P = rk.prolongation_matrix(coarse, fine)
    rng = np.random.default_rng(order)
    u = rng.standard_normal((2, 3, coarse.dim))
    v = transfer.prolong(coarse, fine, u)
    size = np.abs(P).sum(axis=1).max() * np.abs(u).max()
    np.testing.assert_allclose(v, u @ P.toarray().T, rtol=0, atol=2 * order * EPS * size)
    report = dot_check(lambda u: transfer.prolong(coarse, fine, u), lambda g: P.T @ g, coarse.dim, fine.dim, rng, 1e-13)
    assert report.ok, report.table


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_least_squares_finds_the_prolongation_where_the_samples_determine_it(order):
    coarse = space("random", order)
    fine = finer(coarse, "refined")
    u = np.random.default_rng(0).standard_normal((2, 3, coarse.dim))
    x = points(fine, 4)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert v.shape == (2, 3, fine.dim)
    assert report.rank == fine.dim
    np.testing.assert_allclose(v, transfer.prolong(coarse, fine, u), rtol=0, atol=1e-11)
    assert report.on_samples < 1e-12
    assert report.off_samples < 1e-11


def test_least_squares_with_few_samples_changes_the_function_elsewhere():
    """The trap of grid extension: on the samples nothing moved, off them the function did, and the report says so."""
    coarse = rk.SplineSpace.uniform(3, 4)
    fine = coarse.refine(4)
    u = np.random.default_rng(0).standard_normal(coarse.dim)
    x = np.linspace(0.05, 0.95, 12)
    v, report = transfer.least_squares_transfer(coarse, fine, u, x)
    assert report.rank == 12 < fine.dim
    assert report.on_samples < 1e-13
    assert report.off_samples > 0.01
    dense = np.linspace(0, 1, 2001)
    change = np.abs(bsplines.evaluate(fine, v, dense) - bsplines.evaluate(coarse, u, dense)).max()
    assert report.off_samples == pytest.approx(change, rel=0.05)
    on = np.abs(bsplines.evaluate(fine, v, x) - bsplines.evaluate(coarse, u, x)).max()
    assert report.on_samples == pytest.approx(on, rel=0, abs=1e-14)


def test_least_squares_serves_spaces_that_are_not_nested():
    coarse, other = rk.SplineSpace.uniform(4, 3), rk.SplineSpace.uniform(4, 5)
    x = np.linspace(0, 1, 101)
    u = np.array([0.0, 1.0, -1.0, 1.0, 0.0, 2.0])
    v, report = transfer.least_squares_transfer(coarse, other, u, x)
    residual = bsplines.design_matrix(other, x) @ v - bsplines.evaluate(coarse, u, x)
    # the normal equations: the residual is orthogonal to the space
    assert np.abs(bsplines.design_matrix(other, x).T @ residual).max() < 1e-13
    assert report.on_samples == pytest.approx(np.abs(residual).max(), abs=1e-15)
    assert report.off_samples > 1e-3
    with pytest.raises(rk.KnotError):
        rk.prolongation_matrix(coarse, other)


def test_singular_values_below_eps_times_the_number_of_samples_count_as_zero():
    """The last function is seen by one sample, just beyond its knot: 30 times below that cutoff, 30 above eps alone."""
    N = 1000
    coarse, fine = rk.SplineSpace.uniform(2, 1), rk.SplineSpace.uniform(2, 2)
    x = np.append(np.linspace(0.0, 0.5, N - 1), 0.5 + 6.5e-14)
    values = np.linalg.svd(bsplines.design_matrix(fine, x).toarray(), compute_uv=False)
    ratio = values[-1] / values[0] / np.finfo(float).eps
    assert 10 < ratio < N / 10
    v, report = transfer.least_squares_transfer(coarse, fine, [0.0, 1.0], x)
    assert report.rank == 2 < fine.dim
    assert abs(v[2]) < 1e-10


@SPACES
@pytest.mark.parametrize("factor", [2, 3, 5])
def test_refined_spaces(kind, order, factor):
    S = space(kind, order)
    fine = S.refine(factor)
    spans = np.diff(S.breakpoints)
    assert fine.domain == S.domain
    assert fine.order == order
    assert np.isin(S.breakpoints, fine.breakpoints).all()  # bit for bit
    assert fine.intervals == factor * np.count_nonzero(spans) + np.count_nonzero(spans == 0)
    expected = np.concatenate([np.repeat(h / factor, factor if h else 1) for h in spans])
    np.testing.assert_allclose(np.diff(fine.breakpoints), expected, rtol=0, atol=4 * EPS * np.abs(S.knots).max())
    if kind == "uniform":
        assert fine == rk.SplineSpace.uniform(order, factor * S.intervals, S.domain)
    if kind in ("clamped", "repeated"):
        assert np.array_equal(fine.knots[:order], S.knots[:order])
        assert np.array_equal(fine.knots[-order:], S.knots[-order:])
    values, counts = np.unique(S.breakpoints[1:-1], return_counts=True)
    for t, count in zip(values, counts, strict=True):
        assert np.count_nonzero(fine.knots == t) == count


UNIT = rk.SplineSpace.uniform(3, 4)


@each_row(
    "coarse, fine, message",
    (UNIT, rk.SplineSpace.uniform(4, 8), r"fine must have the order 3 of coarse; got order 4"),
    (UNIT, rk.SplineSpace.uniform(3, 8, (0, 2)), r"the domain \(0.0, 1.0\) of coarse; got \(0.0, 2.0\)"),
    (UNIT, rk.SplineSpace.uniform(3, 6), r"breakpoint 1 = 0.25 is missing: the nearest is 0.333"),
    (UNIT, rk.SplineSpace.from_breakpoints(3, [0, 0.25, 0.5, 1]), r"breakpoint 3 = 0.75 is missing: the"),
    (UNIT.refine(), UNIT, r"breakpoint 1 = 0.125 is missing"),
    (
        rk.SplineSpace([-1.0, 0, 1, 1, 2, 3], 2),
        rk.SplineSpace([-1.0, 0, 0.5, 1, 2, 3], 2),
        r"breakpoint 2 = 1.0 is missing: it has fewer copies of it",
    ),
    (UNIT, rk.SplineSpace.from_breakpoints(3, [0, 0.25, 0.5 + EPS, 0.75, 1]), r"breakpoint 2 = 0.5 is missing"),
)
def test_spaces_that_are_not_nested(coarse, fine, message):
    calls = rk.prolongation_matrix, require_nested, injection_matrix
    refused(lambda: rk.prolongation_matrix(coarse, fine, "relu"), f"KnotError: {message}")
    refused(lambda: transfer.prolong(coarse, fine, np.zeros(coarse.dim)), f"KnotError: {message}")
    for call in calls:
        refused(partial(call, coarse, fine), f"KnotError: {message}")


FINE, SIX = UNIT.refine(), np.zeros(6)

test_bad_input = refusals(
    (lambda: transfer.least_squares_transfer(UNIT, FINE, SIX, []), "x must hold at least one"),
    (lambda: transfer.least_squares_transfer(UNIT, FINE, SIX, [1.5]), "OutsideDomainError: x"),
    (
        lambda: transfer.least_squares_transfer(UNIT, rk.SplineSpace.uniform(3, 4, (0, 2)), SIX, [0.5]),
        r"KnotError: fine must have the domain \(0.0, 1.0\)",
    ),
    (
        lambda: rk.prolongation_matrix(*[rk.SplineSpace.clamped(3, [0, 1])] * 2, "relu"),
        "KnotError: strictly increasing",
    ),
    (lambda: UNIT.refine(10**9), "factor must be"),
    (lambda: UNIT.insert([0.3, 1.0]), r"KnotError: inside the domain \(0.0, 1.0\); got new_knots\[1\]=1.0"),
    (lambda: UNIT.insert([-0.1]), r"KnotError: inside the domain \(0.0, 1.0\); got new_knots\[0\]=-0.1"),
    (lambda: UNIT.insert([0.3, 0.25]), r"KnotError: must not be knots already; got new_knots\[1\]=0.25"),
    (lambda: UNIT.insert([0.3, 0.4, 0.3]), r"KnotError: must be distinct; got new_knots\[2\]=0.3 twice"),
)
