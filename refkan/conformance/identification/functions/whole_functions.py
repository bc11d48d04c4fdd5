r"""Hypotheses that take functions as a whole.

* In the same space phi = b M. If coefficients are values at points tau, phi_k(tau_j) = (j = k), and B M = I with
  B_ji = b_i(tau_j); if values of their spline replace them, M = B. Either way the rows of B show
  tau_j = sum_i xi_i B_ji, xi the knot averages (Marsden), and B is compared with the B-splines at tau.
* One polynomial each on the whole domain: known families on [-1, 1], on [0, 1], or in x, up to a factor each.
* One function at many places, phi_k(x) = g((x - c_k)/w): of g known, its inverse shows ((x - c_k)/w)^2.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, hermite, legendre
from scipy.special import binom

from refkan.base import FloatArray
from refkan.conformance.identification.knots_in_use import Sampled, intervals_of, recursion
from refkan.conformance.identification.reported import close, largest
from refkan.splines.knots import greville_points

LEFT = 2.0**-32
"""Relative to the largest value, what a fit may leave."""

NEAR = 2.0**-26
"""Tolerance on points tau and their descriptions, relative to the domain."""


def _bernstein(z: FloatArray, n: int) -> FloatArray:
    k = np.arange(n)
    u = (z[:, None] + 1) / 2
    return np.asarray(binom(n - 1, k) * u**k * (1 - u) ** (n - 1 - k))


FAMILIES: dict[str, Callable[[FloatArray, int], Any]] = {
    "the powers": lambda z, n: np.vander(z, n, increasing=True),
    "the Chebyshev polynomials": lambda z, n: chebyshev.chebvander(z, n - 1),
    "the Legendre polynomials": lambda z, n: legendre.legvander(z, n - 1),
    "the Bernstein polynomials": _bernstein,
    "Hermite polynomials": lambda z, n: hermite.hermvander(z, n - 1),
    "cosines": lambda z, n: np.cos(np.arange(n) * np.pi * z[:, None]),
    "cosines and sines": lambda z, n: np.stack(
        [(np.sin if k % 2 else np.cos)((k + 1) // 2 * np.pi * z) for k in range(n)], axis=1
    ),
}
"""Functions number 0 to n - 1 at z in [-1, 1]."""

TRANSLATES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "Gaussians exp(-((x - c)/w)^2)": lambda y: -np.log(y),
    "1 - tanh((x - c)/w)^2": lambda y: np.arctanh(np.sqrt(1 - y)) ** 2,
}
"""Functions of ((x - c)/w)^2, and that of their values."""


def same_space(inside: Sampled) -> str:
    """Functions as combinations of the requested B-splines, in words; "" if they are none."""
    spec, x, functions = inside.spec, inside.x, inside.theirs
    t, r, (a, b) = spec.knots[0], spec.order, spec.domain
    right = recursion(t, r, x)
    M, _, rank, _ = np.linalg.lstsq(right, functions, rcond=None)
    if rank < spec.dim or largest(right @ M - functions) > min(inside.off / 64, LEFT * largest(functions)):
        return ""
    xi, local = (
        greville_points(t, r),
        "function k is one at point k and zero at the others, so none has local support",
    )
    with np.errstate(all="ignore"):
        inverse = np.linalg.inv(M) if np.linalg.cond(M) < 2.0**20 else None
    asked = {f"coefficients are values at {{}}: {local}": inverse,
             "coefficients are replaced by the values at {} of the spline that they make": M}  # fmt: skip
    for words, B in asked.items():
        if B is None:
            continue
        m = intervals_of(xi, t, r)
        ends = intervals_of(np.array([a, b]), t, r)
        if any(close(recursion(t, r, xi, of), B, 2.0**-20) for of in (m, np.clip(m, *ends))):  # some lie beyond
            return words.format("the knot averages")
        tau = B @ xi
        at = np.clip(tau, a, b)
        if largest(tau - at) > NEAR * (b - a) or np.ptp(tau) < NEAR * (b - a):
            continue
        if close(recursion(t, r, at), B, 2.0**-20):
            return words.format(_points(tau, xi, (a, b)))
    k = spec.dim // 2
    terms = [f"{v:+.4g} b[{i}]" for i, v in enumerate(M[:, k]) if abs(v) > 2.0**-20]
    shown = " ".join(terms if len(terms) <= 6 else [*terms[:5], "..."])
    return f"functions are combinations of the B-splines asked for: number {k} is {shown.removeprefix('+')}"


def _points(tau: FloatArray, xi: FloatArray, domain: tuple[float, float]) -> str:
    """Points in words."""
    a, b = domain
    if close(tau, np.clip(xi, a, b), NEAR * (b - a)):
        return "the knot averages"
    if np.ptp(np.diff(tau)) <= NEAR * (b - a):
        return f"equally spaced points from {tau[0]:.6g} to {tau[-1]:.6g}"
    return ", ".join(f"{v:.6g}" for v in tau[:4]) + ", ..." * (tau.size > 4)


def known_family(inside: Sampled) -> str:
    """A known family of functions on the whole domain, in words; "" if it is none."""
    x, functions, (a, b) = inside.x, inside.theirs, inside.spec.domain
    n = functions.shape[1]
    if inside.spec.intervals == 1:
        return ""
    room = LEFT * largest(functions)
    arguments = {"the domain taken to [-1, 1]": 2 * (x - a) / (b - a) - 1,
                 "the domain taken to [0, 1]": (x - a) / (b - a), "x itself": x, "tanh x": np.tanh(x)}  # fmt: skip
    for first in (0, 1):
        for name, family in FAMILIES.items():
            for words, z in arguments.items():
                known = family(z, n + first)[:, first:]
                size = (known * known).sum(axis=0)
                k = (known * functions).sum(axis=0) / np.where(size > 0, size, 1.0)
                if largest(k * known - functions) > room:
                    continue
                times = "" if largest(k - 1) < 1e-9 else f", times {k[0]:.6g}" if np.ptp(k) < 1e-9 else ", scaled"
                return f"functions are {name} number {first} to {n - 1 + first} in {words}{times}"
    return ""


def translates(inside: Sampled) -> str:
    """One function at many places, in words; "" if it is none that is known."""
    spec, x, functions = inside.spec, inside.x, inside.theirs
    for name, inverse in TRANSLATES.items():
        places = []
        with np.errstate(all="ignore"):
            for column in functions.T:
                seen = (column > 2.0**-20) & (column < 1 - 2.0**-20)
                if seen.sum() < 8:
                    break
                k = np.polyfit(x[seen], inverse(column[seen]), 2)
                left = largest(np.polyval(k, x[seen]) - inverse(column[seen]))
                if not left <= 2.0**-20 * largest(k) or k[0] <= 0:
                    break
                centre = -k[1] / (2 * k[0])
                if abs(np.polyval(k, centre)) > 2.0**-16:
                    break
                places.append((centre, 1 / np.sqrt(k[0])))
        if len(places) == functions.shape[1]:
            c, w = np.array(places).T
            width = f"w = {w[0]:.6g}" if np.ptp(w) <= 1e-6 * w[0] else f"w from {w.min():.6g} to {w.max():.6g}"
            centres = _points(c, greville_points(spec.knots[0], spec.order), spec.domain)
            return f"functions are {name}, {width}, c = {centres}"
    return ""
