"""refkan: a CPU ground truth for spline networks.

Docstrings name the two papers whose statements the library computes by letters:

[S26]  Southworth, Actor, Harper, Cyr, "Multilevel Training for Kolmogorov Arnold Networks", arXiv 2603.04827.
[A25]  Actor, Harper, Southworth, Cyr, "Leveraging KANs for Expedient Training of Multichannel MLPs via Preconditioning
       and Geometric Refinement", arXiv 2505.18131.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from refkan import checks, conformance, interop, plots, truth
    from refkan.analysis import conditioning, exact
    from refkan.analysis.conditioning import spectrum
    from refkan.base.errors import ConvergenceError, DegenerateNodeError, KnotError, OutsideDomainError
    from refkan.kernels.engine_choice import use_engine
    from refkan.networks import Network, chebyshev_kan, hessians, jets, kan, load, mlp, save
    from refkan.networks.layers import ChebyshevLayer, DenseLayer, ReluLayer, SiluLayer, SplineLayer
    from refkan.splines import bsplines, relu_powers
    from refkan.splines.change_of_basis import ChangeOfBasis
    from refkan.splines.spaces import SplineSpace
    from refkan.splines.transfer import prolongation_matrix
    from refkan.training import problems
    from refkan.training.adaptivity import minimize_adaptive
    from refkan.training.losses import (
        Attention,
        Collocation,
        LeastSquares,
        Side,
        Term,
        flux_jump,
        periodicity,
        prescribed,
    )
    from refkan.training.multilevel import minimize_multilevel, multistart
    from refkan.training.optimizers import minimize

    claims: ModuleType  # imports refkan for its version and its folder

__version__ = "0.1.0"

__all__ = [
    "Attention",
    "ChangeOfBasis",
    "ChebyshevLayer",
    "Collocation",
    "ConvergenceError",
    "DegenerateNodeError",
    "DenseLayer",
    "KnotError",
    "LeastSquares",
    "Network",
    "OutsideDomainError",
    "ReluLayer",
    "Side",
    "SiluLayer",
    "SplineLayer",
    "SplineSpace",
    "Term",
    "bsplines",
    "chebyshev_kan",
    "checks",
    "claims",
    "conditioning",
    "conformance",
    "exact",
    "flux_jump",
    "hessians",
    "interop",
    "jets",
    "kan",
    "load",
    "minimize",
    "minimize_adaptive",
    "minimize_multilevel",
    "mlp",
    "multistart",
    "periodicity",
    "plots",
    "prescribed",
    "problems",
    "prolongation_matrix",
    "relu_powers",
    "save",
    "spectrum",
    "truth",
    "use_engine",
]

if not TYPE_CHECKING:
    # Imported when first used (SPEC 1): a program loads the parts that it uses, and the libraries that these need.
    _PLACES = {
        "": "analysis base checks claims conformance interop kernels networks plots splines training truth",
        "analysis": "conditioning exact",
        "analysis.conditioning": "spectrum",
        "base.errors": "ConvergenceError DegenerateNodeError KnotError OutsideDomainError",
        "kernels.engine_choice": "use_engine",
        "networks": "Network chebyshev_kan hessians jets kan load mlp save",
        "networks.layers": "ChebyshevLayer DenseLayer ReluLayer SiluLayer SplineLayer",
        "splines": "bsplines relu_powers",
        "splines.change_of_basis": "ChangeOfBasis",
        "splines.spaces": "SplineSpace",
        "splines.transfer": "prolongation_matrix",
        "training": "problems",
        "training.adaptivity": "minimize_adaptive",
        "training.losses": "Attention Collocation LeastSquares Side Term flux_jump periodicity prescribed",
        "training.multilevel": "minimize_multilevel multistart",
        "training.optimizers": "minimize",
    }
    _PLACE_OF = {name: f"refkan.{place}".strip(".") for place, names in _PLACES.items() for name in names.split()}

    def __dir__() -> list[str]:
        """All names, with those that are imported on first use."""
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> Any:
        """Import a subpackage, or the place of another public name, on first use."""
        if name not in _PLACE_OF:
            raise AttributeError(f"module 'refkan' has no attribute {name!r}")
        if _PLACE_OF[name] == "refkan":
            return import_module(f"refkan.{name}")
        globals()[name] = member = getattr(__import__(_PLACE_OF[name], fromlist=[name]), name)
        return member
