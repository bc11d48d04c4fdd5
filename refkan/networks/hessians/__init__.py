"""Gauss-Newton matrices, Hessians, their products with vectors, and tangent kernels of networks."""

from refkan.networks.hessians.exact_hessian import hessian
from refkan.networks.hessians.gauss_newton import gauss_newton
from refkan.networks.hessians.jacobians import jacobian, ntk

__all__ = [
    "gauss_newton",
    "hessian",
    "jacobian",
    "ntk",
]
