r"""What a hypothesis is: a defect whose results can be computed and compared with a backend's.

A hypothesis is accepted if it reproduces theirs everywhere: within the tolerance of the case, or within a thousandth of
the error that it explains where an exact match cannot be expected (a knot rounded in an unknown order of operations),
and if it leaves at most a quarter of the worst error. What it predicts to be zero must be zero: results that are small
beside the truth, as those times a small factor are, lie within a thousandth of the error from zero too.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.lazy import lazy
from refkan.conformance.adapters.backends.plain_numpy import NumpyLayer, PlainNumpy
from refkan.conformance.cases.cases import PART_GRADIENTS, Case, Setting, quantity, without_added
from refkan.conformance.cases.specs import LayerSpec
from refkan.conformance.cases.truths.quantities import FloatQuantities
from refkan.conformance.judging.findings import Evidence, Hint

EXPLAINED = 1e-3
LEFT = 0.25


@dataclass(frozen=True, eq=False)
class Supposed(Case):
    """A case as it would be with one defect, from which a second one is looked for.

    Attributes
    ----------
    layer : class of layers, optional
        Through which results go; by default those of the setting.
    fixed : bool
        Whether nothing is known but the results: what would have to be evaluated is no layer.
    truth : array, optional
        The results without a defect: what is explained must be explained of the difference to those, too.
    """

    layer: type[NumpyLayer] | None = None
    fixed: bool = False
    truth: FloatArray | None = None

    @lazy
    def expected(self) -> FloatArray:
        """Its results, in float64."""
        if self.layer is not None:
            return _through(self.setting, self.quantity, self.layer)
        s = self.setting
        with np.errstate(all="ignore"):
            found = np.asarray(quantity(self.quantity, _at(*s.judged_as), s.dy, s.direction), np.float64)
        return without_added(found, self.quantity, s)


Prediction = FloatArray | Supposed | None
"""Results, or the case that has them; None if there are none."""


@dataclass(frozen=True)
class Hypothesis:
    """A defect: a stable name, a sentence, and the results that it would give (None where it has no effect).

    `may_be` goes into the hint, `also` follows it. `afresh` is `predict` where that may answer with kept results.
    `fitted` counts the numbers that were taken from the results, and that mean nothing by themselves.
    """

    name: str
    text: str
    predict: Callable[[], Prediction]
    may_be: tuple[str, ...] = ()
    afresh: Callable[[], Prediction] | None = None
    also: tuple[Hint, ...] = ()
    fitted: int = 0

    @property
    def hints(self) -> tuple[Hint, ...]:
        """What is said where it reproduces theirs."""
        return (Hint(self.name, self.text, self.may_be), *self.also)

    def outcome(self) -> FloatArray | None:
        """The results, None where it has no effect or makes no layer: what is no layer explains nothing."""
        try:
            found = self.predict()
            return found.expected if isinstance(found, Supposed) else found
        except (ValueError, IndexError):
            return None

    def supposed(self) -> Supposed | None:
        """The case with the defect, None where it is not known of what layers and samples the results are."""
        try:
            found = (self.afresh or self.predict)()
        except (ValueError, IndexError):
            return None
        return found if isinstance(found, Supposed) else None


Source = Callable[[Evidence], Iterator[Hypothesis]]


def _near(evidence: Evidence, predicted: FloatArray, room: FloatArray, worst: int) -> bool:
    """Whether a prediction can be theirs at all: most are far from it where ours is, which is seen at little cost."""
    theirs = evidence.theirs
    if predicted.shape != theirs.shape:
        return False
    if abs(predicted.item(worst) - theirs.item(worst)) > room.item(worst):
        return False
    near = np.abs(predicted - theirs) <= room
    if near.all():
        return True
    return bool((near | (predicted == theirs) | np.isnan(theirs)).all())


def error_ratio(case: Case, ours: FloatArray, theirs: FloatArray) -> float:
    """Largest difference in units of what is allowed; infinite where only one is finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(theirs - ours) / case.tolerance
    same = (np.isnan(ours) & np.isnan(theirs)) | (ours == theirs)
    return float(np.where(same, 0.0, np.where(np.isnan(difference), np.inf, difference)).max())


def reproduces(evidence: Evidence, predicted: FloatArray) -> bool:
    """Whether predicted results are theirs."""
    case, theirs = evidence.case, evidence.theirs
    if predicted.shape != theirs.shape:
        return False
    nan = np.isnan(theirs)
    if not np.array_equal(np.isnan(predicted), nan):
        return False
    truth = case.truth if isinstance(case, Supposed) else None
    with np.errstate(invalid="ignore", over="ignore"):
        misfit = np.abs(predicted - theirs)
        error = np.abs(theirs - case.expected)
        if truth is not None:
            error = np.minimum(error, np.abs(theirs - truth))
    same = nan | (predicted == theirs)
    misfit, error = np.where(same, 0.0, misfit), np.where(nan, 0.0, error)
    size = np.abs(case.expected)
    vanishes = (predicted == 0) & (size > EXPLAINED * size.max())
    allowed = np.where(vanishes, case.tolerance, np.maximum(case.tolerance, EXPLAINED * error))
    before, after = error_ratio(case, case.expected, theirs), error_ratio(case, predicted, theirs)
    if truth is not None:
        before = min(before, error_ratio(case, truth, theirs))
    if nan.any():
        return bool((misfit <= allowed).all())
    return bool((misfit <= allowed).all()) and after <= max(1.0, EXPLAINED * before) and after <= LEFT * before


def supposed(case: Case, name: str | None = None, **changes: Any) -> Supposed:
    """The case with another `specs`, `x`, `dy`, `direction` or `right_end`, or another quantity, by its name.

    Raises
    ------
    ValueError
        If nothing but results is known of it.
    """
    layer = None
    if isinstance(case, Supposed):
        if case.fixed:
            raise ValueError("there is nothing to evaluate")
        layer = case.layer
    return Supposed(replace(case.setting, **changes), name or case.quantity, layer=layer)


def of_setting(case: Case) -> bool:
    """Whether results of the case are those of the layers of its setting."""
    return not (isinstance(case, Supposed) and (case.fixed or case.layer is not None))


def evaluate(case: Case, name: str | None = None, **changes: Any) -> FloatArray:
    """Results of such a case, in float64."""
    return supposed(case, name, **changes).expected


def through(case: Case, recursion: type[NumpyLayer]) -> Supposed | None:
    """The case by another recursion; one with a layer of its own by both."""
    if case.quantity == "knot-gradients":
        return None
    if isinstance(case, Supposed):
        if case.fixed:
            return None
        if case.layer is not None:
            try:
                recursion = type("Both", (getattr(recursion, "alone", recursion), case.layer), {})
            except TypeError:  # one is made of the other
                return None
    return Supposed(replace(case.setting), case.quantity, layer=recursion)


ONE_LAYER: dict[str, Callable[[NumpyLayer, Setting], Any]] = {
    "input-gradients": lambda layer, s: layer.pull_back(s.x, s.dy),
    "coefficient-gradients": lambda layer, s: layer.coefficient_gradient(s.x, s.dy),
    "second-derivatives": lambda layer, s: layer.pull_back(s.x, s.dy, 2) * s.direction,
}


def _through(s: Setting, name: str, layer: type[NumpyLayer]) -> FloatArray:
    adapter = PlainNumpy()
    specs = tuple(spec if spec.dtype == "float64" else replace(spec, dtype="float64") for spec in s.specs)
    model = [layer(spec) for spec in specs]
    with np.errstate(all="ignore"):
        if len(model) == 1 and name in ONE_LAYER:  # without what a sweep computes beside it
            return np.asarray(ONE_LAYER[name](model[0], s))
        if name == "values":
            return np.asarray(adapter.forward(model, s.x))
        if name == "second-derivatives":
            return np.asarray(adapter.second(model, s.x, s.dy, s.direction))
        if name == "gauss-newton":
            return np.asarray(adapter.gauss_newton(model, s.x))
        gradient = {"input-gradients": "inputs", **PART_GRADIENTS}.get(name, "coefficients")
        found = adapter.vjp(model, s.x, s.dy)[gradient]
    return np.concatenate([part.ravel() for part in found]) if isinstance(found, list) else np.asarray(found)


SAME = 192
"""Changed layers remembered: the other quantities of a setting, whose cases follow, ask for them again."""

SMALL = 1024
"""Numbers in x up to which layers at x are remembered."""

_remembered: dict[tuple[Any, ...], FloatQuantities] = {}


def _at(specs: tuple[LayerSpec, ...], x: FloatArray) -> FloatQuantities:
    """All quantities of layers at x; the last ones are remembered by what they were made of."""
    if x.size > SMALL:
        return FloatQuantities(specs, x)
    key = (x.shape, x.tobytes(), *map(_content, specs))
    found = _remembered.pop(key, None)
    if found is None:
        found = FloatQuantities(specs, x.copy())
    while len(_remembered) >= SAME:
        _remembered.pop(next(iter(_remembered)), None)
    _remembered[key] = found  # now the last one
    return found


def _content(spec: LayerSpec) -> tuple[Any, ...]:
    arrays = [spec.knots, spec.coefficients, *map(spec.part, spec.parts)]
    return (spec.order, spec.outside, spec.parts, *((array.shape, array.tobytes()) for array in arrays))


def with_layers(case: Case, change: Callable[[LayerSpec], LayerSpec]) -> Supposed | None:
    """The case with each layer replaced by a changed one; None if the change is not one, or makes no layer."""
    try:
        specs = tuple(change(spec) for spec in case.setting.specs)
    except ValueError:
        return None
    return supposed(case, specs=specs)


def with_knots(change: Callable[[LayerSpec], FloatArray], spec: LayerSpec) -> LayerSpec:
    """Return the layer on changed knots."""
    return replace(spec, knots=change(spec))


def matching(
    evidence: Evidence, sources: tuple[Source, ...], names: Container[str] | None = None
) -> Iterator[Hypothesis]:  # fmt: skip
    """Hypotheses (of these names) that reproduce theirs, while others may be tried."""
    error = np.abs(evidence.theirs - evidence.case.expected)
    room = np.maximum(evidence.case.tolerance, EXPLAINED * error)
    worst = int(np.argmax(error / room))
    for source in sources:
        for hypothesis in source(evidence):
            if evidence.tries.is_over:
                return
            if names is not None and hypothesis.name not in names:
                continue
            evidence.tries.add(evidence.case.setting.x.size)
            predicted = hypothesis.outcome()
            if predicted is not None and _near(evidence, predicted, room, worst) and reproduces(evidence, predicted):
                yield hypothesis


def first_match(evidence: Evidence, sources: tuple[Source, ...]) -> tuple[Hint, ...]:
    """Return the first hypothesis that reproduces theirs, as hints."""
    first = next(matching(evidence, sources), None)
    return () if first is None else first.hints
