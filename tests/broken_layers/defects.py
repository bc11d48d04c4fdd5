"""The list of defects: a broken adapter each, the hint that names it, and the cases that show it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from refkan.conformance.adapters.adapter import Adapter
from tests.broken_layers import adapters as a
from tests.broken_layers import layers as l
from tests.broken_layers import local_defects as d
from tests.broken_layers.local_layers import LocalAdapter, LocalLayer
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy


@dataclass(frozen=True)
class Defect:
    """One way to be wrong.

    Attributes
    ----------
    make : callable
        Returns the broken adapter.
    hint : str
        The name that must lead.
    select : sequence of str
        Parts of keys of the cases that show it.
    unseen : bool
        Whether the layer was written without knowledge of the diagnosis.
    """

    make: Callable[[], Adapter]
    hint: str
    select: tuple[str, ...] = ("layer/degree-3", "3x2")
    unseen: bool = False


def of_layer(layer: type[NumpyLayer]) -> Callable[[], Adapter]:
    """Return a maker of the plain adapter with a broken layer."""

    def make() -> Adapter:
        adapter = PlainNumpy()
        adapter.layer = layer
        adapter.name = f"broken: {layer.__name__}"
        return adapter

    return make


def of_local_layer(layer: type[LocalLayer], uniform: bool = False) -> Callable[[], Adapter]:
    """Return a maker of the local adapter with a broken layer, for all knots or equally spaced ones alone."""

    def make() -> Adapter:
        adapter = LocalAdapter()
        adapter.layer = layer
        adapter.name = f"broken: {layer.__name__}"
        if uniform:
            adapter.capabilities = d.UNIFORM
        return adapter

    return make


DEFECTS: dict[str, Defect] = {
    "float32 knots": Defect(of_layer(l.Float32Knots), "float32 knots"),
    "float32 coefficients": Defect(of_layer(l.Float32Coefficients), "float32 coefficients"),
    "float32 inputs": Defect(of_layer(l.Float32Inputs), "float32 inputs"),
    "float32 arithmetic": Defect(
        of_layer(l.Float32Arithmetic), "float32 arithmetic", ("layer/degree-3", "3x2", "values")
    ),
    "mean over inputs": Defect(of_layer(l.MeanOverInputs), "constant factor"),
    "mean over samples": Defect(of_layer(l.MeanOverSamples), "constant factor"),
    "slope without the degree": Defect(of_layer(l.SlopeWithoutDegree), "constant factor"),
    "sign of the input gradient": Defect(of_layer(l.SignOfInputGradient), "sign"),
    "sign of second derivatives": Defect(of_layer(l.SignOfSecond), "sign"),
    "right end open": Defect(of_layer(l.RightEndOpen), "right end open", ("degree-3", "ends")),
    "left limit at knots": Defect(of_layer(l.LeftLimit), "left limit at knots", ("degree-1", "knots")),
    "inputs clamped": Defect(of_layer(l.ClampedInputs), "only outside the domain", ("basis/degree-3", "-natural")),
    "rule outside ignored": Defect(of_layer(l.NaturalAnyway), "only outside the domain", ("basis/degree-3", "-linear")),
    "zero outside": Defect(of_layer(l.ZeroOutside), "only outside the domain", ("basis/degree-3", "-polynomial")),
    "coefficients transposed": Defect(of_layer(l.TransposedCoefficients), "transposed coefficients"),
    "gradient transposed": Defect(of_layer(l.TransposedGradient), "transposed coefficients"),
    "coefficients reversed": Defect(
        of_layer(l.ReversedCoefficients), "reversed coefficients", ("layer/degree-3", "3x2")
    ),
    "coefficients shifted": Defect(of_layer(l.ShiftedCoefficients), "shifted index"),
    "gradient shifted": Defect(of_layer(l.ShiftedGradient), "shifted index"),
    "knots shifted": Defect(of_layer(l.ShiftedKnots), "shifted index"),
    "always cubic": Defect(of_layer(l.AlwaysCubic), "degree fixed", ("degree-2", "interior")),
    "equal spacing": Defect(of_layer(l.EqualSpacing), "equal spacing assumed"),
    "equal spacing after an update": Defect(a.EqualSpacingAfterUpdate, "equal spacing assumed", ("update", "after")),
    "knots of the first input": Defect(of_layer(l.KnotsOfFirstInput), "knots of another input"),
    "0/0 unguarded": Defect(of_layer(l.Unguarded), "NaN from repeated knots", ("degree-3", "repeated")),
    "0/0 mended too late": Defect(of_layer(l.NanToNum), "NaN from repeated knots", ("degree-3", "repeated")),
    "knots that coincide after an update": Defect(a.CoincidingKnots, "NaN from repeated knots", ("discrete-data",)),
    "basis not normalised": Defect(of_layer(l.Unnormalised), "basis not normalised"),
    "last function missing": Defect(of_layer(l.LastUnused), "end coefficient unused", ("degree-3", "interior")),
    "last input missing": Defect(of_layer(l.LastInputLeftOut), "input left out"),
    "inputs detached": Defect(of_layer(l.DetachedInputs), "detached gradient"),
    "coefficients detached": Defect(of_layer(l.DetachedCoefficients), "detached gradient"),
    "second derivatives detached": Defect(of_layer(l.DetachedSecond), "detached gradient", ("degree-3", "interior")),
    "first layer detached": Defect(a.FirstLayerDetached, "detached gradient", ("network",)),
    "sums in another order each time": Defect(a.Nondeterministic, "not deterministic", ("layer/degree-3", "3x4")),
    "noise left on": Defect(a.NoisyForward, "not deterministic"),
    "gradients accumulate": Defect(a.Accumulating, "gradients accumulate", ("layer/degree-3", "3x4")),
    "incomplete block": Defect(of_layer(l.IncompleteBlock), "incomplete block"),
    "outputs reversed": Defect(of_layer(l.ReversedOutputs), "reversed outputs"),
    "samples sorted": Defect(of_layer(l.SortedSamples), "samples reordered"),
    "strides ignored": Defect(a.StridesIgnored, "strides ignored"),
    "cotangent ignored": Defect(of_layer(l.CotangentIgnored), "cotangent ignored"),
    "truncated powers": Defect(of_layer(l.TruncatedPowers), "cancellation of truncated powers", ("basis/degree-3",)),
    "refinement by samples": Defect(a.RefineBySamples, "function changed by refine", ("refine/degree-3",)),
    "refinement by interpolated coefficients": Defect(
        a.RefineByInterpolation, "function changed by refine", ("refine/degree-3",)
    ),
    "update by samples": Defect(a.UpdateBySamples, "function changed by update", ("update/degree-3",)),
    "scale applied twice by an update": Defect(a.UpdateScaledTwice, "function changed by update", ("update/degree-3",)),
}


_LAYER = ("layer/degree-3", "3x2")


def _unseen(layer: type[LocalLayer], hint: str, select: tuple[str, ...] = _LAYER, uniform: bool = False) -> Defect:
    return Defect(of_local_layer(layer, uniform), hint, select, unseen=True)


DEFECTS |= {
    "width of the middle function": _unseen(
        d.WidthOfMiddleFunction, "wrong denominators", ("layer/degree-3/arbitrary", "3x2")
    ),
    "index mixed when square": _unseen(d.IndexMixedWhenSquare, "transposed coefficients", ("layer/degree-3", "3x3")),
    "clamped to the domain": _unseen(d.ClampedToTheDomain, "only outside the domain", ("basis/degree-3", "-natural")),
    "searchsorted with side left": _unseen(d.SideLeft, "left limit at knots", ("degree-1", "knots")),
    "linspace in single": _unseen(d.LinspaceInSingle, "float32 knots", uniform=True),
    "scale twice in the gradient": _unseen(d.ScaleTwiceInGradient, "constant factor"),
    "batch mean subtracted": _unseen(d.BatchMeanSubtracted, "samples mixed"),
    "one interval too few": _unseen(d.OneIntervalTooFew, "number of intervals", uniform=True),
    "loop one too short": _unseen(d.LastFunctionMissing, "end coefficient unused", ("degree-3", "interior")),
    "slope in positions": _unseen(d.SlopeInPositions, "constant factor", uniform=True),
    "mean over outputs": _unseen(d.MeanOverOutputs, "constant factor"),
    "samples overwritten": _unseen(d.SamplesOverwritten, "inputs overwritten", uniform=True),
    "position truncated": _unseen(d.TruncatedPosition, "only outside the domain", ("basis", "outside-natural"), True),
    "cached by shape": _unseen(d.CachedByShape, "stale cache"),
    "cached for all layers": _unseen(d.CachedForAllLayers, "stale cache"),
    "numerical slopes": _unseen(d.NumericalSlopes, "finite differences"),
    "residual left on": _unseen(d.ResidualLeftOn, "extra branch"),
    "slope times the order": _unseen(d.SlopeTimesOrder, "constant factor"),
    "own exterior knots": _unseen(d.OwnExteriorKnots, "exterior knots", ("layer/degree-3/arbitrary", "3x2")),
    "scatter shifted": _unseen(d.ScatterShifted, "shifted index"),
    "scatter without adding": _unseen(d.ScatterWithoutAdding, "contributions lost"),
    "sums in single": _unseen(d.SumsInSingle, "float32 arithmetic"),
    "squashed between layers": Defect(d.SquashedBetween, "extra map", ("network",), unseen=True),
}


class Broken(PlainNumpy):
    """The adapter of a defect by its name, for the command: `--argument "always cubic"`."""

    def __new__(cls, name: str) -> Any:
        """Return the broken adapter itself."""
        if name not in DEFECTS:
            raise ValueError(f"name must be one of {', '.join(map(repr, DEFECTS))}; got {name!r}")
        return DEFECTS[name].make()


DEFECTS |= {
    "odd output lost": Defect(of_local_layer(d.OddOutputLost), "outputs left out"),
    "interval clamped one short": Defect(of_local_layer(d.ClampedOneShort), "end interval unused"),
}
