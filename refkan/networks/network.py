r"""Networks: layers joined by node maps, as functions of flat parameters theta and samples x.

A network is a function of each sample alone, given theta. Node maps that take statistics (mean-std, min-max) take
them from a statistics batch that travels with the network; sweeps carry its rows along, in front of those of x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.arguments import as_samples, as_shape, as_vector, check_choice, real
from refkan.array_types import Array, FloatArray
from refkan.engines.channels import VALUES
from refkan.layers import SCHEMES
from refkan.networks.domain_from_data import warn_outside
from refkan.networks.jets import Jet, jet_of
from refkan.networks.same_function import SameFunction
from refkan.networks.start import start
from refkan.networks.statistics import Statistics
from refkan.networks.sweep import Sweep
from refkan.networks.value_sweep import ValueSweep

Pullback = Callable[[Any], tuple[FloatArray, FloatArray | None]]

CHUNK = 65536
"""Samples evaluated at once where only values are asked for: bounds the memory of large evaluations."""


@dataclass(frozen=True, eq=False, repr=False)
class Network(SameFunction):
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
    >>> rk.Network(layers, (rk.node_maps.NODE_MAPS["affine"],))
    Network([1, 3, 1]: order 2 on 2 intervals (spline), order 2 on 2 intervals (spline), maps: affine; 18 parameters)
    """

    # ------------------------------------------------------------- start

    def initialize(
        self, rng: np.random.Generator, x: Any, scheme: str = "linear", statistics: Any = None
    ) -> tuple[Network, FloatArray]:
        r"""Draw parameters and bind the node maps to data.

        Parameters
        ----------
        rng : numpy.random.Generator
        x : array (N, d_0)
            Samples whose activations the node maps see first; under domain="data" their ranges are the domain.
        scheme : {"linear", "normal", "gaussian"}
            "linear": on each edge a random linear function, slope N(0, 1/P) over the domain, plus N(0, 0.1^2) on
            the B-spline coefficients, the same function in every basis. "normal": independent N(0, 1) B-spline
            coefficients, the same function in every basis (and N(0, 1) Chebyshev coefficients). "gaussian":
            independent Gaussian coefficients in the layer's own basis, with the output variance that "linear" has on
            x. Dense layers start in one way.
        statistics : array (S, d_0), optional
            Statistics batch of the maps that need one; x itself by default.

        Returns
        -------
        net : Network
            This network with its domain and its node maps bound.
        theta : array (n_params,)

        Raises
        ------
        DegenerateNodeError
            If a node's activations are constant on the data, where its map needs a spread: the node is named.
        ValueError, TypeError
            If `rng` is no Generator, for an unknown scheme, samples of a wrong shape or not finite, none where a map
            needs some, or activations outside a domain under outside="error"; under domain="data" for an input that
            has one value only.

        Warns
        -----
        OutsideDomainWarning
            If more than a tenth of the values of an input lie outside the domain of the first layer.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.random.default_rng(0).uniform(size=(100, 2))
        >>> net, theta = rk.kan([2, 5, 1], order=3, intervals=4).initialize(np.random.default_rng(7), x)
        >>> net(theta, x).shape
        (100, 1)
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(f"rng must be a numpy.random.Generator; got {type(rng).__name__}")
        check_choice("scheme", scheme, SCHEMES)
        samples = real("x", as_samples("x", x, self.widths[0]))
        batch = samples
        if statistics is not None:
            batch = real("statistics", as_samples("statistics", statistics, self.widths[0]))
        net = self.with_domain_of(samples)
        warn_outside(net.layers[0], samples, stacklevel=2)
        parameters, maps = start(net.layers, net.node_maps, rng, samples, batch, scheme)
        uses = any(node_map.uses_statistics for node_map in maps)
        kept = batch.copy() if uses else None
        if kept is not None:
            kept.flags.writeable = False
        return replace(net, node_maps=maps, statistics=kept), np.concatenate(parameters)

    # ------------------------------------------------------------- values

    def __call__(self, theta: Any, x: Any) -> Array:
        """Values y (N, d_L) at theta (n_params,) and x (N, d_0).

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

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> net(np.array([0.0, 1.0, 4.0]), [[0.25], [1.0]])
        array([[0.5],
               [4. ]])
        """
        theta, x = self._arguments(theta, x)
        constants = Statistics(self, theta, slopes=False).constants
        y = np.empty((x.shape[0], self.widths[-1]), np.result_type(theta, x))
        for first in range(0, x.shape[0], CHUNK):
            z = x[first : first + CHUNK, None]
            y[first : first + CHUNK] = Sweep.forward(self, theta, z, VALUES, constants, slopes=False).value[:, 0]
        return y

    def _arguments(self, theta: Any, x: Any) -> tuple[Array, Array]:
        theta = as_vector("theta", theta, self.n_params)
        x = as_samples("x", x, self.widths[0])
        self.require_bound()
        return theta, x

    def freeze(self, theta: Any) -> Network:
        """Return the network whose mean-std and min-max maps are affine, with the constants that they have at theta.

        The same function of x at this theta; at other theta it no longer follows the statistics. A network without such
        maps is returned as it is.

        Raises
        ------
        ValueError, TypeError, DegenerateNodeError
            As `__call__`.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> x = np.linspace(0.0, 1.0, 9)[:, None]
        >>> net, theta = rk.kan([1, 2, 1], 3, 2, node_map="mean-std").initialize(np.random.default_rng(0), x)
        >>> frozen = net.freeze(theta)
        >>> frozen.node_maps[0].name, bool(np.all(frozen(theta, x) == net(theta, x)))
        ('affine', True)
        """
        theta = as_vector("theta", theta, self.n_params)
        self.require_bound()
        if self.statistics is None:
            return self
        maps = Statistics(self, theta, slopes=False).frozen.node_maps
        return replace(self, node_maps=maps, statistics=None)

    # -------------------------------------------------------- derivatives

    def vjp(self, theta: Any, x: Any, inputs: bool = True) -> tuple[FloatArray, Pullback]:
        r"""Value and pullback: dtheta = J_theta^T dy, dx = J_x^T dy.

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
        ValueError, TypeError, DegenerateNodeError
            As `__call__`, and for complex theta, x or dy.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> y, pullback = net.vjp(np.array([0.0, 1.0, 4.0]), np.array([[0.25]]))
        >>> pullback(np.array([[1.0]]))
        (array([0.5, 0.5, 0. ]), array([[2.]]))
        """
        theta, x = self._real_arguments(theta, x)
        sweep = ValueSweep(self, theta, x, share=not inputs)

        def pullback(dy: Any) -> tuple[FloatArray, FloatArray | None]:
            return sweep.pull_back(real("dy", as_shape("dy", dy, sweep.value.shape)), inputs)

        return sweep.value, pullback

    def jvp(self, theta: Any, x: Any, dtheta: Any, dx: Any = None) -> FloatArray:
        r"""Tangent dy = J_theta dtheta + J_x dx of the value; J_x holds the statistics of node maps fixed.

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
        ValueError, TypeError, DegenerateNodeError
            As `__call__`, and for complex arguments.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> net = rk.kan([1, 1], order=2, intervals=2)
        >>> net.jvp([0.0, 1.0, 4.0], [[0.25]], dtheta=[0.0, 1.0, 0.0], dx=[[0.1]])
        array([[0.7]])
        """
        theta, x = self._real_arguments(theta, x)
        dtheta = real("dtheta", as_vector("dtheta", dtheta, self.n_params))
        dx = np.zeros_like(x) if dx is None else real("dx", as_shape("dx", dx, x.shape))
        return ValueSweep(self, theta, x, share=False).push_forward(dtheta, dx)

    def jacobian(self, theta: Any, x: Any) -> FloatArray:
        r"""Jacobian J (N d_L, n_params) in the parameters, rows sample-major: row s d_L + q is dy[s, q]/dtheta.

        Through the statistics of mean-std and min-max maps, as `vjp` and `jvp`. Arguments and errors as for `vjp`.

        Examples
        --------
        >>> import numpy as np, refkan as rk
        >>> rk.kan([1, 1], order=2, intervals=2).jacobian([0.0, 1.0, 4.0], [[0.25], [1.0]])
        array([[0.5, 0.5, 0. ],
               [0. , 0. , 1. ]])
        """
        theta, x = self._real_arguments(theta, x)
        return ValueSweep(self, theta, x, share=False, inputs=False).jacobian()

    def jet(self, theta: Any, x: Any, first: Any, second: Any = None, orders: int | Sequence[int] = 2) -> Jet:
        r"""Value, first and pure second derivatives along directions: F, dF/dh and d^2F/dh^2 at x + h u + h^2/2 v.

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

    def _real_arguments(self, theta: Any, x: Any) -> tuple[FloatArray, FloatArray]:
        theta, x = self._arguments(theta, x)
        # Copies: a pullback is that of the point where it was made, whatever becomes of the caller's arrays.
        return real("theta", theta).copy(), real("x", x).copy()
