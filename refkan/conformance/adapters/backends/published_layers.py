"""Layers of two published libraries, as examples of adapters: efficient-kan, from a copy, and pykan."""

from refkan.conformance.adapters.bases.copied_layers import EfficientKanAdapter, PykanAdapter


class EfficientKan(EfficientKanAdapter):
    """`KANLinear`, converted by `.double()` in float64, on the grid that it makes itself where that is equally spaced.

    Where a case has no scales the spline scaler is 1/2, and the weights are the coefficients doubled, so that the
    coefficients in effect are exactly those of the spec.
    """

    name = "efficient-kan"
    module, variable = "efficient_kan", "EFFICIENT_KAN"


class Pykan(PykanAdapter):
    """`kan.KANLayer.KANLayer`, converted by `.double()` in float64, with SiLU where a case has it."""

    name = "pykan"
    module, release = "kan.KANLayer", "pykan==0.2.8"
