r"""Networks: layers joined by node maps, as functions of flat parameters theta and samples x.

A network is a function of each sample alone, given theta. Node maps that take statistics (mean-std, min-max) take
them from a statistics batch that travels with the network, swept apart from the samples, or with them where it is they.
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
from refkan.splines.sums.input_jet import InputJet

Pullback = Callable[[Any], tuple[FloatArray, FloatArray | None]]

CHUNK = 65536
"""Samples evaluated at once where only values are asked for: bounds the memory of large evaluations."""


class ValueSweep:
    """A network at theta and samples x (N, d_0).

    Under maps that take statistics, derivatives in theta follow the constants through the statistics batch; those in x
    hold them fixed.

    Parameters
    ----------
    share : bool
        Whether samples that are the statistics batch may be swept once for both, which halves the work of training.
        x-derivatives are then unavailable.
    inputs : bool
        Whether there are derivatives in x.

    Attributes
    ----------
    value : array (N, d_L)
    samples : Sweep
    batch : Statistics or None
        None where there is none, or where the samples are the batch.
    """

    def __init__(self, net: Composition, theta: Array, x: Array | InputJet, share: bool, inputs: bool = True) -> None:
        self.net = net
        at = x if isinstance(x, InputJet) else InputJet(x[:, None])
        given = net.statistics if net.statistics_maps else None
        self.shared = share and given is not None and at.once(net, ("batch",), lambda: np.array_equal(at.x, given))
        self.batch: Statistics | None = None
        constants: list[Constants | None] | None = None
        if given is None:
            constants = [None] * len(net.node_maps)
        elif not self.shared:
            self.batch = Statistics(net, theta)
            constants = self.batch.constants
        inputs = inputs and not self.shared
        self.samples = Sweep.forward(net, theta, at, constants=constants, inputs=inputs)
        self.value: Array = self.samples.value[:, 0]

    def pull_back(self, dy: FloatArray, inputs: bool) -> tuple[FloatArray, FloatArray | None]:
        """Cotangents (dtheta, dx) of dy (N, d_L)."""
        dtheta, through, dz = self.samples.pull_back(dy[:, None], inputs)
        if self.batch is not None:
            dtheta += self.batch.pull_back(through)
        return dtheta, None if dz is None else dz[:, 0]

    def push_forward(self, dtheta: FloatArray, dx: FloatArray | None = None) -> FloatArray:
        """Tangent dy (N, d_L); the statistics batch itself does not move with dx."""
        return self.tangents(dtheta, dx)[0].outputs[-1][:, 0]

    def tangents(self, dtheta: FloatArray, dx: FloatArray | None = None) -> tuple[Tangents, Tangents | None]:
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
        Whether `initialize` sets the domain of each input of the first layer to the range of the data, as
        ``kan(..., domain="data")`` asks for; the domains that the layer has until then only hold the place.

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

    Networks are equal if their layers, knots, maps and statistics are, whatever parameters go with them:

    >>> rk.kan([1, 3, 1], 2, 2) == rk.kan([1, 3, 1], 2, 2), rk.kan([1, 3, 1], 2, 2) == rk.kan([1, 3, 1], 2, 4)
    (True, False)
    """

    @lazy
    def _chain(self) -> SplineChain | None:
        return SplineChain.of(self.layers, self.node_maps)

    def _small(self, theta: Array, at: InputJet) -> SplineChain | None:
        """The network as `ChainSweep` takes it, where it serves; else None."""
        chain = self._chain
        return chain if chain is not None and chain.serves(theta, at) else None

    # ------------------------------------------------------------- values

    def __call__(self, theta: Any, x: Any) -> Array:
        """Return the values y (N, d_L) at theta (n_params,) and x (N, d_0).

        Complex theta and x pass through, for complex steps; derivatives by hand take real ones.

        Raises
        ------
        ValueError
            On wrong shapes, NaN or infinity, a node map not bound to data, or an input outside its domain under
            outside="error".
        TypeError
            If entries are not numbers.
        DegenerateNodeError
            If a node is constant on the statistics batch of a mean-std or min-max map.
        OverflowError
            If activations overflow so that a value is no number; one beyond the largest number is infinite.

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
            y = np.empty((at.x.shape[0], self.widths[-1]), np.result_type(theta, at.x))
            for first in range(0, y.shape[0], CHUNK):
                rows = slice(first, first + CHUNK)
                y[rows] = Sweep.forward(self, theta, at[rows], VALUES, constants, slopes=False).value[:, 0]
        finite = np.isfinite(y)
        if not finite.all() and not np.iscomplexobj(y):
            far = ~finite.all(axis=1)
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
            Whether the pullback also returns dx; without it x may share the rows of the statistics batch,
            which halves the work of training.

        Returns
        -------
        y : array (N, d_L)
        pullback : callable
            dy (N, d_L) -> (dtheta (n_params,), dx (N, d_0) or None), of the point where it was made, whatever becomes
            of theta and x, as often as one likes.

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError, OverflowError
            As `__call__`, also of derivatives, and for complex theta, x or dy.

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
        chain = None if inputs else self._small(theta, at)
        sweep = ValueSweep(self, theta, at, share=not inputs) if chain is None else ChainSweep(chain, theta, at)
        y = sweep.value

        def pullback(dy: Any) -> tuple[FloatArray, FloatArray | None]:
            cotangents = sweep.pull_back(real("dy", as_shape("dy", dy, y.shape)), inputs)
            require_numbers("derivatives", *cotangents)
            return cotangents

        return y if all_finite(y) else self(theta, at.x), pullback

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
        dx = np.zeros_like(at.x) if dx is None else real("dx", as_shape("dx", dx, at.x.shape))
        dy = ValueSweep(self, theta, at, share=False).push_forward(dtheta, dx)
        require_numbers("derivatives", dy)
        return dy

    def jacobian(self, theta: Any, x: Any) -> FloatArray:
        r"""Return the Jacobian J (N d_L, n_params) in theta, rows sample-major: row s d_L + q is dy[s, q]/dtheta.

        Through the statistics of mean-std and min-max maps, as `vjp` and `jvp`. Arguments and errors as for `vjp`.

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
            Second derivatives v of the inputs along each direction: 0 but for curved input maps.
        orders : int or sequence of int
            How far to differentiate, 1 or 2, one number or one a direction.

        Returns
        -------
        Jet
            With value (N, d_L), first (N, K, d_L), second (N, K2, d_L) of the K2 directions of order 2, and their
            derivatives in theta: pullback, pushforward, jacobian.

        Raises
        ------
        ValueError
            On bad shapes or orders, and where a layer has no such derivative: splines of order 2 for second ones.
        OverflowError
            If activations overflow so that a value or derivative is no number.

        Warns
        -----
        UserWarning
            Where a derivative jumps at the knots: second ones of splines of order 3.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=4, intervals=1)
        >>> jet = net.jet(np.array([0.0, 0.0, 0.0, 6.0]), [[0.5]], first=[[1.0]])  # x^3
        >>> jet.value, jet.first, jet.second
        (array([[0.125]]), array([[[0.75]]]), array([[[3.]]]))
        """
        return jet_of(self, theta, x, first, second, orders)
