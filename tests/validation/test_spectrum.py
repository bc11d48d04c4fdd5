"""The claims about the spectrum of A^T A: verdicts at a small size, and that spoilt measurements refute them."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

pytest.importorskip("flint")

from refkan import exact
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.spectra.condition_numbers import Eigenpairs, eigenpairs
from tests.shared.factories import EPS
from validation.bases import eigenvector_signs
from validation.bases.change_of_basis_spectrum import FEWER, growth, growth_verdict, limit_constant

SMALL = tuple((r, 12, seed) for r in (1, 2, 3, 4) for seed in (None, 0))


def silent(message):
    """Report no progress."""


@pytest.fixture(scope="module", autouse=True)
def enclosed_once():
    """Balls of a space are the same in every test of what is made of them."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((exact, "extreme_eigenvalues"), (eigenvector_signs, "eigenpairs")):
            patch.setattr(module, name, cache(getattr(module, name)))
        yield


@pytest.fixture(scope="module")
def grown():
    return growth_verdict(FEWER, silent).data["growth"]


def test_limit_constants():
    assert limit_constant(1) == pytest.approx(16 / np.pi**2, rel=1e-13)
    beta = 1.8751040687119611  # cos(beta) cosh(beta) = -1: the cantilever beam, mu = beta^4
    assert limit_constant(2) == pytest.approx(16 / beta**4, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_constants_tend_to_their_limits(grown, order):
    measured = grown[order - 1]
    assert measured["constant at the largest n"] == pytest.approx(measured["constant in the limit"], rel=7e-4)
    assert abs(measured["exponent of the last step"] - 2 * order) < 3e-3


def test_growth_of_steps_is_known_in_closed_form():
    for dim, ratio in zip(*(growth(1, (5, 9, 17))[key] for key in ("dims", "ratio")), strict=True):
        angle = np.pi / (4 * dim + 2)
        assert ratio == pytest.approx((np.sin((2 * dim - 1) * angle) / np.sin(angle)) ** 2, rel=1e-13)
    made = growth(2, (4, 8))
    assert np.divide(made["largest"], made["smallest"]) == pytest.approx(made["ratio"], rel=1e-13)


def test_growth_with_another_exponent_is_refuted(monkeypatch):
    true = exact.extreme_eigenvalues

    def slower(space, *args, **options):
        small, large = true(space, *args, **options)
        factor = 1 + Fraction(space.dim, 2000)  # turns the exponent by about 0.06
        return Enclosure(small.low * factor, small.high * factor), large

    monkeypatch.setattr(exact, "extreme_eigenvalues", slower)
    assert growth_verdict(FEWER, silent).status == "refuted"


def test_eigenvalues_with_the_errors_of_floats_would_refute_the_growth(monkeypatch):
    """Backward stable methods are right to eps times the largest, which stands for them here on every machine."""
    true = exact.extreme_eigenvalues

    def lossy(space, *args, **options):
        small, large = true(space, *args, **options)
        moved = small.low + Fraction(EPS) * large.high
        return Enclosure(moved, moved), large

    monkeypatch.setattr(exact, "extreme_eigenvalues", lossy)
    assert growth_verdict(FEWER, silent).status == "refuted"


@pytest.mark.parametrize("spoil", ["swap", "undecided", "zero"])
def test_one_eigenvector_out_of_order_is_an_exception(monkeypatch, spoil):
    true = eigenpairs

    def spoilt(space, which="AtA", bits=None):
        pairs = true(space, which, bits)
        vectors = list(pairs.vectors)
        unknown = Enclosure(Fraction(-1), Fraction(1))
        if space.order == 3 and spoil == "swap":
            vectors[4], vectors[5] = vectors[5], vectors[4]
        if space.order == 3 and spoil == "undecided":
            vectors[0] = (unknown, *vectors[0][1:])
        if space.order == 1 and spoil == "zero":  # between opposite signs: counted the same, but not a known zero
            k, i = 1, next(i for i in range(1, 11) if vectors[1][i].sign != vectors[1][i + 1].sign)
            vectors[k] = (*vectors[k][:i], unknown, *vectors[k][i + 1 :])
        return Eigenpairs(pairs.values, tuple(vectors), pairs.bits)

    monkeypatch.setattr(eigenvector_signs, "eigenpairs", spoilt)
    assert eigenvector_signs.verdict(SMALL).status == "refuted"
