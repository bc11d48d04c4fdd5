"""L-BFGS against SciPy, torch and dense matrices; self-scaled quasi-Newton methods."""

from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize

from refkan.training.optimizers import minimize
from refkan.training.optimizers.gradient_methods import updated
from refkan.training.optimizers.lbfgs import CorrectionPairs
from tests.shared.factories import EPS
from tests.shared.refusals import refusals, refused
from tests.training.optimizers.descent_problems import START, Chain, LogCosh, ToyNet, trajectory


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


# --- the fixed step


# torch 2.13.0, float64, x the start, f the chain:
#   opt = torch.optim.LBFGS([x], lr=1, max_iter=inner, history_size=history)
#   def closure(): opt.zero_grad(); v = f(); v.backward(); return v
#   for epoch in range(8): opt.step(closure); print(f().item())
# In the first and third, torch's later epochs repeat the last value; there the run has converged.
TORCH = [
    (1.0, 100, 5, [1.5035989427170253, 0.11259527860802238, 0.008365954783131053, 4.733253883980859e-12]),
    (
        1.0,
        3,
        4,
        [
            1.6481857035228429,
            1.4221998720213531,
            0.4916319619717762,
            0.03202826183820397,
            0.003576717884948681,
            7.406590850932847e-06,
            9.86102771734211e-08,
            1.8934528228859163e-08,
        ],
    ),
    (10.0, 100, 20, [3.8090113930095866, 3.804567785536641]),
    (10.0, 3, 4, [4.268784986837451, 5845.256298285007, 4.250850268097967, 4.205986354632642]),
]


@pytest.mark.parametrize(("a", "history", "inner", "expected"), TORCH)
def test_fixed_step_against_torch(a, history, inner, expected):
    steps = 4 if len(expected) == 4 and expected[-1] > 1 else 8  # the last one is a prefix
    result = minimize(Chain(a), START, method="lbfgs-fixed-step", steps=steps, inner=inner, history=history)
    # Rounding in up to 32 steps, some of them to values of 6000.
    np.testing.assert_allclose(result.history.value[1:], expected, rtol=1e-7)
    assert result.converged == (len(expected) < steps)
    if not result.converged:
        assert result.n_evaluations == 1 + steps * inner
        np.testing.assert_array_equal(result.history.evaluations, 1 + inner * np.arange(steps + 1))


def test_fixed_step_tolerances_end_epoch_and_run():
    run = {"method": "lbfgs-fixed-step", "steps": 50}
    assert minimize(LogCosh(), [0.3, 0.2], **run).n_evaluations < 12
    coarse = minimize(LogCosh(), [0.3, 0.2], tolerance_gradient=1e-1, **run)
    assert coarse.converged
    assert coarse.n_evaluations < minimize(LogCosh(), [0.3, 0.2], **run).n_evaluations
    # The tolerance of change ends an epoch, and not the run: one iteration an epoch from then on.
    steps = minimize(Chain(10.0), START, tolerance_change=0.5, tolerance_gradient=0.0, **run | {"steps": 6})
    assert len(steps.history.value) > 2
    assert steps.n_evaluations < 1 + 20 * (len(steps.history.value) - 1)

    # theta^2 - theta: the first step leads from 1 to 0, where the value is the same though the slope is not small.
    class Mirror:
        def value_and_gradient(self, theta):
            return float(theta[0] ** 2 - theta[0]), 2 * theta - 1

    assert minimize(Mirror(), [1.0], **run | {"steps": 1}).n_evaluations == 2
    assert minimize(Mirror(), [1.0], tolerance_change=0.0, **run | {"steps": 1}).n_evaluations > 2
    done = minimize(LogCosh(), [0.0, 0.0], **run)
    assert done.converged
    assert done.n_evaluations == len(done.history.value) == 1


def test_pairs_without_curvature_are_left_out():
    pairs = CorrectionPairs(2)
    g = np.array([1.0, 2.0])
    pairs.add(np.array([1.0, 0.0]), np.array([-1.0, 0.0]))
    pairs.add(np.array([1.0, 0.0]), np.array([1e-10, 0.0]))  # not above the least curvature
    np.testing.assert_array_equal(pairs.apply(g), g)
    pairs.add(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    np.testing.assert_allclose(pairs.apply(g), g / 2, rtol=4 * EPS)
    for curvature in (4.0, 8.0):
        pairs.add(np.array([0.0, 1.0]), np.array([0.0, curvature]))
    # The oldest of three has gone: both entries now see the newest scaling.
    np.testing.assert_allclose(pairs.apply(g), g / 8, rtol=4 * EPS)


METHOD = "self-scaled-broyden"


def definite(n, seed):
    """A positive definite matrix."""
    M = np.random.default_rng(seed).normal(size=(n, n))
    return M @ M.T + 0.1 * np.eye(n)


def pair(n, seed):
    """A step and a change of gradients with positive curvature."""
    s = np.random.default_rng(seed).normal(size=n)
    return s, definite(n, seed + 100) @ s


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
