"""refkan: a CPU ground truth for spline networks.

Docstrings name the two papers whose statements the library computes by letters:

[S26]  Southworth, Actor, Harper, Cyr, "Multilevel Training for Kolmogorov Arnold Networks", arXiv 2603.04827.
[A25]  Actor, Harper, Southworth, Cyr, "Leveraging KANs for Expedient Training of Multichannel MLPs via Preconditioning
       and Geometric Refinement", arXiv 2505.18131.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from refkan import checks
from refkan.analysis import conditioning
from refkan.analysis.conditioning import spectrum
from refkan.base.errors import ConvergenceError, DegenerateNodeError, KnotError, OutsideDomainError
from refkan.kernels.engine_choice import use_engine
from refkan.networks import Network, chebyshev_kan, hessians, jets, kan, load, mlp, save
from refkan.networks.layers import ChebyshevLayer, DenseLayer, ReluLayer, SiluLayer, SplineLayer
from refkan.splines import bsplines, relu_powers
from refkan.splines.change_of_basis import ChangeOfBasis
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolongation_matrix
from refkan.training.adaptivity import minimize_adaptive
from refkan.training.losses import Attention, Collocation, LeastSquares, Side, Term, flux_jump, periodicity, prescribed
from refkan.training.multilevel import minimize_multilevel, multistart
from refkan.training.optimizers import minimize

if TYPE_CHECKING:
    from refkan import conformance, interop, plots, truth
    from refkan.analysis import exact
    from refkan.training import problems

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
    # Imported when first used: many programs do not need them, nor the libraries that they alone use.
    _ON_FIRST_USE = {name: f"refkan.{name}" for name in ("claims", "conformance", "interop", "plots", "truth")}
    _ON_FIRST_USE |= {"exact": "refkan.analysis.exact", "problems": "refkan.training.problems"}

    def __dir__() -> list[str]:
        """All names, with those of subpackages that are imported on first use."""
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> ModuleType:
        """Import a subpackage on first use."""
        if name in _ON_FIRST_USE:
            return import_module(_ON_FIRST_USE[name])
        raise AttributeError(f"module 'refkan' has no attribute {name!r}")
