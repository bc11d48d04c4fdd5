"""Adapters that come with refkan: itself, plain layers, and two published libraries that the user has installed."""

from refkan.conformance.adapters.backends.plain_layers import PlainJax, PlainTorch
from refkan.conformance.adapters.backends.published_layers import EfficientKan, Pykan
from refkan.conformance.adapters.backends.refkan_layers import Refkan, RefkanRelu
from refkan.conformance.adapters.bases.spline_base import ScipyBSpline
