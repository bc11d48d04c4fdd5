r"""Cases: a setting (layer or network, samples, cotangent) and a quantity, with the truth and what errors are allowed.

Everything follows from `SEED` and the name of the setting. Truths are computed when they are asked for.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from refkan.base import Array, Checked, FloatArray, Frozen, check_annotated, lazy
from refkan.conformance.cases.specs import CONSTANT, PARTS, QUANTITIES, LayerSpec
from refkan.conformance.cases.truths.layers_compared import (
    amplification,
    fine_knots,
    judged_as,
    matters,
    prolonged,
)
from refkan.conformance.cases.truths.precision import EPS, LARGEST
from refkan.conformance.cases.truths.quantities import ExactQuantities, FloatQuantities, exact, rounded
from refkan.conformance.cases.truths.tolerances import Tolerances

VERSION = 4
"""Of the catalogue. A version holds all cases of those before it, unchanged."""

SEED = (20250518, 1)

LAYOUTS = ("contiguous", "strided", "transposed", "expanded")

MANNERS = ("", "eval-mode", "train-mode", "second-backward", "strided-cotangents", "transposed-cotangents",
           "expanded-cotangents", "float32-samples", "integer-samples")  # fmt: skip
"""Ways in which a backend is called: as it is built; in a mode of modules; after a backward pass at other samples; with
cotangents that are not contiguous, or are one row for all samples; with samples of a format that must be widened."""

CHANGE_ROOM = 1000
"""How much more error the same function may show after a state change: room for a least-squares solve of condition
number about 100, which many backends make where a product with a sparse matrix would do."""


class Change(Checked, eq=False):
    """A state change between building a model and judging it: "refine" to `intervals`, or "update"; with samples x.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.conformance.cases import Change
    >>> change = Change("refine", x=np.linspace(0.0, 1.0, 50)[:, None], intervals=8, nested=True)
    >>> change.kind, change.intervals
    ('refine', 8)
    """

    kind: str
    x: FloatArray
    intervals: int = 0
    nested: bool = False


def laid_out(x: FloatArray, layout: str) -> FloatArray:
    """Return a copy of a matrix with the strides of a layout; in an expanded one all rows are the first."""
    if layout == "strided":
        wide = np.zeros((2 * x.shape[0], x.shape[1] + 1))
        wide[1::2, :-1] = -x  # what lies between must not be read
        wide[::2, :-1] = x
        return wide[::2, :-1]
    if layout == "expanded":
        return np.broadcast_to(x[0].copy(), x.shape)
    return np.array(x.T, order="C").T if layout == "transposed" else np.array(x, order="C")


class Setting(Frozen):
    """A layer to build and the samples at which it is evaluated; several cases share a setting.

    Attributes
    ----------
    name : str
        Unique; begins with the dtype.
    specs : tuple of LayerSpec
        One for a layer, several for a network.
    x : array (N, P)
    dy : array (N, Q)
    direction : array (N, P)
        For second derivatives.
    region : str
        Where x lies: "interior", "knots", "ends", "outside", "far", or "mixed".
    layout : str
        How x lies in memory when it is handed to a backend: one of `LAYOUTS`.
    manner : str
        One of `MANNERS`: how the backend is called.
    oracle : {"exact", "float64"}
    change : Change, optional
    right_end : {"closed", "half-open", "zero"}
        The convention at x = b: see `refkan.conformance.cases.truths.layers_compared`.

    Examples
    --------
    >>> from refkan.conformance import catalogue
    >>> case = catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])[0]
    >>> setting = case.setting
    >>> setting.region, setting.dtype, setting.spec.order, setting.x.shape
    ('ends', 'float64', 2, (12, 1))
    """

    name: str
    specs: tuple[LayerSpec, ...]
    x: FloatArray
    dy: FloatArray
    direction: FloatArray
    region: str = "interior"
    layout: str = "contiguous"
    oracle: str = "exact"
    change: Change | None = None
    right_end: str = "closed"
    manner: str = ""

    @property
    def spec(self) -> LayerSpec:
        """The (first) layer."""
        return self.specs[0]

    @property
    def dtype(self) -> str:
        """The format of the case."""
        return self.spec.dtype

    @property
    def is_outside(self) -> bool:
        """Whether samples lie beyond the domain."""
        return self.region in ("outside", "far")

    @property
    def eps(self) -> float:
        """Spacing of the format at 1."""
        return EPS[self.dtype]

    @lazy
    def overflow(self) -> str:
        """Why the format cannot represent what a correct layer computes at these samples; "" if it can.

        A piece of degree d is a sum of products of d ratios (x - t_j) / (t_{j+k} - t_j), one for each k = 1 .. d, and a
        backward pass multiplies them by cotangent and coefficient. Many layers evaluate pieces at all samples and
        multiply those that are not in force by zero, which is NaN where a product has overflowed.
        """
        spec, (a, b) = self.spec, self.spec.domains.T
        x = np.clip(self.x, a, b) if spec.outside in ("linear", CONSTANT) else self.x
        term = float(np.abs(self.dy).max(initial=0.0) * np.abs(spec.coefficients).max())
        way = np.abs(x[:, :, None] - spec.knots).max(axis=(0, 2), initial=0.0)
        for k in range(1, spec.order):
            spans = spec.knots[:, k:] - spec.knots[:, :-k]
            term *= float((way / np.where(spans > 0, spans, np.inf).min(axis=1)).max())
        if term <= LARGEST[self.dtype]:
            return ""
        return f"terms of {term:.0e}, far outside, are beyond the range of {self.dtype}, {LARGEST[self.dtype]:.6g}"

    @lazy
    def truth(self) -> ExactQuantities | FloatQuantities:
        """All quantities, as Fractions or float64 according to `oracle`."""
        return (ExactQuantities if self.oracle == "exact" else FloatQuantities)(*self.judged_as)

    @property
    def judged_as(self) -> tuple[tuple[LayerSpec, ...], FloatArray]:
        """Layers and samples whose results are those of the case, where the last interval of all is closed."""
        return judged_as(self.specs, self.x, self.right_end)

    def tolerances(self, form: str = "local") -> Tolerances:
        """Return what errors are allowed to a form of evaluation."""
        kept: dict[str, Tolerances] = self.__dict__.setdefault("_tolerances", {})
        if form not in kept:
            kept[form] = Tolerances(*self.judged_as, form)
        return kept[form]

    def laid_out(self, x: FloatArray | None = None) -> Array:
        """Return a copy of x (by default of the samples) in the layout and in the format in which it is handed over."""
        samples = laid_out(self.x if x is None else x, self.layout)
        if self.manner == "integer-samples":
            return samples.astype(np.int64)
        return samples.astype(np.float32) if self.manner == "float32-samples" else samples

    @property
    def before(self) -> FloatArray:
        """Samples of the same shape; the layer is called at these before it is judged."""
        return (self.x + np.roll(self.x, 1, axis=0)) / 2

    def cotangents(self) -> FloatArray:
        """Return a copy of dy in the layout in which it is handed to a backend."""
        layout, _, of = self.manner.partition("-")
        return laid_out(self.dy, layout if of == "cotangents" else "contiguous")

    def needs(self) -> dict[str, Any]:
        """Return the capabilities, as name and value, that building and evaluating needs."""
        needs: dict[str, Any] = {"dtypes": self.dtype, "knots": self.spec.kind, "intervals": self.spec.intervals}
        needs["domain"] = [tuple(ends) for spec in self.specs for ends in spec.domains.tolist()]
        needs["parts"] = tuple(part for part in PARTS if any(part in spec.parts for spec in self.specs))
        needs["degrees"] = self.specs[-1].degree
        needs["shared_knots"] = all((spec.knots == spec.knots[0]).all() for spec in self.specs)
        needs["equal_spacing"] = self.spec.kind != "clamped" or all(map(has_equal_spacing, self.specs))
        if self.is_outside:
            needs["outside"] = self.spec.outside
        if len(self.specs) > 1:
            needs["network"] = True
        if self.manner.endswith("-samples"):
            needs["promotes"] = True
        if self.change is not None and self.change.kind == "refine":
            needs["refine"] = "nested" if self.change.nested else "any"
        elif self.change is not None:
            needs["update"] = True
        return needs


class Case(Frozen):
    """One quantity of one setting.

    Attributes
    ----------
    setting : Setting
    quantity : str
        One of `QUANTITIES`; after a state change, one of `refkan.conformance.cases.plans.AFTER`.

    Examples
    --------
    >>> from refkan.conformance import catalogue
    >>> (case,) = catalogue(["float64"], select=["float64/basis/degree-1/uniform/ends/values"])
    >>> case.quantity, case.needs()["degrees"], case.expected.shape
    ('values', 1, (12, 7))
    """

    setting: Setting
    quantity: str
    extra_needs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_annotated(Case, vars(self))

    @property
    def key(self) -> str:
        """Unique name: name of the setting, quantity."""
        return f"{self.setting.name}/{self.quantity}"

    def needs(self) -> dict[str, Any]:
        """Return the capabilities that the case needs."""
        needs = self.setting.needs() | dict(self.extra_needs)
        if self.quantity in QUANTITIES and QUANTITIES[self.quantity].derivative:
            needs["derivatives"] = QUANTITIES[self.quantity].derivative
        return needs

    @lazy
    def expected(self) -> FloatArray:
        """The truth, in float64: exact rationals rounded once, or float64 arithmetic.

        Coefficient gradients of a network are one flat vector, layer by layer.
        """
        s = self.setting
        if self.quantity == "refinement":
            assert s.change is not None
            return prolonged(s.spec, fine_knots(s.spec, s.change.intervals))
        if s.oracle == "exact":
            exact_values = rounded(QUANTITIES[self.quantity].of(s.truth, exact(s.dy), exact(s.direction)))
        else:
            exact_values = np.asarray(QUANTITIES[self.quantity].of(s.truth, s.dy, s.direction), np.float64)
        return without_added(exact_values, self.quantity, s)

    @lazy
    def tolerance(self) -> FloatArray:
        """Allowed absolute errors, of the shape of `expected`."""
        return self.allowed("local")

    def allowed(self, form: str) -> FloatArray:
        """Return the absolute errors allowed to a form of evaluation: "local" or "truncated powers"."""
        s = self.setting
        if self.quantity == "refinement":
            size = np.abs(s.spec.coefficients).max(axis=2, keepdims=True)
            size = size * amplification(s.spec, form)
            return np.asarray(CHANGE_ROOM * s.eps * np.broadcast_to(size, self.expected.shape))
        allowed = without_added(QUANTITIES[self.quantity].of(s.tolerances(form), s.dy, s.direction), self.quantity, s)
        if s.change is not None:
            allowed = CHANGE_ROOM * allowed
        # Results below the normal range are rounded absolutely.
        return np.asarray(allowed + 8 * 2.0 ** (-1022 if s.dtype == "float64" else -126))


def has_equal_spacing(spec: LayerSpec) -> bool:
    """Whether the breakpoints of each input are equally spaced, up to rounding."""
    spans = np.diff(spec.knots[:, spec.order - 1 : spec.knots.shape[1] - spec.order + 1], axis=1)
    return bool(np.allclose(spans, spans[:, :1], rtol=SPACING_ROOM * EPS[spec.dtype], atol=0.0))


SPACING_ROOM = 64
"""Of rounded knots, in units of eps."""


def without_added(answer: FloatArray, name: str, s: Setting) -> FloatArray:
    """Coefficient gradients without those of functions that were added for the convention at the right end."""
    return answer[..., : s.spec.dim] if name == "coefficient-gradients" and len(s.specs) == 1 else answer


def ended(case: Case, right_end: str) -> Case:
    """Return the case with another convention at x = b, if that makes a difference there."""
    s = case.setting
    if right_end == s.right_end or not matters(s.specs, s.x):
        return case
    return replace(case, setting=_ended(s, right_end))


@lru_cache(8)
def _ended(setting: Setting, right_end: str) -> Setting:
    """A setting with another right end: cases that share one go on sharing it."""
    return replace(setting, right_end=right_end)


def generator(name: str) -> np.random.Generator:
    """Return the random numbers of the setting with this name."""
    return np.random.default_rng([*SEED, crc32(name.encode())])
