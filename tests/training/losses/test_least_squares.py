import numpy as np
import pytest

from refkan.training.losses import LeastSquares
from tests.shared.refusals import refusals, refused

EPS = np.finfo(float).eps


class TwoLayers:
    """F(x) = tanh(x V) W, P inputs, H hidden units, Q outputs: small, smooth, differentiated by hand."""

    def __init__(self, P=2, H=3, Q=2):
        self.P, self.H, self.Q = P, H, Q
        self.n_params = P * H + H * Q
        self.calls = 0

    def unpack(self, theta):
        V, W = np.split(theta, [self.P * self.H])
        return V.reshape(self.P, self.H), W.reshape(self.H, self.Q)

    def __call__(self, theta, x):
        V, W = self.unpack(theta)
        return np.tanh(x @ V) @ W

    def vjp(self, theta, x, inputs=True):
        self.calls += 1
        assert not inputs, "the loss has no use for the cotangent of x"
        V, W = self.unpack(theta)
        z = np.tanh(x @ V)

        def pullback(dy):
            dz = (dy @ W.T) * (1 - z * z)
            return np.concatenate([(x.T @ dz).ravel(), (z.T @ dy).ravel()]), None

        return z @ W, pullback


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def random_problem(rng, N=7, weights=None):
    net = TwoLayers()
    x, y = rng.standard_normal((N, net.P)), rng.standard_normal((N, net.Q))
    return LeastSquares(net, x, y, weights), rng.standard_normal(net.n_params)


def by_hand(problem, theta, weights):
    """The value as a plain loop over samples and outputs."""
    total = 0.0
    for s, (x, y) in enumerate(zip(problem.x, problem.y, strict=True)):
        output = problem.net(theta, x[None])[0]
        total += weights[s] * sum((output[q] - y[q]) ** 2 for q in range(len(y)))
    return total / (2 * len(problem.x))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("N", [1, 7])
def test_value_is_the_formula(rng, N, weighted):
    weights = rng.uniform(size=N) if weighted else None
    problem, theta = random_problem(rng, N, weights)
    expected = by_hand(problem, theta, weights if weighted else np.ones(N))
    # Sums of 2N products, both orders of summation: 16 eps.
    assert problem.value(theta) == pytest.approx(expected, rel=16 * EPS, abs=0)
    assert isinstance(problem.value(theta), float)


def test_value_and_gradient_take_one_pass_and_agree_with_each_alone(rng):
    problem, theta = random_problem(rng)
    value, gradient = problem.value_and_gradient(theta)
    assert problem.net.calls == 1
    assert value == problem.value(theta)
    np.testing.assert_array_equal(gradient, problem.gradient(theta))


def test_an_overflowing_value_has_no_gradient_and_asks_for_none():
    class Far:
        def vjp(self, theta, x, inputs=True):
            return x * theta, lambda dy: pytest.fail("the network must not be given infinite cotangents")

    with np.errstate(over="ignore"):
        value, gradient = LeastSquares(Far(), [[1.0]], [[0.0]]).value_and_gradient(np.array([1e200]))
    assert value == np.inf
    assert np.isnan(gradient).all()


def test_data_are_widened_and_owned(rng):
    x, y = np.array([[1, 2], [3, 4]]), np.array([[1.5, 0], [0, 1]], dtype=np.float32)
    problem = LeastSquares(TwoLayers(), x, y)
    assert problem.x.dtype == problem.y.dtype == np.float64
    y = np.zeros((2, 2))
    problem = LeastSquares(TwoLayers(), x, y)
    before = problem.value(np.ones(12))
    y[:] = 9
    assert problem.value(np.ones(12)) == before


X, Y = np.zeros((3, 2)), np.zeros((3, 2))
NAN = np.array([[0.0, 0.0], [0.0, np.nan], [0.0, 0.0]])


test_bad_data = refusals(
    (X[:0], Y[:0], None, "x must hold at least one sample; got N = 0"),
    (X, Y[:2], None, r"y must have shape \(N, Q\), N = 3 as x has"),
    (X, Y[:, :0], None, r"Q >= 1; got \(3, 0\)"),
    (X, Y[:, 0], None, r"y must have 2 dimensions; got shape \(3,\)"),
    (X[:, 0], Y, None, "x must have 2 dimensions"),
    (NAN, Y, None, r"x must be finite; got x\[1, 1\] = nan"),
    (X, NAN, None, r"y must be finite; got y\[1, 1\] = nan"),
    (X, Y, [1, 1], "weights must have length 3; got length 2"),
    (X, Y, [1, -0.5, 1], r"weights must not be negative; got weights\[1\] = -0.5"),
    (X, Y, [1, np.inf, 1], r"weights must be finite; got weights\[1\] = inf"),
    call=lambda x, y, weights: LeastSquares(TwoLayers(), x, y, weights),
)


@pytest.mark.parametrize("which", ["x", "y", "weights"])
def test_complex_data_are_refused(which):
    data = {"x": X, "y": Y, "weights": np.ones(3)}
    data[which] = data[which] * 1j
    refused(lambda: LeastSquares(TwoLayers(), **data), f"TypeError: {which} must be real")


def test_targets_never_broadcast():
    problem = LeastSquares(TwoLayers(Q=2), X, Y[:, :1])
    refused(lambda: problem.value(np.ones(12)), r"y must have the shape of the outputs, \(3, 2\); got \(3, 1\)")
