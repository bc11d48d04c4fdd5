"""O3: the layer against complex steps, the Gram matrix by quadrature and theory, and what refutes the claim."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import complex_jacobians
from validation.ledger import row
from validation.literature.placed_knots import gaussian_width
from validation.literature.placed_knots.gaussian_layer import GaussianLayer
from validation.literature.placed_knots.gaussian_width import (
    WIDTHS,
    condition,
    features,
    one_layer,
    verdict,
)

pytest.importorskip("flint")


def test_the_layer_is_its_formula_and_its_sweeps_those_of_complex_steps():
    layer, rng = GaussianLayer(2, 3, 5, 0.3), np.random.default_rng(0)
    theta, x = rng.normal(size=layer.n_params), rng.uniform(size=(6, 2))
    y, J, J_x = complex_jacobians(layer, theta, x)
    C = theta.reshape(3, 2, 5)
    rows = np.exp(-(((x[:, :, None] - np.arange(5) / 4) / 0.3) ** 2))
    np.testing.assert_allclose(y, np.einsum("qpg,spg->sq", C, rows), rtol=0, atol=1e-13)
    dy = rng.normal(size=y.shape)
    dtheta, dx = layer.linearize(theta, x).pullback(dy)
    np.testing.assert_allclose(dtheta, np.einsum("sq,sqm->m", dy, J), rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx, np.einsum("sq,sqp->sp", dy, J_x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("s", [0.5, 1.0, 2.0])
def test_condition_is_that_of_the_features_at_gauss_points(s):
    x, w = np.polynomial.legendre.leggauss(200)
    singular = np.linalg.svd(np.sqrt(w / 2)[:, None] * features((x + 1) / 2, 12, s), compute_uv=False)
    low, high = condition(12, s)
    assert low <= high <= low * (1 + 1e-9)
    assert low == pytest.approx((singular[0] / singular[-1]) ** 2, rel=1e-6)


def test_condition_approaches_that_of_the_whole_line():
    """exp(pi^2 s^2/2)/2, by Poisson's summation formula, from below as G grows."""
    limit = np.exp(np.pi**2 / 2) / 2
    found = [condition(G, 1.0)[0] for G in (8, 16, 32)]
    assert found[0] < found[1] < found[2] < limit * 1.01
    assert found[2] > 0.8 * limit


def test_wide_gaussians_beat_narrow_ones_on_a_smooth_function():
    errors = [one_layer("smooth", 8, s, 0, 200, np.float64) for s in (0.25, 1.0, 3.0)]
    assert errors[0] > 10 * errors[1] > 10 * errors[2]


def sweep(values):
    return {0: {"8": {"smooth": list(values), "waves": list(values)}}}


GOOD = (0.9, 0.5, 0.02, 0.01, 0.02, 0.3, 0.4, 0.5)


def status(values=GOOD, factor=1.0):
    conditions = {(8, s): (1.0, factor * (10.0 if s <= 2 else 1e20)) for s in WIDTHS}
    return verdict(conditions, {8: (3.0, 3.0)}, {"adam": sweep(values)})


def test_criterion_and_spoilt_numbers():
    assert all(text in row("O3").criterion for text in ("below 2^23", "at most 10 times", "s = 0.25 to 6"))
    assert (gaussian_width.SINGLE, gaussian_width.EFFECTIVE) == (2.0**23, 10.0)
    found = status()
    assert found.status == "holds"
    assert not found.surviving_mutations
    assert status((*GOOD[:4], 0.11, *GOOD[5:])).status == "holds as corrected"
    assert status(factor=2.0**43).status == "undecided"
    ends = [k for k, s in enumerate(WIDTHS) if s in gaussian_width.INTERVAL]
    assert len(ends) == 2
    for k in ends:  # both ends belong to the interval
        assert not gaussian_width.effective(np.where(np.arange(len(WIDTHS)) == k, 11.0, 1.0))
    untrained = status((1.0,) * 8)
    assert untrained.status == "undecided"
    assert untrained.readings[0]["holds"] is None


def test_networks_learn_what_they_are_trained_on():
    size = gaussian_width.Size((8,), 100, (0,), 3, (8,), 60)
    assert gaussian_width.two_layers("kink", 8, 1.0, 0, size) < 0.8
    assert isinstance(rk.Network((GaussianLayer(1, 1, 4, 0.3),), ()), rk.Network)
