"""Self-scaled quasi-Newton methods: the secant equation, invariance, quadratics in n steps, Wolfe's conditions."""

from itertools import pairwise

import numpy as np
import pytest

from refkan.training.optimizers import minimize, self_scaled
from refkan.training.optimizers.self_scaled import UPDATES, updated
from tests.shared.refusals import refusals, refused
from tests.shared.spoiling import spoilt
from tests.training.optimizers.descent_problems import START, Chain

METHOD = "self-scaled-broyden"


def definite(n, seed):
    """A positive definite matrix."""
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M @ M.T + 0.1 * np.eye(n)


def pair(n, seed):
    """A step and a change of gradients with positive curvature."""
    s = np.random.default_rng(seed).normal(size=n)
    return s, definite(n, seed + 100) @ s


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e2])
@pytest.mark.parametrize("seed", range(5))
def test_the_secant_equation_and_definiteness(update, scale, seed):
    H, (s, y) = scale * definite(6, seed), pair(6, seed)
    new = updated(H, s, y, None, update)
    np.testing.assert_allclose(new @ y, s, rtol=0, atol=1e-11 * np.abs(s).max() * max(scale, 1.0))
    np.testing.assert_allclose(new, new.T, rtol=0, atol=1e-13 * np.abs(new).max())
    assert np.linalg.eigvalsh(new)[0] > 0.0
    # Sabotage: the term that makes it so.
    other = spoilt(self_scaled, "+ np.outer(s, s) / ys", "+ 2 * np.outer(s, s) / ys").updated(H, s, y, None, update)
    assert np.abs(other @ y - s).max() > 0.1 * np.abs(s).max()


def test_bfgs_is_the_formula_of_the_textbook_once_scaled():
    for scale in (1e-2, 1e2):
        H, (s, y) = scale * definite(5, 3), pair(5, 4)
        tau = min(1.0, (y @ s) / (s @ np.linalg.solve(H, s)))
        V = np.eye(5) - np.outer(y, s) / (y @ s)
        expected = V.T @ (H / tau) @ V + np.outer(s, s) / (y @ s)
        np.testing.assert_allclose(
            updated(H, s, y, None, "bfgs"), expected, rtol=0, atol=1e-12 * np.abs(expected).max()
        )


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
    found = updated(H, s, y, None, "broyden")
    np.testing.assert_allclose(found, np.linalg.inv(new), rtol=0, atol=1e-10 * np.abs(found).max())
    assert np.abs(found - updated(H, s, y, None, "bfgs")).max() > 1e-3 * np.abs(found).max()


@pytest.mark.parametrize("update", UPDATES)
def test_quadratics_end_in_n_steps_of_exact_line_searches(update):
    n = 7
    Q, x = definite(n, 11), np.random.default_rng(12).normal(size=n)
    H, g = np.eye(n), Q @ x
    for k in range(n):
        assert np.linalg.norm(g) > 1e-6, k  # not before
        d = -H @ g
        s = -(g @ d) / (d @ Q @ d) * d
        x, g, y = x + s, g + Q @ s, Q @ s
        H = updated(H, s, y, None, update)
    assert np.linalg.norm(g) < 1e-8 * np.linalg.norm(Q)


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


test_bad_input = refusals(
    ({"update": "dfp"}, "update must be one of 'broyden', 'bfgs'; got 'dfp'"),
    ({"max_line_search": 0}, "max_line_search must be at least 1; got 0"),
    ({"tolerance_gradient": -1.0}, "tolerance_gradient must be finite and not negative"),
    ({"tolerance_change": np.nan}, "tolerance_change must be finite and not negative"),
    ({"history": 3}, "TypeError: 'self-scaled-broyden' has no option 'history'"),
    ({"geometry": "spline", "gradient": "relu"}, "gradient must be the same as geometry"),
    call=lambda options: minimize(Chain(), START, METHOD, **options),
)


def test_an_inverse_hessian_beyond_the_memory_is_refused_before_it_is_made():
    class Large:
        def value_and_gradient(self, theta):
            return 0.5 * theta @ theta, theta

    refused(lambda: minimize(Large(), np.ones(5_000_000), METHOD), "the inverse Hessian of 5000000 parameters")
