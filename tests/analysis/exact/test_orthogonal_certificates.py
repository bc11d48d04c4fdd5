"""Ostrowski's bounds where they are attained, and random matrices whose eigenvalues are known."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.orthogonal_certificates import certified, departure, gram_schmidt, orthogonalised
from refkan.truth import UndecidedError

SMALL = Fraction(1, 2**200)


def enclosed(H, V):
    with precision(256):
        return certified(flint, *(flint.arb_mat([[flint.arb(x) for x in row] for row in A]) for A in (H, V)))


@pytest.mark.parametrize("value", [3.0, -3.0, 2.0**-900, -(2.0**900)])
@pytest.mark.parametrize("stretch", [0.125, -0.125, 0.2])
def test_vectors_that_are_too_long_or_too_short_attain_the_bound(value, stretch):
    """V = 1 + s makes d = (1 + s)^2 lambda, and one of the ends d/(1 -+ e) is lambda itself."""
    (pairs,) = enclosed([[value]], [[1 + stretch]])
    exact, v = Fraction(value), Fraction(1 + stretch)
    assert pairs.low <= exact <= pairs.high
    low, high = sorted([exact, exact * v**2 / (2 - v**2)])
    assert abs(pairs.low - low) <= SMALL * abs(exact)
    assert abs(pairs.high - high) <= SMALL * abs(exact)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("off", [0.25, -0.25, 1e-9])
def test_off_diagonal_entries_widen_by_their_norm(sign, off):
    """The eigenvalues of [[1, c], [c, 1]] are 1 -+ c, the bound is 1 -+ sqrt(2) c."""
    pairs = enclosed([[sign * 1.0, off], [off, sign * 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    values = sorted([sign - abs(Fraction(off)), sign + abs(Fraction(off))])
    for value, each in zip(values, pairs, strict=True):
        assert each.low <= value <= each.high
        assert float(each.high - each.low) == pytest.approx(2 * np.sqrt(2) * abs(off), rel=1e-9)


def test_what_balls_around_zero_may_hold_counts():
    """The matrix may be any [[1, c], [c, 1]] with |c| <= 1/4, whose eigenvalues are 1 -+ c."""
    pairs = enclosed([[1.0, flint.arb(0, 0.25)], [flint.arb(0, 0.25), 1.0]], [[1.0, 0.0], [0.0, 1.0]])
    assert pairs[0].low <= Fraction(3, 4) < Fraction(5, 4) <= pairs[1].high


def test_what_the_bounds_do_not_cover_is_undecided():
    one = [[1.0, 0.0], [0.0, 1.0]]
    for H, V in (
        ([[1.0, 0.4], [0.4, 1.0]], one),  # f = 0.57
        (one, [[1.2, 0.0], [0.0, 1.2]]),  # e = 0.62
        ([[0.0, 0.0], [0.0, 1.0]], one),
    ):
        with pytest.raises(UndecidedError):
            enclosed(H, V)
    assert len(enclosed([[1.0, 0.35], [0.35, 1.0]], one)) == 2  # f = 0.495


@pytest.mark.parametrize("seed", range(5))
def test_vectors_of_any_origin(seed):
    """H = Q diag Q^T with a rational Q by Cayley; V is Q but for a perturbation of every size."""
    rng = np.random.default_rng(seed)
    n = 4
    S = [[Fraction(int(i < k) * int(rng.integers(-9, 9)), 7) for k in range(n)] for i in range(n)]
    skew = flint.fmpq_mat([[flint.fmpq(x.numerator, x.denominator) for x in row] for row in S])
    skew = skew - skew.transpose()
    unit = flint.fmpq_mat([[int(i == k) for k in range(n)] for i in range(n)])
    Q = (unit - skew) * (unit + skew).inv()
    values = sorted(
        Fraction(int(v), 2 ** int(s)) for v, s in zip(rng.choice([-3, 1, 2, 5], n), rng.integers(0, 80, n), strict=True)
    )
    D = flint.fmpq_mat(
        [[flint.fmpq(v.numerator, v.denominator) if i == k else 0 for k in range(n)] for i, v in enumerate(values)]
    )
    H = Q * D * Q.transpose()
    for size in (1e-2, 1e-30, 1e-60):
        noise = flint.fmpq_mat(
            [[flint.fmpq(*(size * x).as_integer_ratio()) for x in row] for row in rng.normal(size=(n, n)).tolist()]
        )
        with precision(512):
            try:
                found = certified(flint, flint.arb_mat(H), flint.arb_mat(Q + noise))
            except UndecidedError:
                assert size > 1e-60
                continue
        assert all(each.low <= value <= each.high for each, value in zip(found, values, strict=True))


@pytest.mark.parametrize("bits", [64, 256, 700])
@pytest.mark.parametrize("size", [0.0, 1e-9, 5e-3, 2e-2, 0.3])
def test_columns_are_made_orthonormal_to_the_precision_in_use(bits, size):
    rng = np.random.default_rng(0)
    rough = (np.linalg.qr(rng.normal(size=(5, 5)))[0] + size * rng.normal(size=(5, 5))).tolist()
    with precision(bits):
        V = orthogonalised(flint, flint.arb_mat([[flint.arb(x) for x in row] for row in rough]))
        assert departure(flint, V) < 5 * 2.0 ** (8 - bits)
        assert all(x.rad() == 0 for x in V.entries())
        values = certified(flint, V * flint.arb_mat([[int(i == k) * (k + 1) for k in range(5)] for i in range(5)])
                           * V.transpose(), V)  # fmt: skip
    assert all(each.relative_width < 2.0 ** (12 - bits) for each in values)


def test_vectors_that_depend_are_undecided():
    vectors = [[1.0, 2.0, 2.0], [0.0, 3.0, 4.0]]
    with precision(128):
        balls = [[flint.arb(x) for x in v] for v in vectors]
        first, second = gram_schmidt(flint, balls)
        assert abs(sum(a * b for a, b in zip(first, second, strict=True))) < 1e-30
        assert all(abs(sum(a * a for a in v) - 1) < 1e-30 for v in (first, second))
        for rounded in (None, lambda x: x.mid()):
            with pytest.raises(UndecidedError):
                gram_schmidt(flint, [*balls, [a + 2 * b for a, b in zip(*balls, strict=True)]], rounded)
        for exponent, decided in ((-60, True), (-70, False)):  # half of the bits
            near = [balls[0], [balls[0][0], balls[0][1], balls[0][2] + 3 * flint.arb(2) ** exponent]]
            if decided:
                assert len(gram_schmidt(flint, near, lambda x: x.mid())) == 2
            else:
                with pytest.raises(UndecidedError):
                    gram_schmidt(flint, near, lambda x: x.mid())
