"""Rows that algebra decides: each holds, each altered statement fails, and their tools are right."""

from fractions import Fraction
from math import factorial, pi

import flint
import numpy as np
import pytest

from refkan import truth
from refkan.claims import FAILING
from validation.ledger import row
from validation.rationals import uniform_knots
from validation.theorems import (
    levels_added_up,
    one_input,
    operation_counts,
    predecessor_formulas,
    printed_formulas,
    spectral_constants,
)

pytest.importorskip("flint")

CORRECTED = {"E19", "E20", "E40", "D2", "N4", "S4", "F3"}


@pytest.mark.parametrize(
    "file",
    [printed_formulas, predecessor_formulas, operation_counts, one_input, levels_added_up, spectral_constants],
    ids=lambda f: f.__name__,
)
def test_rows_hold_and_altered_ones_do_not(file):
    for verdict in file.run(True):
        assert verdict.status == ("holds as corrected" if verdict.id in CORRECTED else "holds"), verdict.measured
        assert bool(verdict.corrected) == (verdict.id in CORRECTED)
        assert verdict.mutations
        assert all(status in FAILING for status in verdict.mutations.values()), verdict.mutations
        assert row(verdict.id).criterion


def test_a_wrong_change_of_basis_refutes_what_rests_on_it(monkeypatch):
    right = truth.change_of_basis
    monkeypatch.setattr(truth, "change_of_basis", lambda t, r: [[a * (1 + (i == j)) for j, a in enumerate(each)]
                                                                for i, each in enumerate(right(t, r))])  # fmt: skip
    assert not printed_formulas.cancelling_powers().printed
    assert not printed_formulas.order_of_preconditioner().right


def test_positive_roots_are_counted():
    s = flint.fmpq_poly([0, 1])
    assert one_input.positive_roots((s - 1) * (s - 2) * (s + 3)) == 2
    assert one_input.positive_roots((s * s - s + 1) * (s - 5)) == 1
    assert one_input.positive_roots(s * s + 1) == 0


def test_pivots_count_eigenvalues():
    A = truth.change_of_basis(uniform_knots(2, 6), 2)
    values = np.linalg.svd(np.array(A, dtype=float), compute_uv=False) ** 2
    for bound in (Fraction(1, 97), Fraction(98, 97), Fraction(680, 97)):
        assert printed_formulas.below(A, bound) == np.sum(values < float(bound))


def test_constants_of_levels_and_spectra():
    assert [levels_added_up.tangent_number(r) for r in range(1, 6)] == [1, 2, 16, 272, 7936]
    assert [levels_added_up.cardinal(4, x) for x in range(5)] == [0, Fraction(1, 6), Fraction(2, 3), Fraction(1, 6), 0]
    for r in range(1, 6):  # mu(pi) by its values, and by tangent numbers
        symbol = sum((-1) ** (k % 2) * levels_added_up.cardinal(2 * r, r + k) for k in range(-r, r + 1))
        assert symbol == Fraction(levels_added_up.tangent_number(r), 1) / factorial(2 * r - 1)
    low, high = spectral_constants.volterra_norm(1)
    assert float(low) <= 4 / pi**2 * (1 + 1e-11)
    assert 4 / pi**2 <= float(high)
    n = 400  # (I - N)^-r at midpoints approximates V^r
    V = (np.tril(np.ones((n, n))) - 0.5 * np.eye(n)) / n
    low, high = spectral_constants.volterra_norm(3)
    assert np.linalg.norm(V @ V @ V, 2) ** 2 == pytest.approx(float(low), rel=1e-4)
