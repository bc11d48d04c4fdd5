r"""Jets of networks at samples, the results of `Network.jet`: derivatives in the inputs along chosen directions.

Mixed second derivatives follow from pure ones: u_xy = (D_{x+y}^2 - D_x^2 - D_y^2) u / 2.
"""

from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, as_samples, as_shape, as_vector, check_annotated, check_flag, real
from refkan.networks.composition import Composition
from refkan.networks.sweeps.far_values import require_numbers
from refkan.networks.sweeps.sample_blocks import BlockedSweep, Seeds

__all__ = ["Jet"]


class Jet(Frozen):
    r"""Values and derivatives of a network F along directions d, at theta and x.

    With inputs that move as x + h u_d + h^2/2 v_d, (u, v) the seeds::

        value = F(x),    first_d = dF/dh,    second_d = d^2 F/dh^2    at h = 0

    Derivatives in x hold the constants of mean-std and min-max maps fixed; derivatives in theta go through them.

    Attributes
    ----------
    value : array (N, Q)
    first : array (N, K, Q)
    second : array (N, K2, Q)
        Along the directions of order 2, in their order.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=4, intervals=1)
    >>> jet = net.jet([0.0, 0.0, 0.0, 6.0], [[0.5]], first=[[1.0]])  # x^3
    >>> jet.value, jet.first, jet.second
    (array([[0.125]]), array([[[0.75]]]), array([[[3.]]]))
    """

    sweep: BlockedSweep
    seeds: Seeds
    shown = "value", "first", "second"

    @property
    def value(self) -> Array:
        """Values (N, Q)."""
        return self.sweep.value[:, 0]

    @property
    def first(self) -> Array:
        """First derivatives (N, K, Q)."""
        return self.sweep.value[:, 1 + self.seeds.places]

    @property
    def second(self) -> Array:
        """Second derivatives (N, K2, Q)."""
        return self.sweep.value[:, self.seeds.channels.second]

    def pullback(
        self, value: Any = None, first: Any = None, second: Any = None, inputs: bool = False
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray] | None]:
        """Pull cotangents of value, first and second back to theta and, if `inputs`, to x and the seeds.

        Parameters
        ----------
        value, first, second : arrays of the shapes of the attributes, optional
            0 by default.
        inputs : bool

        Returns
        -------
        dtheta : array (n_params,)
        dinputs : tuple of arrays (N, P), (N, K, P), (N, K2, P), or None
            Cotangents of x, of the first seeds, and of the second seeds of the directions of order 2.
        """
        self._require_real()
        check_flag("inputs", inputs)
        dy = self._arrange(self.value.shape[:1], value, first, second)
        dtheta, dz = self.sweep.pull_back(dy, inputs)
        if dz is None:
            return dtheta, None
        return dtheta, self._split(dz)

    def pushforward(self, dtheta: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the tangents of value, first and second along dtheta (n_params,)."""
        self._require_real()
        dtheta = real("dtheta", as_vector("dtheta", dtheta, self.sweep.net.n_params))
        return self._split(self.sweep.push_forward(dtheta))

    def jacobian(self, value: Any = None, first: Any = None, second: Any = None) -> FloatArray:
        r"""Return the Jacobian in theta of O combinations of the components at each sample.

        Row s O + o is the gradient of <value[s, o], F> + <first[s, o], dF> + <second[s, o], d^2 F> at sample s.

        Parameters
        ----------
        value, first, second : arrays (N, O, Q), (N, O, K, Q), (N, O, K2, Q), optional
            0 by default. Without any, the combinations are the components themselves: value, first derivatives and
            second derivatives, O = (1 + K + K2) Q.

        Returns
        -------
        array (N O, n_params)
        """
        self._require_real()
        N, count, Q = self.sweep.value.shape
        if value is None and first is None and second is None:
            units = np.eye(count * Q).reshape(-1, count, Q)
            units = np.broadcast_to(units, (N, count * Q, count, Q))
            value, first, second = np.split(units, [1, 1 + self.seeds.channels.n_first], axis=2)
            value = value[:, :, 0]
        given = next(part for part in (value, first, second) if part is not None)
        O = 0
        if np.ndim(given) > 1:
            O = np.shape(given)[1]
        G = self._arrange((N, O), value, first, second)
        return self.sweep.jacobian(G).reshape(N * O, self.sweep.net.n_params)

    def _require_real(self) -> None:
        real("theta, x or seeds", self.sweep.value)

    def _arrange(self, lead: tuple[int, ...], value: Any, first: Any, second: Any) -> FloatArray:
        """Put components (*lead, Q), (*lead, K, Q), (*lead, K2, Q), 0 by default, into channels."""
        channels, Q = self.seeds.channels, self.sweep.value.shape[2]
        value = _component("value", value, (*lead, Q))
        first = _component("first", first, (*lead, channels.n_first, Q))
        second = _component("second", second, (*lead, channels.n_second, Q))
        first = first[..., self.seeds.arrangement, :]
        return np.concatenate([value[..., None, :], first, second], axis=-2)

    def _split(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Take channels apart: the inverse of `_arrange`."""
        return z[:, 0], z[:, 1 + self.seeds.places], z[:, self.seeds.channels.second]


def _component(name: str, part: Any, shape: tuple[int, ...]) -> FloatArray:
    """Cotangents of one component, 0 by default."""
    if part is None:
        return np.zeros(shape)
    return real(name, as_shape(name, part, shape))


def jet_of(net: Composition, theta: Any, x: Any, first: Any, second: Any = None, orders: Any = 2) -> Jet:
    """Check the arguments of `Network.jet` and carry the jet of the inputs through the network.

    Examples
    --------
    >>> import refkan as rk
    >>> net = rk.kan([1, 1], order=4, intervals=1)
    >>> rk.jets.jet_of(net, [0.0, 0.0, 0.0, 6.0], [[0.5]], [[1.0]], None, 1).first  # what `Network.jet` calls
    array([[[0.75]]])
    """
    check_annotated(jet_of, locals())
    theta = as_vector("theta", theta, net.n_params)
    x = as_samples("x", x, net.widths[0])
    net.require_bound()
    seeds = Seeds.check(first, second, orders, x.shape)
    net.require_derivatives(seeds.channels.order, stacklevel=3)
    sweep = BlockedSweep.forward(net, theta.copy(), seeds.inputs(x), seeds.channels)
    require_numbers("values and derivatives", sweep.value)
    return Jet(sweep, seeds)
