"""All eigenpairs: against Arb, their order by smoothness, signs left undecided, rough vectors noticed."""

import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra import eigenvectors_in_balls
from refkan.base.errors import ConvergenceError
from tests.analysis.exact.certified_matrices import MATRICES, dense, uniform_random
from tests.shared.factories import EPS

flint = pytest.importorskip("flint")


@pytest.mark.parametrize(
    ("signs", "expected"),
    [
        ([], (0, 0)),
        ([1], (0, 0)),
        ([0], (0, 0)),
        ([1, -1, 1], (2, 2)),
        ([1, 0, -1], (1, 1)),
        ([1, 0, 0, -1], (1, 3)),
        ([1, 0, 1], (0, 2)),
        ([0, 1], (0, 1)),
        ([0, 0, 0], (0, 2)),
    ],
)
def test_sign_changes(signs, expected):
    assert exact.sign_changes(signs) == expected


@pytest.mark.parametrize("which", eigenvectors_in_balls.MATRICES)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_eigenpairs_overlap_those_of_another_theorem(order, which):
    """Rump's, in twice the precision."""
    space = uniform_random(order, 12)
    pairs = exact.eigenpairs(space, which)
    with precision(512):
        values, right = flint.acb_mat(flint.arb_mat(dense(space, which))).eig(right=True, algorithm="rump")
        ranks = sorted(range(12), key=lambda k: values[k].real.mid())
        for k, index in enumerate(ranks):
            assert overlap(pairs.values[k], values[index].real)
            column = [right[i, index] for i in range(12)]
            pivot = max(range(12), key=lambda i: pairs.vectors[k][i].midpoint)  # two may be equally large
            for i in range(12):
                assert overlap(pairs.vectors[k][i], (column[i] / column[pivot]).real)
                assert abs(pairs.vectors[k][i].midpoint) <= 1 + EPS
    assert max(value.relative_width for value in pairs.values) < 1e-40


def overlap(enclosure, ball):
    other = Enclosure.between(ball, ball)
    return max(enclosure.low, other.low) <= min(enclosure.high, other.high)


def test_extreme_eigenvalues_are_the_first_and_the_last():
    space = uniform_random(3, 20)
    for which in MATRICES:
        pairs = exact.eigenpairs(space, which)
        for a, b in zip(exact.extreme_eigenvalues(space, which), (pairs.values[0], pairs.values[-1]), strict=True):
            assert max(a.low, b.low) <= min(a.high, b.high)


@pytest.mark.parametrize("order", range(1, 6))
def test_eigenvectors_are_ordered_by_smoothness(order):
    space = uniform_random(order, 24)
    ascending = tuple(range(24))
    assert exact.eigenpairs(space, "AtA").sign_changes == ascending
    assert exact.eigenpairs(space, "AAt").sign_changes == ascending
    if order > 1:
        assert exact.eigenpairs(space, "gram").sign_changes == ascending[::-1]
    assert exact.eigenpairs(space, "relu_gram").sign_changes == ascending[::-1]


def test_sign_changes_at_dim_100():
    assert exact.eigenpairs(uniform_random(3, 100), bits=512).sign_changes == tuple(range(100))


def test_exact_zeros_stay_undecided_and_do_not_count():
    pairs = exact.eigenpairs(rk.SplineSpace.uniform(1, 7))  # 2 dim + 1 = 15 = 3 * 5
    zeros = tuple((k, i) for k in range(7) for i in range(7) if (2 * k + 1) * (2 * i + 1) % 15 == 0)
    assert len(zeros) > 0
    assert pairs.undecided == zeros
    assert pairs.sign_changes == tuple(range(7))


def test_too_few_bits_leave_signs_undecided():
    pairs = exact.eigenpairs(uniform_random(2, 60), bits=160)
    assert None in pairs.sign_changes
    assert all(changes in (None, k) for k, changes in enumerate(pairs.sign_changes))
    assert exact.eigenpairs(uniform_random(2, 60)).sign_changes == tuple(range(60))


def test_eigenvalues_that_do_not_come_apart():
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match="too low a precision to isolate the eigenvalues of 'AtA'; 160 bits"):
        exact.eigenpairs(space, bits=40)
    with pytest.raises(ConvergenceError, match="no precision up to 4096 bits suffices to isolate"):
        exact.eigenpairs(rk.SplineSpace.uniform(1, 4, (0.0, 4.0)), "gram")  # the identity
