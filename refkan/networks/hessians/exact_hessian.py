r"""The exact Hessian of the least-squares value, knots fixed, by second derivatives by hand.

The value is L = 1/(2N) sum_s w_s |F_s - y_s|^2. Going back through a network whose maps act on each sample alone, each
sample carries the cotangent and the Hessian of L in the activations. With a_k, A_k those in the outputs y_k of layer k
(at the top a = w (F - y)/N, A = w I/N), y_k = sigma(u_k), u_k linear in coefficients W_k of functions phi of single
inputs z_k, B_k = du_k/dz_k, and z_k = m(y_{k-1}):

    u_k:      u* = a_k sigma',        U = sigma' A_k sigma' + diag(a_k sigma'')
    z_k:      z* = B_k^T u*,          Z = B_k^T U B_k + diag(sum_q u*_q d^2 u_q/dz_p^2)
    y_{k-1}:  a_{k-1} = z* m',        A_{k-1} = m' Z m' + diag(z* m'')

With R_kl = dz_k/du_l for l < k, the blocks of the Hessian are

    (W_k, W_k):  sum_s U[q, q'] phi_{p,i} phi_{p',i'}
    (W_k, W_l):  sum_s ((U B_k R_kl)[q, q'] phi_{p,i} + u*_q phi'_{p,i} R_kl[p, q']) phi_{p',i'}

and for coefficients that are functions W(theta) (SiLU edges), D^T H D + sum W* d^2W/dtheta^2. With a = 0 the recursion
gives the Gauss-Newton matrix. Maps that couple samples through their constants add a matrix of low rank, computed from
products of the Hessian with a few vectors.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from refkan.base import FloatArray, check_annotated
from refkan.kernels import plain_sums
from refkan.kernels.launch import launch
from refkan.networks import Network
from refkan.networks.hessians.memory import CHUNK_BYTES, chunk_size, mirror, require_memory
from refkan.networks.hessians.points import Points, check_targets
from refkan.networks.hessians.products import ProductsAtPoint
from refkan.networks.hessians.sparse_accumulation import RawMatrix
from refkan.networks.layers.functions import LocalForm
from refkan.networks.sweeps.statistics_sweep import Cotangents, cotangents
from refkan.networks.sweeps.sweep import Sweep


def hessian(net: Network, theta: Any, x: Any, y: Any, weights: Any = None) -> FloatArray:
    r"""Return the Hessian (M, M) of 1/(2N) sum_s w_s |F(x_s; theta) - y_s|^2 in theta.

    All layers, bases, node maps and rules outside the domain are supported, with fixed knots. At a kink of a ReLU power
    or of an activation, at a knot and at an end of the domain, the derivatives are those of the piece that the value
    belongs to (the right one at a knot). Under min-max maps they follow the extreme samples, which lie on the ends of
    the domain: there a Taylor check shows the jump of the second derivative under outside="linear".

    Parameters
    ----------
    net : Network
        With fixed knots.
    theta : array (M,)
    x : array (N, d_0)
    y : array (N, d_L)
        Targets.
    weights : array (N,), optional

    Returns
    -------
    array (M, M)
        Symmetric to the last bit.

    Raises
    ------
    ValueError
        On bad arguments, free knots, outputs that are not finite, or too little memory.

    Notes
    -----
    The formulas are derived by hand. Where F = y, the Hessian equals the Gauss-Newton matrix.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.hessians import gauss_newton, hessian
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
    >>> H, K = hessian(net, theta, x, net(theta, x)), gauss_newton(net, theta, x)
    >>> bool(np.abs(H - K).max() <= 1e-13 * np.abs(K).max())
    True
    """
    check_annotated(hessian, locals())
    points = Points.check(net, theta, x, weights)
    targets = check_targets(points, y)
    raw = RawMatrix(points.fixed_forms, points.n_samples)
    M, per_sample = net.n_params, points.sweep_bytes + _bytes_per_sample(points, raw)
    copies = 1 + 2 * any(form.chart is not None for form in points.fixed_forms) + bool(points.n_constants)
    needed = 8 * M * (copies * M + 3 * points.n_constants) + raw.nbytes
    if points.n_constants:
        needed += per_sample * (points.n_samples + points.n_statistics)
    else:
        needed += 2 * CHUNK_BYTES
    require_memory(needed, f"the Hessian of {M} parameters", "use hessian_vector")
    sums = [
        [np.zeros((form.n_outputs, block.slots, block.dim)) for block in form.blocks] for form in points.fixed_forms
    ]
    if points.n_constants:
        return _coupled(points, targets, raw, sums)
    for rows, sweep in points.sweeps(chunk_size(per_sample)):
        weights = points.weights[rows] / points.n_samples
        backward = cotangents(sweep, weights[:, None] * (sweep.value[:, 0] - targets[rows]))
        _add_chunk(raw, sums, sweep, weights, backward)
    return _assembled(points, raw, sums)


def _assembled(points: Points, raw: RawMatrix, sums: list[list[FloatArray]]) -> FloatArray:
    """The matrix in the parameters: D^T H D + sum W* d^2W/dtheta^2."""
    H = raw.matrix()
    for form, where, parts in zip(points.fixed_forms, points.net.slices, sums, strict=True):
        if form.chart is not None:
            curved = form.chart.hessian(np.concatenate([part.ravel() for part in parts]))
            H[where, where] += curved.toarray()
    return H


def _coupled(points: Points, targets: FloatArray, raw: RawMatrix, sums: list[list[FloatArray]]) -> FloatArray:
    r"""The Hessian under maps with constants c(theta): H_0 + P, P = F S + S^T F^T with S = dc/dtheta.

    H_0 is the result of the recursion for samples and statistics batch together, at fixed c and with the cotangents
    that reach the batch. The missing terms contain dc at least once. With orthonormal columns Q that span the rows of
    S, P = V Q^T + Q V^T - Q (Q^T V) Q^T, V = P Q = H Q - H_0 Q: C products with the exact Hessian.
    """
    products = ProductsAtPoint(points, targets)
    assert products.cotangents is not None
    of_samples, of_batch = products.cotangents
    _add_chunk(raw, sums, products.sweep.samples, products.weights[:, 0], of_samples)
    if of_batch is not None:
        batch = products.sweep.batch
        assert batch is not None
        assert batch.sweep is not None
        _add_chunk(raw, sums, batch.sweep, None, of_batch)
    H = _assembled(points, raw, sums)
    Q = np.linalg.qr(points.constant_gradients.T).Q
    V = np.stack([products.hessian(column) for column in np.ascontiguousarray(Q.T)], axis=1) - H @ Q
    # P = B + B^T with B = (V - Q Q^T V / 2) Q^T.
    B = (V - 0.5 * Q @ (Q.T @ V)) @ Q.T
    H += B
    H += B.T
    return mirror(H)


def _bytes_per_sample(points: Points, raw: RawMatrix) -> int:
    """Bytes of a sample's matrices: A, U, Z, R and the products of one pair of layers."""
    widths = points.net.widths
    pairs = sum(widths[k] * widths[l + 1] for k in range(1, len(widths) - 1) for l in range(k))
    return 8 * (pairs + 6 * max(widths) ** 2) + 2 * raw.bytes_per_sample


def _add_chunk(
    raw: RawMatrix,
    sums: list[list[FloatArray]],
    sweep: Sweep,
    weights: FloatArray | None,
    backward: Cotangents,
) -> None:
    """Add samples to the blocks and to the sums of W*: weights (n,) w/N, or None if the sweep ends with a map.

    ``backward.outputs`` are the a_k of the module.
    """
    forms = [layer.local_form(curved=k > 0) for k, layer in enumerate(sweep.layers)]
    R = _input_jacobians(sweep, forms)
    top = len(forms) - 1
    n, Q = backward.outputs[top].shape
    if weights is None:
        A = np.zeros((n, Q, Q))
        _add_to_diagonal(A, _bending(sweep, top, backward))
    else:
        A = weights[:, None, None] * np.eye(Q)
    for k in range(top, -1, -1):
        form, a = forms[k], backward.outputs[k]
        du, U = a, A
        if form.activation is not None:
            slope, curvature = form.activation
            du, U = a * slope, slope[:, :, None] * A * slope[:, None, :]
            _add_to_diagonal(U, a * curvature)
        raw.add(k, k, forms, U)
        if form.chart is not None:
            _add_cotangents(sums[k], form, du)
        if k == 0:
            return
        assert form.slopes is not None
        assert form.curvatures is not None
        C = U @ form.slopes
        for l in range(k):
            raw.add(k, l, forms, C @ R[k, l])
            raw.add_moved(k, l, forms, du, R[k, l])
        Z = np.swapaxes(form.slopes, 1, 2) @ C
        _add_to_diagonal(Z, form.curvatures(du))
        slope = np.broadcast_to(sweep.maps[k - 1].slope, (n, Z.shape[1]))
        A = slope[:, :, None] * Z * slope[:, None, :]
        _add_to_diagonal(A, _bending(sweep, k - 1, backward))


def _input_jacobians(sweep: Sweep, forms: Sequence[LocalForm]) -> dict[tuple[int, int], FloatArray]:
    """R[k, l] = dz_k/du_l (n, P_k, d_l) for l < k: the chain of slopes between them."""
    R: dict[tuple[int, int], FloatArray] = {}
    for k in range(1, len(forms)):
        form, y = forms[k - 1], sweep.layers[k - 1].value[:, 0]
        slope = np.broadcast_to(sweep.maps[k - 1].slope, y.shape)
        if form.activation is not None:
            slope = slope * form.activation[0]
        R[k, k - 1] = slope[:, :, None] * np.eye(slope.shape[1])
        if k > 1:
            assert form.slopes is not None
            chain = slope[:, :, None] * form.slopes
            R |= {(k, l): chain @ R[k - 1, l] for l in range(k - 1)}
    return R


def _bending(sweep: Sweep, k: int, backward: Cotangents) -> FloatArray:
    """Second derivatives of <Z, z> in y (n, Q) at map k: its own diagonal, and what is diagonal in its constants."""
    y, Z, sums = sweep.layers[k].value[:, 0], backward.mapped[k], backward.constants[k]
    bending = np.zeros(y.shape)
    if Z is not None:
        bending = sweep.maps[k].bend(np.ones(y.shape), Z)
    if sweep.of_batch and sums is not None:
        bending += sweep.net.node_maps[k].constants_curvature(y, *sums)
    return bending


def _add_to_diagonal(A: FloatArray, d: FloatArray) -> None:
    """A[s, q, q] += d[s, q]."""
    q = np.arange(d.shape[1])
    A[:, q, q] += d


def _add_cotangents(sums: list[FloatArray], form: LocalForm, du: FloatArray) -> None:
    """Add to W* of each block: sum_s du[s, q] phi_{p,i}(x_p)."""
    du = np.ascontiguousarray(du)
    for total, block in zip(sums, form.blocks, strict=True):
        part, W, dy = np.empty(total.shape), block.values[:, None], du[:, None]
        operations = 2 * block.values.size * form.n_outputs
        launch(plain_sums.pull_back, form.n_outputs * block.slots, operations, block.start, W, dy, 1, part)
        total += part
