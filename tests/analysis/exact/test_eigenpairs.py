"""All eigenpairs: against Arb, their order by smoothness, signs left undecided, rough vectors noticed."""

import pytest

import refkan as rk
from refkan import exact
from refkan.base.errors import ConvergenceError
from tests.analysis.exact.certified_matrices import uniform_random
from tests.shared.tables import each_row

flint = pytest.importorskip("flint")


@each_row(
    "signs, expected",
    ([], (0, 0)),
    ([1], (0, 0)),
    ([0], (0, 0)),
    ([1, -1, 1], (2, 2)),
    ([1, 0, -1], (1, 1)),
    ([1, 0, 0, -1], (1, 3)),
    ([1, 0, 1], (0, 2)),
    ([0, 1], (0, 1)),
    ([0, 0, 0], (0, 2)),
)
def test_sign_changes(signs, expected):
    assert exact.sign_changes(signs) == expected


@pytest.mark.parametrize("order", range(1, 6))
def test_eigenvectors_are_ordered_by_smoothness(order):
    space = uniform_random(order, 24)
    ascending = tuple(range(24))
    assert exact.eigenpairs(space, "AtA").sign_changes == ascending
    assert exact.eigenpairs(space, "AAt").sign_changes == ascending
    if order > 1:
        assert exact.eigenpairs(space, "gram").sign_changes == ascending[::-1]
    assert exact.eigenpairs(space, "relu_gram").sign_changes == ascending[::-1]


def test_sign_changes_at_dim_60():
    assert exact.eigenpairs(uniform_random(3, 60), bits=512).sign_changes == tuple(range(60))


def test_exact_zeros_stay_undecided_and_do_not_count():
    pairs = exact.eigenpairs(rk.SplineSpace.uniform(1, 7))  # 2 dim + 1 = 15 = 3 * 5
    zeros = tuple((k, i) for k in range(7) for i in range(7) if (2 * k + 1) * (2 * i + 1) % 15 == 0)
    assert len(zeros) > 0
    assert pairs.undecided == zeros
    assert pairs.sign_changes == tuple(range(7))


def test_too_few_bits_leave_signs_undecided():
    pairs = exact.eigenpairs(uniform_random(2, 40), bits=96)
    assert None in pairs.sign_changes
    assert all(changes in (None, k) for k, changes in enumerate(pairs.sign_changes))
    assert exact.eigenpairs(uniform_random(2, 40)).sign_changes == tuple(range(40))


def test_eigenvalues_that_do_not_come_apart():
    space = rk.SplineSpace.uniform(6, 40)
    with pytest.raises(ConvergenceError, match="too low a precision to isolate the eigenvalues of 'AtA'; 160 bits"):
        exact.eigenpairs(space, bits=40)
    with pytest.raises(ConvergenceError, match="no precision up to 4096 bits suffices to isolate"):
        exact.eigenpairs(rk.SplineSpace.uniform(1, 4, (0.0, 4.0)), "gram")  # the identity
