r"""Jets of networks at samples, what `Network.jet` returns: derivatives in the inputs along chosen directions.

Mixed second derivatives follow from pure ones: u_xy = (D_{x+y}^2 - D_x^2 - D_y^2) u / 2.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, ShortRepr, check_annotated
from refkan.base.arguments import as_samples, as_shape, as_vector, check_flag, real
from refkan.networks.composition import Composition
from refkan.networks.sweeps.far_values import require_numbers
from refkan.networks.sweeps.sample_blocks import BlockedSweep, Seeds


@dataclass(frozen=True, eq=False)
class Jet(ShortRepr):
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
        channels = self.seeds.channels
        return self.sweep.value[:, 1 : 1 + channels.n_first][:, self.seeds.places]

    @property
    def second(self) -> Array:
        """Second derivatives (N, K2, Q)."""
        return self.sweep.value[:, self.seeds.channels.second]

    def pullback(
        self, value: Any = None, first: Any = None, second: Any = None, inputs: bool = False
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray, FloatArray] | None]:
        """Pull cotangents of value, first and second back: to theta, and to x and the seeds if asked for.

        Parameters
        ----------
        value, first, second : arrays of the shapes of the attributes, optional
            Zero where left out.
        inputs : bool

        Returns
        -------
        dtheta : array (n_params,)
        dinputs : tuple of arrays (N, P), (N, K, P), (N, K2, P), or None
            Cotangents of x, of the first seeds, and of the second seeds of the directions of order 2.
        """
        self._require_real()
        check_flag("inputs", inputs)
        value, first, second = (
            np.zeros(mine.shape) if given is None else real(name, as_shape(name, given, mine.shape))
            for name, given, mine in (
                ("value", value, self.value),
                ("first", first, self.first),
                ("second", second, self.second),
            )
        )
        dtheta, dz = self.sweep.pull_back(self._arrange(value, first, second), inputs)
        return dtheta, None if dz is None else self._split(dz)

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
            Zero where left out; if all are, the combinations are the components themselves, value, first derivatives
            and second derivatives, O = (1 + K + K2) Q.

        Returns
        -------
        array (N O, n_params)
        """
        self._require_real()
        N, count, Q = self.sweep.value.shape
        channels = self.seeds.channels
        if value is None and first is None and second is None:
            unit = np.eye(count * Q).reshape(count * Q, count, Q)
            parts = unit[:, :1], unit[:, 1 : 1 + channels.n_first], unit[:, channels.second]
            value, first, second = (np.broadcast_to(part, (N, *part.shape)) for part in parts)
            value = value[:, :, 0]
        given = [np.asarray(a) for a in (value, first, second) if a is not None]
        O = given[0].shape[1] if given[0].ndim > 1 else 0
        shapes = (N, O, Q), (N, O, channels.n_first, Q), (N, O, channels.n_second, Q)
        value, first, second = (
            np.zeros(shape) if a is None else real(name, as_shape(name, a, shape))
            for name, a, shape in zip(("value", "first", "second"), (value, first, second), shapes, strict=True)
        )
        G = np.concatenate([value[:, :, None], first[:, :, self.seeds.arrangement], second], axis=2)
        return self.sweep.jacobian(G).reshape(N * O, self.sweep.net.n_params)

    def _require_real(self) -> None:
        real("theta, x or seeds", self.sweep.value)

    def _arrange(self, value: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
        """Put components into channels (N, channels, Q)."""
        return np.concatenate([value[:, None], first[:, self.seeds.arrangement], second], axis=1)

    def _split(self, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Take channels apart: the inverse of `_arrange`."""
        channels = self.seeds.channels
        return z[:, 0], z[:, 1 : 1 + channels.n_first][:, self.seeds.places], z[:, channels.second]


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


def input_hessian(net: Composition, theta: Any, x: Any) -> Array:
    """Return the Hessians in x of the outputs, (N, Q, P, P), by polarisation.

    Parameters
    ----------
    net : Network
    theta : array (n_params,)
    x : array (N, P)

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.networks.jets import input_hessian
    >>> net = rk.kan([2, 1], order=4, intervals=1)
    >>> theta = np.array([0.0, 0.0, 0.0, 6.0] * 2)  # x^3 + y^3
    >>> input_hessian(net, theta, [[0.5, 1.0]])[0, 0]
    array([[3., 0.],
           [0., 6.]])
    """
    check_annotated(input_hessian, locals())
    unit = np.eye(net.widths[0])
    pairs = list(combinations(range(len(unit)), 2))
    directions = np.concatenate([unit, *(unit[None, p] + unit[q] for p, q in pairs)])
    pure = jet_of(net, theta, x, directions).second
    H = np.empty((pure.shape[0], pure.shape[2], *unit.shape), pure.dtype)
    for p in range(len(unit)):
        H[:, :, p, p] = pure[:, p]
    for k, (p, q) in enumerate(pairs):
        H[:, :, p, q] = H[:, :, q, p] = 0.5 * (pure[:, len(unit) + k] - pure[:, p] - pure[:, q])
    return H
