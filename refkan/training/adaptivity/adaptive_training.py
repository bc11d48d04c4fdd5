r"""An adaptive training as it goes: rounds of refinement and minimisation, stored and resumed.

When adaptive training ends, and limits under which it could not even begin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import process_time
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Natural, NonNegative, check_below_one, check_positive
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.networks import Network
from refkan.training.adaptivity.adaptive_results import AdaptiveResult, Round
from refkan.training.adaptivity.error_indicators.residual_points import points_of
from refkan.training.adaptivity.strategies import Refinement, Situation, Strategy, cost_of_interval
from refkan.training.multilevel.levels import on_network, require_unchanged
from refkan.training.multilevel.multilevel_results import interval_weight
from refkan.training.multilevel.trainings import Trainer, train
from refkan.training.optimizers.results import Report, staged


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


Measure = Callable[[Network, FloatArray], float]


@dataclass(eq=False)
class Training:
    """An adaptive training as it goes."""

    request: Situation
    strategy: Strategy
    limits: Limits
    method: str | Trainer
    steps: int
    options: Mapping[str, Any]
    measure: Measure | None
    report: Report | None = None
    store: Checkpoints | None = None
    rounds: list[Round] = field(default_factory=list)

    def run(self, callback: Callable[[Round], Any] | None) -> AdaptiveResult:
        """Go on until a rule ends it."""
        refinement, seconds, change = Refinement(self.request.net, self.request.theta), 0.0, 0.0
        while True:
            self.rounds.append(self._round(refinement, seconds, change))
            message = self.limits.ending(self.rounds)
            if callback is not None:
                try:
                    callback(self.rounds[-1])
                except StopIteration:
                    message = message or f"stopped by the callback after round {self.rounds[-1].index}"
            if message:
                return self._result(message)
            refinement, seconds = self._refined()
            if refinement.reason:
                return self._result(refinement.reason)
            change = self._change(refinement)

    def _refined(self) -> tuple[Refinement, float]:
        """Refine the network of the last round, on the clock."""
        last, request = self.rounds[-1], self.request
        situation = replace(
            request,
            problem=on_network(request.problem, last.network),
            theta=last.theta,
            room=self.limits.room(last.network),
        )
        began = process_time()
        refinement = self.strategy.refine(situation)
        return refinement, process_time() - began

    def _change(self, refinement: Refinement) -> float:
        """How much the function moved: rounding, or an error is raised, after an exact refinement."""
        last, points = self.rounds[-1], points_of(self.request.problem)
        if self.strategy.exact:
            return require_unchanged(last.network, last.theta, refinement.network, refinement.theta, points)
        before, after = last.network(last.theta, points), refinement.network(refinement.theta, points)
        largest = np.abs(before).max(initial=0.0)
        return float(np.abs(after - before).max(initial=0.0) / (largest or 1.0))

    def _round(self, refinement: Refinement, seconds: float, change: float) -> Round:
        """Train, or take the stored result."""
        net, theta, index = refinement.network, refinement.theta, len(self.rounds)
        problem = on_network(self.request.problem, net)
        report = staged(self.report, f"round {index}, {net.n_params} parameters")

        trained = train(
            problem,
            theta,
            self.method,
            self.steps,
            self.options,
            self.store,
            report,
            costs=lambda: {"refining": seconds},
        )
        result, refining = trained.result, trained.costs["refining"]
        before = self.rounds[-1] if self.rounds else None
        return Round(
            index=index,
            network=net,
            theta=result.theta,
            value=result.value,
            start_value=float(result.history.value[0]),
            change=change,
            seconds=trained.seconds + refining + (before.seconds if before else 0.0),
            refining=refining,
            evaluations=result.n_evaluations + (before.evaluations if before else 0),
            work=result.n_evaluations * interval_weight(net) + (before.work if before else 0.0),
            error=None if self.measure is None else float(self.measure(net, result.theta)),
            training=result,
            resumed=trained.resumed,
        )

    def _result(self, message: str) -> AdaptiveResult:
        best = min(self.rounds, key=lambda r: r.value)
        return AdaptiveResult(
            network=best.network,
            theta=best.theta,
            value=best.value,
            problem=on_network(self.request.problem, best.network),
            rounds=tuple(self.rounds),
            converged=message.startswith("converged"),
            message=message,
        )
