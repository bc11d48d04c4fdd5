"""All cases: basis functions, layers, networks, knots, matrices, state changes, in each format; and their families."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from refkan.base import check_annotated, check_choice
from refkan.conformance.cases.cases import MANNERS, VERSION, Case, Setting
from refkan.conformance.cases.families import ANY, INTERVALS, Frame
from refkan.conformance.cases.plans import FIRST_DERIVATIVES, SMOOTH, Plan, of_changes
from refkan.conformance.cases.specs import CONSTANT, PARTS, RULES
from refkan.conformance.cases.truths.precision import DTYPES, LOW, round_to

DEGREES = {
    "float64": (0, 1, 2, 3, 4, 5), "float32": (0, 1, 2, 3), "tf32": (1, 3), "bfloat16": (1, 3), "float16": (1, 3),
}  # fmt: skip
"""Fewer in lower formats: compiled backends take a second for each shape and format."""


SINCE = {"float16": 2, "tf32": 3}
"""Versions from which on there are cases of a format."""

TOGETHER = (
    *((part,) for part in PARTS), ("base", "scale"), ("node-scale", "bias"), ("base", "scale", "bias"), PARTS,
)  # fmt: skip
"""Parts that layers have together: each alone, those of pykan's and efficient-kan's edges, affine maps, those of
jaxkan, all."""

SQUARE = (3, 4)
"""Numbers N = P = Q: an axis mixed up with another one changes no shape."""

BATCHES = (0, 1000, 1001, 1025, 2500)
"""Samples: none, and around and beyond chunks of a thousand."""

OF_GRADIENTS = ("input-gradients", "coefficient-gradients")
WIDENED = ("values", "coefficient-gradients")
"""What is asked with samples of a lower format: gradients in them would be rounded to it."""


def catalogue(
    dtypes: Iterable[str] = DTYPES, select: Iterable[str] = (), version: int = VERSION, frame: Frame = ANY
) -> list[Case]:  # fmt: skip
    """Return all cases of some formats, in the order in which they are judged.

    Parameters
    ----------
    dtypes : sequence of {"float64", "float32", "tf32", "bfloat16", "float16"}
    select : sequence of str
        Only cases whose key contains all of these.
    version : int
        Later versions hold the cases of earlier ones and more: 2 has parts beside the splines, and float16; 3 has every
        order in every family, batches from none to thousands, other ways of calling a layer, and tf32; 4 has the rule
        "constant" outside.
    frame : Frame
        The intervals, domain and knots of backends that have no others: `capabilities.frame`.

    Raises
    ------
    ValueError
        For an unknown format or version, and if `select` leaves no case.

    Examples
    --------
    >>> from refkan.conformance import catalogue
    >>> cases = catalogue(["float64"], select=["degree-3", "uniform/interior"])
    >>> [case.key for case in cases][:2]
    ['float64/basis/degree-3/uniform/interior/values', 'float64/basis/degree-3/uniform/interior/input-gradients']
    """
    check_annotated(catalogue, locals())
    cases: list[Case] = []
    changed: list[Case] = []
    if version not in range(1, VERSION + 1):
        raise ValueError(f"version must be one of 1 to {VERSION}; got {version!r}")
    for dtype in dtypes:
        check_choice("dtypes", dtype, DTYPES)
        if version < SINCE.get(dtype, 1):
            continue
        plan = Plan(dtype, frame)
        for since, builds in ADDED.items():
            for build in builds if since <= version and (since < 3 or dtype == "float64") else ():
                build(plan)
        cases += [Case(setting, quantity) for setting, quantities in plan.settings for quantity in quantities]
        changed += of_changes(dtype, frame, version)
    cases += changed
    wanted = list(select)
    selected = [case for case in cases if all(part in case.key for part in wanted)]
    if cases and not selected:
        raise ValueError(
            f"select must hold parts of one key; got {wanted}: no case has all of them in its key; "
            "refkan conform --list shows the keys"
        )
    return selected


def basis(plan: Plan) -> None:
    """Single basis functions of each degree, on knots and in regions of each kind."""
    dtype, frame = plan.dtype, plan.frame
    for degree in DEGREES[dtype]:
        for kind in ("uniform", "uniform-fine", "arbitrary", "clamped", "repeated"):
            if (degree == 0 and kind == "repeated") or (kind == "uniform-fine" and (dtype in LOW or frame.domain)):
                continue
            for region in ("interior", "knots", "ends"):
                if kind == "uniform-fine" and region != "interior":
                    continue  # off the knots: (x - a)/h may round across one
                if kind == "uniform" and region == "knots" and not frame.exact:
                    continue
                plan.basis(degree, kind, region)
            for rule in RULES if degree in (1, 2, 3) else RULES[:1]:
                for region in ("outside", "far") if kind in ("uniform", "arbitrary", "clamped") else ():
                    if (dtype, region, rule) != ("float16", "far", "polynomial"):  # beyond the range of float16
                        plan.basis(degree, kind, region, rule)


def layers(plan: Plan) -> None:
    """Layers of several shapes, knots and memory layouts; discrete and constant data."""
    for degree in filter(None, DEGREES[plan.dtype]):
        plan.layer(degree, "uniform")
        plan.layer(degree, "arbitrary")
        if plan.dtype not in LOW and not plan.frame.domain:
            plan.layer(degree, "uniform-fine")
    for kind in ("clamped", "repeated"):
        plan.layer(3, kind)
    for kind in ("uniform", "arbitrary"):
        for shape in ((3, 3), (1, 1), (5, 7)):
            plan.layer(3, kind, "", FIRST_DERIVATIVES, shape)
        plan.layer(3, kind, "one-sample", FIRST_DERIVATIVES, count=1)
        for layout in ("strided", "transposed"):
            plan.layer(3, kind, layout, layout=layout)
        plan.layer(3, kind, "discrete-data", data=lambda x: np.resize(x[:3], x.shape))
        plan.layer(3, kind, "constant-data", data=lambda x: np.resize(x[:1], x.shape))


def sizes(plan: Plan) -> None:
    """Numbers of samples around the sizes of blocks, many intervals, and results compared bit by bit."""
    if plan.dtype in LOW:
        return
    for count in (31, 32, 33, 255, 256, 257) if plan.dtype == "float64" else (33, 257):
        plan.layer(3, "uniform", f"{count}-samples", FIRST_DERIVATIVES, count=count, oracle="float64")
    for kind in ("uniform", "arbitrary"):
        plan.layer(3, kind, "64-intervals", FIRST_DERIVATIVES, (2, 2), count=70, intervals=64, oracle="float64")
    plan.layer(3, "uniform", "repeated-runs", ("repeatability",), (3, 4), count=4097, oracle="float64")


def spans(plan: Plan) -> None:
    """Tiny, huge and graded spans: everything scaled by a power of two, or spans of one vector differing by 2^9."""
    if plan.frame.domain or plan.dtype == "float16":  # scaled domains; and of float16 the range ends at 65504
        return
    exponent = 10 if plan.dtype in LOW else 20
    for degree in (1, 3):
        for kind in ("uniform", "arbitrary"):
            for word, scale in (("tiny", 2.0**-exponent), ("huge", 2.0**exponent)):
                plan.layer(degree, kind, f"{word}-spans", scale=scale)
        if plan.dtype not in LOW:
            gaps = 2.0 ** -np.resize([1.0, 10.0, 3.0, 10.0, 1.0, 7.0], INTERVALS + 2 * degree)
            t = np.concatenate([[0.0], np.cumsum(gaps)])
            plan.layer(degree, "arbitrary", "graded-spans", knots=np.array([t - t[degree], t - t[degree] - 1.0]))


def networks(plan: Plan) -> None:
    """Compositions of layers whose activations stay inside the next domain."""
    for kind in ("uniform", "arbitrary") if plan.dtype not in LOW else ():
        plan.network(2, kind, (2, 3, 2), 4, (*SMOOTH, "gauss-newton"))
    for kind in ("uniform", "arbitrary") if plan.dtype == "float64" else ():
        plan.network(3, kind, (1, 2, 2, 1), 3)


def knot_gradients(plan: Plan) -> None:
    """Gradients in interior breakpoints, off the knots."""
    for degree in filter(None, DEGREES[plan.dtype]):
        for kind in ("uniform", "arbitrary", "clamped"):
            plan.layer(degree, kind, "moving-knots", ("knot-gradients",))


def matrices(plan: Plan) -> None:
    """Gauss-Newton matrices of layers."""
    for degree in filter(None, DEGREES[plan.dtype][:4]):
        for kind in ("uniform", "arbitrary"):
            plan.layer(degree, kind, "matrix", ("gauss-newton",))


def parts(plan: Plan) -> None:
    """Layers with a SiLU branch, scales of edges, scales and biases of outputs, none neutral; networks of them."""
    low = plan.dtype in LOW
    for together in TOGETHER:
        word = "-".join(("with", *together))
        for degree, kind in ((3, "uniform"), (3, "arbitrary"), (2, "uniform"))[: 1 if low else 3]:
            plan.layer(degree, kind, word, parts=together, oracle="float64")
        if not low and len(together) > 1:
            plan.network(2, "uniform", (2, 3, 2), 4, parts=together, oracle="float64")


def every_order(plan: Plan) -> None:
    """The orders 1 to 6 in the families that earlier versions have for some orders only."""

    def add(degree: int, kind: str, word: str = "", quantities: tuple[str, ...] = SMOOTH, **more: Any) -> None:
        plan.layer(degree, kind, word, quantities, oracle="float64", **more)

    for kind in ("uniform", "arbitrary"):
        add(0, kind)
    for degree in (0, 1, 2, 4, 5):
        add(degree, "clamped")
        if degree:
            add(degree, "repeated")
        if degree != 2:
            add(degree, "uniform", "with-base-scale-bias", parts=("base", "scale", "bias"))
        add(degree, "uniform", "257-samples", FIRST_DERIVATIVES, count=257)
        add(degree, "arbitrary", "40-intervals", FIRST_DERIVATIVES, count=70, intervals=40)
        if degree in (0, 2, 4, 5) and not plan.frame.domain:
            for word, scale in (("tiny", 2.0**-20), ("huge", 2.0**20)):
                add(degree, "arbitrary", f"{word}-spans", scale=scale)
    for degree in (4, 5):
        for rule in ("linear", "polynomial"):
            for kind in ("uniform", "arbitrary"):
                add(degree, kind, f"outside-{rule}", region="outside", outside=rule)
    for degree in (0, 4, 5):
        add(degree, "arbitrary", "matrix", ("gauss-newton",))
    for degree in (1, 4, 5):
        plan.network(degree, "uniform", (2, 3, 2), 4, oracle="float64")


def batches(plan: Plan) -> None:
    """Square layers of as many samples, and numbers of samples that codes overlook."""
    for kind in ("uniform", "arbitrary"):
        for size in SQUARE:
            plan.layer(3, kind, f"{size}-samples", shape=(size, size), count=size)
    for count in BATCHES:
        plan.layer(3, "uniform", f"{count}-samples", FIRST_DERIVATIVES, count=count, oracle="float64")


def manners(plan: Plan) -> None:
    """Other ways of calling a layer."""
    for manner in filter(None, MANNERS):
        if manner == "float32-samples":
            plan.layer(3, "uniform", manner, WIDENED, data=partial(round_to, "float32"), manner=manner)
        elif manner == "integer-samples":
            plan.layer(3, "uniform", manner, ("values",), data=np.rint, manner=manner)
        else:
            of_gradients = manner.endswith(("-cotangents", "-backward"))
            plan.layer(3, "uniform", manner, OF_GRADIENTS if of_gradients else FIRST_DERIVATIVES, manner=manner)


def constant_outside(plan: Plan) -> None:
    """The values at the end points outside the domain."""
    for degree in (1, 2, 3):
        for kind in ("uniform", "arbitrary", "clamped"):
            for region in ("outside", "far"):
                plan.basis(degree, kind, region, CONSTANT)
            plan.layer(degree, kind, "outside-constant", region="outside", outside=CONSTANT)


ADDED = {
    1: (basis, layers, sizes, spans, networks, knot_gradients, matrices), 2: (parts,),
    3: (every_order, batches, manners), 4: (constant_outside,),
}  # fmt: skip
"""What versions of the catalogue have beside those before them; from the third on to float64 alone."""


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
