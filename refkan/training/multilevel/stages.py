r"""Many starts that lose to each other stage by stage, the network changing in between: what is behind `multistart`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import process_time
from typing import Any

import numpy as np

from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import ShortRepr
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.multilevel.refined_networks import Change
from refkan.training.multilevel.unchanged import require_unchanged
from refkan.training.optimizers import minimize
from refkan.training.optimizers.progress import Report, note, staged


@dataclass(frozen=True)
class Stage(ShortRepr):
    """One stage of a tournament.

    Attributes
    ----------
    survivors : int
        How many starts are trained: those of the least values in the stage before.
    steps : int
        Of each training.
    samples : int or None
        On how many samples, None for all.
    change : callable or None
        What happens to the network first: `Refined`, or `Freed`, `Cut` or several `in_turn` of
        `refkan.training.adaptivity`, or a function of one's own.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Refined, Stage, tournament
    >>> x = np.linspace(0.0, 1.0, 100)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 0.25))
    >>> stages = [Stage(survivors=2, steps=1), Stage(survivors=1, steps=1, change=Refined())]
    >>> result = tournament(problem, np.random.default_rng(0), stages, random_knots=False)
    >>> len(result.stages), bool(result.value < 1e-12)  # a knot lies at 1/4 in the end
    (2, True)
    """

    survivors: int
    steps: int
    samples: int | None = None
    change: Change | None = None


@dataclass(frozen=True, eq=False)
class StageTable(ShortRepr):
    """What became of the starts in one stage.

    Attributes
    ----------
    starts : tuple of int
        Numbers of the starts that were trained, in the order of their values.
    values : ndarray
        Their values afterwards, ascending.
    network, theta : Network, ndarray
        The best of them.
    n_params : int
        Of that network.
    samples : int
        How many samples they were trained on.
    evaluations : int
        Values with gradients, of all of them together.
    seconds : float
        Processor time, as in `Work`.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> x = np.random.default_rng(0).uniform(size=(100, 2))
    >>> problem = rk.LeastSquares(rk.kan([2, 2, 1], order=3, intervals=1), x, np.sin(3 * x[:, :1]) * x[:, 1:])
    >>> table = rk.multistart(problem, np.random.default_rng(1), [3], [4]).levels[0]
    >>> sorted(table.starts), bool(np.all(np.diff(table.values) >= 0)), table.samples
    ([0, 1, 2, 3], True, 100)
    """

    starts: tuple[int, ...]
    values: FloatArray
    network: Network
    theta: FloatArray
    n_params: int
    samples: int
    evaluations: int
    seconds: float


def compete(
    problem: LeastSquares,
    rng: np.random.Generator,
    stages: Sequence[Stage],
    sizes: Sequence[int],
    method: str,
    scheme: str,
    store: Checkpoints | None,
    report: Report | None,
    options: dict[str, Any],
    name: str = "stage",
    draw: Callable[[int, Network, np.random.Generator], Network] = lambda number, net, rng: net,
) -> tuple[Run, tuple[StageTable, ...]]:
    """Run stages that have been checked, with so many samples each; return the best run and the tables.

    draw(number, net, rng) is the network that a start begins with.
    """
    assert isinstance(problem.net, Network)
    # One domain for all starts, that of all samples, whatever part of them a start sees first.
    net = problem.net.with_domain_of(problem.x)
    order = rng.permutation(problem.x.shape[0])
    parts = [part_of(problem, order[:size]) if size < order.size else problem for size in sizes]
    runs = []
    for k, stream in enumerate(rng.spawn(stages[0].survivors)):
        runs.append(Run(k, *draw(k, net, stream).initialize(stream, parts[0].x, scheme)))
    tables = []
    for number, (stage, part) in enumerate(zip(stages, parts, strict=True)):
        since = process_time()
        told = [
            staged(report, f"{name} {number}, start {run.number}", endings=False) for run in runs[: stage.survivors]
        ]
        runs = [
            run.trained(stage, part, method, options, store, tell)
            for run, tell in zip(runs[: stage.survivors], told, strict=True)
        ]
        runs.sort(key=lambda run: (run.value, run.number))
        table = StageTable(
            starts=tuple(run.number for run in runs),
            values=np.array([run.value for run in runs]),
            network=runs[0].net,
            theta=runs[0].theta,
            n_params=runs[0].net.n_params,
            samples=sizes[number],
            evaluations=sum(run.evaluations for run in runs),
            seconds=process_time() - since,
        )
        tables.append(table)
        note(report, f"{name} {number}: {len(runs)} starts on {sizes[number]} samples, best value {runs[0].value:.3g}")
    return runs[0], tuple(tables)


def part_of(problem: LeastSquares, rows: Any) -> LeastSquares:
    """Return least squares on some of the samples."""
    weights = None if problem.weights is None else problem.weights[rows]
    return replace(problem, x=problem.x[rows], y=problem.y[rows], weights=weights)


@dataclass(frozen=True, eq=False)
class Run(ShortRepr):
    """One start on its way."""

    number: int
    net: Network
    theta: FloatArray
    value: float = np.inf
    evaluations: int = 0

    def trained(
        self,
        stage: Stage,
        problem: LeastSquares,
        method: str,
        options: dict[str, Any],
        store: Checkpoints | None,
        report: Report | None = None,
    ) -> Run:
        """Change the network and train it; what is stored is the parameters, for the network that the change makes."""
        net, theta = self.net, self.theta
        if stage.change is not None:
            net, theta = stage.change(replace(problem, net=net), theta)
            require_unchanged(self.net, self.theta, net, theta, problem.x)
        here = replace(problem, net=net)

        def task() -> dict[str, Any]:
            result = minimize(here, theta, method, stage.steps, progress=report or False, **options)
            return {"theta": result.theta, "value": result.value, "evaluations": result.n_evaluations}

        if store is None:
            return replace(self, net=net, **task())
        key = {
            "task": "stage of a tournament",
            "engine": current_engine(),
            "problem": fingerprint(here, "problem"),
            "theta": fingerprint(theta),
            "method": method,
            "steps": stage.steps,
            "options": fingerprint(options, "options"),
        }
        return replace(self, net=net, **store.run(key, task))
