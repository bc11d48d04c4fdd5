"""What criteria are applied to: measurements whose size is known."""

import numpy as np
import pytest

import refkan as rk
from refkan.claims import Beside
from refkan.claims.estimates import agree
from validation.bases import relu_form_accuracy
from validation.conditioning.condition_ratios import LAYER, START, ratios
from validation.conditioning.network_spectra import MATRICES
from validation.implementations.gradients_by_hand import worst_error
from validation.multilevel import coarse_subspace, complementary_descent


def test_exponents_are_those_of_powers_of_n():
    sizes = np.array([16, 32, 64])
    fitted = relu_form_accuracy.exponents(sizes, {2: list(3.0 * sizes**1.5), 3: list(1.0 / sizes)})
    assert fitted[2] == pytest.approx(1.5)
    assert fitted[3] == pytest.approx(-1.0)


@pytest.mark.parametrize(("off", "status"), [(0.29, "holds"), (-0.29, "holds"), (0.31, "refuted"), (-0.31, "refuted")])
def test_f2_asks_the_exponent_of_the_degree(off, status):
    sizes = np.array([16, 32, 64])
    errors = {r: list(1e-16 * sizes ** (r - 1 + off)) for r in (2, 3)}
    assert relu_form_accuracy.verdict(sizes, errors, 1e-16).status == status


def test_f2_measures_the_largest_error(monkeypatch):
    """With one value of the ReLU form off by one, at the last point of each draw."""
    values = rk.relu_powers.design_matrix

    def off(space, x):
        rows = values(space, x)
        rows[-1, 0] += 1.0
        return rows

    monkeypatch.setattr(rk.relu_powers, "design_matrix", off)
    leading = rk.ChangeOfBasis(rk.SplineSpace.uniform(2, 8)).dense()[0, 0]
    assert relu_form_accuracy.error(2, 8, np.random.default_rng(0)) == pytest.approx(leading)


@pytest.mark.parametrize("difference", [[3.0, 0.0], [-3.0, 0.0]])
def test_differences_of_p1_count_whatever_their_sign(difference):
    """The largest of a block over the largest contribution there; the worst block."""
    blocks = [(slice(0, 2),), (slice(2, 3),)]
    assert coarse_subspace.relative(np.array([*difference, 1.0]), np.array([6.0, 1.0, 4.0]), blocks) == 0.5


def test_ratios_are_those_of_the_other_basis_over_the_one_asked_for():
    matrix = {"spline": 2.0, "relu": 8.0, "scaled-relu": 4.0}
    network = {"node map": "affine", "state": START, "order": 3, "level": (1, 3)} | dict.fromkeys(MATRICES, matrix)
    layer = {"order": 3, "intervals": 8} | matrix
    for basis, expected in (
        ("spline", {"relu": 4.0, "scaled-relu": 2.0}),
        ("relu", {"spline": 0.25, "scaled-relu": 0.5}),
    ):
        found = ratios([layer], [network], basis)
        assert {series.other: values for series, values in found.items() if series.place == LAYER} == {
            other: {8: [ratio]} for other, ratio in expected.items()
        }
        assert all(sizes == {3: [expected[s.other]]} for s, sizes in found.items() if s.place == "affine")


def test_gradients_are_compared_whatever_the_sign_of_the_mistake():
    """The largest entry halved: of either sign over these seeds."""
    net = rk.mlp([2, 3, 2], "tanh")
    assert all(worst_error(net, np.random.default_rng(seed), sabotage=True) > 1e-3 for seed in range(6))
    assert worst_error(net, np.random.default_rng(0)) < 1e-14


@pytest.mark.parametrize(
    ("second", "holds"), [(30.0, True), (3.0, False), (10.0, None)], ids=["above", "below", "straddling"]
)
def test_m1_asks_every_refinement(second, holds):
    spread = np.random.default_rng(0).lognormal(sigma=0.1, size=25)
    cells = [
        Beside(
            f"{basis} basis, refinement {k}",
            "share",
            dict(enumerate(ratio * spread if basis == "spline" else spread**0)),
        )
        for k, ratio in ((1, 100.0), (2, second), (3, 100.0))
        for basis in ("spline", "ReLU")
    ]
    assert agree(complementary_descent.asked(cells)) is holds
