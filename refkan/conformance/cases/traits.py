"""What a case is an example of: its family in tables."""

import numpy as np

from refkan.conformance.cases.cases import Case, Setting

FAMILIES = (
    "values", "gradients", "second derivatives", "knots and ends", "repeated knots", "outside", "spans and sizes",
    "networks", "parts", "refine", "update", "float32", "tf32",
    "bfloat16", "float16",
)  # fmt: skip
"""Families of cases, in the order of tables; the last ones are of formats, the others of float64."""

USUAL = (2.0**-6, 2.0**6)
"""Lengths of spans between which nothing is tiny or huge."""

MANY = 30
"""Samples or intervals from which a case is one of sizes."""


def family(case: Case) -> str:
    """The family of a case.

    Examples
    --------
    >>> from refkan.conformance import catalogue
    >>> [family(case) for case in catalogue(["float64"], ["basis/degree-3/clamped/ends/values"])]
    ['repeated knots']
    """
    s = case.setting
    answers = (
        (s.dtype, s.dtype != "float64"),
        (s.change.kind if s.change is not None else "", s.change is not None),
        ("parts", any(spec.parts for spec in s.specs)),
        ("networks", len(s.specs) > 1),
        ("repeated knots", s.spec.kind in ("clamped", "repeated")),
        ("outside", s.is_outside),
        ("knots and ends", s.region in ("knots", "ends")),
        ("spans and sizes", has_unusual_spans(s) or max(len(s.x), s.spec.intervals) >= MANY or not len(s.x)),
        (case.quantity.replace("-", " "), case.quantity in ("values", "second-derivatives")),
        ("gradients", True),
    )
    return next(name for name, holds in answers if holds)


def has_unusual_spans(s: Setting) -> bool:
    """Whether spans of a layer are very short, very long, or of very different lengths."""
    spans = np.diff(s.spec.knots)
    spans = spans[spans > 0]
    return not (USUAL[0] <= spans.min() and spans.max() <= USUAL[1])
