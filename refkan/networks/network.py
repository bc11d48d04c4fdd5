r"""Networks: layers joined by node maps, as functions of flat parameters theta and samples x.

For given theta the output at a sample depends on that sample only. Node maps with statistics (mean-std, min-max)
compute them on a statistics batch, which is stored in the network. The batch has a sweep of its own, unless it equals
the samples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, all_finite, as_shape, as_vector, check_flag, lazy, real
from refkan.networks.composition import Composition
from refkan.networks.edge_functions import Inspectable
from refkan.networks.jets import Jet, jet_of
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.chain_sweep import ChainSweep, SplineChain
from refkan.networks.sweeps.far_values import far_values, require_numbers
from refkan.networks.sweeps.statistics_sweep import Statistics
from refkan.networks.sweeps.sweep import Sweep, Tangents
from refkan.splines.sums.channels import VALUES
from refkan.splines.sums.input_jet import InputJet, as_jet

Pullback = Callable[[Any], tuple[FloatArray, FloatArray | None]]

CHUNK = 65536
"""Samples per sweep when only values are computed, to bound the memory of large evaluations."""


class ValueSweep:
    """A network at theta and samples x (N, d_0).

    Derivatives in theta go through the constants of maps that take statistics; derivatives in x hold them fixed.

    Parameters
    ----------
    share : bool
        Whether one sweep may serve samples and statistics batch if they are equal, which halves the work of training.
        Derivatives in x are then unavailable.
    inputs : bool
        Whether derivatives in x will be needed.

    Attributes
    ----------
    value : array (N, d_L)
    samples : Sweep
    batch : Statistics or None
        None without a batch, or if the samples are the batch.
    """

    def __init__(self, net: Composition, theta: Array, x: Array | InputJet, share: bool, inputs: bool = True) -> None:
        self.net = net
        at = as_jet(x)
        self.batch: Statistics | None = None
        constants: list[Constants | None] | None = [None] * len(net.node_maps)
        given = net.statistics
        if net.statistics_maps and given is not None:
            if share and at.once(net, ("batch",), lambda: np.array_equal(at.x, given)):
                constants, inputs = None, False  # the samples are the batch
            else:
                self.batch = Statistics(net, theta)
                constants = self.batch.constants
        self.samples = Sweep.forward(net, theta, at, constants=constants, inputs=inputs)
        self.value: Array = self.samples.value[:, 0]

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dx) of dy (N, d_L)."""
        dtheta, through, dz = self.samples.pull_back(dy[:, None], inputs)
        if self.batch is not None:
            dtheta += self.batch.pull_back(through)
        if dz is None:
            return dtheta, None
        return dtheta, dz[:, 0]

    def push_forward(self, dtheta: FloatArray, dx: FloatArray | None = None) -> FloatArray:
        """Tangent dy (N, d_L); dx does not move the statistics batch."""
        of_samples, _ = self.tangents(dtheta, dx)
        return of_samples.outputs[-1][:, 0]

    def tangents(self, dtheta: FloatArray, dx: FloatArray | None = None) -> tuple[Tangents, Tangents | None]:
        """Tangents of samples and batch."""
        of_batch: Tangents | None = None
        constants: Sequence[Constants | None] = ()
        if self.batch is not None:
            of_batch = self.batch.push_forward(dtheta)
            constants = of_batch.constants
        if dx is not None:
            dx = dx[:, None]
        return self.samples.push_forward(dtheta, dx, constants), of_batch

    def jacobian(self) -> FloatArray:
        """Jacobian J_f + E S (N d_L, n_params), rows sample-major."""
        N, Q = self.value.shape
        J = np.zeros((N, Q, self.net.n_params))
        G = np.broadcast_to(np.eye(Q)[:, None], (N, Q, 1, Q))
        gradients = self.batch.gradients if self.batch is not None else None
        self.samples.fill_jacobian(G, J, gradients)
        return J.reshape(N * Q, self.net.n_params)


class Network(Inspectable):
    r"""A composition of layers and node maps as a function of theta and x; build it with `kan` or `mlp`.

    Parameters
    ----------
    layers : tuple of Layer
        The outputs of each are as many as the inputs of the next.
    node_maps : tuple of NodeMap
        One between every two layers.
    statistics : array (S, d_0), optional
        The statistics batch of maps that need one.
    domain_from_data : bool
        Whether `initialize` sets the domain of each input of the first layer to the range of the data, see
        ``kan(..., domain="data")``. Until then the domains of the layer are placeholders.

    Raises
    ------
    ValueError
        If widths disagree, or the number of node maps is not one less than that of layers.

    Notes
    -----
    F(x) = Phi_L(m_{L-1}(Phi_{L-1}( ... m_1(Phi_1(x)) ... ))), layers Phi_k with their parts of theta, node maps m_k:
    [S26] eq. (2) with a node map after every layer but the last.

    Examples
    --------
    >>> import refkan as rk
    >>> space = rk.SplineSpace.uniform(order=2, intervals=2)
    >>> layers = rk.SplineLayer((space,), n_outputs=3), rk.SplineLayer((space,) * 3, n_outputs=1)
    >>> rk.Network(layers, (rk.networks.node_maps.NODE_MAPS["affine"],))
    Network([1, 3, 1]: order 2 on 2 intervals (spline), order 2 on 2 intervals (spline), maps: affine; 18 parameters)

    Networks are equal if their layers, knots, maps and statistics are equal; parameters are not compared:

    >>> rk.kan([1, 3, 1], 2, 2) == rk.kan([1, 3, 1], 2, 2), rk.kan([1, 3, 1], 2, 2) == rk.kan([1, 3, 1], 2, 4)
    (True, False)
    """

    @lazy
    def _chain(self) -> SplineChain | None:
        return SplineChain.of(self.layers, self.node_maps)

    def _small(self, theta: Array, at: InputJet) -> SplineChain | None:
        """The network in the form of `ChainSweep`, if that sweep applies; else None."""
        chain = self._chain
        if chain is None or not chain.serves(theta, at):
            return None
        return chain

    # ------------------------------------------------------------- values

    def __call__(self, theta: Any, x: Any) -> Array:
        """Return the values y (N, d_L) at theta (n_params,) and x (N, d_0).

        Complex theta and x pass through, for complex steps; derivatives by hand take real ones.

        Raises
        ------
        ValueError
            For wrong shapes, NaN or infinity, a node map that is not bound to data, or an input outside its domain
            under outside="error".
        TypeError
            If entries are not numbers.
        DegenerateNodeError
            If a node is constant on the statistics batch of a mean-std or min-max map.
        OverflowError
            If activations overflow and a value is NaN. Values beyond the largest number are infinite.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> net(np.array([0.0, 1.0, 4.0]), [[0.25], [1.0]])
        array([[0.5],
               [4. ]])
        """
        theta, at = self._arguments(theta, x)
        constants = Statistics(self, theta, slopes=False).constants
        chain = self._small(theta, at)
        if chain is not None:
            y = ChainSweep(chain, theta, at, slopes=False).value
        else:
            kind = np.result_type(theta, at.x)
            y = np.empty((at.x.shape[0], self.widths[-1]), kind)
            for first in range(0, y.shape[0], CHUNK):
                rows = slice(first, first + CHUNK)
                sweep = Sweep.forward(self, theta, at[rows], VALUES, constants, slopes=False)
                y[rows] = sweep.value[:, 0]
        if not all_finite(y) and not np.iscomplexobj(y):
            far = ~np.isfinite(y).all(axis=1)
            y[far] = far_values(self, theta, at.x[far], constants)
            require_numbers("values", y)
        return y

    # -------------------------------------------------------- derivatives

    def vjp(self, theta: Any, x: Any, inputs: bool = True) -> tuple[FloatArray, Pullback]:
        r"""Return value and pullback: dtheta = J_theta^T dy, dx = J_x^T dy.

        Derivatives in theta go through the statistics of mean-std and min-max maps; those in x hold them fixed.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, d_0)
        inputs : bool
            Whether the pullback also returns dx. Without dx one sweep serves x and an equal statistics batch, which
            halves the work of training.

        Returns
        -------
        y : array (N, d_L)
        pullback : callable
            dy (N, d_L) -> (dtheta (n_params,), dx (N, d_0) or None). It may be called repeatedly; later changes of
            the arrays theta and x do not affect it.

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError, OverflowError
            As `__call__`, for derivatives too; also for complex theta, x or dy.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> y, pullback = net.vjp(np.array([0.0, 1.0, 4.0]), np.array([[0.25]]))
        >>> pullback(np.array([[1.0]]))
        (array([0.5, 0.5, 0. ]), array([[2.]]))
        """
        check_flag("inputs", inputs)
        theta, at = self._real_arguments(theta, x)
        chain = None
        if not inputs:
            chain = self._small(theta, at)
        sweep: ValueSweep | ChainSweep
        if chain is None:
            sweep = ValueSweep(self, theta, at, share=not inputs)
        else:
            sweep = ChainSweep(chain, theta, at)
        y = sweep.value

        def pullback(dy: Any) -> tuple[FloatArray, FloatArray | None]:
            dy = real("dy", as_shape("dy", dy, y.shape))
            cotangents = sweep.pull_back(dy, inputs)
            require_numbers("derivatives", *cotangents)
            return cotangents

        if not all_finite(y):
            return self(theta, at.x), pullback
        return y, pullback

    def jvp(self, theta: Any, x: Any, dtheta: Any, dx: Any = None) -> FloatArray:
        r"""Return the tangent dy = J_theta dtheta + J_x dx of the value; J_x holds the statistics of node maps fixed.

        Parameters
        ----------
        theta, dtheta : array (n_params,)
        x, dx : array (N, d_0)
            dx is 0 if not given.

        Returns
        -------
        array (N, d_L)

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError, OverflowError
            As `vjp`.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> net.jvp([0.0, 1.0, 4.0], [[0.25]], dtheta=[0.0, 1.0, 0.0], dx=[[0.1]])
        array([[0.7]])
        """
        theta, at = self._real_arguments(theta, x)
        dtheta = real("dtheta", as_vector("dtheta", dtheta, self.n_params))
        if dx is None:
            dx = np.zeros_like(at.x)
        else:
            dx = real("dx", as_shape("dx", dx, at.x.shape))
        dy = ValueSweep(self, theta, at, share=False).push_forward(dtheta, dx)
        require_numbers("derivatives", dy)
        return dy

    def jacobian(self, theta: Any, x: Any) -> FloatArray:
        r"""Return the Jacobian J (N d_L, n_params) in theta, rows sample-major: row s d_L + q is dy[s, q]/dtheta.

        Derivatives go through the statistics of mean-std and min-max maps, as in `vjp` and `jvp`. Arguments and errors
        are those of `vjp`.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> rk.kan([1, 1], order=2, intervals=2).jacobian([0.0, 1.0, 4.0], [[0.25], [1.0]])
        array([[0.5, 0.5, 0. ],
               [0. , 0. , 1. ]])
        """
        theta, at = self._real_arguments(theta, x)
        J = ValueSweep(self, theta, at, share=False, inputs=False).jacobian()
        require_numbers("derivatives", J)
        return J

    def jet(self, theta: Any, x: Any, first: Any, second: Any = None, orders: int | Sequence[int] = 2) -> Jet:
        r"""Return F, dF/dh and d^2F/dh^2 at x + h u + h^2/2 v: value, first and second derivatives along directions.

        Derivatives in x hold the constants of mean-std and min-max maps fixed.

        Parameters
        ----------
        theta : array (n_params,)
        x : array (N, d_0)
        first : array (K, d_0) or (N, K, d_0)
            The directions u, for all samples or for each.
        second : array (K, d_0) or (N, K, d_0), optional
            Second derivatives v of the inputs along each direction, 0 by default: for curved input maps.
        orders : int or sequence of int
            Highest derivative, 1 or 2: one number for all directions, or one for each.

        Returns
        -------
        Jet
            With value (N, d_L), first (N, K, d_L), second (N, K2, d_L) of the K2 directions of order 2, and their
            derivatives in theta: pullback, pushforward, jacobian.

        Raises
        ------
        ValueError
            For bad shapes or orders, or if a layer has no such derivative: splines of order 2 for second derivatives.
        OverflowError
            If activations overflow and a value or derivative is NaN.

        Warns
        -----
        UserWarning
            If a derivative jumps at the knots: second derivatives of splines of order 3.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=4, intervals=1)
        >>> jet = net.jet(np.array([0.0, 0.0, 0.0, 6.0]), [[0.5]], first=[[1.0]])  # x^3
        >>> jet.value, jet.first, jet.second
        (array([[0.125]]), array([[[0.75]]]), array([[[3.]]]))
        """
        return jet_of(self, theta, x, first, second, orders)
