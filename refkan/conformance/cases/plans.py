r"""The settings that families of cases consist of: layers and networks, each told by its name and a few numbers.

Of refinement and grid updates: the function must stay what it was, and everything must be right afterwards.
Two questions are asked after a change. First, whether the function is still that of before, on the samples that the
change was given and between them: a refinement to a multiple of the intervals contains the old space, so that nothing
need change; other refinements and updates cannot keep every function, and the amount is reported. Second, whether
values and gradients agree with the knots and coefficients that the model says it has now.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.conformance.cases.cases import Case, Change, Setting, generator
from refkan.conformance.cases.families import ANY, INTERVALS, POINTS, Frame, coefficients, cotangents, points, spec_with
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.precision import LOW, round_to

FIRST_DERIVATIVES = ("values", "input-gradients", "coefficient-gradients")
SMOOTH = (*FIRST_DERIVATIVES, "second-derivatives")
ZERO = ("input-gradients", "second-derivatives")
"""What is not asked of pieces of degree 0, whose derivatives in x are zero."""


class Plan:
    """Settings of one format, with the quantities that are asked of each, in the order in which they are judged.

    The name of a setting is the seed of its numbers, which are drawn in the order knots, coefficients, parts, samples,
    cotangent, direction.

    Parameters
    ----------
    dtype : str
    frame : Frame
    """

    def __init__(self, dtype: str, frame: Frame = ANY) -> None:
        self.dtype, self.frame = dtype, frame
        self.settings: list[tuple[Setting, list[str]]] = []

    def _add(
        self, name: str, specs: tuple[LayerSpec, ...], x: FloatArray, rng: np.random.Generator,
        quantities: Sequence[str], **more: Any,
    ) -> None:  # fmt: skip
        asked = (*quantities, *(f"{part}-gradients" for part in specs[0].parts))
        chosen = [quantity for quantity in asked if specs[0].degree or quantity not in ZERO]
        dy = cotangents((len(x), specs[-1].n_outputs), rng)
        direction = cotangents(x.shape, rng)
        if more.get("manner") == "expanded-cotangents":
            dy = np.resize(dy[0], dy.shape)
        self.settings.append((Setting(name, specs, x, dy, direction, **more), chosen))

    def basis(self, degree: int, kind: str, region: str, rule: str = "natural") -> None:
        """Plan a layer of one input, and an output for each basis function: C is the identity."""
        where = f"{region}-{rule}" if region in ("outside", "far") else region
        name = f"{self.dtype}/basis/degree-{degree}/{kind}/{where}"
        rng, order = generator(name), degree + 1
        t = self.frame.knots(kind, order, self.dtype, rng)
        spec = LayerSpec(t[None], np.eye(t.size - order)[:, None], order, rule, self.dtype, kind_of(kind))
        x = points(region, t, order, self.dtype, rng, POINTS)[:, None]
        self._add(name, (spec,), x, rng, SMOOTH, region=region)

    def layer(
        self, degree: int, kind: str, word: str = "", quantities: Sequence[str] = SMOOTH,
        shape: tuple[int, int] = (3, 2), count: int = POINTS, region: str = "interior", outside: str = "natural",
        parts: Sequence[str] = (), intervals: int = INTERVALS, scale: float = 1.0, knots: FloatArray | None = None,
        data: Callable[[FloatArray], FloatArray] = np.asarray, **more: Any,
    ) -> None:  # fmt: skip
        """Plan a layer of Q outputs and P inputs.

        Its knots may be given, or multiplied together with the samples by a power of two; `data` changes the samples.
        """
        name = "/".join(filter(None, (f"{self.dtype}/layer/degree-{degree}/{kind}/{shape[0]}x{shape[1]}", word)))
        rng, frame = generator(name), self.frame
        if knots is not None:
            frame = replace(ANY, shared_knots=frame.shared_knots)
            knots = knots[[0] * len(knots)] if frame.shared_knots else knots
        spec = layer_spec(self.dtype, degree, kind, shape, rng, intervals=intervals, frame=frame)
        spec = replace(spec, outside=outside, knots=spec.knots if knots is None else knots)
        spec = spec_with(spec, parts, rng)
        x = data(samples(spec, region, rng, count) * scale)
        self._add(name, (replace(spec, knots=spec.knots * scale),), x, rng, quantities, region=region, **more)

    def network(
        self, degree: int, kind: str, widths: Sequence[int], count: int, quantities: Sequence[str] = SMOOTH,
        parts: Sequence[str] = (), **more: Any,
    ) -> None:  # fmt: skip
        """Plan a network of these widths, whose activations stay inside the domains of the layers that follow."""
        shape, word = "-".join(map(str, widths)), "-".join(("with", *parts)) if parts else ""
        name = "/".join(filter(None, (f"{self.dtype}/network/degree-{degree}/{kind}/{shape}", word)))
        rng = generator(name)
        layers = [self._inner(degree, kind, (Q, P), rng) for P, Q in pairwise(widths)]
        specs = tuple(spec_with(layer, parts, rng, 2.0**-4) for layer in layers)
        self._add(name, specs, samples(specs[0], "interior", rng, count), rng, quantities, **more)

    def _inner(self, degree: int, kind: str, shape: tuple[int, int], rng: np.random.Generator) -> LayerSpec:
        # B-splines sum to one: coefficients below 1/4 keep the sum over up to three inputs within (-1, 1).
        spec = layer_spec(self.dtype, degree, kind, shape, rng, 0.25, frame=self.frame)
        return replace(spec, coefficients=self.frame.coefficients(spec.coefficients, self.dtype))


def kind_of(family: str) -> str:
    """The kind of knots of a family of them."""
    return "uniform" if family.startswith("uniform") else family


def layer_spec(
    dtype: str, degree: int, kind: str, shape: tuple[int, int], rng: np.random.Generator, size: float = 1.0,
    intervals: int = INTERVALS, frame: Frame = ANY,
) -> LayerSpec:  # fmt: skip
    """Return a layer of Q outputs and P inputs with random coefficients; arbitrary knots differ between inputs."""
    order, (Q, P) = degree + 1, shape
    rows = [frame.knots(kind, order, dtype, rng, intervals) for _ in range(P)]
    if kind_of(kind) == "uniform" or frame.shared_knots:
        rows = rows[:1] * P
    C = coefficients((Q, P, rows[0].size - order), dtype, rng, size)
    return LayerSpec(np.array(rows), C, order, "natural", dtype, kind_of(kind))


def samples(spec: LayerSpec, region: str, rng: np.random.Generator, count: int) -> FloatArray:
    """Return samples (count, P), each column in a region of its own knot vector, in an order of its own."""
    columns = [points(region, row, spec.order, spec.dtype, rng, count) for row in spec.knots]
    return np.stack([rng.permutation(column) for column in columns], axis=1)


AFTER = ("values-after", "input-gradients-after", "coefficient-gradients-after")

PROBES = 24

CHANGED_PARTS = (("base",), ("scale",), ("bias",), ("base", "scale"))
"""Parts of layers that are refined and updated."""


def of_changes(dtype: str, frame: Frame, version: int) -> list[Case]:
    """Return all cases with a state change in one format and version of the catalogue."""
    if dtype in LOW:
        return []

    def refined(degree: int, data: str, intervals: int = 12, count: int = 200) -> list[Case]:
        name = f"{dtype}/refine/degree-{degree}/{data}"
        return _of_change(name, dtype, degree, intervals, count, Frame(None, frame.domain))

    def updated(degree: int, data: str, count: int = 200) -> list[Case]:
        return _of_change(f"{dtype}/update/degree-{degree}/{data}", dtype, degree, 0, count, frame)

    out = [*refined(2, "6-to-12"), *refined(3, "6-to-12"), *refined(3, "6-to-18", 18), *refined(3, "6-to-9", 9)]
    out += [*refined(3, "6-to-24-from-20-samples", 24, 20), *updated(2, "random-data"), *updated(3, "random-data")]
    out += [*updated(3, "few-data", 20), *updated(3, "discrete-data"), *updated(3, "constant-data")]
    for parts in CHANGED_PARTS if version >= 2 else ():
        word = "-".join(("with", *parts))
        out += _with_parts(refined(3, f"6-to-12/{word}"), parts) + _with_parts(updated(3, f"random-data/{word}"), parts)
    for degree in (1, 4, 5) if version >= 3 and dtype == "float64" else ():
        out += refined(degree, "6-to-12") + updated(degree, "random-data")
    return out


def _with_parts(cases: list[Case], parts: tuple[str, ...]) -> list[Case]:
    """Those cases that ask whether the function stays, of layers that have something beside their splines."""
    out = []
    for case in cases:
        s = case.setting
        if case.quantity == "values" and s.region == "interior" and not case.extra_needs:
            specs = (spec_with(s.spec, parts, generator(s.name.rpartition("/")[0])),)
            inside = s.x[(s.x < s.spec.domain[1]).all(axis=1)]  # a convention at b is one on splines alone
            x = np.resize(inside, s.x.shape)
            out.append(replace(case, setting=replace(s, specs=specs, x=x, oracle="float64")))
    return out


def _of_change(name: str, dtype: str, degree: int, intervals: int, count: int, frame: Frame) -> list[Case]:
    """Cases of a refinement to so many intervals, or of an update where there are none."""
    rng, (Q, P) = generator(name), (3, 2)
    spec = layer_spec(dtype, degree, "uniform", (Q, P), rng, frame=frame)
    a, b = spec.domain
    data = round_to(dtype, a + (b - a) * rng.integers(0, 1025, (count, P)) / 1024.0)
    data[0], data[1] = a, b  # the data reach both ends
    if name.endswith("discrete-data"):
        data = np.resize(data[[0, 1, 2, 3, 4]], data.shape)
    if name.endswith("constant-data"):
        data = np.resize(data[2:3], data.shape)
    kind, nested = "refine" if intervals else "update", intervals % spec.intervals == 0
    change = Change(kind, data, intervals, nested)
    probes = {"on-samples": np.resize(data, (PROBES, P))}
    if not name.endswith("constant-data"):
        probes["off-samples"] = _points("interior", spec, rng)
    out = []
    for where, x in probes.items():
        dy, direction = cotangents((PROBES, Q), rng), cotangents(x.shape, rng)
        out.append(Case(Setting(f"{name}/{where}", (spec,), x, dy, direction, change=change), "values"))
    for rule in ("linear", "polynomial"):
        x, specs = _points("outside", spec, rng), (replace(spec, outside=rule),)
        place = Setting(f"{name}/outside-{rule}", specs, x, dy, direction, "outside", change=change)
        out.append(Case(place, "values"))
    after = Setting(name, (spec,), x, dy, direction, oracle="float64", change=change)
    if kind == "refine" and nested:
        out.append(Case(after, "refinement", {"state": True}))
    for quantity in AFTER:
        needs: dict[str, Any] = {"state": True}
        if quantity != "values-after":
            needs["derivatives"] = quantity.split("-")[0] + "s"
        out.append(Case(after, quantity, needs))
    return out


def _points(region: str, spec: LayerSpec, rng: np.random.Generator) -> FloatArray:
    return np.stack([points(region, t, spec.order, spec.dtype, rng, PROBES) for t in spec.knots], axis=1)


def recheck(case: Case, knots: Any, coefficients: Any) -> Case:
    """Return the ordinary case that `values-after` and its kin stand for: of the layer that the model says it is now.

    Raises
    ------
    ValueError
        If the state is not that of a spline layer; the message says why.
    """
    setting = case.setting
    knots = np.asarray(knots, np.float64)
    C = np.asarray(coefficients, np.float64)
    bad = ~np.isfinite(C)
    if bad.any():
        index = tuple(int(k) for k in np.argwhere(bad)[0])
        raise ValueError(f"coefficients are not finite after the change: [{', '.join(map(str, index))}] = {C[index]}")
    spec = LayerSpec(knots, C, setting.spec.order, "natural", setting.dtype, "arbitrary")
    rng = generator(case.key)
    x = round_to(setting.dtype, _points("interior", replace(spec, dtype="float64"), rng))
    at = Setting(setting.name, (spec,), x, setting.dy, setting.direction, oracle="float64")
    return Case(at, case.quantity.removesuffix("-after"))
