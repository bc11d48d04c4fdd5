"""refkan: a CPU ground truth for spline networks."""

from refkan import bsplines, checks, conditioning, exact, hessians, problems, relu_powers
from refkan.architectures import kan, mlp
from refkan.archives import load, save
from refkan.change_of_basis import ChangeOfBasis
from refkan.conditioning import spectrum
from refkan.errors import ConvergenceError, DegenerateNodeError, KnotError, OutsideDomainError
from refkan.layers import DenseLayer, ReluLayer, SiluLayer, SplineLayer
from refkan.losses import LeastSquares
from refkan.networks import Network
from refkan.optimizers import minimize
from refkan.spaces import SplineSpace
from refkan.transfer import prolongation_matrix

__version__ = "0.1.0"

__all__ = [
    "ChangeOfBasis",
    "ConvergenceError",
    "DegenerateNodeError",
    "DenseLayer",
    "KnotError",
    "LeastSquares",
    "Network",
    "OutsideDomainError",
    "ReluLayer",
    "SiluLayer",
    "SplineLayer",
    "SplineSpace",
    "bsplines",
    "checks",
    "conditioning",
    "exact",
    "hessians",
    "kan",
    "load",
    "minimize",
    "mlp",
    "problems",
    "prolongation_matrix",
    "relu_powers",
    "save",
    "spectrum",
]
