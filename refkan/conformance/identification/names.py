"""What `explain` says of axes and factors, under the names that reports have for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from refkan.conformance.identification.explanations import PLURAL, Named
from refkan.conformance.identification.stages_and_differences import ALL, Difference


def differences(
    explained: Iterable[Named], quantities: Sequence[str] = ALL, where: Sequence[str] = (), gradient: bool = False,
    size: str = "",
) -> tuple[Difference, ...]:  # fmt: skip
    """Return what `explain` found as differences, under the names of reports."""
    return tuple(
        Difference(
            name, {**evidence, **({"size": size} if name == "constant factor" else {})}, where, "exact", quantities
        )
        for name, evidence in (_named(name, dict(evidence), gradient) for name, evidence in explained)
    )


def _named(name: str, e: dict[str, Any], gradient: bool) -> tuple[str, Mapping[str, Any]]:
    axis = e.get("axis", "")
    if name == "zero":
        return ("detached gradient" if gradient else "zero outputs"), e
    if name == "clipped":
        return "gradient clipped", e
    if name == "transposed":
        return "transposed coefficients", e
    if name in ("reversed", "shifted", "exchanged", "shared"):
        if (axis, name) in (("output", "reversed"), ("answer", "reversed")):
            return "reversed outputs", e
        if axis == "coefficient" and name in ("reversed", "shifted"):
            return ("reversed coefficients" if name == "reversed" else "shifted index"), e
        how = {
            "reversed": "in the opposite order", "shifted": f"shifted by {e.get('step', 0):+d}",
            "exchanged": f"{e.get('first')} and {e.get('second')} are exchanged",
            "shared": f"all are those of number {e.get('index')}",
        }[name]  # fmt: skip
        return f"{PLURAL.get(axis, 'outputs')} mixed up", {**e, "how": how}
    if name == "left out":
        indices, size = e["indices"], e["size"]
        if axis == "input":
            return ("input left out" if len(indices) == 1 else "inputs left out"), e
        if axis == "coefficient":
            ends = set(indices) <= {0, size - 1}
            return ("end coefficient unused" if ends else "coefficients left out"), e
        return ("samples left out" if axis == "sample" else "outputs left out"), e
    if name == "factor on some":
        one = {"sample": "a block of samples", "input": "one input", "coefficient": "one coefficient"}
        return f"factor on {one.get(axis, 'one output')}", e
    if name == "factor along":
        return f"factors by {axis if axis != 'answer' else 'output'}", e
    return ("factors by edge" if name == "factor by edge" else name), e
