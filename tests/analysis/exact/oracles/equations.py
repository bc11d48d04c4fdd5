"""Equations whose solutions are known, and networks near them: what `certified_error` must bound."""

from __future__ import annotations

import mpmath
import numpy as np

import refkan as rk
from tests.analysis.exact.oracles.networks import Digits, OracleNetwork


def solution(rng, kind, wavenumber):
    """(u over mpmath, f, g, c) with Lap u + k^2 u = f or (c u')' = f exactly, constants small dyadic numbers."""
    w, s = (float(v) for v in rng.integers(1, 7, 2) / 2)
    k2 = wavenumber * wavenumber
    if kind == "sine":
        factor = s * (k2 - w * w)
        return lambda x: s * mpmath.sin(w * x), lambda x: (x * w).sin() * factor, lambda x: (x * w).sin() * s, None
    if kind == "exponential":
        factor = s * (k2 + w * w)
        return lambda x: s * mpmath.exp(w * x), lambda x: (x * w).exp() * factor, lambda x: (x * w).exp() * s, None

    def cubic(x):
        return x * x * x * s - x * w

    if kind == "cubic":
        return cubic, lambda x: x * (6 * s) + cubic(x) * k2, cubic, None
    if kind == "coefficient":  # c = 2 + x/2, u = s x^2: (c u')' = s (4 x + x^2)' = s (4 + 2 x)
        return lambda x: s * x * x, lambda x: x * (2 * s) + 4 * s, lambda x: x * x * s, lambda x: x * 0.5 + 2.0
    return (  # harmonic, "plane"
        lambda x, y: s * mpmath.exp(x) * mpmath.sin(y) + w * x * y,
        lambda x, y: x * 0.0,
        lambda x, y: x.exp() * y.sin() * s + x * y * w,
        None,
    )


def near(rng, u, box, kind):
    """A network that interpolates u in the box, up to a perturbation, and its parameters."""
    order, n = int(rng.integers(3, 7)), int(rng.integers(1, 6))
    (a, b) = box[0]
    spread = 10.0 ** rng.integers(-9, 1)
    if kind == "plane":
        net = rk.kan([2, 1] if order > 4 else [2, 2, 1], order, n, node_map="sigmoid")
        return net.initialize(rng, rng.uniform(box[:, 0], box[:, 1], (20, 2)))
    net = rk.kan([1, 1], order, n, domain=(a, b))
    x = np.linspace(a, b, 8 * net.n_params)
    B = np.array(rk.bsplines.design_matrix(net.layers[0].spaces[0], x).toarray())
    theta = np.linalg.lstsq(B, np.array([float(u(v)) for v in x]), rcond=None)[0]
    return net, theta + spread * rng.normal(size=theta.shape) * np.abs(theta).max() * rng.integers(0, 2)


KINDS = "sine", "exponential", "cubic", "coefficient", "plane"


def attack_error(rng, kind, counts, points=8):
    """`certified_error` against the error, the residual and the boundary at points."""
    wavenumber = float(rng.choice([0.0, 0.0, 0.5, 1.0])) if kind in ("sine", "exponential", "cubic") else 0.0
    u, f, g, c = solution(rng, kind, wavenumber)
    sides = 2 if kind == "plane" else 1
    low = rng.integers(-2, 2, sides) / 2
    box = np.stack([low, low + rng.choice([2.0**-20, 0.25, 0.5, 1.0, 1.5], sides)], axis=1)
    net, theta = near(rng, u, box, kind)
    options = {} if c is None else {"coefficient": c}
    options |= {"wavenumber": wavenumber, "tolerance": 1e-3, "points": 100, "budget": 50}
    found, out = counts.certificate("certified_error", rk.exact.certified_error, net, theta, f, g, box, **options)
    if found is None:
        return out
    with mpmath.workdps(60):
        oracle = OracleNetwork(net, theta, Digits)
        for k in range(points):
            x = [float(v) for v in rng.uniform(box[:, 0], box[:, 1])]
            if k < 4:
                x[0] = float(box[0, k % 2])
            (v,) = oracle.in_inputs(x)
            exact = [mpmath.mpf(t) for t in x]
            error = abs(v.v - u(*exact))
            laplace = sum(v.h[p, p] for p in range(sides))
            if c is not None:
                laplace = (2 + exact[0] / 2) * laplace + v.g[0] / 2
            right = laplacian(kind, u, exact, wavenumber)
            residual = abs(laplace + wavenumber**2 * v.v - right)
            on_boundary = any(t in side for t, side in zip(x, box, strict=False))
            for name, number, bound in (
                ("error", error, found.error),
                ("by maximum principle", error, found.by_maximum_principle),
                ("by integration", error, found.by_integration),
                ("residual", residual, found.residual),
                ("boundary", error if on_boundary else 0, found.boundary),
            ):
                if not number <= bound * (1 + 1e-25):
                    out.append(f"certified_error: {name} {mpmath.nstr(number, 20)} > {bound} ({kind} at {x})")
    return out


def laplacian(kind, u, x, wavenumber):
    """Lap u + k^2 u, or (c u')', by the derivatives of mpmath."""
    if kind == "plane":
        return mpmath.mpf(0)
    with mpmath.workdps(100):
        if kind == "coefficient":
            return mpmath.diff(lambda t: (2 + t / 2) * mpmath.diff(u, t), x[0])
        return mpmath.diff(u, x[0], 2) + wavenumber**2 * u(x[0])
