r"""The jet of a network at samples: what `Network.jet` returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from refkan.arguments import as_shape, as_vector, real
from refkan.array_types import Array, FloatArray
from refkan.jets.blocks import BlockedSweep
from refkan.jets.seeds import Seeds
from refkan.short_reprs import ShortRepr

if TYPE_CHECKING:
    from refkan.networks import Network


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
        """Tangents of value, first and second along dtheta (n_params,)."""
        self._require_real()
        dtheta = real("dtheta", as_vector("dtheta", dtheta, self.sweep.net.n_params))
        return self._split(self.sweep.push_forward(dtheta))

    def jacobian(self, value: Any = None, first: Any = None, second: Any = None) -> FloatArray:
        r"""Jacobian in theta of O combinations of the components at each sample.

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


def jet_at(net: Network, theta: Array, x: Array, seeds: Seeds) -> Jet:
    """Carry the jet of the inputs x (N, P) through the network; arguments checked."""
    return Jet(BlockedSweep.forward(net, theta, seeds.inputs(x), seeds.channels), seeds)
