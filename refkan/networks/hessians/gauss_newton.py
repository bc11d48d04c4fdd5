r"""The Gauss-Newton matrix H = J^T W J / N, by dense rows of J and BLAS or by sums over local functions.

The constants of node maps with statistics depend on theta. With J = J_f + E S (see `points`),

    J^T W J = H_f + B S + S^T B^T,    H_f = J_f^T W J_f,    B = J_f^T W E + S^T (E^T W E) / 2,

a correction of rank at most 2 C, C the number of constants. The coefficients of a layer y_q = sum C[q, p, i] b_i(x_p)
can shift and scale its outputs like the maps z = scale y + shift: let the columns of V be the coefficients of the
function 1 on one edge of each node, and all coefficients of each node, both divided by the scale of the node. Then
E = J_f V and B = H_f V + S^T V^T H_f V / 2, which needs no sample.
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
from refkan.networks.layers.functions import LocalForm

PATHS = ("auto", "dense", "sparse")

MOST_PARTS, LEAST_SAMPLES = 4, 8192
"""Largest number of parts of the samples with separate sums, and least number of samples in one."""


def gauss_newton(net: Network, theta: Any, x: Any, weights: Any = None, *, path: str = "auto") -> FloatArray:
    r"""Return the Gauss-Newton matrix of a network.

    It is H = J^T W J / N, J the Jacobian (N d_L, M) of the outputs in theta.

    "dense" writes chunks of rows of J and multiplies them by BLAS. "sparse" adds, for each sample, the r r' products of
    a pair of edges, and writes no row of J. "auto" takes the faster path by `choose_path`. The two agree to 1e-13 of
    the sums of absolute contributions. Under mean-std and min-max maps J = J_f + E S (J_f at fixed constants, E the
    derivative in the constants, S their derivative in theta), and both paths add the terms of E S to J_f^T W J_f / N,
    by coefficients V of the layers before these maps with E = J_f V. If the functions of these layers are not
    B-splines, "dense" writes E S into the rows instead, since the terms would cancel.

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
        For bad arguments, outputs that are not finite, or too little memory, before it is used.

    Notes
    -----
    It is the Hessian of 1/(2N) sum_s w_s |F_s - y_s|^2 if F = y or F is linear in theta.

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
    raw: RawMatrix | None = None
    if forms is not None and path != "dense":
        raw = RawMatrix(forms, points.n_samples)
    if raw is None and path == "sparse":
        raise ValueError(
            "path='sparse' needs fixed knots, and B-splines before maps that take statistics; got a network without: "
            "use path='dense'"
        )
    if path == "auto":
        path = choose_path(forms, net.n_params, points.n_outputs, points.n_samples, raw)
    if path == "dense":
        raw = None
    M, needed = net.n_params, chunk_bytes(points)
    if raw is not None:
        needed = _sparse_bytes(points, raw)
    owner = f"the Gauss-Newton matrix of {M} parameters"
    require_memory(8 * M * M + needed, owner, "use gauss_newton_vector")
    V: sp.csr_array | None = None
    if points.n_constants:
        V = parameters_for_constants(points)
        if V is None:
            raw = None
    if raw is None:
        H = _dense(points, constants=V is None)
    else:
        H = _sparse(points, raw)
    if V is not None:
        _correct(H, V, points.constant_gradients)
    if not all_finite(H):
        raise ValueError("the Gauss-Newton matrix is not finite: derivatives of the outputs overflow")
    return H


def forms_to_sum(points: Points) -> list[LocalForm] | None:
    """Local forms of the layers; None for free knots, and unless B-splines precede all maps that take statistics.

    For ReLU powers before such maps J_f and E S are much larger than J, and sums would lose eps (|J_f|/|J|)^2.
    """
    net = points.net
    if not all(net.layers[k].sums_to_one for k in net.statistics_maps):
        return None
    return points.forms


def parameters_for_constants(points: Points) -> sp.csr_array | None:
    """V (M, C) with E = J_f V at all inputs; None unless the functions of all these layers are B-splines.

    Other layers have an activation, or coefficients so large (ReLU powers) that J_f V would lose digits.
    """
    batch, columns = points.batch, []
    for k in batch.maps:
        layer, where = points.net.layers[k], points.net.slices[k]
        if not layer.sums_to_one:
            return None
        theta, somewhere = points.theta[where], np.empty((0, layer.n_inputs))
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
    budget = CHUNK_BYTES
    if count > 1:
        budget *= 2  # for all parts together: longer runs, and fewer calls
    size = chunk_size(count * (points.sweep_bytes + whole.bytes_per_sample), budget)
    bounds = [points.n_samples * k // count for k in range(count + 1)]
    whole.split(count)

    def add_part(k: int) -> None:
        """Sum over a part of the samples, all on one thread."""
        for rows in points.chunks(size, slice(*bounds[k : k + 2])):
            samples = points.in_order_of_cells(rows)
            sweep = samples.sweep()
            forms = [layer.local_form() for layer in sweep.layers]
            G = [np.empty(0)] * len(forms)
            seeds = samples.seeds(slice(None), 1.0 / points.n_samples)
            for l, g, _ in sweep.pull_back_apart(seeds):
                G[l] = g[:, :, 0]
                activation = forms[l].activation
                if activation is not None:
                    G[l] = G[l] * activation[0][:, None]
            whole.add_products(forms, G, k)

    run_blocks(add_part, count)
    return whole.matrix()


def _parts(points: Points, raw: RawMatrix) -> int:
    """Number of parts of the samples with separate sums: several for many samples and few sums."""
    by_samples = points.n_samples // LEAST_SAMPLES
    by_memory = CHUNK_BYTES // (2 * raw.nbytes)
    return max(min(MOST_PARTS, by_samples, by_memory), 1)


def _sparse_bytes(points: Points, raw: RawMatrix) -> int:
    """Bytes beside the matrix: the sums, a chunk, and copies if charts or constants change the matrix."""
    M = points.net.n_params
    needed = _parts(points, raw) * raw.nbytes + 4 * CHUNK_BYTES
    needed += 16 * points.n_constants * M
    if points.n_constants or any(form.chart is not None for form in raw.forms):
        needed += 3 * 8 * M * M
    return needed
