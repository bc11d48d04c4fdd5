"""The law of layers: every sweep is the complex step of the value, and nothing else changes."""

import numpy as np
import pytest

import refkan as rk
from tests.shared.draws import within
from tests.shared.factories import EVERY_LAYER, LayerCase
from tests.shared.plain_layers import PLAIN_LAYERS

ALL_LAYERS = [*EVERY_LAYER, *PLAIN_LAYERS]


def name(case):
    """The case, or what a layer without knots is."""
    if isinstance(case, LayerCase):
        return str(case)
    return "-".join([type(case).__name__, case.describe(), str(case.outside), *case.blocks])


def random_parameters(layer, seed=0):
    """Parameters without structure; s moderate, so that free knots stay apart from the samples' usual places."""
    rng = np.random.default_rng(seed)
    blocks = {key: rng.standard_normal(shape) for key, shape in layer.blocks.items()}
    if "s" in blocks:
        blocks["s"] *= 0.3
    return layer.pack(**blocks)


def layer_and_point(case, n_outputs=2, n=5):
    """The layer of a case, parameters, and samples of which some lie outside of a domain that may be left."""
    if isinstance(case, LayerCase):
        layer, x = case.build(n_outputs), case.samples(n)
    else:
        layer, (a, b) = case, case.domains.T
        reach = (0.0, 1.0) if case.outside == "error" else (-0.2, 1.2)
        x = a + (b - a) * np.random.default_rng(1).uniform(*reach, (n, 3))
        if isinstance(case, rk.DenseLayer):
            x = 2 * x - 1
    return layer, random_parameters(layer), x


def complex_jacobians(layer, theta, x, step=1e-30):
    """Return the value of a layer (N, Q) and, by complex steps, its Jacobians (N, Q, M) and (N, Q, P).

    A layer is a function of each sample alone, so one step moves an input of every sample at once.
    """
    x_steps = [x + 1j * step * e for e in np.eye(x.shape[1])]
    J_x = np.stack([layer.linearize(theta, z, slopes=False).value.imag / step for z in x_steps], axis=2)
    theta_steps = [theta + 1j * step * e for e in np.eye(theta.size)]
    J_theta = np.stack([layer.linearize(t, x, slopes=False).value.imag / step for t in theta_steps], axis=2)
    return layer.linearize(theta, x, slopes=False).value, J_theta, J_x


def check_sweeps(layer, theta, x):
    """Every sweep against complex steps of the value, and, of fixed knots, the Hessian against those of the pullback.

    Arguments stay as they are, sweeps may be repeated, and there may be one sample or none.
    """
    rng = np.random.default_rng(3)
    y, J, J_x = complex_jacobians(layer, theta, x)
    N, Q, M = J.shape
    # Jacobians are themselves sums of some ten contributions of both signs: relative to the largest entries.
    size, size_x = np.abs(J).max(axis=(0, 1)) + np.abs(J).max(), np.abs(J_x).max()
    dtheta, dx, dy = rng.standard_normal(M), rng.standard_normal(x.shape), rng.standard_normal((N, Q))
    G, out = rng.standard_normal((N, 4, Q)), np.zeros((N, 4, M))
    arrays = theta, x, dtheta, dx, dy, G
    before = [array.copy() for array in arrays]

    at = layer.linearize(theta, x)
    value = at.value.copy()
    np.testing.assert_allclose(value, y, rtol=0, atol=4e-15 * max(1.0, np.abs(y).max()))
    np.testing.assert_array_equal(layer.linearize(theta, x, slopes=False).value, value)
    expected = J @ dtheta + np.einsum("sqp,sp->sq", J_x, dx)
    scale = np.abs(dtheta) @ size + size_x * np.abs(dx).sum()
    line = "derivatives of a layer against complex steps"
    assert within(at.pushforward(dtheta, dx) - expected, 1e-14 * scale, line)
    g, g_x = at.pullback(dy)
    assert within(g - np.einsum("sq,sqm->m", dy, J), 1e-14 * size * np.abs(dy).sum(), line)
    assert within(g_x - np.einsum("sq,sqp->sp", dy, J_x), 1e-14 * size_x * np.abs(dy).sum(), line)
    alone, nothing = at.pullback(dy, inputs=False)
    assert nothing is None
    np.testing.assert_array_equal(alone, g)
    scale = 1e-14 * np.abs(G).max() * Q
    np.testing.assert_allclose(at.pullback_inputs(G), np.einsum("soq,sqp->sop", G, J_x), rtol=0, atol=scale * size_x)
    at.fill_jacobian(G, out)
    assert np.all(np.abs(out - np.einsum("soq,sqm->som", G, J)).max(axis=(0, 1)) <= scale * size)
    at.fill_jacobian((1 + 2j) * G, rows := np.zeros(out.shape, complex))
    with pytest.raises(TypeError, match="must be an array of dtype complex128"):
        at.fill_jacobian((1 + 2j) * G, out.copy())
    assert np.all(np.abs(rows - (1 + 2j) * out).max(axis=(0, 1)) <= 3 * scale * size)
    if not layer.free_knots:
        moved = layer.linearize(theta + 1e-30j * dtheta, x + 1e-30j * dx).pullback(dy.astype(complex))
        for ours, theirs in zip(at.hessian_product(dtheta, dx, dy), moved, strict=True):
            expected = theirs.imag / 1e-30
            # Of the largest entry: 30 terms, each with factors that grow like the slopes of the basis.
            np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-13 * max(np.abs(expected).max(), 1e-300))
    for array, copy in zip((*arrays, at.value, at.pullback(dy)[0]), (*before, value, g), strict=True):
        np.testing.assert_array_equal(array, copy)

    for n in (0, 1):
        at = layer.linearize(theta, x[:n])
        g, g_x = at.pullback(dy[:n])
        assert (at.value.shape, g.shape, g_x.shape) == ((n, Q), (M,), (n, x.shape[1]))
        assert n or not g.any()
        assert at.pushforward(theta, x[:n]).shape == (n, Q)
        assert at.pullback_inputs(G[:n]).shape == (n, 4, x.shape[1])
        at.fill_jacobian(G[:n], np.zeros((n, 4, M)))
        assert layer.free_knots or at.hessian_product(theta, x[:n], dy[:n])[1].shape == (n, x.shape[1])
