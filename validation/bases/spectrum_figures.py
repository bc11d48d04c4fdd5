"""Figures 1 and 2 of [S26], redrawn from certified numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import NullFormatter

import refkan as rk
from refkan import exact
from refkan.claims import Figure


def growth_figure(growths: Sequence[Mapping[str, Any]]) -> Figure:
    """Figure 1 of [S26]: extreme eigenvalues of A^T A against n."""
    canvas = Canvas(figsize=(9, 3.6), layout="constrained")
    left, right = canvas.subplots(1, 2)
    for g in growths:
        length = np.array(g["dims"]) + g["order"] / 2
        (line,) = left.loglog(length, g["largest"], "^-")
        left.loglog(length, g["smallest"], "v-", color=line.get_color())
        right.loglog(length, g["ratio"], "o", color=line.get_color(), label=f"r = {g['order']}")
        right.loglog(length, g["constant in the limit"] * length ** (2 * g["order"]), color=line.get_color())
    left.set(xlabel="dim + r/2", ylabel="smallest (down), largest (up) eigenvalue", title="A^T A, knots of spacing 1")
    right.set(xlabel="dim + r/2", ylabel="ratio", title="certified (dots) and 4^r |V^r|^2 (dim + r/2)^(2r)")
    for axis in (left, right):
        axis.set_xticks([20, 50, 100, 200], labels=["20", "50", "100", "200"])
        axis.xaxis.set_minor_formatter(NullFormatter())
    right.legend(loc="upper left", fontsize="small")
    caption = "Extreme eigenvalues of A^T A against dim + r/2, n = 16..256 (figure 1 of [S26], from certified numbers)."
    return Figure.from_matplotlib(canvas, "extreme-eigenvalues", caption)


def vector_figure(orders: Sequence[int], intervals: int = 20) -> Figure:
    """Figure 2 of [S26]: eigenvectors of A^T A, from the smoothest to the most oscillatory."""
    canvas = Canvas(figsize=(9, 5), layout="constrained")
    axes = canvas.subplots(2, len(orders), sharex=True, sharey=True)
    for order, column in zip(orders, axes.T, strict=True):
        pairs = exact.eigenpairs(rk.SplineSpace.uniform(order, intervals))
        dim = len(pairs.values)
        for axis, chosen in zip(column, ((0, 1, 2), (dim - 2, dim - 1)), strict=True):
            for k in chosen:
                vector = np.array([entry.midpoint for entry in pairs.vectors[k]])
                axis.plot(np.arange(dim), vector / np.linalg.norm(vector), ".-", label=f"k = {k + 1}")
            axis.axhline(0.0, color="grey", linewidth=0.5)
            axis.legend(fontsize="x-small")
        column[0].set_title(f"r = {order}")
        column[1].set_xlabel("component")
    caption = "Eigenvectors of A^T A, uniform knots: smallest eigenvalues above, largest below (figure 2 of [S26])."
    return Figure.from_matplotlib(canvas, "eigenvectors", caption)
