r"""Tangent kernels in both bases in ball arithmetic: ratios of spectral radii and norms that are proven.

For a symmetric K >= 0 of N rows and any m, trace(K^m)/N <= rho(K)^m <= trace(K^m). With m = 2^50, by squaring, the two
ends differ by the factor N^(1/m), and the errors of the squarings, which double at each, are divided by m again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

import refkan as rk
from refkan import exact, truth
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.extra import precision
from refkan.analysis.exact.spectra.curvatures import matrix_of_basis
from validation.descent.coupled_samples import coupled, single_sample
from validation.descent.kernels.kernel_search import wide_network
from validation.descent.kernels.kernels_of_both_bases import kernel_ratio

BITS = 512
SQUARINGS = 50
Bounds = tuple[float, float]
INSIDE, OUTSIDE = "at the left end of the domain", "0.71 spacings left of it"


def certified_ratio(net: rk.Network, theta: np.ndarray, x: np.ndarray) -> Bounds:
    """Enclose rho(NTK_S)/rho(NTK_R) in the scaled ReLU basis of a network in the spline basis."""
    with precision(BITS) as flint:
        rows = truth.of(net, theta, x, flint.arb).jacobian_rows
        J = flint.arb_mat([[row.get(m, 0) for m in range(net.n_params)] for row in rows])
        spline = radius(flint, J)
        relu = radius(flint, J * flint.arb_mat(matrix_of_basis(net, "scaled-relu")[0]))
        ratio = spline / relu
        return Enclosure.between(ratio, ratio).floats()


def radius(flint: Any, J: Any) -> Any:
    """A ball that holds the spectral radius of J J^T."""
    K = J * J.transpose()
    for _ in range(SQUARINGS):
        K = K * K
    trace = sum((K[s, s] for s in range(K.nrows())), flint.arb(0))
    logarithm = flint.arb(trace).log() / 2**SQUARINGS
    low = logarithm - flint.arb(K.nrows()).log() / 2**SQUARINGS
    return low.exp().union(logarithm.exp())


SHIFT = 2.0**-20
"""Of the middle sample of the counterexample.

Unmoved, the map takes it to 1/2 exactly, a knot: no ball of positive radius decides on which side of it that is.
"""


def both(*network: Any) -> dict[str, Any]:
    """The ratio of a network, proven, and in float64."""
    return {"bounds": certified_ratio(*network), "float64": kernel_ratio(*network)}


def norms(order: int, intervals: int) -> dict[str, Any]:
    """||A||^2 of the scaled change of basis on uniform knots, proven, and in float64."""
    space = rk.SplineSpace.uniform(order, intervals)
    bounds = exact.extreme_eigenvalues(space, "AtA", scaled=True)[1].floats()
    return {"bounds": bounds, "float64": float(np.linalg.norm(rk.ChangeOfBasis(space, scaled=True).dense(), 2) ** 2)}


def proofs(orders: Sequence[int], nodes: Sequence[int]) -> dict[str, Any]:
    """Everything that is proven: bounds, with what float64 says beside them."""
    maps, samples = ("mean-std", "affine", "sigmoid"), {INSIDE: 0.0, OUTSIDE: float(np.sqrt(0.5))}
    return {
        "norms": [{"order": r} | norms(r, 64) for r in orders],
        "near the counterexample": [{"node map": name} | both(*coupled(name, shift=SHIFT)) for name in maps],
        "wide": [{"nodes": k} | both(*wide_network(k)) for k in nodes],
        "one layer, one sample": [
            {"order": r, "sample": name, "bounds": certified_ratio(*single_sample(r, distance))}
            for r in (1, 2, 3, 4)
            for name, distance in samples.items()
        ],
    }


def agree(results: dict[str, Any]) -> bool:
    """Whether float64 is within 1e-9 of what is proven, wherever it says something."""
    items = [item for group in results.values() for item in group if "float64" in item]
    return all(
        low * (1 - 1e-9) <= item["float64"] <= high * (1 + 1e-9) for item in items for low, high in [item["bounds"]]
    )


def proven(results: dict[str, Any], printed: float) -> bool:
    """Whether (i) exceeds the printed constant for r = 2, 3, 4 alone, (iii) does, and one layer keeps 1."""
    beyond = [item["order"] for item in results["norms"] if item["bounds"][0] > printed]
    within = [item["order"] for item in results["norms"] if item["bounds"][1] < printed]
    coupled = {item["node map"]: item["bounds"] for item in results["near the counterexample"]}
    inside = [item["bounds"][1] for item in results["one layer, one sample"] if item["sample"] == INSIDE]
    return (
        (beyond, within) == ([2, 3, 4], [1, 5])
        and coupled["mean-std"][0] > printed
        and max(inside) <= 1.0
        and agree(results)
    )
