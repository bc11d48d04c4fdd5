"""Results of identification, stage by stage: what the layer computes, and how that differs from its declaration.

The comparisons that stages share are here too: equal up to rounding, a factor, a least-squares fit, a bisection.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import groupby
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen
from refkan.base.json_data import plain
from refkan.conformance.identification.sentences import worded

AS_DECLARED, DIFFERS, UNKNOWN = "as declared", "differs", "unknown"

ALL = (
    "values", "input-gradients", "coefficient-gradients", "second-derivatives", "gauss-newton", "knot-gradients",
    "base-gradients", "scale-gradients", "node-scale-gradients", "bias-gradients", "repeatability", "refinement",
    "values-after", "input-gradients-after", "coefficient-gradients-after",
)  # fmt: skip
"""Quantities that a difference in the function affects."""


KINDS = {"uniform", "uniform-fine", "arbitrary", "clamped", "repeated"}
"""Kinds of knots, as keys of cases have them."""

CHANGES = {"network", "refine", "update"}
"""Families of cases that test more than a single layer as built."""


class Difference(Frozen, eq=True):
    """One way in which a layer differs from its declaration.

    Attributes
    ----------
    name : str
        A stable name, a key of `refkan.conformance.identification.sentences.SENTENCES`.
    evidence : mapping
        The numbers in its sentence.
    where : sequence of str
        Degrees, kinds of knots and quantities in which it was measured.
    sure : {"exact", "measured"}
        Whether it reproduces the layer up to rounding, or only its size was measured.
    quantities : sequence of str
        Quantities of cases that it affects.
    stage : str
        The stage that found it.

    Examples
    --------
    >>> from refkan.conformance.identification import Difference
    >>> print(Difference("constant factor", {"what": "outputs", "factor": 0.5, "size": "1 over the inputs"}))
    constant factor: outputs are multiplied by 0.5, 1 over the inputs
    """

    name: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    where: Sequence[str] = ()
    sure: str = "exact"
    quantities: Sequence[str] = ALL
    stage: str = ""

    def __str__(self) -> str:
        return worded(self.name, self.evidence, self.where)


def only(name: str, /, **evidence: Any) -> list[Difference]:
    """Return one difference that reproduces the layer, with its evidence."""
    return [Difference(name, evidence)]


def measured(name: str, /, **evidence: Any) -> list[Difference]:
    """Return one difference of which only the size is known."""
    return [Difference(name, evidence, sure="measured")]


class Stage(Frozen, eq=True):
    """The result of one stage.

    Attributes
    ----------
    name : str
    is_what : str
        What the layer computes, in words.
    differences : sequence of Difference
    unknown : str
        Why there is no answer, "" if there is one.

    Examples
    --------
    >>> from refkan.conformance.identification.reported import Stage
    >>> print(Stage("arithmetic", "linear in its coefficients, computed in float64"))
    arithmetic: linear in its coefficients, computed in float64
    """

    name: str
    is_what: str = ""
    differences: Sequence[Difference] = ()
    unknown: str = ""

    @property
    def status(self) -> str:
        """One of "as declared", "differs", "unknown"."""
        return DIFFERS if self.differences else UNKNOWN if self.unknown else AS_DECLARED

    def __str__(self) -> str:
        told = self.is_what or ", ".join(dict.fromkeys(difference.name for difference in self.differences))
        if self.unknown:
            told = "; ".join(filter(None, [told, f"unknown: {self.unknown}"]))
        return f"{self.name}: {told}"


class Identification(Frozen, eq=True):
    """What a layer computes, stage by stage.

    Attributes
    ----------
    title : str
    stages : sequence of Stage

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> found = rk.conformance.identify(Refkan())
    >>> [stage.status for stage in found.stages][:3], found.differences, found.leading
    (['as declared', 'as declared', 'as declared'], (), '')
    """

    title: str
    stages: Sequence[Stage]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """All differences, those of the earliest stage first; their consequences come later, if at all."""
        return tuple(difference for stage in self.stages for difference in stage.differences)

    @property
    def leading(self) -> str:
        """Name of the first difference, "" if there is none."""
        return self.differences[0].name if self.differences else ""

    def bearing_on(self, quantity: str, key: str) -> tuple[Difference, ...]:
        """Return the differences that affect a quantity and were seen in cases like that of a key."""
        return tuple(
            difference
            for difference in self.differences
            if quantity in difference.quantities and _is_like(difference.where, key)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "title": self.title,
            "leading": self.leading,
            "stages": [
                {"name": s.name, "status": s.status, "is": s.is_what, "unknown": s.unknown} for s in self.stages
            ],
            "differences": [
                {"name": d.name, "stage": d.stage, "where": list(d.where), "sure": d.sure, "text": str(d),
                 "evidence": plain(d.evidence, repr)}
                for d in self.differences
            ],
        }  # fmt: skip

    def __str__(self) -> str:
        return self.text(self.differences)

    def text(self, differences: Sequence[Difference]) -> str:
        """Return the report, with all differences in the order that is given."""
        lines = [f"{self.title}: what this layer is"]
        for words, stages in groupby(self.stages, lambda stage: str(stage).removeprefix(stage.name)):
            lines.append(f"  {', '.join(stage.name for stage in stages)}{words}")
        unanswered = [stage.name for stage in self.stages if stage.unknown]
        if differences:
            lines += ["what differs from what was declared", *(f"  {difference}" for difference in differences)]
        elif unanswered:
            lines.append(f"nothing that was answered differs from what was declared; unknown: {', '.join(unanswered)}")
        else:
            lines.append("nothing differs from what was declared")
        return "\n".join(lines)


def _is_like(where: Sequence[str], key: str) -> bool:
    """Whether a key matches the degrees, kinds of knots and changes in `where`, as far as it has any."""
    parts = set(key.split("/"))
    if not set(where) & CHANGES <= parts:
        return False
    degrees = {word for word in where if word.startswith("degree-")}
    groups = (degrees, {part for part in parts if part.startswith("degree-")}), (set(where) & KINDS, parts & KINDS)
    return all(not named or not has or named & has for named, has in groups)


def close(theirs: Any, ours: Any, room: Any) -> bool:
    """Whether results agree up to `room`, one number or an array of them; NaN agrees with nothing."""
    return bool((np.abs(np.subtract(theirs, ours)) <= room).all())


def largest(values: Any) -> float:
    """The largest absolute value, 0 of an empty array."""
    return float(np.abs(values).max(initial=0.0))


def factor_of(theirs: Any, ours: Any) -> float:
    """The factor k of theirs = k ours, by least squares; 0 if ours are zero."""
    return float((theirs * ours).sum() / max(float((ours * ours).sum()), 1e-300))


def fitted(A: FloatArray, y: FloatArray, room: Any, rcond: float | None = None) -> FloatArray | None:
    """The weights w of A w = y, by least squares; None if more than `room` is left."""
    w = np.asarray(np.linalg.lstsq(A, y, rcond=rcond)[0], np.float64)
    return w if close(A @ w, y, room) else None


def not_equal(of: str, first: FloatArray, again: FloatArray) -> list[Difference]:
    """How two answers differ that should be the same numbers, NaN where NaN was."""
    differ = (again != first) & ~(np.isnan(again) & np.isnan(first))
    size = float(np.nanmax(np.abs(again - first)) / np.nanmax(np.abs([first, again]))) if differ.any() else 0.0
    evidence = {"of": of, "count": int(differ.sum()), "total": first.size, "size": size}
    return only("not deterministic", **evidence) if differ.any() else []


def bisected(low: float, high: float, above: Callable[[float], bool], steps: int) -> float:
    """The upper end of a bracket [low, high] of a threshold after some bisections: `above` holds there."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if above(middle) else (middle, high)
    return high
