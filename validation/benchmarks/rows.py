"""The rows of the benchmark: a name and the module whose ``run(settings)`` returns its cases' results."""

from __future__ import annotations

ROWS: dict[str, str] = {
    "spline-evaluation": "validation.benchmarks.spline_evaluation",
    "layer": "validation.benchmarks.layer",
    "network": "validation.benchmarks.network",
    "gauss-newton": "validation.benchmarks.gauss_newton",
    "jets": "validation.benchmarks.jets",
    "limits": "validation.benchmarks.limits",
    "scaling": "validation.benchmarks.scaling",
    "startup": "validation.benchmarks.startup",
}
