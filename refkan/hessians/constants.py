r"""What constants that follow theta change in a Gauss-Newton matrix that holds them fixed.

With J = J_f + E S,

    J^T W J = J_f^T W J_f + B + B^T,    B = (J_f^T W E + S^T (E^T W E) / 2) S,

a correction of rank at most 2 C, C the number of constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refkan.array_types import FloatArray
from refkan.hessians.memory import mirror
from refkan.hessians.points import Points
from refkan.kernels import local_layer
from refkan.kernels.launch import launch
from refkan.layers import LocalForm


class ConstantsCorrection:
    """The sums J_f^T W E (M, C) and E^T W E (C, C) over samples, and the correction that they make."""

    def __init__(self, points: Points) -> None:
        assert points.forms is not None
        self.points, C = points, points.n_constants
        self.EE = np.zeros((C, C))
        # By layer and block of functions, as the kernel wants it: (1, P, dim, Q C).
        self.raw = [
            [np.zeros((1, block.slots, block.dim, form.n_outputs * C)) for block in form.blocks]
            for form in points.forms
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
        """Add B + B^T to H, the rows and columns `where` of the whole matrix."""
        S = self.points.constant_gradients[:, where]
        B = (self._pulled_back[where] + 0.5 * S.T @ self.EE) @ S
        H += B
        H += B.T
        mirror(H)

    @property
    def _pulled_back(self) -> FloatArray:
        """J_f^T W E in the parameters, (M, C)."""
        assert self.points.forms is not None
        C, parts = self.EE.shape[0], []
        for form, sums in zip(self.points.forms, self.raw, strict=True):
            rows = [np.moveaxis(total[0].reshape(*total.shape[1:3], -1, C), 2, 0).reshape(-1, C) for total in sums]
            raw = np.concatenate(rows)
            parts.append(raw if form.chart is None else form.chart.jacobian.T @ raw)
        return np.concatenate(parts)
