"""Networks as functions of JAX."""

import numpy as np
import pytest

import refkan as rk
from tests.interop.test_torch_modules import NETWORKS, started
from tests.shared.refusals import refused
from tests.shared.tables import each_row

jax = pytest.importorskip("jax")


@pytest.fixture(autouse=True)
def float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("kind", NETWORKS)
def test_jax_checks_first_and_second_derivatives(kind):
    from jax.test_util import check_grads

    net, theta, x, _ = started(kind)
    F = rk.interop.as_jax(net, theta)
    check_grads(F, (F.theta, x), order=2, modes=["rev"], eps=1e-6)  # by default 1e-4, which reaches over knots
    np.testing.assert_array_equal(F(F.theta, x), net(theta, x))


def test_compiled_and_mapped_functions_have_the_derivatives_of_refkan():
    net, theta, x, rng = started("silu")
    F, y = rk.interop.as_jax(net, theta), rng.normal(size=(3, 2))
    problem = rk.LeastSquares(net, x, y)

    def loss(theta):
        return jax.numpy.sum((F(theta, x) - y) ** 2) / (2 * len(x))

    value, gradient = jax.jit(jax.value_and_grad(loss))(F.theta)
    np.testing.assert_allclose(value, problem.value(theta), rtol=1e-14)
    np.testing.assert_allclose(gradient, problem.gradient(theta), rtol=0, atol=1e-14 * np.abs(gradient).max())
    H = jax.jit(jax.jacrev(jax.grad(loss)))(F.theta)
    np.testing.assert_allclose(H, problem.hessian(theta), rtol=0, atol=1e-12 * np.abs(H).max())
    rows = jax.vmap(F, (None, 0))(F.theta, x)
    np.testing.assert_allclose(rows, net(theta, x), rtol=0, atol=1e-15 * np.abs(rows).max())


def test_leading_axes_and_single_precision_come_back():
    net, theta, _, rng = started("affine")
    F, x = rk.interop.as_jax(net, theta), rng.uniform(size=(4, 5, 2)).astype(np.float32)
    assert F(theta, x).shape == (4, 5, 2)
    assert F(theta, x[:0]).shape == (0, 5, 2)
    assert F(theta, x[0, 0]).dtype == np.float64
    dx = jax.grad(lambda x: F(theta, x).sum())(x)
    assert (dx.shape, dx.dtype) == (x.shape, np.float32)


@each_row(
    "change, error, message",
    (lambda theta, x: (theta[1:], x), ValueError, r"theta must have shape \(72,\); got \(71,\)"),
    (lambda theta, x: (theta, x[:, 1:]), ValueError, r"x must have shape \(..., 2\); got \(3, 1\)"),
    (lambda theta, x: (theta, x + 1j), TypeError, "x must be real; got complex128"),
    (lambda theta, x: (theta, x * np.nan), ValueError, r"^x must be finite; got x\[0, 0\] = nan"),
    (lambda theta, x: (theta * np.inf, x), ValueError, r"^theta must be finite; got theta\[0\]"),
    (lambda theta, x: (theta, x.astype(str)), TypeError, r"^x must hold numbers; got x\[0, 0\] = '"),
    (lambda theta, x: (theta, [["nan", 0.5]]), TypeError, r"^x must hold numbers; got x\[0, 0\] = 'nan'"),
)
def test_wrong_arrays_are_refused(change, error, message):
    net, theta, x, _ = started("affine")
    with pytest.raises(error, match=message):
        jax.block_until_ready(rk.interop.as_jax(net, theta)(*change(theta, x)))


def test_float32_is_refused_with_the_remedy():
    net, theta, x, _ = started("affine")
    F = rk.interop.as_jax(net, theta)
    jax.config.update("jax_enable_x64", False)
    for call in (lambda: rk.interop.as_jax(net, theta), lambda: F(theta, x)):
        refused(call, r"in float64; got float32: jax.config.update\('jax_enable_x64', True\)")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [({"node_map": "mean-std"}, r"net.freeze\(theta\)"), ({"free_knots": True}, r"net.with_fixed_knots\(theta\)")],
)
def test_second_derivatives_that_are_not_defined_are_refused(options, remedy):
    x = np.random.default_rng(0).uniform(size=(9, 2))
    net, theta = rk.kan([2, 3, 1], 4, 2, **options).initialize(np.random.default_rng(1), x)
    F = rk.interop.as_jax(net, theta)
    slopes = jax.grad(lambda theta: F(theta, x).sum())
    np.testing.assert_allclose(slopes(theta), net.vjp(theta, x)[1](np.ones((9, 1)))[0], rtol=1e-14)
    refused(lambda: jax.grad(lambda theta: (slopes(theta) ** 2).sum())(theta), remedy)


def test_derivatives_beyond_second_ones_are_refused():
    x = np.random.default_rng(0).uniform(size=(5, 1))
    net, theta = rk.kan([1, 3, 1], 5, 2).initialize(np.random.default_rng(1), x)
    F = rk.interop.as_jax(net, theta)

    def u_xx(theta, x):
        slope = jax.grad(lambda x: F(theta, x).sum())
        return jax.grad(lambda x: slope(x).sum())(x)

    np.testing.assert_allclose(u_xx(theta, x), net.jet(theta, x, [[1.0]]).second[:, 0], rtol=1e-12)
    for argument in (0, 1):
        refused(lambda k=argument: jax.grad(lambda *at: u_xx(*at).sum(), k)(theta, x), "callbacks do not support JVP")
    kinked, theta = rk.kan([1, 1], 2, 3).initialize(np.random.default_rng(1), x)
    F = rk.interop.as_jax(kinked, theta)
    with pytest.raises(Exception, match="second derivatives in x need splines of order >= 4"):
        jax.block_until_ready(u_xx(theta, x))
