"""Results of which nothing but the numbers is known: what rearrangement of the right ones, and which factors, they are.

A layer that can be asked is identified instead; files of results cannot be asked.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.identification.explanations import explain, sizes_of
from refkan.conformance.identification.names import differences
from refkan.conformance.judging.findings import Finding, Hint

AXES = {
    "values": ("sample", "output"),
    "input-gradients": ("sample", "input"),
    "second-derivatives": ("sample", "input"),
    "coefficient-gradients": ("output", "input", "coefficient"),
}
"""Axes of the results of a layer, by quantity."""


def by_numbers(case: Case, theirs: FloatArray, finding: Finding) -> Finding:
    """Return a failure with hints on what its numbers are."""
    ours, axes, s = case.expected, AXES.get(case.quantity), case.setting
    if axes is None or ours.ndim != len(axes) or not theirs.size:
        return finding
    told = explain(theirs, ours, axes, float(np.max(case.tolerance)), case.quantity.replace("-", " "))
    if not told or any(name == "factor along" and evidence["axis"] == "sample" for name, evidence in told):
        return finding  # a factor for each sample explains anything of one output
    sizes = {"samples": len(s.x), "outputs": s.specs[-1].n_outputs, "inputs": s.spec.n_inputs}
    factors = [evidence["factor"] for name, evidence in told if name == "constant factor"]
    size = sizes_of(factors, [{k: v for k, v in sizes.items() if v > 1}]) if factors else ""
    found = differences(told, gradient=case.quantity != "values", size=size)
    hints = tuple(Hint(one.name, str(one).removeprefix(f"{one.name}: ")) for one in found)
    return replace(finding, hints=hints)
