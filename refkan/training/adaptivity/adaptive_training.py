r"""An adaptive training as it goes: rounds of refinement and minimisation, stored and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from refkan.base.arguments import check_type
from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.adaptivity.adaptive_results import AdaptiveResult, Round
from refkan.training.adaptivity.error_indicators.residual_points import points_of
from refkan.training.adaptivity.limits import Limits
from refkan.training.adaptivity.strategies import Refinement, Situation, Strategy
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.unchanged import require_unchanged
from refkan.training.multilevel.work import interval_weight
from refkan.training.optimizers import History, Result, minimize
from refkan.training.optimizers.progress import Report, note, staged

Measure = Callable[[Network, FloatArray], float]


@dataclass(eq=False)
class Training:
    """An adaptive training as it goes."""

    request: Situation
    strategy: Strategy
    limits: Limits
    method: str | Callable[..., Result]
    steps: int
    options: Mapping[str, Any]
    measure: Measure | None
    report: Report | None = None
    checkpoints: Checkpoints | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)

    def store_in(self, checkpoints: Checkpoints, strategy: str | Strategy) -> None:
        """Keep the results of rounds, under all that they depend on: the rounds before follow from it too."""
        request = self.request
        self.checkpoints = checkpoints
        self.configuration = {
            "task": "round of an adaptive training",
            "engine": current_engine(),
            "problem": fingerprint(request.problem, "problem"),
            "theta": fingerprint(request.theta),
            "strategy": strategy if isinstance(strategy, str) else fingerprint(strategy, "strategy"),
            "layers": request.layers,
            "marking": [request.fraction, request.per_input, request.least_samples],
            "max_params": self.limits.max_params,
            "method": self.method if isinstance(self.method, str) else fingerprint(self.method, "method"),
            "steps": self.steps,
            "options": {name: fingerprint(value, f"option {name}") for name, value in self.options.items()},
        }

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
        situation = Situation(
            on_network(request.problem, last.network),
            last.theta,
            request.layers,
            request.fraction,
            request.per_input,
            request.least_samples,
            self.limits.room(last.network),
        )
        began = time.perf_counter()
        refinement = self.strategy.refine(situation)
        return refinement, time.perf_counter() - began

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

        def task() -> dict[str, Any]:
            began = time.perf_counter()
            if callable(self.method):
                result = self.method(problem, theta, steps=self.steps, **self.options)
                check_type("what method returns", result, Result)
                note(report, f"{result.message}, value {result.value:.4g}")
            else:
                options = {"progress": report or False, **self.options}
                result = minimize(problem, theta, method=self.method, steps=self.steps, **options)
            return {"result": asdict(result), "training": time.perf_counter() - began, "refining": seconds}

        resumed = False
        if self.checkpoints is None:
            packed = task()
        else:
            configuration = {**self.configuration, "round": index}
            resumed = self.checkpoints.get(configuration) is not None
            packed = self.checkpoints.run(configuration, task)
        fields = dict(packed["result"])
        result = Result(history=History(**fields.pop("history")), **fields)
        before = self.rounds[-1] if self.rounds else None
        return Round(
            index=index,
            network=net,
            theta=result.theta,
            value=result.value,
            start_value=float(result.history.value[0]),
            change=change,
            seconds=packed["training"] + packed["refining"] + (before.seconds if before else 0.0),
            refining=packed["refining"],
            evaluations=result.n_evaluations + (before.evaluations if before else 0),
            work=result.n_evaluations * interval_weight(net) + (before.work if before else 0.0),
            error=None if self.measure is None else float(self.measure(net, result.theta)),
            training=result,
            resumed=resumed,
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
