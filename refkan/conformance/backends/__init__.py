"""Adapters that come with refkan: itself, plain layers, and published backends that the user has installed."""

from refkan.conformance.backends.efficient_kan import EfficientKan
from refkan.conformance.backends.flashkan import Flashkan
from refkan.conformance.backends.inkan import Inkan
from refkan.conformance.backends.jaxkan import Jaxkan, JaxkanReplacedGrid
from refkan.conformance.backends.plain_jax import PlainJax
from refkan.conformance.backends.plain_numpy import PlainNumpy
from refkan.conformance.backends.plain_torch import PlainTorch
from refkan.conformance.backends.pykan import Pykan, PykanDefaultDtype
from refkan.conformance.backends.refkan_layers import Refkan, RefkanRelu
from refkan.conformance.backends.scipy_bspline import ScipyBSpline

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
