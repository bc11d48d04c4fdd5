"""The rows of the benchmark: a name and the module whose ``tasks(settings)`` yields its cases."""

from __future__ import annotations

PEERS = ("torch", "jax", "jaxkan", "pykan", "flashkan", "inkan", "efficient-kan")
"""Distributions of the contestants that are not ours."""

ROWS: dict[str, str] = {
    "spline-evaluation": "validation.benchmarks.spline_evaluation",
    "dense-evaluation": "validation.benchmarks.dense_evaluation",
    "layer": "validation.benchmarks.layer",
    "network": "validation.benchmarks.network",
    "gauss-newton": "validation.benchmarks.gauss_newton",
    "jets": "validation.benchmarks.jets",
    "degrees": "validation.benchmarks.degrees",
    "limits": "validation.benchmarks.limits",
    "scaling": "validation.benchmarks.scaling",
    "curves": "validation.benchmarks.curves",
    "startup": "validation.benchmarks.startup",
    "first-run": "validation.benchmarks.first_run",
}
