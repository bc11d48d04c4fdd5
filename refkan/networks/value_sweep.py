r"""Values of a network at samples, with their derivatives in theta and x: samples and statistics batch together."""

from __future__ import annotations

import numpy as np

from refkan.array_types import Array, FloatArray
from refkan.networks.composition import Composition
from refkan.networks.second_sweep import Cotangents, cotangents, pull_back_tangent
from refkan.networks.statistics import Statistics
from refkan.networks.sweep import Constants, Sweep, Tangents


class ValueSweep:
    """A network at theta and samples x (N, d_0).

    Under maps that take statistics, derivatives in theta follow the constants through the statistics batch; those in x
    hold them fixed.

    Parameters
    ----------
    share : bool
        Whether samples that are the statistics batch may be swept once for both, which halves the work of training.
        There are no derivatives in x then.
    inputs : bool
        Whether there are derivatives in x.

    Attributes
    ----------
    samples : Sweep
    batch : Statistics or None
        None where there is none, or where the samples are the batch.
    """

    def __init__(self, net: Composition, theta: Array, x: Array, share: bool, inputs: bool = True) -> None:
        self.net = net
        given = net.statistics if net.statistics_maps else None
        self.shared = share and given is not None and (x is given or np.array_equal(x, given))
        self.batch: Statistics | None = None
        constants: list[Constants | None] | None = None
        if given is None:
            constants = [None] * len(net.node_maps)
        elif not self.shared:
            self.batch = Statistics(net, theta)
            constants = self.batch.constants
        inputs = inputs and not self.shared
        self.samples = Sweep.forward(net, theta, x[:, None], constants=constants, inputs=inputs)

    @property
    def value(self) -> Array:
        """Values y (N, d_L)."""
        return self.samples.value[:, 0]

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dx) of dy (N, d_L)."""
        dtheta, through, dz = self.samples.pull_back(dy[:, None], inputs)
        if self.batch is not None:
            dtheta += self.batch.pull_back(through)
        return dtheta, None if dz is None else dz[:, 0]

    def push_forward(self, dtheta: FloatArray, dx: FloatArray | None = None) -> FloatArray:
        """Tangent dy (N, d_L); the statistics batch itself does not move with dx."""
        return self._tangents(dtheta, dx)[0].outputs[-1][:, 0]

    def _tangents(self, dtheta: FloatArray, dx: FloatArray | None = None) -> tuple[Tangents, Tangents | None]:
        """Tangents of samples and batch."""
        of_batch = None if self.batch is None else self.batch.push_forward(dtheta)
        constants = () if of_batch is None else of_batch.constants
        return self.samples.push_forward(dtheta, None if dx is None else dx[:, None], constants), of_batch

    def jacobian(self) -> FloatArray:
        """Jacobian J_f + E S (N d_L, n_params), rows sample-major."""
        N, Q = self.value.shape
        J = np.zeros((N, Q, self.net.n_params))
        G = np.broadcast_to(np.eye(Q)[:, None], (N, Q, 1, Q))
        self.samples.fill_jacobian(G, J, None if self.batch is None else self.batch.gradients)
        return J.reshape(N * Q, self.net.n_params)

    # ------------------------------------------------------ second derivatives

    def cotangents(self, dy: FloatArray) -> tuple[Cotangents, Cotangents | None]:
        """Cotangents of everything on samples and batch, from dy (N, d_L)."""
        of_samples = cotangents(self.samples, dy)
        return of_samples, None if self.batch is None else self.batch.cotangents(of_samples.constants)

    def hessian_product(
        self, v: FloatArray, weights: FloatArray, found: tuple[Cotangents, Cotangents | None]
    ) -> FloatArray:
        """Tangent along v of the cotangent of theta, where the cotangent of y moves by weights (N, 1) times dy.

        ``found`` are the cotangents at the point, from `cotangents`.
        """
        of_samples, of_batch = self._tangents(v)
        ddy = weights * of_samples.outputs[-1][:, 0]
        result, moved = pull_back_tangent(self.samples, v, of_samples, found[0], ddy)
        if self.batch is not None:
            assert self.batch.sweep is not None
            assert of_batch is not None
            assert found[1] is not None
            result += pull_back_tangent(self.batch.sweep, v, of_batch, found[1], None, moved)[0]
        return result
