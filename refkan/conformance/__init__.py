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

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refkan.conformance.adapters.adapter import Adapter, Capabilities
    from refkan.conformance.adapters.bases.copied_layers import EfficientKanAdapter, PykanAdapter
    from refkan.conformance.adapters.bases.jax_base import JaxAdapter
    from refkan.conformance.adapters.bases.spline_base import SplineAdapter
    from refkan.conformance.adapters.bases.torch_base import TorchAdapter
    from refkan.conformance.cases import CONVENTIONS, Case, LayerSpec
    from refkan.conformance.cases.catalogue import catalogue
    from refkan.conformance.identification import identify
    from refkan.conformance.judging.judge import Judge
    from refkan.conformance.judging.suite import parametrize_with_cases, pytest_suite
    from refkan.conformance.programs.program_proofs import prove

__all__ = [
    "CONVENTIONS",
    "Adapter",
    "Capabilities",
    "Case",
    "EfficientKanAdapter",
    "JaxAdapter",
    "Judge",
    "LayerSpec",
    "PykanAdapter",
    "SplineAdapter",
    "TorchAdapter",
    "catalogue",
    "identify",
    "parametrize_with_cases",
    "prove",
    "pytest_suite",
]

if not TYPE_CHECKING:
    # Imported when first used: pytest loads the plugin of this package in every run.
    _PLACES = {
        "adapters.adapter": "Adapter Capabilities",
        "adapters.bases.copied_layers": "EfficientKanAdapter PykanAdapter",
        "adapters.bases.jax_base": "JaxAdapter",
        "adapters.bases.spline_base": "SplineAdapter",
        "adapters.bases.torch_base": "TorchAdapter",
        "cases": "CONVENTIONS Case LayerSpec catalogue",
        "identification": "identify",
        "judging.judge": "Judge",
        "judging.suite": "parametrize_with_cases pytest_suite",
        "programs.program_proofs": "prove",
    }
    _PLACE_OF = {name: f"refkan.conformance.{place}" for place, names in _PLACES.items() for name in names.split()}

    def __dir__() -> list[str]:
        """All names, with those that are imported on first use."""
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> Any:
        """Import the place of a public name on first use."""
        if name not in _PLACE_OF:
            raise AttributeError(f"module 'refkan.conformance' has no attribute {name!r}")
        globals()[name] = member = getattr(import_module(_PLACE_OF[name]), name)
        return member
