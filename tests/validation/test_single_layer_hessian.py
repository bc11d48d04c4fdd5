"""O1: the single layer's Hessian by a network and quadrature, the decomposition behind it, and what refutes."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.factories import EPS
from validation.ledger import row
from validation.literature import single_layer_hessian
from validation.literature.placed_knots import grid_extension
from validation.literature.placed_knots.grid_extension import Gain
from validation.literature.single_layer_hessian import hessian, layer_cases, ramp_case, verdict

pytest.importorskip("flint")

CASES = [case for degree in (1, 2) for n in (4, 8, 16) for case in layer_cases(degree, n, (1, 3))]
RAMPS = [ramp_case(n) for n in (8, 16, 32)]


def extension(extended, finest):
    return {
        network: {s: {"extension": extended, "work": finest, "steps": finest} for s in range(7)} for network in "ab"
    }


def test_criteria_are_those_of_the_ledger():
    text = row("O1").criterion
    assert all(part in text for part in ("4 +- 0.1", "at most 5 %", "at most half", "p < 0.01"))
    assert (single_layer_hessian.MARGIN, single_layer_hessian.SETTLED) == (0.1, 0.05)
    assert (grid_extension.HALF, grid_extension.LEVEL) == (0.5, 0.01)


def test_hessian_is_that_of_a_network_on_a_product_of_gauss_points():
    space = rk.SplineSpace.uniform(3, 4)
    x, w = rk.bsplines.gauss_points(space)
    points = np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2)
    net = rk.kan([2, 1], 3, 4)
    weights = np.multiply.outer(w, w).ravel() * len(points)
    problem = rk.LeastSquares(net, points, np.zeros((len(points), 1)), weights=weights)
    theta = np.zeros(net.n_params)
    exact = hessian(space, 2)
    expected = np.array([[float(exact[i, j].p) / float(exact[i, j].q) for j in range(12)] for i in range(12)])
    np.testing.assert_allclose(problem.gauss_newton(theta), expected, rtol=0, atol=100 * EPS * expected.max())
    spectrum = rk.spectrum(problem, theta)
    (case,) = layer_cases(2, 4, (2,))
    assert spectrum.nullity == case["nullity"] == 1
    assert spectrum.condition == pytest.approx(case["condition"][0], rel=1e-9)


def test_the_decomposition_gives_the_eigenvalues_of_the_whole_matrix():
    space = rk.SplineSpace.uniform(2, 5)
    exact = hessian(space, 3)
    n = 3 * space.dim
    values = np.linalg.eigvalsh([[float(exact[i, j].p) / float(exact[i, j].q) for j in range(n)] for i in range(n)])
    (case,) = layer_cases(1, 5, (3,))
    assert np.sum(values < 1e-12) == case["nullity"] == 2
    assert values[-1] / values[2] == pytest.approx(case["condition"][0], rel=1e-10)


def test_missing_amplitudes_are_those_left_out():
    """A network that is zero misses everything: amplitudes 1 at every frequency."""
    net = rk.kan([1, 1], 4, 8)
    assert grid_extension.missing(net, np.zeros(net.n_params), (2, 4), np.array([0.3, 0.7])) == pytest.approx(1.0)


def test_extension_is_judged_by_ratio_and_sign_test():
    assert Gain((0.1,) * 7, (0.2,) * 7).holds
    assert not Gain((0.11,) * 7, (0.2,) * 7).holds
    assert not Gain((0.1,) * 6, (0.2,) * 6).holds
    found = verdict(CASES, RAMPS, extension(0.1, 0.2))
    assert found.status == "holds"
    assert not found.surviving_mutations
    assert verdict(CASES, RAMPS, extension(0.2, 0.2)).status == "holds as corrected"


@pytest.mark.parametrize("wrong", ["nullity", "condition", "C", "ramps"])
def test_spoilt_measurements_refute(wrong):
    cases, ramps = [dict(case) for case in CASES], RAMPS
    if wrong == "nullity":
        cases[-1]["nullity"] += 1
    elif wrong == "condition":
        low, high = cases[-1]["of one input"]
        cases[-1]["condition"] = (3.01 * low, 3.01 * high)
    elif wrong == "C":  # it grows with the grid
        for case in cases:
            case["of one input"] = tuple(c * case["intervals"] for c in case["of one input"])
    else:
        ramps = [case | {"condition": tuple(c**1.1 for c in case["condition"])} for case in RAMPS]
    assert verdict(cases, ramps, extension(0.1, 0.2)).status == "undecided"


def test_a_quick_run_of_extension_is_what_its_parts_say():
    size = grid_extension.Size((1, 2), 3, 2, 40, (3,))
    found = grid_extension.run_case("one-layer", 3, size)
    assert set(found) == {"extension", "work", "steps"}
    assert found["steps"] <= found["work"] <= 1.0
