"""Extreme eigenvalues by elimination in a narrow band, beside Arb's elimination in the whole matrix."""

import flint
import numpy as np
import pytest

from refkan import exact
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra import perron
from tests.analysis.exact.certified_matrices import MATRICES
from tests.shared.factories import space as make


@pytest.mark.parametrize("which", MATRICES)
@pytest.mark.parametrize(("kind", "order"), [("uniform", 1), ("random", 4), ("graded", 3)])
def test_elimination_in_a_band_and_by_arb_enclose_the_same_numbers(which, kind, order, monkeypatch):
    space, enclosures = make(kind, order, 9), []
    for times in (0, 10**9):
        monkeypatch.setattr(perron, "NARROW", times)
        enclosures.append(exact.extreme_eigenvalues(space, which))
    for ends in zip(*enclosures, strict=True):
        assert max(e.low for e in ends) <= min(e.high for e in ends)
        assert all(e.high - e.low <= 2.0**-57 * e.low for e in ends)


@pytest.mark.parametrize(("order", "times"), [(1, 1), (2, 1), (2, 3), (5, 1), (5, 2)])
def test_narrow_systems_are_solved(order, times, rng):
    """Definite ones, of both signs, whose solutions are random."""
    A = np.tril(np.triu(rng.uniform(-1.0, 1.0, (9, 9))), order)
    M, y = A.T @ A + times * np.eye(9), rng.standard_normal(9)
    with precision(128):
        band = [[flint.arb(v) for v in M[i, i : i + order + 1]] for i in range(9)]
        for sign in (1, -1):
            rows = [[sign * v for v in row] for row in band]
            shift = -sign * flint.arb(0.5)
            z = sign * ((M + 0.5 * np.eye(9)) @ y)
            solved = [float(v) for v in perron.solve_banded(rows, shift, list(map(flint.arb, z)))]
            np.testing.assert_allclose(solved, y, rtol=1e-12)
