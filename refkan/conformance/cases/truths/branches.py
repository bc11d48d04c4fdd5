r"""What layers have beside their splines: a SiLU branch, scales of edges, and an affine map of each output.

f_qp(x) = g_q (b_qp silu(x) + s_qp sum_i C[q, p, i] b_i(x)) and y_q = sum_p f_qp(x_p) + c_q, with the parts b (base),
s (scale), g (node-scale) and c (bias) of a `LayerSpec`. SiLU is not rational: these are computed in float64.
"""

from __future__ import annotations

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.specs import LayerSpec
from refkan.networks.layers.activations import ACTIVATIONS, sigmoid_and_complement

ROUNDINGS = 8
"""Of silu(x), in units of eps: an exponential, a sum, a quotient and a product, each by a library of a few ulps."""


def silu(x: FloatArray, derivatives: int = 2) -> FloatArray:
    """SiLU and its derivatives: (derivatives + 1, N, P)."""
    return np.asarray(ACTIVATIONS["silu"].derivatives(x, derivatives + 1))


def silu_terms(x: FloatArray) -> FloatArray:
    """Sums of the absolute terms of silu = x g, its slope g + x (g - g^2) and its second derivative: (3, N, P)."""
    g, _ = sigmoid_and_complement(x)
    steep = g + g * g
    away = np.abs(x)
    return np.stack([away * g, g + away * steep, 2 * steep + away * steep * (1 + 2 * g)])


def edges(spec: LayerSpec, splines: FloatArray, x: FloatArray) -> FloatArray:
    """f_qp and derivatives of it from those of the splines, (3, N, Q, P)."""
    if not spec.parts:
        return splines
    branch = spec.part("node-scale")[:, None] * spec.part("base")
    return np.asarray(spec.gain * splines + branch * silu(x)[:, :, None, :])


def part_gradient(spec: LayerSpec, name: str, splines: FloatArray, x: FloatArray, g: FloatArray) -> FloatArray:
    """Gradient of sum g * y in a part of a layer, from the values (N, Q, P) of its splines."""
    gain = spec.part("node-scale")[:, None]
    if name == "bias":
        return np.asarray(g.sum(axis=0))
    if name == "base":
        return np.asarray(gain * (g.T @ silu(x, 0)[0]))
    if name == "scale":
        return np.asarray(gain * np.einsum("sq,sqp->qp", g, splines))
    inner = spec.part("scale") * splines + spec.part("base") * silu(x, 0)[0][:, None]
    return np.asarray(np.einsum("sq,sqp->q", g, inner))


def allowed(
    spec: LayerSpec, size: FloatArray, error: FloatArray, x: FloatArray
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Sums of absolute terms of f_qp and derivatives, and their errors, from those of the splines: (3, N, Q, P)."""
    if not spec.parts:
        return size, error
    branch = np.abs(spec.part("node-scale")[:, None] * spec.part("base"))
    terms = silu_terms(x)[:, :, None, :]
    rounded = ROUNDINGS * (1 + np.arange(3))[:, None, None, None]
    both = np.abs(spec.gain) * size + branch * terms
    # Two products more, and the sum of branch and spline.
    return both, np.abs(spec.gain) * error + branch * rounded * terms + 3 * both


def part_allowed(
    spec: LayerSpec, name: str, size: FloatArray, error: FloatArray, x: FloatArray, moved: FloatArray,
    g: FloatArray, g_error: FloatArray,
) -> FloatArray:  # fmt: skip
    """Allowed errors, in units of eps, of the gradient in a part.

    Parameters
    ----------
    spec : LayerSpec
    name : str
    size, error : array (2, N, Q, P)
        Of the splines and their slopes: absolute terms, and errors in units of eps.
    x, moved : array (N, P)
        Samples, and their errors in units of eps.
    g, g_error : array (N, Q)
        Absolute terms of the cotangents, and their errors in units of eps.
    """
    n = len(x) + 3
    gain, terms = np.abs(spec.part("node-scale"))[:, None], silu_terms(x)
    branch = ROUNDINGS * terms[0] + terms[1] * moved
    spline = error[0] + size[1] * moved[:, None]
    if name == "bias":
        return np.asarray((g_error + n * g).sum(axis=0))
    if name == "base":
        return np.asarray(gain * (g.T @ (branch + n * terms[0]) + g_error.T @ terms[0]))
    if name == "scale":
        inner, off = size[0], spline
    else:
        gain = np.ones((1, 1))
        weights = np.abs(spec.part("scale")), np.abs(spec.part("base"))
        inner = weights[0] * size[0] + weights[1] * terms[0][:, None]
        off = weights[0] * spline + weights[1] * branch[:, None]
    found = gain * (
        np.einsum("sq,sqp->qp", g, off + (n + spec.n_inputs) * inner) + np.einsum("sq,sqp->qp", g_error, inner)
    )
    return np.asarray(found if name == "scale" else found.sum(axis=1))
