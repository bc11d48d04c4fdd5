r"""Analytic null vectors: directions in theta along which the values of a network do not change, J z = 0.

    each layer                      (P - 1) Q   constants moved between the edges into a node: B-splines sum to one
    hidden node, mean-std, min-max  2           the functions into it shifted and scaled: the statistics undo both
    SiLU edge                       1           d(w_s C) = 0 along (dC, dw_s) = (C, -w_s)
    hidden ReLU^k neuron            1           weights and bias scaled by c, outgoing weights by c^-k
    free knot vector                1           s plus a constant: softmax does not see it

These are lower bounds of the nullity, known without a singular value. Layers and node maps offer the vectors.

Under outside="natural" B-splines sum to one only inside the domain, and the affine map takes the extreme activations
to its ends up to rounding. Hidden activations therefore count as inside if they stay inside under changes of the
parameters far larger than rounding. Inputs are exact, and are compared as they are.
"""

from typing import Any

import numpy as np
from scipy import linalg

from refkan.base import FloatArray, as_samples, as_vector, check_annotated
from refkan.networks import Network
from refkan.networks.hessians.memory import require_memory
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep

NEARLY_DEPENDENT = 1e-4
"""Sine of the angle to the span of the others below which a null vector is left out.

Orthonormalised, it would carry 1/NEARLY_DEPENDENT times the rounding of the vectors it is made of: J z is then still
below 1e-12. A lower bound stays a lower bound without it.
"""

DOUBT = float(np.sqrt(np.finfo(np.float64).eps))
"""Relative change of parameters, and share of a domain at its ends, within which an activation may lie outside."""

CANCELLED = 16 * float(np.finfo(np.float64).eps)
"""Relative size below which what is left of a difference is rounding."""


def null_vectors(net: Network, theta: Any, x: Any, translations: bool = False) -> FloatArray:
    r"""Return an orthonormal Z with J Z = 0 that is known from the structure of the network.

    Parameters
    ----------
    net : Network
        Bound to data.
    theta : array (n_params,)
    x : array (N, d_0)
        The samples of J: under outside="natural" the basis sums to one at inputs inside the domain only.
    translations : bool
        Only directions that do not depend on theta. They lie in the null space of the Hessian as well, at any theta;
        the others do so at stationary points: differentiating L(g theta) = L(theta) for a group of linear maps
        g = exp(eps G) gives H z = -G^T grad L along z = G theta.

    Returns
    -------
    array (n_params, count)

    Raises
    ------
    ValueError
        For shapes that do not fit the network, node maps not bound, and vectors that exceed the memory available.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.analysis.conditioning.null_space import null_vectors
    >>> x = np.random.default_rng(0).uniform(size=(500, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    >>> Z = null_vectors(net, theta, x)
    >>> Z.shape, bool(np.abs(net.jacobian(theta, x) @ Z).max() < 1e-12)
    ((90, 9), True)
    """
    check_annotated(null_vectors, locals())
    theta, x = as_vector("theta", theta, net.n_params), as_samples("x", x, net.widths[0])
    return graded_orthonormal(null_directions(net, theta, x, translations))


def null_directions(net: Network, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
    """Independent columns (n_params, count) that span the space of `null_vectors`, one for each symmetry.

    Each is zero outside the parameters that its symmetry moves. Orthonormalised they are not, but for rounding, and
    rounding is all that is left of them in coordinates that scale some parameters by 1/eps against others.
    """
    net(theta, x[:0])  # refuses node maps that are not bound
    at_most = sum(2 * layer.n_outputs * (layer.n_inputs + 1) for layer in net.layers)
    owner = f"the analytic null space of {net.n_params} parameters"
    require_memory(24 * net.n_params * min(at_most, net.n_params), owner, "take a smaller network")
    inputs = _input_ranges(net, theta, x)
    parts = [theta[where] for where in net.slices]
    rows: list[FloatArray] = []
    for layer, part, where, z in zip(net.layers, parts, net.slices, inputs, strict=True):
        vectors = layer.null_vectors(part, z, translations)
        rows.append(_placed(net, where, vectors))
    for k, node_map in enumerate(net.node_maps):
        before, after = net.layers[k], net.layers[k + 1]
        constants = before.constant_vectors(parts[k], inputs[k], translations)
        scalings = before.scaling_vectors(parts[k])
        if translations:
            scalings = scalings[:0]
        vectors = node_map.null_vectors(constants, scalings, after.input_scaling_vectors(parts[k + 1]))
        where = slice(net.slices[k].start, net.slices[k + 1].stop)
        rows.append(_placed(net, where, vectors))
    return independent(np.concatenate(rows).T)


def _input_ranges(net: Network, theta: FloatArray, x: FloatArray) -> list[FloatArray]:
    """Least and greatest inputs (2, P) of every layer at x and on the statistics batch, widened by what is in doubt.

    The exact activations lie between them unless rounding exceeds eps^(1/2) of the contributions.
    """
    z = x
    if net.statistics is not None:
        z = np.concatenate([net.statistics, x])
    if z.shape[0] == 0 or all(layer.outside != "natural" for layer in net.layers):
        return [z[:0, :1].repeat(layer.n_inputs, axis=1) for layer in net.layers]
    changes = np.random.default_rng(0).uniform(-DOUBT, DOUBT, theta.size)  # equal ones would cancel where theta does
    activations = _activations(net, theta, z)
    moved = _activations(net, theta + changes * theta, z)
    ranges = [np.stack([z.min(axis=0), z.max(axis=0)])]
    for layer, y, other in zip(net.layers[1:], activations, moved, strict=True):
        margin = np.abs(other - y).max(axis=0)
        if layer.outside == "natural":
            a, b = layer.domains.T
            margin += DOUBT * (b - a) + CANCELLED * np.maximum(np.abs(a), np.abs(b))
        ranges.append(np.stack([y.min(axis=0) - margin, y.max(axis=0) + margin]))
    return ranges


def _activations(net: Network, theta: FloatArray, z: FloatArray) -> list[FloatArray]:
    """Inputs of every layer but the first, at inputs z of the network."""
    constants = Statistics(net, theta, slopes=False).constants
    sweep = Sweep.forward(net, theta, z[:, None], constants=constants, slopes=False)
    return [jet.value[:, 0] for jet in sweep.maps]


def independent(vectors: FloatArray) -> FloatArray:
    """Columns of length one (M, count) that span those given (M, any), but for those nearly dependent on others."""
    largest = np.abs(vectors).max(axis=0, initial=0.0)
    usable = (largest > 0) & (largest < np.inf)  # NaN neither: a lower bound stays one without them
    vectors = vectors[:, usable] / largest[usable]
    vectors = vectors / np.linalg.norm(vectors, axis=0)
    if vectors.shape[1] == 0:
        return vectors
    R, pivots = linalg.qr(vectors, mode="r", pivoting=True, check_finite=False)
    distances = np.abs(np.diag(R))  # of each pivot from the span of those before it, falling
    count = int(np.sum(distances > NEARLY_DEPENDENT))
    chosen: FloatArray = vectors[:, pivots[:count]]
    return chosen


def graded_orthonormal(vectors: FloatArray) -> FloatArray:
    """Orthonormal basis (M, count) of the span of independent columns, accurate in its small entries as well.

    In coordinates that scale some parameters by 1/eps against others, directions that share large entries leave small
    ones where these cancel, and reflections put eps times the large ones in their place. So columns are eliminated from
    each other first, largest entries in front, what cancels being zero; they then overlap in small entries alone.
    """
    Z = vectors.copy()
    largest = np.abs(Z).max(axis=0)
    left = np.arange(Z.shape[1])
    chosen = []
    while left.size:
        at = int(np.argmax(largest[left]))
        pivot = left[at]
        chosen.append(pivot)
        left = np.delete(left, at)
        row = int(np.argmax(np.abs(Z[:, pivot])))
        overlapping = left[Z[row, left] != 0]
        steps = np.outer(Z[:, pivot], Z[row, overlapping] / Z[row, pivot])
        rest = Z[:, overlapping] - steps
        rest[np.abs(rest) <= CANCELLED * np.abs(steps)] = 0.0
        Z[:, overlapping] = rest
        largest[overlapping] = np.abs(rest).max(axis=0)
    return orthonormal_in_turn(Z[:, chosen])


def orthonormal_in_turn(vectors: FloatArray) -> FloatArray:
    """Columns made orthogonal to those before them, by operations on columns alone, which keep small entries accurate.

    Twice, since the first leaves eps times the square of the condition number.

    Raises
    ------
    LinAlgError
        For dependent columns.
    """
    out = vectors / np.abs(vectors).max(axis=0, initial=0.0)  # whose squares are numbers
    out /= np.linalg.norm(out, axis=0)
    for _ in range(2):
        R = linalg.cholesky(out.T @ out, check_finite=False)
        out = linalg.solve_triangular(R, out.T, trans=1, check_finite=False).T
    return out


def _placed(net: Network, where: slice, rows: FloatArray) -> FloatArray:
    return np.pad(rows, ((0, 0), (where.start, net.n_params - where.stop)))
