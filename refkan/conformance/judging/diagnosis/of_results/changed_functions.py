"""What a state change did to the function: by how much, on and off the samples, and whether a factor explains it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging.findings import Hint


@dataclass(frozen=True)
class Changed:
    """A backend's own values before and after a change, on the samples that it was given and at the probes."""

    on_before: FloatArray
    on_after: FloatArray
    off_before: FloatArray
    off_after: FloatArray
    knots: FloatArray | None = None


def invalid_state(case: Case, knots: FloatArray, coefficients: FloatArray) -> tuple[Hint, ...]:
    """Name what is wrong with the knots and coefficients that a model reports after a change."""
    assert case.setting.change is not None
    kind = case.setting.change.kind
    together = int((np.diff(np.sort(knots, axis=1), axis=1) == 0).sum()) if np.isfinite(knots).all() else 0
    text = f"{together} knots coincide with their neighbours after {kind}"
    bad = int((~np.isfinite(coefficients)).sum())
    if bad:
        name = "NaN from repeated knots" if together else f"NaN after {kind}"
        lost = f"{bad} of {coefficients.size} coefficients are not finite after {kind}"
        return (Hint(name, f"{lost}, and {text}" if together else lost),)
    return (Hint(f"invalid knots after {kind}", text if together else "the knots are not those of a spline"),)


def diagnose_change(case: Case, changed: Changed) -> tuple[Hint, ...]:
    """Name a change of the function."""
    assert case.setting.change is not None
    kind = case.setting.change.kind
    if not (np.isfinite(changed.off_after).all() and np.isfinite(changed.on_after).all()):
        t = changed.knots
        bad = int((~np.isfinite(changed.off_after)).sum())
        text = f"{bad} of {changed.off_after.size} values are not finite after {kind}"
        if t is not None and np.isfinite(t).all() and (np.diff(np.sort(t, axis=1), axis=1) == 0).any():
            return (Hint("NaN from repeated knots", f"{text}: {kind} made knots that coincide"),)
        return (Hint(f"NaN after {kind}", text),)
    on, off = _share(changed.on_before, changed.on_after), _share(changed.off_before, changed.off_after)
    text = f"by {on:.1e} of its size on the samples and {off:.1e} at the points of the case"
    factors = _factors(changed.on_before, changed.on_after)
    hints = [Hint(f"function changed by {kind}", text)]
    if factors is not None:
        rest = _share(changed.on_before, changed.on_after / factors)
        if on > 0.05 and rest < on / 4:
            told = ", ".join(f"{value:.4g}" for value in np.unique(np.round(factors, 3)))
            hints.append(
                Hint(
                    "constant factor", f"values after {kind} are those before times {told}; {rest:.1e} once divided out"
                )
            )
    return tuple(hints)


def _share(before: FloatArray, after: FloatArray) -> float:
    size = float(np.abs(before).max())
    return float(np.abs(after - before).max()) / size if size > 0 else float("inf")


def _factors(before: FloatArray, after: FloatArray) -> FloatArray | None:
    """Least-squares factor (Q,) of each output."""
    size = (before * before).sum(axis=0)
    if (size == 0).any():
        return None
    found = np.asarray((before * after).sum(axis=0) / size)
    return None if (found == 0).any() else found
