"""The figures of the page of findings, drawn from the kept records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import refkan as rk
from validation.records.store import load
from validation.volterra import volterra_norm

Rows = Mapping[str, Mapping[str, Any]]

LOSS, ERROR = ("loss on the points", "training loss"), "true error, relative, in the 2-norm"

DIVERGED = 1.0
"""Errors, in squared ranges of the target, above which a run of the spline basis is drawn as diverged."""


def speaking(kept: Rows, id: str) -> Mapping[str, Any]:
    """Return the reading of a row that is told first."""
    readings = kept[id]["readings"]
    return next((r for r in readings if r.get("speaks") or r["calibrated"]), readings[0])


def cells(reading: Mapping[str, Any], unit: str | tuple[str, ...] = "") -> dict[str, Mapping[str, Any]]:
    """Return the cells of a reading by name, those of one unit."""
    every = [*reading["cells"], *reading["calibration"]]
    return {c["cell"]: c for c in every if not unit or c["unit"] == unit or c["unit"] in unit}


def panels(width: float, count: int = 1, **options: Any) -> tuple[Figure, Any]:
    """Return a figure with places to draw, side by side."""
    drawing = Figure(figsize=(width, 3.4), layout="constrained")
    return drawing, drawing.subplots(1, count, **options)


def spectra(kept: Rows) -> Figure:
    """Draw the ratio of the extreme eigenvalues of A^T A, and how fast it tends to its constant (S5)."""
    drawing, (left, right) = panels(9, 2)
    for order in (1, 2, 3, 4):
        sizes, departures, ratios = [], [], []
        constant = 4**order * float(volterra_norm(order)[0])
        for n in (8, 16, 32, 64, 128):
            values = rk.exact.extreme_eigenvalues(rk.SplineSpace.uniform(order, n))
            ratio = float(values[1].low / values[0].high)
            sizes.append(n + order - 1 + order / 2)
            ratios.append(ratio)
            departures.append(ratio / (constant * sizes[-1] ** (2 * order)) - 1)
        left.loglog(sizes, ratios, "o-", ms=3, label=f"r = {order}")
        left.loglog(sizes, ratios[0] * (np.array(sizes) / sizes[0]) ** (2 * order), "k:", lw=0.8)
        right.loglog(sizes, np.abs(departures), "o-", ms=3)
        right.loglog(sizes, np.abs(departures[-1]) * (sizes[-1] / np.array(sizes)) ** 2, "k:", lw=0.8)
    left.set(xlabel="dim + r/2", ylabel="largest over smallest eigenvalue")
    left.legend(fontsize="small", title="dotted: exponent 2r")
    right.set(xlabel="dim + r/2", ylabel="relative departure from\n4^r |V^r|^2 (dim + r/2)^(2r)")
    right.legend([], title="dotted: exponent -2")
    return drawing


def kernels(kept: Rows) -> Figure:
    """Draw the ratio of the largest eigenvalues of the tangent kernels of one layer, and the norm that bounds it."""
    drawing, axis = panels(6)
    rng = np.random.default_rng(0)
    for order in (1, 2, 3, 4):
        sizes, norms, drawn = (2, 4, 8, 16, 32, 64), [], []
        for n in sizes:
            space = rk.SplineSpace.uniform(order, n)
            A = rk.ChangeOfBasis(space).dense() / n ** (order - 1)
            norms.append(np.linalg.norm(A, 2) ** 2)
            for _ in range(5):
                psi = rk.relu_powers.design_matrix(space, rng.uniform(size=40)) * n ** (order - 1)
                drawn.append((n, (np.linalg.norm(psi @ A.T, 2) / np.linalg.norm(psi, 2)) ** 2))
        style = "--" if order == 3 else "-"  # orders 2 and 3 tend to the same norm
        (line,) = axis.loglog(sizes, norms, style, label=f"r = {order}")
        axis.loglog(*zip(*drawn, strict=True), ".", ms=3, color=line.get_color())
    axis.axhline(4.0, color="0.5", ls=":")
    axis.set_xticks(sizes, [str(n) for n in sizes])
    axis.minorticks_off()
    axis.set(xlabel="n", ylabel="rho of the tangent kernel,\nspline over ReLU basis of (x - t)/h")
    axis.legend(fontsize="small", title="lines: |A|^2, dots: kernels,\ndotted: 4, as printed", title_fontsize="small")
    return drawing


def forest(kept: Rows) -> Figure:
    """Draw runs, the central 95 % of means of five of them, and the published means."""
    drawing, axis = panels(7)
    every = [c for c in cells(speaking(kept, "R1")).values() if c["published"]][::-1]
    for k, cell in enumerate(every):
        values = np.array(cell["values"], dtype=float)
        means = values[np.random.default_rng(0).integers(values.size, size=(2000, 5))].mean(axis=1)
        axis.plot(np.percentile(means, (2.5, 97.5)), [k, k], color="C0", lw=6, alpha=0.4)
        axis.plot(values, np.full(values.size, k + 0.2), ".", color="C0", ms=4)
        axis.plot(cell["published"], k, "D", color="C3", ms=5)
    axis.set_yticks(range(len(every)), [cell["cell"] for cell in every])
    axis.set(xscale="log", xlabel="mean square error\ndots: runs, band: 95 % of means of five, diamond: printed mean")
    return drawing


def starts(kept: Rows) -> Figure:
    """Draw fine and multilevel training in the spline basis, by reading; diverged runs at the right end."""
    drawing, axis = panels(7)
    base, names = kept["R1"]["readings"][0]["choice"], []
    for r in kept["R1"]["readings"]:
        differing = [f"{k}={v}" for k, v in r["choice"].items() if v != base[k] and k != "samples"]
        if differing and differing[0].split("=")[0] not in ("start", "search", "fine"):
            continue
        for k, fidelity in enumerate(("fine", "multilevel")):
            values = np.array(cells(r)[f"spline, {fidelity}"]["values"], dtype=float)
            place, far = len(names) + 0.3 * k, values > DIVERGED
            label = None if names else fidelity
            axis.plot(values[~far], np.full((~far).sum(), place), ".", ms=5, color=f"C{k}", label=label)
            axis.plot(np.full(far.sum(), DIVERGED), np.full(far.sum(), place), ">", ms=5, color=f"C{k}")
        names.append(differing[0] if differing else "base")
    axis.set_yticks(range(len(names)), names)
    axis.set(xscale="log", xlabel="mean square error in the spline basis, every run; triangles: diverged")
    axis.legend(fontsize="small")
    return drawing


def losses(kept: Rows) -> Figure:
    """Draw loss against true error of every run of three equations, whatever a criterion makes of them."""
    drawing, axes = panels(9, 3)
    measured = load("full")
    for axis, (id, title) in zip(axes, (("Q1", "Poisson"), ("Q2", "Burgers"), ("Q3", "Allen-Cahn")), strict=True):
        reading = speaking(measured, id)
        errors = cells(reading, ERROR)
        for k, (name, loss) in enumerate(cells(reading, LOSS).items()):
            axis.loglog(loss["values"], errors[name]["values"], "os^vD"[k % 5], ms=5, alpha=0.7, label=name)
        axis.set(title=title, xlabel="loss")
        axis.legend(fontsize=6)
    axes[0].set_ylabel("relative error")
    return drawing


def bands(kept: Rows) -> Figure:
    """Draw the half-energy bandwidth of the residual after the last level, every run."""
    drawing, axis = panels(6)
    widths = list(cells(speaking(kept, "Q4"), "half-energy bandwidth of the residual, modes in x").values())
    for k, cell in enumerate(widths):
        axis.plot(cell["values"], np.full(len(cell["values"]), k), "o", ms=5)
    axis.set_yticks(range(len(widths)), [cell["cell"] for cell in widths])
    axis.set_ylim(-0.5, len(widths) - 0.5)
    axis.set(xlabel="modes in x below which half of the residual's energy lies")
    axis.set_xlim(left=0)
    return drawing


FIGURES: dict[str, Callable[[Rows], Figure]] = {
    "spectra": spectra,
    "kernels": kernels,
    "table-two": forest,
    "starts": starts,
    "losses": losses,
    "bands": bands,
}
