"""Networks: layers joined by node maps, as functions of flat parameters and samples, with all their derivatives."""

from refkan.networks.architectures import chebyshev_kan, kan, mlp
from refkan.networks.archives import load, save
from refkan.networks.network import Network

__all__ = ["Network", "chebyshev_kan", "kan", "load", "mlp", "save"]
