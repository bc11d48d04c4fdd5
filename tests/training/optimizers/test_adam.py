"""Adam: its decay, its schedules, and a reference."""

import numpy as np
import pytest

from refkan.training.optimizers import minimize
from tests.shared.factories import EPS
from tests.training.optimizers.descent_problems import START, Chain, ToyNet, trajectory


def test_adam_with_decoupled_decay_against_torch():
    # torch 2.13.0, float64, with x the start and f the chain, a = 1:
    #   opt = torch.optim.AdamW([x], lr=0.05, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)
    #   for k in range(10):
    #       opt.zero_grad(); v = f(); v.backward(); opt.step()
    expected = [
        -0.003160809755066385,
        0.6659961986767869,
        0.5798864116501841,
        0.5533663037370525,
        0.09108550048760046,
    ]
    result = minimize(
        Chain(a=1.0),
        START,
        method="adam",
        steps=10,
        learning_rate=0.05,
        beta1=0.8,
        beta2=0.95,
        epsilon=1e-6,
        weight_decay=0.1,
    )
    # The value falls in every step, so that the best is the last: 64 eps for ten rounded steps.
    np.testing.assert_allclose(result.theta, expected, rtol=0, atol=64 * EPS)
    assert result.value == pytest.approx(2.0494041767688436, rel=64 * EPS)


def test_weight_decay_is_the_same_in_all_coordinates():
    # With the gradient of a constant, only the decay is left.
    class Constant:
        net = ToyNet()

        def value_and_gradient(self, theta):
            return 1.0, np.full(theta.shape, 1e-300)

    options = {"method": "adam", "learning_rate": 0.1, "weight_decay": 0.5, "steps": 3, "epsilon": 1.0}
    for geometry in (None, "relu"):
        np.testing.assert_allclose(
            trajectory(Constant(), START, geometry=geometry, **options)[-1], 0.95**3 * START, rtol=8 * EPS
        )


def test_schedules():
    constant = trajectory(Chain(), START, method="adam", learning_rate=0.02)
    np.testing.assert_array_equal(trajectory(Chain(), START, method="adam", schedule=0.02), constant)
    np.testing.assert_array_equal(trajectory(Chain(), START, method="adam", schedule=lambda k: 0.02), constant)
    asked = []

    def warm_up(k):
        asked.append(k)
        return 0.02 * min(1, k / 3)

    warm = trajectory(Chain(), START, method="adam", schedule=warm_up)
    assert asked == list(range(6))
    np.testing.assert_array_equal(warm[0], warm[1])  # rate 0
    assert np.abs(warm[2] - warm[1]).max() == pytest.approx(0.02 / 3, rel=1e-6)
    default = trajectory(Chain(), START, method="adam")
    np.testing.assert_array_equal(default, trajectory(Chain(), START, method="adam", learning_rate=1e-3))
