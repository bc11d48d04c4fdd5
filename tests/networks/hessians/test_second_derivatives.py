"""What second derivatives ask of layers and kernels: Hessian products, local forms, sums over windows."""

from contextlib import nullcontext

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import gauss_newton_sums as kernels
from refkan.networks.hessians import window_products
from refkan.networks.layers.functions import Features
from refkan.networks.node_maps.kinds import MeanStdMap, MinMaxMap
from tests.networks.layers.layer_laws import layer_and_point, name
from tests.shared.factories import EPS, EVERY_LAYER, LayerCase, NetworkCase, samples, with_layers
from tests.shared.plain_layers import PLAIN_LAYERS
from tests.shared.thresholds import kernels_in_python

LAYERS = [*(case for case in EVERY_LAYER if not case.free_knots), *PLAIN_LAYERS]


def build(case):
    layer, theta, x = layer_and_point(case)
    rng = np.random.default_rng(4)
    return layer, theta, x, rng.standard_normal(theta.size), rng.standard_normal(x.shape), rng.standard_normal((5, 2))


@pytest.mark.parametrize("case", LAYERS, ids=name)
def test_local_forms_say_what_the_layer_is(case):
    """u = sum W phi, y = activation(u), and the derivatives of u in x, from the form's own numbers."""
    layer, theta, x, *_, dy = build(case)
    at = layer.linearize(theta, x)
    form = at.local_form(curved=True)
    raw = theta if form.chart is None else raw_coefficients(layer, theta)
    u, du_dx, offset = np.zeros((5, 2)), np.zeros((5, 2, 3)), 0
    for block in form.blocks:
        size = 2 * block.slots * block.dim
        W = raw[offset : offset + size].reshape(2, block.slots, block.dim)
        offset += size
        assert block.width == block.values.shape[2] <= block.dim
        for s in range(5):
            for p in range(block.slots):
                window = slice(block.start[s, p], block.start[s, p] + block.width)
                u[s] += W[:, p, window] @ block.values[s, p]
                if block.slopes is not None:
                    du_dx[s, :, p] += W[:, p, window] @ block.slopes[s, p]
    assert offset == raw.size
    scale = max(np.abs(u).max(), np.abs(raw).sum())
    if form.activation is None:
        assert np.abs(u - at.value).max() <= 16 * EPS * scale
        slope = np.ones_like(u)
    else:
        slope = form.activation[0]
        J = np.zeros((5, 2, theta.size))
        at.fill_jacobian(np.broadcast_to(np.eye(2), (5, 2, 2)), J)
        own = np.stack([J[:, 0, :3], J[:, 1, 3:6]], axis=1)
        assert np.array_equal(slope[:, :, None] * x[:, None], own)  # the weights of each output by themselves
    assert np.abs(du_dx - form.slopes).max() <= 1e-13 * max(np.abs(du_dx).max(), 1e-300)
    eye = np.broadcast_to(np.eye(2), (5, 2, 2))
    slopes = slope[:, :, None] * form.slopes
    assert np.abs(slopes - at.pullback_inputs(eye)).max() <= 1e-13 * np.abs(du_dx).max() + 1e-300
    zero = np.zeros_like(theta)
    for p in range(3):
        dx = np.zeros_like(x)
        dx[:, p] = 1.0
        if form.activation is None:  # the Hessian of <dy, u> in x is diagonal
            bent = at.hessian_product(zero, dx, dy)[1]
            assert np.abs(bent[:, p] - form.curvatures(dy)[:, p]).max() <= 1e-13 * max(np.abs(bent).max(), 1e-300)
            assert np.abs(np.delete(bent, p, axis=1)).max() == 0.0


def raw_coefficients(layer, theta):
    blocks = layer.unpack(theta)
    return np.concatenate([(blocks["w_s"][:, :, None] * blocks["coefficients"]).ravel(), blocks["w_b"].ravel()])


def test_the_chart_of_silu_edges():
    layer, theta, x, dtheta, *_ = build(LayerCase("silu"))
    chart = layer.linearize(theta, x).local_form().chart
    moved = raw_coefficients(layer, theta + 1e-30j * dtheta).imag / 1e-30
    assert np.abs(chart.jacobian @ dtheta - moved).max() <= 8 * EPS * np.abs(moved).max()
    cotangent = np.random.default_rng(0).standard_normal(moved.size)
    curved = chart.hessian(cotangent)
    # W is bilinear: <c, W(theta)> has the Hessian of twice its second-order part.
    assert dtheta @ (curved @ dtheta) == pytest.approx(
        2 * (cotangent @ raw_coefficients(layer, dtheta)) - 2 * (cotangent[-6:] @ layer.unpack(dtheta)["w_b"].ravel())
    )
    assert (curved != curved.T).nnz == 0


def test_curvature_of_the_constants_is_the_diagonal_of_their_hessian():
    """Less its multiple of the identity the Hessian in one node's activations has rank two at most."""
    rng = np.random.default_rng(0)
    Y, dscale, dshift = rng.standard_normal((7, 3)), rng.standard_normal(3), rng.standard_normal(3)
    for kind in (MeanStdMap, MinMaxMap):
        node_map = kind(np.array([[0.0, 1.0], [-1.0, 2.0], [0.0, 3.0]]))
        diagonal = node_map.constants_curvature(Y, dscale, dshift)
        for q in range(3):
            unit = np.zeros((7, 7, 3))
            unit[:, :, q] = np.eye(7)
            H = np.stack([node_map.constants_hvp(Y, dY, dscale, dshift)[:, q] for dY in unit])
            size = np.abs(H).max()
            assert np.abs(H - H.T).max() <= 1e-14 * size
            assert np.linalg.svd(H - diagonal[q] * np.eye(7))[1][2:].max() <= 1e-14 * size
            wrong = 1.01 * diagonal[q] + 0.01 * size
            assert np.linalg.svd(H - wrong * np.eye(7))[1][2:].max() > 1e-4 * size


# --- kernels: compiled, in Python, and by definition


def windows(rng, n, slots, dim, width):
    return Features(rng.integers(0, dim - width + 1, (n, slots)), rng.standard_normal((n, slots, width)), None, dim)


def dense(features):
    out = np.zeros((*features.start.shape, features.dim))
    for s, p in np.ndindex(features.start.shape):
        out[s, p, features.start[s, p] : features.start[s, p] + features.width] = features.values[s, p]
    return out


def sums_of(features, q_pairs, same, fast=True):
    a, b = features
    w = [window_products.Window(f.slots, f.dim, f.width, offset) for f, offset in ((a, 0), (b, 0 if same else 1))]
    sums = window_products.Sums(tuple(w), q_pairs, same)
    sums.fast = fast
    return sums


@pytest.mark.parametrize(
    ("width", "width_right", "fast"),
    [(4, 4, True), (12, 3, True), (1, 4, False), (4, 4, False), (12, 3, False)],  # fast ones are compiled for widths
)
@pytest.mark.parametrize(("outputs", "outputs_right"), [(1, 1), (1, 2), (3, 2), (7, 2), (11, 3)])
def test_sums_are_the_definition(width, width_right, outputs, outputs_right, fast):
    """One pair of outputs, a few, and so many that loops go over them: each has its kernel."""
    rng = np.random.default_rng([width, outputs])
    a, b = windows(rng, 20, 3, 13, width), windows(rng, 20, 2, 6, width_right)
    G, H = rng.standard_normal((20, 2, outputs)), rng.standard_normal((20, 2, outputs_right))
    sums = sums_of((a, b), window_products.all_pairs(outputs, outputs_right), False, fast)
    with kernels_in_python() if width == 12 else nullcontext():  # which no network of these tests has
        sums.add(a.start, a.values, b, sums.couple(G, H))
    T = np.einsum("soq,sor->sqr", G, H)
    assert np.abs(sums.couple(G, H) - sums.pack(T)).max() <= 8 * EPS * np.abs(T).max()
    size_a, size_b = outputs * 3 * 13, outputs_right * 2 * 6
    # Offsets 0 and 1: the left block starts behind the right one here.
    sums.windows = (sums.windows[0], window_products.Window(b.slots, b.dim, b.width, size_a))
    out = np.zeros((size_a + size_b,) * 2)
    sums.write(out, other_order=False)
    expected = np.einsum("sqr,spi,stj->qpirtj", T, dense(a), dense(b)).reshape(size_a, size_b)
    assert np.abs(out[:size_a, size_a:] - expected).max() <= 64 * EPS * np.abs(expected).max()
    assert np.array_equal(out, out.T)
    assert not out[:size_a, :size_a].any()


@pytest.mark.parametrize(("width", "fast"), [(4, True), (3, False), (4, False)])
@pytest.mark.parametrize("outputs", [1, 3, 5, 9])
def test_symmetric_sums_are_the_definition(outputs, width, fast):
    rng = np.random.default_rng(outputs)
    a, G = windows(rng, 20, 3, 7, width), rng.standard_normal((20, 2, outputs))
    sums = sums_of((a, a), window_products.unordered_pairs(outputs), True, fast)
    sums.add(a.start, a.values, a, sums.couple(G, G))
    size = outputs * 3 * 7
    out = np.zeros((size, size))
    sums.write(out, other_order=True)
    expected = np.einsum("soq,sor,spi,stj->qpirtj", G, G, dense(a), dense(a)).reshape(size, size)
    assert np.abs(out - expected).max() <= 64 * EPS * np.abs(expected).max()
    assert np.array_equal(out, out.T)


@pytest.mark.parametrize("together", [1, 60], ids=["single", "in runs"])
@pytest.mark.parametrize("outputs", [2, 6, 14])
def test_many_samples_of_few_cells_are_the_definition(outputs, together):
    """Samples that are sorted by cells, for which blocks of samples end within a run, or come in long runs."""
    rng = np.random.default_rng(outputs)
    a, b = windows(rng, 600, 2, 6, 4), windows(rng, 600, 1, 5, 3)
    for features in (a, b):
        features.start[...] = np.repeat(features.start[::together], together, axis=0)
    sums = sums_of((a, b), window_products.all_pairs(outputs, 1), False)
    assert not sums.few or outputs < 8
    T = rng.standard_normal((600, outputs, 1))
    with kernels_in_python() if together == 1 and outputs == 2 else nullcontext():
        sums.add(a.start, a.values, b, sums.pack(T))
    sums.windows = (sums.windows[0], window_products.Window(1, 5, 3, outputs * 12))
    out = np.zeros((outputs * 12 + 5,) * 2)
    sums.write(out, other_order=False)
    expected = np.einsum("sqr,spi,stj->qpirtj", T, dense(a), dense(b)).reshape(outputs * 12, 5)
    assert np.abs(out[:-5, -5:] - expected).max() <= 64 * EPS * np.abs(expected).max()
    assert np.array_equal(out, out.T)


def test_sums_of_one_slot_are_its_part_of_all():
    rng = np.random.default_rng(2)
    a, b = windows(rng, 30, 3, 7, 4), windows(rng, 30, 5, 6, 4)
    for outputs in (1, 2, 9):
        whole, parts = [sums_of((a, b), window_products.all_pairs(outputs, 2), same=False) for _ in range(2)]
        T = whole.pack(rng.standard_normal((30, outputs, 2)))
        whole.add(a.start, a.values, b, T)
        for slot in (2, 0, 1):
            parts.add(a.start, a.values, b, T, slot)
        assert np.abs(whole.store - parts.store).max() <= 30 * EPS * np.abs(whole.store).max()


@pytest.mark.parametrize(
    ("pairs", "slots", "cells", "window"),
    [(1, 1, 1, 4), (15, 3, 49, 4), (5, 10, 49, 4), (210, 210, 64, 4), (400, 40, 5000, 4), (3, 1, 10**6, 12)],
)
def test_blocks_hold_all_pairs_and_no_more_than_needed(pairs, slots, cells, window):
    count, width = window_products.blocks_of_pairs(pairs, slots, cells, window)
    assert (count - 1) * width < pairs <= count * width
    assert width * cells <= window_products.CACHE_ENTRIES or width <= window_products.LEAST_WIDTH
    assert width == 1 or width * window <= kernels.LANES or width % kernels.VECTOR == 0


@pytest.mark.parametrize("kind", ["silu", "free"])
def test_networks_of_layers_of_two_kinds_have_the_matrix_of_their_jacobian(kind, rng):
    net, x = NetworkCase("spline").start(samples(12))[0], samples(12)
    first = rk.SiluLayer(net.layers[0]) if kind == "silu" else net.with_free_knots().layers[0]
    mixed = with_layers(net, (first, net.layers[1]))
    theta = rng.standard_normal(mixed.n_params)
    J = rk.hessians.jacobian(mixed, theta, x)
    for path in ("auto", "dense", *["sparse"] * (kind == "silu")):
        H = rk.hessians.gauss_newton(mixed, theta, x, path=path)
        np.testing.assert_allclose(H, J.T @ J / len(x), rtol=0, atol=1e-12 * np.sum(J**2))
