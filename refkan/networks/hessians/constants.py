r"""What constants that follow theta change in a Gauss-Newton matrix that holds them fixed.

With J = J_f + E S (see `points`),

    J^T W J = H_f + B S + S^T B^T,    H_f = J_f^T W J_f,    B = J_f^T W E + S^T (E^T W E) / 2,

a correction of rank at most 2 C, C the number of constants. A layer y_q = sum C[q, p, i] b_i(x_p) can shift and scale
its outputs by its coefficients alone, as their maps z = scale y + shift do: with columns V of coefficients of the
function 1 in one edge of each node, and of all coefficients of each node, both divided by the node's scale, E = J_f V
and B = H_f V + S^T V^T H_f V / 2, for which no sample is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsyr2k

from refkan.base import FloatArray
from refkan.kernels import local_layer
from refkan.kernels.launch import launch
from refkan.networks.hessians.memory import mirror
from refkan.networks.hessians.points import Points
from refkan.networks.layers import LocalForm


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


def correct_by_parameters(H: FloatArray, V: sp.csr_array, S: FloatArray) -> None:
    """Turn H_f into H_f + B S + S^T B^T, B = H_f V + S^T V^T H_f V / 2, in place."""
    product = (V.T @ H).T  # H is symmetric, and sparse matrices multiply from the left
    _add_symmetric(H, product + S.T @ (0.5 * (V.T @ product)), S)


def _add_symmetric(H: FloatArray, B: FloatArray, S: FloatArray) -> None:
    """H += B S + S^T B^T, symmetric to the last bit."""
    # The upper triangle of H is the lower one of H.T, which BLAS takes in its own order without a copy.
    dsyr2k(1.0, np.asfortranarray(B), S.T, beta=1.0, c=H.T, lower=1, overwrite_c=1)
    mirror(H)


class ConstantsCorrection:
    """The sums J_f^T W E (M, C) and E^T W E (C, C) over samples, and the correction that they make."""

    def __init__(self, points: Points) -> None:
        self.points, C = points, points.n_constants
        self.EE = np.zeros((C, C))
        # By layer and block of functions, as the kernel wants it: (1, P, dim, Q C).
        self.raw = [
            [np.zeros((1, block.slots, block.dim, form.n_outputs * C)) for block in form.blocks]
            for form in points.fixed_forms
        ]

    def add(self, forms: Sequence[LocalForm], G: Sequence[FloatArray], E: FloatArray) -> None:
        """Add samples with weighted cotangents G (n, d_L, Q) of each layer's u and E (n, d_L, C) of the constants."""
        flat = E.reshape(-1, E.shape[2])
        self.EE += flat.T @ flat
        for form, g, sums in zip(forms, G, self.raw, strict=True):
            through = np.matmul(np.swapaxes(g, 1, 2), E).reshape(E.shape[0], -1)
            for block, total in zip(form.blocks, sums, strict=True):
                run, operations = local_layer.pull_back_coefficients, 2 * block.values.size * through.shape[1]
                launch(run, block.slots, operations, block.start, block.values, through, total)

    def correct(self, H: FloatArray, where: slice) -> None:
        """Add B S + S^T B^T to H, the rows and columns `where` of the whole matrix."""
        S = np.ascontiguousarray(self.points.constant_gradients[:, where])
        _add_symmetric(H, self._pulled_back[where] + 0.5 * S.T @ self.EE, S)

    @property
    def _pulled_back(self) -> FloatArray:
        """J_f^T W E in the parameters, (M, C)."""
        C, parts = self.EE.shape[0], []
        for form, sums in zip(self.points.fixed_forms, self.raw, strict=True):
            rows = [np.moveaxis(total[0].reshape(*total.shape[1:3], -1, C), 2, 0).reshape(-1, C) for total in sums]
            raw = np.concatenate(rows)
            parts.append(raw if form.chart is None else form.chart.jacobian.T @ raw)
        return np.concatenate(parts)
