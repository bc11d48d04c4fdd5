r"""Judging other backends: cases with exact answers, adapters of a few lines, and a diagnosis of what is wrong.

A backend is described by an `Adapter`: what it can do, and how a layer is built and evaluated. `catalogue` generates
cases whose inputs are exact in the format of the case and whose answers are exact rationals rounded once; a `Judge`
runs them and returns findings. `refkan conform` is the command, `pytest_suite` the line for a test suite, and
`refkan cases` hands the cases to code in any language.

Examples
--------
>>> from refkan.conformance import CONVENTIONS  # what adapters are told of shapes and rules
>>> CONVENTIONS["coefficients"]
'(Q, P, dim), C order, dim = n + r - 1 = n + degree; index i counts basis functions from the left'
"""

from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.adapters.bases.jax_base import JaxAdapter, JaxModel
from refkan.conformance.adapters.bases.spline_base import SplineAdapter
from refkan.conformance.adapters.bases.torch_base import TorchAdapter
from refkan.conformance.cases import CONVENTIONS, Case, Change, Frame, LayerSpec, Setting, catalogue
from refkan.conformance.identification import Difference, Identification, identify
from refkan.conformance.judging.findings import Finding, Hint
from refkan.conformance.judging.judge import Judge
from refkan.conformance.judging.suite import parametrize_with_cases, pytest_suite

__all__ = [
    "CONVENTIONS",
    "Adapter",
    "Capabilities",
    "Case",
    "Change",
    "Difference",
    "Finding",
    "Frame",
    "Hint",
    "Identification",
    "JaxAdapter",
    "JaxModel",
    "Judge",
    "LayerSpec",
    "Setting",
    "SplineAdapter",
    "TorchAdapter",
    "catalogue",
    "identify",
    "parametrize_with_cases",
    "pytest_suite",
]
