"""Ostrowski's bounds where they are attained, and random matrices whose eigenvalues are known."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra import orthogonal_certificates
from refkan.analysis.exact.spectra.orthogonal_certificates import (
    certified,
    departure,
    enclosed_eigenvalues,
    nearly_orthonormal,
    products,
)
from refkan.truth import UndecidedError

SMALL = Fraction(1, 2**200)


def enclosed(H, V):
    with precision(256):
        return certified(flint, *products(*(flint.arb_mat([[flint.arb(x) for x in row] for row in A]) for A in (H, V))))


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


def planted(values, seed=0):
    """Return Q D Q^T of given eigenvalues, and Q, rational by Cayley from a skew matrix."""
    rng, n = np.random.default_rng(seed), len(values)
    S = flint.fmpq_mat([[flint.fmpq(int(i < k) * int(rng.integers(-9, 9)), 7) for k in range(n)] for i in range(n)])
    skew, unit = S - S.transpose(), flint.fmpq_mat([[int(i == k) for k in range(n)] for i in range(n)])
    Q = (unit - skew) * (unit + skew).inv()
    rows = [[flint.fmpq(v.numerator, v.denominator) if i == k else 0 for k in range(n)] for i, v in enumerate(values)]
    return Q * flint.fmpq_mat(rows) * Q.transpose(), Q


@pytest.mark.parametrize("seed", range(5))
def test_vectors_of_any_origin(seed):
    """H = Q diag Q^T with a rational Q by Cayley; V is Q but for a perturbation of every size."""
    rng = np.random.default_rng(seed)
    n = 4
    values = sorted(
        Fraction(int(v), 2 ** int(s)) for v, s in zip(rng.choice([-3, 1, 2, 5], n), rng.integers(0, 80, n), strict=True)
    )
    H, Q = planted(values, seed)
    for size in (1e-2, 1e-30, 1e-60):
        noise = flint.fmpq_mat(
            [[flint.fmpq(*(size * x).as_integer_ratio()) for x in row] for row in rng.normal(size=(n, n)).tolist()]
        )
        with precision(512):
            try:
                found = certified(flint, *products(flint.arb_mat(H), flint.arb_mat(Q + noise)))
            except UndecidedError:
                assert size > 1e-60
                continue
        assert all(each.low <= value <= each.high for each, value in zip(found, values, strict=True))


@pytest.mark.parametrize("decades", [1, 12, 70])
@pytest.mark.parametrize("signs", [(1,), (1, -1)])
def test_vectors_are_found_for_all_spreads_signs_and_multiplicities(decades, signs):
    """Eigenvalues from 1 to 10^-decades, two of them double and one beside another by 1e-12 of it, in any units."""
    n = 14
    values = [Fraction(1, 10 ** (decades * k // (n - 5))) * signs[k % len(signs)] for k in range(n - 4)]
    values += [values[0], values[-1], values[3] * (1 + Fraction(1, 10**12)), values[5]]
    H, _ = planted(values, decades)
    for unit in (Fraction(1), Fraction(1, 10**400), Fraction(10**150)):
        with precision(160 + 8 * decades):
            for width in (1e-10, 1e-25):
                found = enclosed_eigenvalues(
                    flint, flint.arb_mat(H * flint.fmpq(unit.numerator, unit.denominator)), width
                )
                exact = [v * unit for v in sorted(values)]
                assert all(each.low <= v <= each.high for each, v in zip(found, exact, strict=True))
                assert max(each.relative_width for each in found) <= width


def test_few_products_are_needed(monkeypatch):
    """Each step finds some fifteen digits: twenty-five need two for the vectors, and two that make them orthonormal."""
    counted = []
    monkeypatch.setattr(orthogonal_certificates, "products", lambda H, V: counted.append(H) or products(H, V))
    values = [Fraction(1, 10 ** (25 * k // 39)) for k in range(40)]
    with precision(192):
        found = enclosed_eigenvalues(flint, flint.arb_mat(planted(values)[0]), 1e-10)
    assert all(each.low <= v <= each.high for each, v in zip(found, sorted(values), strict=True))
    assert len(counted) <= 5


def test_an_eigenvalue_that_is_zero_or_may_be_is_undecided():
    for H in ([[1, 1], [1, 1]], [[0, 0], [0, 1]], [[flint.arb(0, 1e-9), 0], [0, 1]], [[float("nan"), 0], [0, 1]]):
        with precision(128), pytest.raises(UndecidedError):
            enclosed_eigenvalues(flint, flint.arb_mat(H))


def test_columns_are_made_nearly_orthonormal_in_their_span():
    """Columns that depend but for 1e-30; those that depend, or may, are undecided."""
    with precision(256):
        small = flint.arb(10) ** -30
        Z = flint.arb_mat([[1, 1], [2, 2 + small], [2, 2], [0, 5 * small]])
        Q = nearly_orthonormal(flint, Z)
        assert departure(flint, Q.transpose() * Q) < 0.25
        for normal in ([2, 0, -1, 0], [10, -5, 0, 1]):  # the span of Z is that of (1, 2, 2, 0) and (0, 1, 0, 5)
            assert all(entry.contains(0) for entry in (flint.arb_mat([normal]) * Q).entries())
        for columns in ([[1, 2], [2, 4]], [[0, 1], [0, 1]], [[flint.arb(1, 0.5), 1], [1, 1]]):
            with pytest.raises(UndecidedError):
                nearly_orthonormal(flint, flint.arb_mat(columns))
