"""All eigenpairs: against Arb, their order by smoothness, signs left undecided, rough vectors noticed."""

from fractions import Fraction

import pytest

import refkan as rk
from refkan import exact
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra import eigenvectors_in_balls
from refkan.analysis.exact.spectra.perron import Congruence, UndecidedError
from refkan.base.errors import ConvergenceError
from tests.analysis.exact.certified_matrices import MATRICES, dense, uniform_random
from tests.shared.factories import EPS
from tests.shared.factories import space as make

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
def test_eigenpairs_overlap_those_of_arb(order, which):
    space = uniform_random(order, 12)
    pairs = exact.eigenpairs(space, which)
    with precision(512):
        values, right = flint.acb_mat(flint.arb_mat(dense(space, which))).eig(right=True)
        ranks = sorted(range(12), key=lambda k: values[k].real.mid())
        for k, index in enumerate(ranks):
            assert overlap(pairs.values[k], values[index].real)
            column = [right[i, index] for i in range(12)]
            pivot = max(range(12), key=lambda i: abs(column[i]).mid())
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
    assert exact.eigenpairs(uniform_random(3, 100), bits=1024).sign_changes == tuple(range(100))


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
    with pytest.raises(ConvergenceError, match="too low a precision to isolate the eigenvalues of 'AtA'; 80 bits"):
        exact.eigenpairs(space, bits=40)
    with pytest.raises(ConvergenceError, match="no precision up to 4096 bits suffices to isolate"):
        exact.eigenpairs(rk.SplineSpace.uniform(1, 4, (0.0, 4.0)), "gram")  # the identity


def leave_rough(monkeypatch, choose=list):
    """Make `eigenpairs` work with vectors that are right to 53 bits."""
    find = eigenvectors_in_balls._approximate_vectors

    def rough(module, balls):
        return choose([[flint.arb(float(x)) for x in vector] for vector in find(module, balls)])

    def no_solution(matrix, shift, v):
        raise ZeroDivisionError

    monkeypatch.setattr(eigenvectors_in_balls, "_approximate_vectors", rough)
    monkeypatch.setattr(Congruence, "solve_shifted", no_solution)


def test_rough_vectors_still_give_true_enclosures(monkeypatch):
    space = make("random", 2, 8)
    true = exact.eigenpairs(space)
    leave_rough(monkeypatch)
    pairs = exact.eigenpairs(space, bits=256)
    for wide, narrow in zip(pairs.values, true.values, strict=True):
        assert wide.low <= narrow.low <= narrow.high <= wide.high
        assert 1e-20 < wide.relative_width < 1e-10
    for wide, narrow in zip(pairs.vectors, true.vectors, strict=True):
        assert all(a.low <= b.low <= b.high <= a.high for a, b in zip(wide, narrow, strict=True))


def test_distances_to_other_eigenvalues_are_to_the_near_ends_of_their_intervals():
    """The other eigenvalue may be 0.6, and the vector turned by the sine 0.1/0.6, the tangent 1/sqrt(35)."""
    with precision(64):
        found = eigenvectors_in_balls._enclose(flint, [
            eigenvectors_in_balls._Pair(flint.arb(k), [flint.arb(k == 0), flint.arb(k == 1)], flint.arb(residual))
            for k, residual in enumerate((0.1, 0.4))
        ])  # fmt: skip
    assert found.vectors[0][1].high ** 2 >= Fraction(1, 35)


@pytest.mark.parametrize("residual", [1e-3, 1e-9])
def test_components_are_enclosed_to_twice_the_sine_of_the_angle(residual):
    """sqrt(2) of it are proven, 2 taken: of [3, 4], 5 long, to 1 of the next eigenvalue and to 4 of another."""
    with precision(128):
        pair = eigenvectors_in_balls._Pair(flint.arb(0), [flint.arb(3), flint.arb(-4)], flint.arb(residual))
        small, largest = eigenvectors_in_balls._enclose_vector(flint.arb, pair, [flint.arb(4), flint.arb(1)])
        with pytest.raises(UndecidedError):
            eigenvectors_in_balls._enclose_vector(flint.arb, pair, [flint.arb(residual)])
    radius = 2 * residual * 5
    assert largest.low <= 1 <= largest.high
    assert float(small.high - small.low) == pytest.approx(2 * (radius / 4 + 3 / 16 * radius), rel=10 * radius + 1e-6)
    assert float(largest.high - largest.low) == pytest.approx(4 * radius / 4, rel=10 * radius + 1e-6)


@pytest.mark.parametrize("which", range(8))
def test_a_vector_twice_is_noticed(monkeypatch, which):
    leave_rough(monkeypatch, lambda vectors: [*vectors[:-1], vectors[which]])
    with pytest.raises(ConvergenceError, match="no precision"):
        exact.eigenpairs(make("random", 2, 8))
