"""Equations whose solutions are known, and networks near them: what `certified_error` must bound."""

import mpmath
import numpy as np

import refkan as rk
from tests.analysis.exact.oracles.jets import Digits
from tests.analysis.exact.oracles.networks import OracleNetwork


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
    if kind == "plane, coefficient":
        # c = 2 + x y/4, u = s x^2 y^2 + w x y: c_x u_x = y/4 (2 s x y^2 + w y), c_y u_y = x/4 (2 s x^2 y + w x)
        def source(x, y):
            squares = x * x + y * y
            return (x * y * 0.25 + 2.0) * squares * (2 * s) + x * y * squares * (s / 2) + squares * (w / 4)

        return (
            (lambda x, y: s * (x * y) * (x * y) + w * x * y),
            source,
            (lambda x, y: (x * y) * (x * y) * s + x * y * w),
            lambda x, y: x * y * 0.25 + 2.0,
        )
    return (  # harmonic, "plane"
        lambda x, y: s * mpmath.exp(x) * mpmath.sin(y) + w * x * y,
        lambda x, y: (x.exp() * y.sin() * s + x * y * w) * k2,
        lambda x, y: x.exp() * y.sin() * s + x * y * w,
        None,
    )


def near(rng, u, box):
    """A network and parameters: interpolating u in a box of one dimension up to a perturbation, or random."""
    order, n, outside = int(rng.integers(3, 7)), int(rng.integers(1, 6)), str(rng.choice(["linear", "polynomial"]))
    sides = len(box)
    if sides == 2 or rng.integers(3) == 0:
        widths = [sides, 1] if order > 4 else [sides, 2, 1]
        net = rk.kan(widths, order, n, node_map="sigmoid", outside=outside)
        return net.initialize(rng, rng.uniform(box[:, 0], box[:, 1], (20, sides)))
    (a, b) = box[0]
    net = rk.kan([1, 1], order, n, domain=(a, b))
    x = np.linspace(a, b, 8 * net.n_params)
    B = np.array(rk.bsplines.design_matrix(net.layers[0].spaces[0], x).toarray())
    theta = np.linalg.lstsq(B, np.array([float(u(v)) for v in x]), rcond=None)[0]
    spread = 10.0 ** rng.integers(-9, 1) * rng.integers(0, 2)
    return net, theta + spread * rng.normal(size=theta.shape) * np.abs(theta).max()


KINDS = "sine", "exponential", "cubic", "coefficient", "plane", "plane, coefficient"


def attack_error(rng, kind, counts, points=8):
    """`certified_error` against the error, the residual and the boundary at points."""
    wavenumber = float(rng.choice([0.0, 0.0, 0.5, 1.0])) if "coefficient" not in kind else 0.0
    u, f, g, c = solution(rng, kind, wavenumber)
    sides = 2 if "plane" in kind else 1
    low = rng.integers(-2, 2, sides) / 2
    box = np.stack([low, low + rng.choice([2.0**-20, 0.25, 0.5, 1.0, 1.5], sides)], axis=1)
    net, theta = near(rng, u, box)
    options = {} if c is None else {"diffusion_coefficient": c}
    options |= {"wavenumber": wavenumber, "residual_tolerance": 1e-3, "integration_intervals": 100, "budget": 30}
    certified, out = counts.certificate("certified_error", rk.exact.certified_error, net, theta, f, g, box, **options)
    if certified is None:
        return out
    counts["bounds"] += 1
    with mpmath.workdps(60):
        oracle = OracleNetwork(net, theta, Digits)
        for k in range(points):
            x = [float(v) for v in rng.uniform(box[:, 0], box[:, 1])]
            if k < 4:
                x[0] = float(box[0, k % 2])
            (v,) = oracle.in_inputs(x)
            exact = [mpmath.mpf(t) for t in x]
            error = abs(v.v - u(*exact))
            at, slopes = derivatives(c or (lambda *_: mpmath.mpf(1)), exact)[:2]
            value, first, second = derivatives(u, exact)
            residual = wavenumber**2 * (v.v - value) + sum(
                at * (v.h[p, p] - second[p]) + slopes[p] * (v.g[p] - first[p]) for p in range(sides)
            )
            on_boundary = any(t in side for t, side in zip(x, box, strict=True))
            for name, number, bound in (
                ("error", error, certified.error),
                ("by maximum principle", error, certified.by_maximum_principle),
                ("by integration", error, certified.by_integration),
                ("residual", abs(residual), certified.residual),
                ("boundary", error if on_boundary else 0, certified.boundary_error),
            ):
                if not number <= bound * (1 + 1e-25):
                    out.append(f"certified_error: {name} {mpmath.nstr(number, 20)} > {bound} ({kind} at {x})")
    return out


def derivatives(f, x):
    """The value, first and pure second derivatives of a function of mpmath numbers, by difference quotients."""
    with mpmath.workdps(100):
        units = [[int(p == l) for l in range(len(x))] for p in range(len(x))]
        first = [mpmath.diff(f, tuple(x), tuple(unit)) for unit in units]
        return f(*x), first, [mpmath.diff(f, tuple(x), tuple(2 * k for k in unit)) for unit in units]
