"""G0: every hand-derived derivative of networks equals the complex step.

All layer kinds, node maps, policies outside the domain and free knots: the gradient in the parameters and in the
inputs, the tangent and the Jacobian, on small networks with inputs and activations inside and outside the domains.
"""

from collections.abc import Iterator

import numpy as np

import refkan as rk
from refkan.claims import Verdict, judge
from validation.statements import Progress, each, silent

CLAIMS = ("G0",)

STEP = 1e-30
"""So small that the truncation error of a complex step, of size STEP^2, is below any rounding."""

TOLERANCE = 1e-14
"""Relative to the sum of absolute contributions to an entry."""


def run(quick: bool, progress: Progress = silent) -> list[Verdict]:
    rng = np.random.default_rng(20)
    errors = {name: worst_error(net, rng) for name, net in each(progress, "{0[0]}", networks(quick))}
    worst = max(errors, key=lambda name: errors[name])
    sabotaged = [worst_error(net, rng, sabotage=True) for _, net in list(networks(quick=True))[:3]]
    return [
        Verdict(
            "G0",
            judge(errors[worst] <= TOLERANCE),
            f"{len(errors)} networks, worst relative difference {errors[worst]:.1e} ({worst})",
            details=(
                "For each network: dtheta and dx of a random cotangent, the tangent of a random direction and the "
                "Jacobian times that direction, against imaginary parts of values at theta + ih e_i, h = 1e-30. "
                "Differences are relative to the sum of absolute contributions: sums over samples of |dy| |J|, times "
                "the cancellation that each layer's own sums show (1 for B-splines of one sign; large for ReLU "
                "powers)."
            ),
            data={"errors": errors, "seed": 20},
            mutations={"one coefficient's gradient halved": judge(max(sabotaged) <= TOLERANCE)},
        )
    ]


def networks(quick: bool) -> Iterator[tuple[str, rk.Network]]:
    """Small networks of every kind; in a full run also of other orders."""
    for activation in ("relu", "relu3", "tanh"):
        yield f"mlp {activation}", rk.mlp([2, 3, 4, 2], activation)
    orders = (3,) if quick else (2, 3, 4, 6)
    for order in orders:
        for kind in ("spline", "relu", "scaled-relu", "silu"):
            basis, edge = ("spline", "silu") if kind == "silu" else (kind, "spline")
            for node_map in ("affine", "mean-std", "min-max", "sigmoid", "none"):
                for outside in ("linear", "polynomial", "natural"):
                    if quick and outside == "polynomial" and node_map != "none":
                        continue
                    for free in (False, True):
                        if free and outside == "natural":
                            continue
                        name = f"{kind} {node_map} {outside}{' free knots' if free else ''}, order {order}"
                        yield name, rk.kan(
                            [2, 3, 2], order, [3, 2], basis=basis, edge=edge, node_map=node_map,
                            outside=outside, free_knots=free,
                        )  # fmt: skip


def worst_error(net: rk.Network, rng: np.random.Generator, sabotage: bool = False) -> float:
    """Largest relative difference between hand-derived derivatives and complex steps."""
    x = rng.uniform(-0.15, 1.15, (7, 2))
    statistics = rng.uniform(0.0, 1.0, (5, 2))
    net, theta = net.initialize(rng, rng.uniform(0.0, 1.0, (9, 2)), statistics=statistics)
    theta = theta + 0.05 * rng.normal(size=theta.size)
    dy, direction = rng.normal(size=(7, 2)), rng.normal(size=theta.size)
    _, pullback = net.vjp(theta, x)
    dtheta, dx = pullback(dy)
    assert dx is not None
    if sabotage:
        dtheta = np.where(np.arange(theta.size) == np.argmax(np.abs(dtheta)), 0.5 * dtheta, dtheta)
    J = net.jacobian(theta, x)

    steps = STEP * 1j * np.eye(theta.size)
    exact = np.stack([net(theta + step, x).imag.ravel() / STEP for step in steps], axis=1)
    tangent = net(theta + STEP * 1j * direction, x).imag / STEP
    frozen = net.freeze(theta)  # derivatives in x hold the statistics fixed
    exact_dx = np.stack([(dy * frozen(theta, x + STEP * 1j * e).imag).sum(axis=1) / STEP for e in np.eye(2)], axis=1)

    cancels = cancellation(frozen, theta, x)
    sizes = np.abs(exact)
    along_samples = np.abs(dy.ravel()) @ sizes
    along_parameters = (sizes @ np.abs(direction)).reshape(dy.shape)
    # An entry that is zero beside large ones is a difference of contributions from many samples: hence the maxima.
    pairs = [
        (dtheta, dy.ravel() @ exact, along_samples.max()),
        (dx, exact_dx, np.abs(exact_dx).max()),
        (J, exact, sizes.max()),
        (net.jvp(theta, x, direction), tangent, along_parameters.max()),
    ]
    return float(max(np.abs(ours - truth).max() / scale for ours, truth, scale in pairs)) / cancels


def cancellation(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> float:
    """Largest quotient, over layers, of the sum of absolute terms of an output and the largest output."""
    largest, z = 1.0, x
    for k, layer in enumerate(net.layers):
        part = theta[net.slices[k]]
        at = layer.linearize(part, z)
        if isinstance(layer, rk.ReluLayer):
            powers, weights = at.local_form().blocks[0].values, layer.unpack(part)["coefficients"]
            terms = np.einsum("spj,qpj->sq", np.abs(powers), np.abs(weights))
            largest = max(largest, float(terms.max() / np.abs(at.value).max()))
        z = at.value if k == len(net.node_maps) else net.node_maps[k].value(at.value)
    return largest
