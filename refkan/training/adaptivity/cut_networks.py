r"""Changes of networks: cuts where an indicator is large, free and fixed knots, and random knots."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, Natural, RandomSource, Share, check_annotated, one_of
from refkan.base.arguments import as_generator
from refkan.networks import Network
from refkan.networks.layers.knot_layers.knot_layer import require_knots
from refkan.splines.knots import FLOOR
from refkan.splines.spaces import SplineSpace
from refkan.training.adaptivity.adaptive_minimization import room_for_refinement
from refkan.training.adaptivity.indicators import check_layers
from refkan.training.adaptivity.strategies import STRATEGIES, Situation
from refkan.training.losses.mistaken import refuse_what_is_no_loss

EXACT = tuple(name for name, strategy in STRATEGIES.items() if strategy.exact)


class Freed(Checked):
    """A change that makes interior knots parameters, in some layers or by default in all spline layers.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.cut_networks import Freed
    >>> from refkan.training.multilevel.stages import NetworkChange
    >>> x = np.linspace(0.0, 1.0, 9)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=2).initialize(np.random.default_rng(0), x)
    >>> change: NetworkChange = Freed()
    >>> free, with_knots = change(rk.LeastSquares(net, x, x), theta)
    >>> net.n_params, free.n_params, bool(np.allclose(free(with_knots, x), net(theta, x), rtol=1e-14))
    (3, 5, True)
    """

    layers: tuple[int, ...] | None = None

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value")
        net: Network = problem.net
        chosen = check_layers(net, self.layers)
        layers = tuple(layer.with_free_knots() if k in chosen else layer for k, layer in enumerate(net.layers))
        free = replace(net, layers=layers)
        return free, net.convert(theta, free)


class Fixed(Frozen, eq=True):
    """A change that fixes free knots at their current positions.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Fixed
    >>> x = np.linspace(0.0, 1.0, 9)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=2, free_knots=True).initialize(np.random.default_rng(0), x)
    >>> fixed, coefficients = Fixed()(rk.LeastSquares(net, x, x), theta)
    >>> net.n_params, fixed.n_params, bool(np.allclose(fixed(coefficients, x), net(theta, x), rtol=1e-14))
    (5, 3, True)
    """

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value")
        fixed = problem.net.with_fixed_knots(theta)
        return fixed, problem.net.convert(theta, fixed)


class Cut(Checked):
    """A change that halves intervals where an indicator is large: one refinement of `minimize_adaptive`.

    Parameters
    ----------
    strategy : {"residual", "jumps", "uniform"}
        The indicator; "uniform" halves every interval.
    layers : tuple of int, optional
        Numbers of the layers to refine; by default all that have splines.
    fraction : float
        Of Doerfler's rule, in (0, 1]: the share of the indicators that the halved intervals carry.
    least_samples : int
        An interval that holds fewer different inputs is not cut.
    max_params : int, optional
        The number of parameters that the network may have afterwards.

    Raises
    ------
    ValueError
        If `max_params` allows none, or no interval may be cut.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Cut
    >>> x = np.linspace(0.0, 1.0, 100)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, x < 0.3)
    >>> net, theta = Cut()(problem, np.zeros(3))  # halves where the residual is
    >>> net.layers[0].spaces[0].breakpoints
    array([0.  , 0.25, 0.5 , 1.  ])
    """

    strategy: Annotated[str, one_of(EXACT)] = "residual"
    layers: tuple[int, ...] | None = None
    fraction: Share = 0.5
    least_samples: Natural = 4
    max_params: Natural | None = None

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        refuse_what_is_no_loss("problem", problem, "value")
        net: Network = problem.net
        chosen = check_layers(net, self.layers)
        room = room_for_refinement(net, chosen, self.max_params)
        situation = Situation(problem, theta, chosen, self.fraction, self.least_samples, room)
        refinement = STRATEGIES[self.strategy].refine(situation)
        if refinement.reason:
            raise ValueError(refinement.reason)
        return refinement.network, refinement.theta


LEAST_SPACING = 2 * FLOOR
"""Least random spacing relative to the mean one: twice the floor of free knots, so that these can start there."""


def with_random_knots(net: Network, rng: RandomSource, layers: Sequence[int] | None = None) -> Network:
    r"""Return the network with random interior breakpoints, drawn for each input; the ends of domains are kept.

    The shares of the intervals are ``0.98 q + 0.02/n``, q from the symmetric Dirichlet distribution of concentration 1:
    the breakpoints are, but for the floor, n - 1 independent uniform points in order.

    Parameters
    ----------
    net : Network
        Bound to data or not; its knots may be free, these then start at the random places.
    rng : numpy.random.Generator or seed
    layers : sequence of int, optional
        By default all with splines.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity.cut_networks import with_random_knots
    >>> net = with_random_knots(rk.kan([1, 1], order=2, intervals=4), np.random.default_rng(0))
    >>> net.layers[0].spaces[0].breakpoints.round(3)
    array([0.   , 0.392, 0.977, 0.994, 1.   ])
    """
    check_annotated(with_random_knots, locals())
    rng = as_generator("rng", rng)
    scattered = list(net.layers)
    for k in check_layers(net, layers):
        layer, spaces = require_knots(net.layers[k]), []
        n = layer.intervals
        for space in layer.spaces:
            a, b = space.domain
            q = (1 - LEAST_SPACING) * rng.dirichlet(np.ones(n)) + LEAST_SPACING / n
            breakpoints = np.concatenate([[a], a + (b - a) * np.cumsum(q[:-1]), [b]])
            spaces.append(SplineSpace.from_breakpoints(space.order, breakpoints))
        scattered[k] = layer.with_spaces(spaces)
    return replace(net, layers=tuple(scattered))
