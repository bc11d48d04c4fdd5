"""Adapters that come with refkan: itself, plain layers, and published backends that the user has installed."""

from refkan.conformance.adapters.backends.jaxkan import Jaxkan, JaxkanReplacedGrid
from refkan.conformance.adapters.backends.module_layers import (
    ChebyKan,
    EfficientKan,
    FastKan,
    Flashkan,
    Inkan,
    Kanditioned,
    Kanx,
    Pykan,
    PykanDefaultDtype,
)
from refkan.conformance.adapters.backends.plain_layers import PlainJax, PlainTorch
from refkan.conformance.adapters.backends.refkan_layers import Refkan, RefkanRelu
from refkan.conformance.adapters.bases.spline_base import ScipyBSpline
