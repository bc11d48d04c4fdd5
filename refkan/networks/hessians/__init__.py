"""Gauss-Newton matrices, Hessians, their products with vectors, and tangent kernels of networks."""

from refkan.networks.hessians.exact_hessian import hessian
from refkan.networks.hessians.gauss_newton import gauss_newton
from refkan.networks.hessians.jacobians import jacobian, ntk
from refkan.networks.hessians.products import ProductsAtPoint, gauss_newton_vector, hessian_vector
from refkan.networks.hessians.sparse_accumulation import choose_path

__all__ = [
    "ProductsAtPoint",
    "choose_path",
    "gauss_newton",
    "gauss_newton_vector",
    "hessian",
    "hessian_vector",
    "jacobian",
    "ntk",
]
