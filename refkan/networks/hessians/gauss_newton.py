r"""The Gauss-Newton matrix H = J^T W J / N, by dense rows of J and BLAS or by sums over local functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk

from refkan.base import FloatArray, check_annotated, check_choice
from refkan.kernels.launch import run_blocks
from refkan.networks import Network
from refkan.networks.hessians.constants import ConstantsCorrection, correct_by_parameters, parameters_for_constants
from refkan.networks.hessians.jacobians import chunk_bytes, jacobian_chunks
from refkan.networks.hessians.memory import CHUNK_BYTES, chunk_size, mirror, require_memory
from refkan.networks.hessians.points import Points
from refkan.networks.hessians.sparse_accumulation import RawMatrix, choose_path

PATHS = ("auto", "dense", "sparse")

MOST_PARTS, LEAST_SAMPLES = 4, 8192
"""Parts of the samples whose sums are added in the end, at most, and samples in one: sizes alone decide."""


def gauss_newton(
    net: Network,
    theta: Any,
    x: Any,
    weights: Any = None,
    *,
    path: str = "auto",
    memory_limit: float | None = None,
) -> FloatArray:
    r"""Return the Gauss-Newton matrix of a network.

    It is H = J^T W J / N, J the Jacobian (N d_L, M) of the outputs in theta.

    "dense" writes chunks of rows of J and leaves the products to BLAS. "sparse" adds, for each sample, the r r' numbers
    that a pair of edges contributes, and writes no row of J. "auto" takes what `choose_path` expects to be faster. The
    two agree to 1e-13 of the sums of absolute contributions. Under mean-std and min-max maps J = J_f + E S (J_f at
    fixed constants, E the derivative in the constants, S theirs in theta); both paths then add (J_f^T W E) S / N, its
    transpose, and S^T (E^T W E) S / N, with E = J_f V where a layer's own coefficients can do what the constants do.
    Where they cannot, the dense path writes E S into the rows; "auto" takes it for ReLU powers, whose J_f and E S are
    so much larger than J that the sums of "sparse" lose eps (|J_f|/|J|)^2: up to 3e3 eps of the largest entry were
    measured, and 1e2 with "dense" (orders 5 and 6, min-max maps).

    Parameters
    ----------
    net : Network
    theta : array (M,)
    x : array (N, d_0)
    weights : array (N,), optional
        Non-negative weights of the samples, 1 by default; not normalised.
    path : {"auto", "dense", "sparse"}
        The sparse path needs fixed knots.
    memory_limit : float, optional
        Bytes that may be used; by default what is available.

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
    return _matrices(net, theta, x, weights, path, memory_limit, by_layer=False)[0]


def gauss_newton_blocks(
    net: Network,
    theta: Any,
    x: Any,
    weights: Any = None,
    *,
    path: str = "auto",
    memory_limit: float | None = None,
) -> tuple[FloatArray, ...]:
    """Return the diagonal blocks (m_k, m_k) of the Gauss-Newton matrix, one for each layer and its m_k parameters.

    Parameters and errors as for `gauss_newton`; nothing outside the blocks is computed.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians import gauss_newton_blocks
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
    >>> [block.shape for block in gauss_newton_blocks(net, theta, x)]
    [(60, 60), (30, 30)]
    """
    check_annotated(gauss_newton_blocks, locals())
    return tuple(_matrices(net, theta, x, weights, path, memory_limit, by_layer=True))


def _matrices(
    net: Network, theta: Any, x: Any, weights: Any, path: str, memory_limit: float | None, by_layer: bool
) -> list[FloatArray]:
    points = Points.check(net, theta, x, weights)
    check_choice("path", path, PATHS)
    raw = None if points.forms is None or path == "dense" else RawMatrix(points.forms, points.n_samples)
    if path == "auto":
        path = choose_path(points.forms, net.n_params, points.n_outputs, points.n_samples, raw)
        if points.n_constants and any(layer.basis in ("relu", "scaled-relu") for layer in net.layers):
            path = "dense"  # J_f is much larger than J = J_f + E S, and products of it lose twice the digits
    if path == "sparse" and raw is None:
        raise ValueError("path='sparse' needs fixed knots; got a network with free_knots=True: use path='dense'")
    sizes = [where.stop - where.start for where in net.slices] if by_layer else [net.n_params]
    if raw is not None and by_layer:
        raw = RawMatrix(raw.forms, points.n_samples, by_layer)
    sparse = None if path == "dense" else raw
    needed = 8 * sum(m * m for m in sizes)
    needed += chunk_bytes(points) if sparse is None else _sparse_bytes(points, sparse, sizes)
    instead = "use gauss_newton_vector or gauss_newton_blocks"
    require_memory(needed, f"the Gauss-Newton matrix of {net.n_params} parameters", memory_limit, instead)
    matrices = _dense(points, by_layer) if sparse is None else _sparse(points, sparse)
    for H in matrices:
        # A finite sum has finite terms, and is faster found.
        with np.errstate(over="ignore", invalid="ignore"):
            total = H.sum()
        if not (np.isfinite(total) or np.isfinite(H).all()):
            raise ValueError("the Gauss-Newton matrix is not finite: derivatives of the outputs overflow")
    return matrices


def _dense(points: Points, by_layer: bool) -> list[FloatArray]:
    """Sums of J^T J over chunks of rows, by BLAS: half of each product."""
    slices = points.net.slices
    sizes = [where.stop - where.start for where in slices] if by_layer else [points.net.n_params]
    matrices = [np.zeros((m, m), order="F") for m in sizes]
    V = parameters_for_constants(points) if points.n_constants and not by_layer else None
    for parts in jacobian_chunks(points, 1.0 / points.n_samples, by_layer, constants=V is None):
        for H, J in zip(matrices, parts, strict=True):
            # J.T is in Fortran order: no copies, neither of J nor of H.
            dsyrk(1.0, J.T, beta=1.0, c=H, lower=1, overwrite_c=1)
    matrices = [mirror(H.T) for H in matrices]
    if V is not None:
        correct_by_parameters(matrices[0], V, points.constant_gradients)
    return matrices


def _sparse(points: Points, whole: RawMatrix) -> list[FloatArray]:
    """Sums over local functions, and the correction for constants that follow theta."""
    by_layer = whole.by_layer
    V = parameters_for_constants(points) if points.n_constants and not by_layer else None
    constants = ConstantsCorrection(points) if points.n_constants and V is None else None
    count = 1 if constants is not None else _parts(points, whole)
    # Chunks of several parts, all together: longer runs in them, and fewer calls.
    budget = CHUNK_BYTES if count == 1 else 2 * CHUNK_BYTES
    size = chunk_size(count * (points.sweep_bytes + whole.bytes_per_sample), budget)
    bounds, raws = [points.n_samples * k // count for k in range(count + 1)], whole.split(count)

    def add_part(k: int) -> None:
        """Sums over a part of the samples: with several, each stays with its thread from points to sums."""
        for rows in points.chunks(size, slice(*bounds[k : k + 2])):
            samples = points.in_order_of_cells(rows)
            sweep = samples.sweep()
            forms = [layer.local_form() for layer in sweep.layers]
            G, E = samples.cotangents(sweep, slice(None), 1.0 / points.n_samples, constants=constants is not None)
            for l, form in enumerate(forms):
                if form.activation is not None:
                    G[l] = G[l] * form.activation[0][:, None]
            raws[k].add_products(forms, G)
            if constants is not None:
                constants.add(forms, G, E)

    run_blocks(add_part, count)
    matrices = whole.matrices()
    if V is not None:
        correct_by_parameters(matrices[0], V, points.constant_gradients)
    if constants is not None:
        for H, where in zip(matrices, points.net.slices if by_layer else [slice(0, points.net.n_params)], strict=True):
            constants.correct(H, where)
    return matrices


def _parts(points: Points, raw: RawMatrix) -> int:
    """Parts of the samples with sums of their own: where there are many samples and few sums."""
    return max(min(MOST_PARTS, points.n_samples // LEAST_SAMPLES, CHUNK_BYTES // (2 * raw.nbytes)), 1)


def _sparse_bytes(points: Points, raw: RawMatrix, sizes: list[int]) -> int:
    """Bytes beside the matrices: the sums, a chunk, and copies where charts or constants change the matrices."""
    changes = bool(points.n_constants) or any(form.chart is not None for form in raw.forms)
    copies = 3 * 8 * max(m * m for m in sizes) if changes else 0
    return _parts(points, raw) * raw.nbytes + 4 * CHUNK_BYTES + copies + 16 * points.n_constants * points.net.n_params
