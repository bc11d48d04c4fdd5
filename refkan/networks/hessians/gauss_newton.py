r"""The Gauss-Newton matrix H = J^T W J / N, by dense rows of J and BLAS or by sums over local functions.

Node maps that take statistics have constants that follow theta. With J = J_f + E S (see `points`),

    J^T W J = H_f + B S + S^T B^T,    H_f = J_f^T W J_f,    B = J_f^T W E + S^T (E^T W E) / 2,

a correction of rank at most 2 C, C the number of constants. A layer y_q = sum C[q, p, i] b_i(x_p) can shift and scale
its outputs by its coefficients alone, as their maps z = scale y + shift do: with columns V of coefficients of the
function 1 in one edge of each node, and of all coefficients of each node, both divided by the node's scale, E = J_f V
and B = H_f V + S^T V^T H_f V / 2, for which no sample is needed.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsyr2k, dsyrk

from refkan.base import FloatArray, all_finite, check_annotated, check_choice
from refkan.kernels.launch import run_blocks
from refkan.networks import Network
from refkan.networks.hessians.jacobians import chunk_bytes, jacobian_chunks
from refkan.networks.hessians.memory import CHUNK_BYTES, chunk_size, mirror, require_memory
from refkan.networks.hessians.points import Points
from refkan.networks.hessians.sparse_accumulation import RawMatrix, choose_path
from refkan.networks.layers import LocalForm

PATHS = ("auto", "dense", "sparse")

MOST_PARTS, LEAST_SAMPLES = 4, 8192
"""Parts of the samples whose sums are added in the end, at most, and samples in one: sizes alone decide."""


def gauss_newton(net: Network, theta: Any, x: Any, weights: Any = None, *, path: str = "auto") -> FloatArray:
    r"""Return the Gauss-Newton matrix of a network.

    It is H = J^T W J / N, J the Jacobian (N d_L, M) of the outputs in theta.

    "dense" writes chunks of rows of J and leaves the products to BLAS. "sparse" adds, for each sample, the r r' numbers
    that a pair of edges contributes, and writes no row of J. "auto" takes what `choose_path` expects to be faster. The
    two agree to 1e-13 of the sums of absolute contributions. Under mean-std and min-max maps J = J_f + E S (J_f at
    fixed constants, E the derivative in the constants, S theirs in theta), and both add to J_f^T W J_f / N what E S
    does, by coefficients V of the layers before these maps with E = J_f V. Where their functions are no B-splines
    "dense" writes E S into the rows, which leaves no large sums to cancel.

    Parameters
    ----------
    net : Network
    theta : array (M,)
    x : array (N, d_0)
    weights : array (N,), optional
        Non-negative weights of the samples, 1 by default; not normalised.
    path : {"auto", "dense", "sparse"}
        "sparse" needs fixed knots, and B-splines before maps that take statistics.

    Returns
    -------
    array (M, M)
        Symmetric to the last bit.

    Raises
    ------
    ValueError
        On bad arguments; on outputs that are not finite; if the memory does not suffice, before it is used.

    Notes
    -----
    It is the Hessian of 1/(2N) sum_s w_s |F_s - y_s|^2 where F = y or F is linear in theta.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians import gauss_newton
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
    >>> H, J = gauss_newton(net, theta, x), net.jacobian(theta, x)
    >>> bool(np.abs(H - J.T @ J / 100).max() <= 1e-13 * np.abs(H).max())
    True
    """
    check_annotated(gauss_newton, locals())
    points = Points.check(net, theta, x, weights)
    check_choice("path", path, PATHS)
    forms = forms_to_sum(points)
    raw = None if forms is None or path == "dense" else RawMatrix(forms, points.n_samples)
    if raw is None and path == "sparse":
        raise ValueError(
            "path='sparse' needs fixed knots, and B-splines before maps that take statistics; got a network without: "
            "use path='dense'"
        )
    if path == "auto":
        path = choose_path(forms, net.n_params, points.n_outputs, points.n_samples, raw)
    M = net.n_params
    beside = chunk_bytes(points) if raw is None or path == "dense" else _sparse_bytes(points, raw)
    require_memory(8 * M * M + beside, f"the Gauss-Newton matrix of {M} parameters", "use gauss_newton_vector")
    V = parameters_for_constants(points) if points.n_constants else None
    if raw is None or path == "dense" or (points.n_constants and V is None):
        H = _dense(points, constants=V is None)
    else:
        H = _sparse(points, raw)
    if V is not None:
        _correct(H, V, points.constant_gradients)
    if not all_finite(H):
        raise ValueError("the Gauss-Newton matrix is not finite: derivatives of the outputs overflow")
    return H


def forms_to_sum(points: Points) -> list[LocalForm] | None:
    """Local forms of the layers, whose sums make the matrix; None unless maps that take statistics follow B-splines.

    ReLU powers before such maps have a J_f and E S so much larger than J that sums would lose eps (|J_f|/|J|)^2. None
    where knots are free as well.
    """
    return points.forms if all(points.net.layers[k].sums_to_one for k in points.net.statistics_maps) else None


def parameters_for_constants(points: Points) -> sp.csr_array | None:
    """V (M, C) with E = J_f V at all inputs; None unless the functions of all these layers are B-splines.

    Other layers can do the same, or could but for an activation, with coefficients so large (ReLU powers) that J_f V
    would lose digits.
    """
    batch, columns = points.batch, []
    for k in batch.maps:
        layer, where = points.net.layers[k], points.net.slices[k]
        if not layer.sums_to_one:
            return None
        theta, somewhere = points.theta[where], points.x[:0, :1].repeat(layer.n_inputs, axis=1)
        shifts, scalings = layer.constant_vectors(theta, somewhere), layer.scaling_vectors(theta)
        if any(rows.shape[0] == 0 for rows in shifts):
            return None
        rows = np.concatenate([scalings, [rows[0] for rows in shifts]])
        constants = batch.constants[k]
        assert constants is not None
        rows /= np.tile(constants[0], 2)[:, None]
        margins = where.start, points.net.n_params - where.stop
        columns.append(sp.csr_array(np.pad(rows, ((0, 0), margins))))
    return sp.vstack(columns, format="csr").T.tocsr()


def _correct(H: FloatArray, V: sp.csr_array, S: FloatArray) -> None:
    """Turn H_f into H_f + B S + S^T B^T, B = H_f V + S^T V^T H_f V / 2, in place, symmetric to the last bit."""
    product = (V.T @ H).T  # H is symmetric, and sparse matrices multiply from the left
    B = product + S.T @ (0.5 * (V.T @ product))
    # The upper triangle of H is the lower one of H.T, which BLAS takes in its own order without a copy.
    dsyr2k(1.0, np.asfortranarray(B), S.T, beta=1.0, c=H.T, lower=1, overwrite_c=1)
    mirror(H)


def _dense(points: Points, constants: bool) -> FloatArray:
    """Sum of J^T J over chunks of rows, by BLAS: half of each product."""
    M = points.net.n_params
    H = np.zeros((M, M), order="F")
    for J in jacobian_chunks(points, 1.0 / points.n_samples, constants):
        # J.T is in Fortran order: no copies, neither of J nor of H.
        dsyrk(1.0, J.T, beta=1.0, c=H, lower=1, overwrite_c=1)
    return mirror(H.T)


def _sparse(points: Points, whole: RawMatrix) -> FloatArray:
    """Sums over local functions, the constants of node maps held."""
    count = _parts(points, whole)
    # Chunks of several parts, all together: longer runs in them, and fewer calls.
    budget = CHUNK_BYTES if count == 1 else 2 * CHUNK_BYTES
    size = chunk_size(count * (points.sweep_bytes + whole.bytes_per_sample), budget)
    bounds = [points.n_samples * k // count for k in range(count + 1)]
    whole.split(count)

    def add_part(k: int) -> None:
        """Sums over a part of the samples: with several, each stays with its thread from points to sums."""
        for rows in points.chunks(size, slice(*bounds[k : k + 2])):
            samples = points.in_order_of_cells(rows)
            sweep = samples.sweep()
            forms = [layer.local_form() for layer in sweep.layers]
            G = [np.empty(0)] * len(forms)
            for l, g, _ in sweep.pull_back_apart(samples.seeds(slice(None), 1.0 / points.n_samples)):
                activation = forms[l].activation
                G[l] = g[:, :, 0] if activation is None else g[:, :, 0] * activation[0][:, None]
            whole.add_products(forms, G, k)

    run_blocks(add_part, count)
    return whole.matrix()


def _parts(points: Points, raw: RawMatrix) -> int:
    """Parts of the samples with sums of their own: where there are many samples and few sums."""
    return max(min(MOST_PARTS, points.n_samples // LEAST_SAMPLES, CHUNK_BYTES // (2 * raw.nbytes)), 1)


def _sparse_bytes(points: Points, raw: RawMatrix) -> int:
    """Bytes beside the matrix: the sums, a chunk, and copies where charts or constants change the matrix."""
    M = points.net.n_params
    changes = bool(points.n_constants) or any(form.chart is not None for form in raw.forms)
    copies = 3 * 8 * M * M if changes else 0
    return _parts(points, raw) * raw.nbytes + 4 * CHUNK_BYTES + copies + 16 * points.n_constants * M
