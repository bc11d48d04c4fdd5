"""O5: the sum of truncated powers against SciPy and rationals, its bound, and what a broken formula does."""

import numpy as np
import pytest
from scipy.interpolate import BSpline

from validation.ledger import row
from validation.literature import clamped_truncated_powers
from validation.literature.clamped_truncated_powers import bound, errors, powers, run, unity


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_the_sum_is_the_b_spline(degree):
    u = np.linspace(0, degree + 1, 200)[1:-1]
    expected = BSpline.basis_element(np.arange(degree + 2.0))(u)
    np.testing.assert_allclose(powers(u, degree), expected, rtol=0, atol=bound(degree) * 2.0**-53)


def test_the_bound_is_the_sum_of_the_terms_at_the_right_end():
    assert bound(3) == pytest.approx(10 * (64 + 4 * 27 + 6 * 8 + 4) / 6)
    assert f"{bound(3):.0f}" in row("O5").criterion


def test_beyond_the_support_the_clamp_gives_zero_and_the_plain_sum_does_not():
    u = np.random.default_rng(0).uniform(4, 100, 500)
    assert np.all(powers(u, 3) == 0)
    assert np.max(np.abs(powers(u, 3, clamped=False))) > 1e-12
    assert np.all(powers(u - 105, 3) == 0)


def test_relative_errors_grow_towards_the_right_end():
    found = errors(3, 16, "double")
    assert found["right end"]["relative"] > 1e6 > found["right end"]["absolute"]


def test_departures_from_one_are_of_the_published_size():
    assert 1e-7 < unity(100) < 1e-5 < 1e-2 < unity(64, clamped=False)


def test_the_claim_holds_for_absolute_errors_alone_and_a_broken_sum_refutes_it(monkeypatch):
    (found,) = run(True)
    assert [r["choice"]["error"] for r in found.readings if r["holds"]] == ["absolute", "absolute"]
    assert not found.surviving_mutations
    right = clamped_truncated_powers.powers

    def wrong(u, degree, clamped=True):  # the factor of the package, in double precision
        return right(u, degree, clamped) * u.dtype.type(0.16666667 * 6)

    monkeypatch.setattr(clamped_truncated_powers, "powers", wrong)
    (spoilt,) = run(True)
    holding = [r["choice"] for r in spoilt.readings if r["holds"]]
    assert holding == [{"error": "absolute", "precision": "single"}]
