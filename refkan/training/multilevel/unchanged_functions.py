"""Whether two networks are the same function, compared on the samples and off them."""

from typing import Any

import numpy as np

from refkan.base import FloatArray, OutsideDomainError
from refkan.networks import Network

RTOL = 1e-13
"""Relative to the contributions to a value, see `contributions`; rounding alone stays some tens of times below it."""

NUDGE = 2.0**-26
"""Relative change of the parameters by which contributions are measured: the root of eps."""

DRAWS, MEASURED = 8, 1024
"""Changes, and points at least (of more, every so many), for the size of contributions."""

ELSEWHERE = 256
"""Points off the samples."""

REACH = 0.2
"""How far these reach beyond the samples, in parts of their range."""


def require_unchanged(
    coarse: Network, theta: FloatArray, fine: Network, theta_fine: FloatArray, samples: FloatArray | None
) -> float:
    """Compare two networks on the samples and off them; return the largest relative difference.

    Raises
    ------
    RuntimeError
        If it exceeds 1e-13: an error in a prolongation, or networks that are not nested.
    """
    worst = 0.0
    for where, x in (("the samples", samples), ("points off the samples", points_elsewhere(coarse, samples))):
        if x is None or x.shape[0] == 0:
            continue
        try:
            before, after = coarse(theta, x), fine(theta_fine, x)
        except OutsideDomainError:  # outside="error": nothing to compare there
            continue
        scale = np.abs(before).max(axis=0) + contributions(coarse, theta, x, before)
        difference = np.abs(after - before).max(axis=0)
        # 0 / 0 is agreement.
        quotient = np.divide(difference, scale, out=np.where(difference > 0, np.inf, 0.0), where=scale > 0)
        relative = float(quotient.max())
        worst = max(worst, relative)
        if not relative <= RTOL:
            raise RuntimeError(
                f"prolongation changed the function by {relative:.2g}, relative, on {where} (at most {RTOL:g} is "
                "rounding): the two networks are not nested, or a prolongation is wrong"
            )
    return worst


def contributions(net: Network, theta: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Size of what adds up to the outputs y (Q,), the largest over x: by random relative changes of the parameters.

    A change by NUDGE times normal numbers moves y by NUDGE times a normal number of standard deviation
    ``sqrt(sum_i (theta_i dy/dtheta_i)^2)``, which is larger than y where large terms cancel, as in the ReLU basis. The
    largest of several is no less than that by accident.
    """
    rows = slice(None, None, max(1, x.shape[0] // MEASURED))
    rng = np.random.default_rng(0)
    sizes = np.zeros(y.shape[1])
    for _ in range(DRAWS):
        moved = net(theta * (1.0 + NUDGE * rng.standard_normal(theta.size)), x[rows]) - y[rows]
        sizes = np.maximum(sizes, np.abs(moved).max(axis=0, initial=0.0) / NUDGE)
    return sizes


def points_elsewhere(net: Network, samples: FloatArray | None) -> FloatArray:
    """Random points over the domain of the first layer and the samples, and beyond unless that is an error.

    A layer without a domain has [0, 1].
    """
    low, high = net.layers[0].domains.T
    if net.layers[0].outside != "error":
        if samples is not None and samples.shape[0]:
            low, high = np.minimum(low, samples.min(axis=0)), np.maximum(high, samples.max(axis=0))
        low, high = low - REACH * (high - low), high + REACH * (high - low)
    return np.random.default_rng(1).uniform(low, high, (ELSEWHERE, net.widths[0]))


def samples_of(problem: Any) -> Any:
    """Return the samples of a problem (N, P): its ``x``, or the points of its terms; None if it names none."""
    if hasattr(problem, "terms"):
        points = np.concatenate([side.points for term in problem.terms for side in term.sides])
        return np.asarray(points, dtype=np.float64)
    x = getattr(problem, "x", None)
    return None if x is None else np.asarray(x, dtype=np.float64)
