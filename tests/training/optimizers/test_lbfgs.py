"""L-BFGS against SciPy; self-scaled quasi-Newton methods against dense matrices."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize

from refkan.training.optimizers import minimize
from refkan.training.optimizers.gradient_methods import updated
from tests.shared.refusals import refused
from tests.training.optimizers.descent_problems import START, Chain, ToyNet, trajectory


@pytest.mark.parametrize("geometry", [None, "spline", "relu"])
def test_lbfgs_is_scipy_on_the_coordinates(geometry):
    coordinates = ToyNet().coordinates(geometry or "spline")
    expected = []

    def function(v):
        value, g = Chain().function(coordinates.back(v))
        return value, coordinates.gradient(g)

    optimize.minimize(
        function,
        coordinates.to(START),
        jac=True,
        method="L-BFGS-B",
        callback=lambda v: expected.append(coordinates.back(v)),
        options={"maxiter": 8, "ftol": 0, "gtol": 1e-9},
    )
    ours = trajectory(Chain(), START, steps=8, method="lbfgs", geometry=geometry)
    assert len(expected) == 8
    # The origin is shifted, so that roundings differ; eight steps amplify them a little.
    np.testing.assert_allclose(ours[1:], expected, rtol=0, atol=1e-10)


def test_lbfgs_converges_and_takes_its_options():
    result = minimize(Chain(a=10.0), START)
    assert result.converged, result.message
    np.testing.assert_allclose(result.theta, 1.0, atol=1e-8)
    assert "tolerance_gradient" in result.message
    loose = minimize(Chain(a=10.0), START, tolerance_gradient=1e-2)
    assert loose.converged
    assert len(loose.history.value) < len(result.history.value)
    exactly = minimize(Chain(a=10.0), START, tolerance_gradient=1e-2, steps=len(loose.history.value) - 1)
    assert (exactly.converged, exactly.message) == (True, loose.message)  # not that steps are done
    assert minimize(Chain(a=10.0), START, tolerance_change=1e-3).value > result.value
    thin = minimize(Chain(a=10.0), START, history=1, steps=20)
    assert thin.value != minimize(Chain(a=10.0), START, history=10, steps=20).value
    hasty = minimize(Chain(a=10.0), START, max_line_search=1)
    assert not hasty.converged
    assert "ABNORMAL" in hasty.message
    short = minimize(Chain(a=10.0), START, steps=3)
    assert not short.converged
    assert short.message == "3 steps done"
    assert len(short.history.value) == 4


METHOD = "self-scaled-broyden"


def definite(n, seed):
    """A positive definite matrix."""
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M @ M.T + 0.1 * np.eye(n)


def pair(n, seed):
    """A step and a change of gradients with positive curvature."""
    s = np.random.default_rng(seed).normal(size=n)
    return s, definite(n, seed + 100) @ s


@pytest.mark.parametrize("scale", [1e-2, 0.3, 1.0, 1e2])
def test_broyden_is_the_class_in_terms_of_the_hessian(scale):
    """B of H^-1 by Broyden's class, scaled, with theta from the definitions; H by inverting it."""
    H, (s, y) = scale * definite(4, 7), pair(4, 8)
    B = np.linalg.inv(H)
    b, h = (s @ B @ s) / (y @ s), (y @ H @ y) / (y @ s)
    a = b * h - 1
    rho = min(1, h * (1 - np.sqrt(a / (1 + a))))
    theta = np.clip((1 - b) / b, (rho - 1) / a, 1 / rho)
    sigma, tau = 1 + a * theta, min(1, 1 / b)
    tau = tau * min(sigma ** (-1 / 3), 1 / theta) if theta > 0 else min(tau * sigma ** (-1 / 3), sigma)
    u = np.sqrt(s @ B @ s) * (y / (y @ s) - B @ s / (s @ B @ s))
    new = tau * (B - np.outer(B @ s, B @ s) / (s @ B @ s) + theta * np.outer(u, u)) + np.outer(y, y) / (y @ s)
    found = updated(H, s, y, None)
    np.testing.assert_allclose(found, np.linalg.inv(new), rtol=0, atol=1e-10 * np.abs(found).max())


def test_every_step_satisfies_wolfes_conditions():
    points = [START]
    result = minimize(Chain(), START, METHOD, steps=15, callback=lambda state: points.append(state.theta))
    for before, after in pairwise(points):
        (low, g), (value, g_new) = Chain().function(before), Chain().function(after)
        slope = g @ (after - before)
        assert slope < 0
        assert value <= low + 1e-4 * slope + 1e-14
        assert abs(g_new @ (after - before)) <= 0.9 * abs(slope) * (1 + 1e-12)
    assert (result.history.step_length[1:] > 0).all()


def test_a_value_that_nothing_decreases_ends_the_run():
    class Stuck(Chain):
        def value_and_gradient(self, theta):
            value, gradient = super().value_and_gradient(theta)
            return value + 1e3 * (len(self.points) > 1), gradient

    result = minimize(Stuck(), START, METHOD)
    assert not result.converged
    assert "Wolfe's conditions in step 1" in result.message
    np.testing.assert_array_equal(result.theta, START)


def test_an_inverse_hessian_beyond_the_memory_is_refused_before_it_is_made():
    class Large:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    refused(lambda: minimize(Large(), np.ones(5_000_000), METHOD), "the inverse Hessian of 5000000 parameters")
