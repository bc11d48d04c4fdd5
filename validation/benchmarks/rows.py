"""The rows of the benchmark: a name and the module and function that yield its cases."""

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from validation.benchmarks.running.harness import Settings, Task

PEERS = ("torch", "jax", "jaxkan", "pykan", "flashkan", "inkan", "efficient-kan")

ROWS: dict[str, tuple[str, str]] = {
    "spline-evaluation": ("spline_evaluation", "spline_tasks"),
    "layer": ("layer", "tasks"),
    "network": ("networks", "network_tasks"),
    "gauss-newton": ("networks", "gauss_newton_tasks"),
    "jets": ("networks", "jet_tasks"),
    "degrees": ("degrees", "tasks"),
    "limits": ("limits", "tasks"),
    "scaling": ("scaling", "tasks"),
    "curves": ("curves", "tasks"),
    "growth": ("growth", "tasks"),
    "trainings": ("trainings", "tasks"),
    "startup": ("startup", "tasks"),
    "first-run": ("first_run", "tasks"),
}


def tasks(row: str, settings: "Settings") -> "Iterator[Task]":
    """Yield the cases of a row; only now are its module and what it needs imported."""
    module, function = ROWS[row]
    yield from getattr(importlib.import_module(f"validation.benchmarks.measured.{module}"), function)(settings)
