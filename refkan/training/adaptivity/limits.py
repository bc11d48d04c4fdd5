r"""When adaptive training ends, and limits under which it could not even begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from refkan.base.annotations import Checked, Natural, NonNegative
from refkan.base.arguments import check_below_one, check_positive
from refkan.networks import Network
from refkan.training.adaptivity.adaptive_results import Round
from refkan.training.adaptivity.strategies import cost_of_interval


@dataclass(frozen=True)
class Limits(Checked):
    """The stopping rules.

    Attributes
    ----------
    tolerance : float
        The value to reach.
    max_params : int or None
    max_rounds : int
        Refinements.
    patience : int
        Rounds in a row that may pass without improvement.
    least_gain : float
        Share by which the value must fall to count as improved.
    """

    tolerance: NonNegative = 0.0
    max_params: Natural | None = None
    max_rounds: Natural = 1
    patience: Natural = 1
    least_gain: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_below_one("least_gain", check_positive("least_gain", self.least_gain))

    def require_room(self, net: Network, layers: Sequence[int], doubling: bool) -> None:
        """Raise ValueError if max_params allows no refinement of the network at all.

        With `doubling` every interval of the layers is cut, else one of a layer.
        """
        if self.max_params is None:
            return
        costs = [cost_of_interval(net.layers[k]) for k in layers]
        least = min(costs)
        if doubling:
            factors = [2 if k in layers else 1 for k in range(len(net.layers))]
            least = net.refine(factors).n_params - net.n_params
        if net.n_params + least > self.max_params:
            raise ValueError(
                f"max_params must allow a refinement: at least {net.n_params + least} for a network of "
                f"{net.n_params} parameters, of which the smallest refinement adds {least}; got {self.max_params}"
            )

    def room(self, net: Network) -> int | None:
        """How many parameters may be added."""
        return None if self.max_params is None else self.max_params - net.n_params

    def ending(self, rounds: Sequence[Round]) -> str:
        """Return why the training ends after these rounds, empty if it goes on."""
        last = rounds[-1]
        if last.value <= self.tolerance:
            return f"converged: value {last.value:.3g} <= tolerance {self.tolerance:.3g}"
        if len(rounds) > self.patience:
            before = min(r.value for r in rounds[: -self.patience])
            since = min(r.value for r in rounds[-self.patience :])
            if since > (1.0 - self.least_gain) * before:
                return f"no improvement by {self.least_gain:g} of the value in {self.patience} rounds"
        if last.index >= self.max_rounds:
            return f"{self.max_rounds} rounds done"
        return ""
