"""refkan: a CPU ground truth for spline networks."""

from refkan import bsplines, relu_powers
from refkan.architectures import kan, mlp
from refkan.change_of_basis import ChangeOfBasis
from refkan.errors import ConvergenceError, KnotError
from refkan.layers import DenseLayer, ReluLayer, SiluLayer, SplineLayer
from refkan.networks import Network
from refkan.spaces import SplineSpace

__version__ = "0.1.0"

__all__ = [
    "ChangeOfBasis",
    "ConvergenceError",
    "DenseLayer",
    "KnotError",
    "Network",
    "ReluLayer",
    "SiluLayer",
    "SplineLayer",
    "SplineSpace",
    "bsplines",
    "kan",
    "mlp",
    "relu_powers",
]
