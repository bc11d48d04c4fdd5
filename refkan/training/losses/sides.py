"""Points with the derivatives of the network that a residual uses there."""

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, lazy
from refkan.base.arguments import as_array, real
from refkan.networks.sweeps.sample_blocks import Seeds
from refkan.splines.sums.input_jet import FixedJet


class Side(Frozen):
    """Points, and the derivatives of the network that are wanted there.

    Parameters
    ----------
    points : array (N, P)
        Inputs of the network, N >= 1.
    first, second : array (K, P) or (N, K, P), or callable, optional
        Seeds as for `Network.jet`: the derivatives of the inputs along each direction, and their second derivatives
        where an input map is curved. A callable makes them from the points, so that these can be redrawn.
    orders : int or sequence of int
        The highest derivative along each direction, 1 or 2.

    Raises
    ------
    ValueError, TypeError
        Without points, for entries that are not finite real numbers, and for seeds or orders that do not fit.

    Examples
    --------
    >>> import refkan as rk
    >>> side = rk.Side([[0.25, 0.5]], first=[[1.0, 0.0], [0.0, 1.0]], orders=[2, 1])  # u_x and u_xx, u_y
    >>> side.inputs  # the point, and how it moves along each direction
    array([[[0.25, 0.5 ],
            [1.  , 0.  ],
            [0.  , 1.  ],
            [0.  , 0.  ]]])
    """

    points: FloatArray
    first: Any = None
    second: Any = None
    orders: Any = 2

    def __post_init__(self) -> None:
        points = np.array(real("points", as_array("points", self.points, ndim=2)), order="C")
        if points.shape[0] == 0:
            raise ValueError("points must hold at least one point; got none")
        points.flags.writeable = False
        vars(self).update(points=points)
        _ = self.inputs  # raises where seeds do not fit

    @lazy
    def seeds(self) -> Seeds:
        """The seeds at the points."""
        made = [given(self.points) if callable(given) else given for given in (self.first, self.second)]
        seeds = Seeds.check(made[0], made[1], self.orders, self.points.shape)
        real("first", seeds.first)
        return seeds

    @lazy
    def inputs(self) -> FloatArray:
        """The jet (N, channels, P) of the inputs."""
        return real("seeds", self.seeds.inputs(self.points))

    @lazy
    def known(self) -> FixedJet:
        """The same jet, with what is known of it in the first layer."""
        return FixedJet(self.inputs)

    def at(self, points: Any) -> "Side":
        """Return the same at other points."""
        return replace(self, points=points)

    def quantities(self, jet: Array) -> list[Array]:
        """Return value, first and second derivatives from a jet (n, channels, Q).

        They are arrays (n,) for Q = 1, else (n, Q).
        """
        return [jet[:, c, 0] if jet.shape[2] == 1 else jet[:, c] for c in self.numbers]

    @property
    def names(self) -> list[str]:
        """The names of the quantities: u, its derivatives u_1, u_2, ... along the directions, and the second ones."""
        first = [f"u_{k + 1}" for k in range(len(self.seeds.orders))]
        second = [f"u_{k + 1}{k + 1}" for k in self.seeds.twice]
        return ["u", *first, *second]

    @lazy
    def numbers(self) -> list[int]:
        """The channel of each quantity."""
        channels = self.seeds.channels
        return [0, *(1 + self.seeds.places).tolist(), *range(1 + channels.n_first, channels.count)]
