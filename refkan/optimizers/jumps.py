"""How rough the splines of a layer are: the jumps of their highest derivative at the knots inside their domains."""

from __future__ import annotations

import numpy as np

from refkan.array_types import FloatArray
from refkan.change_of_basis import ChangeOfBasis
from refkan.layers import ReluLayer, SiluLayer, SplineLayer
from refkan.layers.base import Layer
from refkan.spaces import SplineSpace


def jumps_of_splines(layer: Layer) -> FloatArray:
    r"""Return the matrix that takes the coefficients of one output to the jumps on all its edges.

    With w the coefficients in the scaled ReLU basis ((x - t_j)_+/h)^(r-1), the derivative of order r - 1 jumps by
    ``(r-1)! w_j / h^(r-1)`` at the knot t_j. A row of the matrix yields w_j for one t_j in (a, b); for uniform knots
    it is the r-th difference of B-spline coefficients, divided by (r-1)!. Polynomials have no jumps.

    Parameters
    ----------
    layer : Layer
        Of P inputs, with fixed knots.

    Returns
    -------
    ndarray (P (n-1), P dim)
        For the coefficients C[q] (P, dim), flat, in the layer's own basis.

    Raises
    ------
    ValueError
        If the layer's edges are no splines of fixed knots.
    """
    edges = layer.spline if isinstance(layer, SiluLayer) else layer
    if not isinstance(edges, SplineLayer | ReluLayer) or edges.free_knots:
        raise ValueError(f"roughness needs a last layer of splines with fixed knots; got {layer}")
    P, dim, inside = edges.n_inputs, edges.dim, edges.intervals - 1
    rows = np.zeros((P, inside, P, dim))
    for p, space in enumerate(edges.spaces):
        rows[p, :, p] = _to_scaled_relu(space, edges)[edges.order :]
    return rows.reshape(P * inside, P * dim)


def _to_scaled_relu(space: SplineSpace, edges: SplineLayer | ReluLayer) -> FloatArray:
    """From the layer's coefficients on one edge to those in the scaled ReLU basis; knots left of a come first."""
    if isinstance(edges, SplineLayer):
        return ChangeOfBasis(space, scaled=True).to_relu(np.eye(space.dim)).T
    factor = 1.0 if edges.scaled else space.mean_spacing ** (space.order - 1)
    return factor * np.eye(space.dim)
