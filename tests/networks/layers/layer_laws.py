"""Layers without knots beside those of factories, and random parameters of any layer."""

from __future__ import annotations

import numpy as np

import refkan as rk

DENSE = [
    rk.DenseLayer(3, 2, activation, bias)
    for activation in ("relu", "relu3", "tanh", "silu", "identity")
    for bias in (True, False)
]


def name(case):
    return f"dense-{case.activation}-{case.bias}" if isinstance(case, rk.DenseLayer) else str(case)


def random_parameters(layer, seed=0):
    """Parameters without structure; s moderate, so that free knots stay apart from the samples' usual places."""
    rng = np.random.default_rng(seed)
    blocks = {key: rng.standard_normal(shape) for key, shape in layer.blocks.items()}
    if "s" in blocks:
        blocks["s"] *= 0.3
    return layer.pack(**blocks)
