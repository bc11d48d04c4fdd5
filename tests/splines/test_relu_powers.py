"""ReLU powers against exact rational values and exact integrals."""

from fractions import Fraction

import numpy as np
import pytest

import refkan as rk
from refkan import truth
from refkan.splines import relu_powers
from tests.shared.factories import (
    EPS,
    ORDERS,
    POLICIES,
    STRICT,
    errors,
    exact_knots,
    exact_powers,
    points,
    points_outside,
    space,
)

TINY = 1e-300


def contributions(S, x, derivative, outside, scaled):
    """Sum of absolute contributions: the value itself, but for tangents left of a knot, which have two terms."""
    values = np.abs(np.array(exact_powers(S, x, derivative, outside, scaled), dtype=float))
    a, b = S.domain
    if outside == "linear" and derivative == 0 and not a <= x <= b:
        end = a if x < a else b
        at_end, slope = (np.array(exact_powers(S, end, k, "error", scaled), dtype=float) for k in (0, 1))
        values = np.abs(at_end) + abs(x - end) * np.abs(slope)
    return values


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", STRICT)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_values_against_definitions(kind, order, scaled):
    S = space(kind, order)
    x = points(S, 1)
    Psi = rk.relu_powers.design_matrix(S, x, scaled=scaled)
    # r - 1 factors x - t, each rounded once, r - 1 products and as many factors 1/h.
    bound = 2 * order * EPS
    for s, at in enumerate(x):
        reference = exact_powers(S, at, scaled=scaled)
        assert np.all(errors(Psi[s], reference) <= bound * np.array(reference, dtype=float) + TINY), at


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("outside", POLICIES)
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "scaled"])
def test_derivatives_and_tails_against_definitions(order, outside, scaled):
    S = space("random", order)
    x = np.concatenate([points(S, 1, neighbours=False), points_outside(S)])
    for derivative in range(order + 2):
        Psi = relu_powers.design_matrix(S, x, derivative, outside, scaled)
        for s, at in enumerate(x):
            error = errors(Psi[s], exact_powers(S, at, derivative, outside, scaled))
            bound = 2 * (order + 1) * EPS * contributions(S, at, derivative, outside, scaled)
            assert np.all(error <= bound + TINY), (at, derivative, error, bound)


def test_sabotage_of_the_powers_is_noticed(monkeypatch):
    S = space("random", 3)
    at = float(np.mean(S.domain))
    right = relu_powers.relu_rows

    def check():
        reference = exact_powers(S, at)
        return np.all(
            errors(relu_powers.design_matrix(S, [at])[0], reference) <= 6 * EPS * np.array(reference, dtype=float)
        )

    assert check()
    for fault in (
        lambda *a: -right(*a),
        lambda *a: right(*a) * (1 + 1e-14),
        lambda *a: np.roll(right(*a), 1, axis=-1),
        lambda t, order, *a: right(t, order, *a) ** 2,
    ):
        monkeypatch.setattr(relu_powers, "relu_rows", fault)
        assert not check()


@pytest.mark.parametrize("outside", ["linear", "polynomial"])
@pytest.mark.parametrize("order", [2, 5, 10])
@pytest.mark.parametrize("length", [2e100, 1e-150, 1e-250, 1e250])
def test_scaled_powers_of_any_length(order, length, outside):
    """Also where h^(r-1) alone is no number."""
    S = rk.SplineSpace.uniform(order, 4, (0.0, length))
    knots, x = S.knots[None], length * np.array([[0.0], [0.3], [0.75], [1.0], [1.2]])
    rows = relu_powers.relu_rows(knots, order, np.array([relu_powers.inverse_scale(S, True)]), x, 1, outside)
    t, h = exact_knots(S), Fraction(S.mean_spacing)
    for s, at in enumerate(x[:, 0]):
        for k in range(2):
            psi = truth.truncated_powers(t, order, Fraction(at), k, h, outside)
            expected = np.array([float(psi.get(i, 0)) for i in range(S.dim)])
            np.testing.assert_allclose(rows[k, s, 0], expected, rtol=4 * order * EPS, atol=0)


@pytest.mark.parametrize("length", [2e100, 1e-100])
def test_plain_powers_that_are_no_numbers_are_refused_when_a_layer_is_built(length):
    with pytest.raises(ValueError, match=r"powers .* are no numbers of float64: use basis='scaled-relu'"):
        rk.kan([1, 1], 5, 4, domain=(0.0, length), basis="relu")
    rk.kan([1, 1], 3, 4, domain=(0.0, length), basis="relu")


def test_losing_digits_grows_with_n():
    """The accuracy of psi @ A^T falls like eps n^(r-1): a documented finding, and why truth never goes this way."""
    losses = []
    for n in (8, 64):
        S = rk.SplineSpace.uniform(4, n)
        x = np.linspace(0, 1, 101)
        through = relu_powers.design_matrix(S, x) @ rk.ChangeOfBasis(S).dense().T
        losses.append(np.abs(through - rk.bsplines.design_matrix(S, x)).max())
    assert 1e-16 < losses[0] < 1e-11
    # 8^(r-1) = 512, within the spread of rounding errors.
    assert 50 < losses[1] / losses[0] < 5000
