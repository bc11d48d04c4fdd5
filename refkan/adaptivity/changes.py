r"""Single changes of a network that leave its function as it is: refined, cut where the error is, knots set free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from refkan.adaptivity.layer_states import check_layers
from refkan.adaptivity.limits import Limits
from refkan.adaptivity.marking import check_fraction
from refkan.adaptivity.strategies import STRATEGIES, Situation
from refkan.arguments import check_choice, check_count
from refkan.array_types import FloatArray
from refkan.hierarchy.changes import Change
from refkan.hierarchy.levels import on_network
from refkan.networks import Network

EXACT = tuple(name for name, strategy in STRATEGIES.items() if strategy.exact)


@dataclass(frozen=True)
class Freed:
    """The interior knots of some layers, of all with splines by default, become parameters."""

    layers: tuple[int, ...] | None = None

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        net: Network = problem.net
        chosen = check_layers(net, self.layers)
        layers = tuple(layer.with_free_knots() if k in chosen else layer for k, layer in enumerate(net.layers))
        free = replace(net, layers=layers)
        return free, net.convert(theta, free)


@dataclass(frozen=True)
class Fixed:
    """Free knots become fixed where they are."""

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        fixed = problem.net.with_fixed_knots(theta)
        return fixed, problem.net.convert(theta, fixed)


@dataclass(frozen=True)
class Cut:
    """Intervals halved where an indicator is large: one refinement of `minimize_adaptive`, with its arguments.

    Raises
    ------
    ValueError
        If `max_params` allows none, or no interval may be cut.
    """

    strategy: str = "residual"
    layers: tuple[int, ...] | None = None
    fraction: float = 0.5
    per_input: bool = True
    least_samples: int = 4
    max_params: int | None = None

    def __post_init__(self) -> None:
        check_choice("strategy", self.strategy, EXACT)
        check_fraction(self.fraction)
        check_count("least_samples", self.least_samples, 1)

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        """Apply it to the network of a problem."""
        net: Network = problem.net
        chosen = check_layers(net, self.layers)
        limits = Limits.checked(0.0, self.max_params, 1, 1, 0.5)
        limits.require_room(net, chosen, doubling=self.strategy == "uniform")
        room = limits.room(net)
        situation = Situation(problem, theta, chosen, self.fraction, self.per_input, self.least_samples, room)
        refinement = STRATEGIES[self.strategy].refine(situation)
        if refinement.reason:
            raise ValueError(refinement.reason)
        return refinement.network, refinement.theta


def in_turn(changes: Sequence[Change]) -> Change:
    """Return the change that makes all of these, the first one first."""
    return _Chain(tuple(changes))


@dataclass(frozen=True)
class _Chain:
    changes: tuple[Change, ...]

    def __call__(self, problem: Any, theta: FloatArray) -> tuple[Network, FloatArray]:
        net = problem.net
        for change in self.changes:
            net, theta = change(on_network(problem, net), theta)
        return net, np.asarray(theta)
