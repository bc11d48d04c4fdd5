"""Adapters that come with refkan: itself, plain layers, and published backends that the user has installed."""

from refkan.conformance.adapters.backends.efficient_kan import EfficientKan
from refkan.conformance.adapters.backends.flashkan import Flashkan
from refkan.conformance.adapters.backends.inkan import Inkan
from refkan.conformance.adapters.backends.jaxkan import Jaxkan, JaxkanReplacedGrid
from refkan.conformance.adapters.backends.plain_layers import PlainJax, PlainTorch
from refkan.conformance.adapters.backends.plain_numpy import PlainNumpy
from refkan.conformance.adapters.backends.pykan import Pykan, PykanDefaultDtype
from refkan.conformance.adapters.backends.refkan_layers import Refkan, RefkanRelu
from refkan.conformance.adapters.backends.scipy_bspline import ScipyBSpline

__all__ = [
    "EfficientKan",
    "Flashkan",
    "Inkan",
    "Jaxkan",
    "JaxkanReplacedGrid",
    "PlainJax",
    "PlainNumpy",
    "PlainTorch",
    "Pykan",
    "PykanDefaultDtype",
    "Refkan",
    "RefkanRelu",
    "ScipyBSpline",
]
