r"""Many starts that lose to each other stage by stage, the network changing in between: refined, or its knots freed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from refkan.adaptivity.changes import Change
from refkan.adaptivity.random_knots import with_random_knots
from refkan.arguments import check_count, check_type
from refkan.array_types import FloatArray
from refkan.checkpoints import Checkpoints
from refkan.hierarchy.fingerprints import fingerprint
from refkan.hierarchy.multistart import part_of
from refkan.hierarchy.unchanged import require_unchanged
from refkan.losses import LeastSquares
from refkan.networks import Network
from refkan.optimizers import minimize


@dataclass(frozen=True)
class Stage:
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
        What happens to the network first: `Refined`, `Freed`, `Cut`, several `in_turn`, or a function of one's own.
    """

    survivors: int
    steps: int
    samples: int | None = None
    change: Change | None = None


@dataclass(frozen=True, eq=False)
class StageTable:
    """What became of the starts in one stage.

    Attributes
    ----------
    starts : tuple of int
        Numbers of the starts that were trained, in the order of their values.
    values : ndarray
        Their values afterwards, ascending.
    n_params : int
    samples : int
    evaluations : int
    seconds : float
    """

    starts: tuple[int, ...]
    values: FloatArray
    n_params: int
    samples: int
    evaluations: int
    seconds: float


@dataclass(frozen=True, eq=False, repr=False)
class TournamentResult:
    """The outcome of `tournament`.

    Attributes
    ----------
    network, theta : Network, ndarray
        The winner: the least value in the last stage.
    value : float
    stages : tuple of StageTable
    seconds : float
    """

    network: Network
    theta: FloatArray
    value: float
    stages: tuple[StageTable, ...]
    seconds: float

    def __repr__(self) -> str:
        best = [float(f"{stage.values[0]:.4g}") for stage in self.stages]
        return f"TournamentResult(value={self.value:.6g}, best of each stage={best}, seconds={self.seconds:.3g})"


def tournament(
    problem: LeastSquares,
    rng: np.random.Generator,
    stages: Sequence[Stage],
    *,
    method: str = "variable-projection",
    scheme: str = "linear",
    random_knots: bool = False,
    checkpoints: Checkpoints | str | PathLike[str] | None = None,
    progress: Callable[[str], Any] | None = None,
    **options: Any,
) -> TournamentResult:
    r"""Train many starts on a small network, the better ones further on networks that contain it.

    As `hierarchy.multistart`, but what happens to the networks between stages is free: uniform refinement, cuts where
    the residual is, fixed knots that become parameters. After each change the networks are compared.

    Parameters
    ----------
    problem : LeastSquares
        Of the first network, bound to data or not: each start binds it anew.
    rng : numpy.random.Generator
        Draws the samples of each stage, then one stream for each start.
    stages : sequence of Stage
        Survivors must not increase, samples not decrease. Smaller sets of samples are contained in larger ones; the
        first is the statistics batch of node maps that need one, to the end.
    method, scheme : str
        As for `minimize` and `Network.initialize`.
    random_knots : bool
        Whether each start but the first has random breakpoints in all its splines (`with_random_knots`), not those of
        the problem: where free knots end depends on where they start.
    checkpoints : Checkpoints or path, optional
        Each stage of each start is stored and not computed again.
    progress : callable, optional
        Called with a line of text after each stage.
    **options
        Of the method.

    Returns
    -------
    TournamentResult

    Raises
    ------
    ValueError
        Without stages, and for survivors that increase or samples that decrease or exceed those of the problem.
    RuntimeError
        If a change is not the same function.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.adaptivity import Freed, Stage, tournament
    >>> x = np.random.default_rng(0).uniform(size=(200, 1))
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 1 / np.pi))
    >>> result = tournament(problem, np.random.default_rng(1), [Stage(3, 1), Stage(1, 60, change=Freed())])
    >>> bool(np.sqrt(2 * result.value) < 1e-9), len(result.stages[0].starts)
    (True, 3)
    """
    check_type("problem", problem, LeastSquares)
    check_type("problem.net", problem.net, Network)
    check_type("rng", rng, np.random.Generator)
    check_type("random_knots", random_knots, bool)
    sizes = _check_stages(stages, problem.x.shape[0])
    store = checkpoints if checkpoints is None or isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)
    order = rng.permutation(problem.x.shape[0])
    parts = [part_of(problem, order[:size]) if size < order.size else problem for size in sizes]
    began = time.perf_counter()
    streams = rng.spawn(stages[0].survivors)
    runs = [_Run.drawn(k, stream, parts[0], scheme, random_knots and k > 0) for k, stream in enumerate(streams)]
    tables = []
    for number, (stage, part) in enumerate(zip(stages, parts, strict=True)):
        since = time.perf_counter()
        runs = [run.trained(stage, part, method, options, store) for run in runs[: stage.survivors]]
        runs.sort(key=lambda run: (run.value, run.number))
        table = StageTable(
            starts=tuple(run.number for run in runs),
            values=np.array([run.value for run in runs]),
            n_params=runs[0].net.n_params,
            samples=sizes[number],
            evaluations=sum(run.evaluations for run in runs),
            seconds=time.perf_counter() - since,
        )
        tables.append(table)
        if progress is not None:
            progress(f"stage {number}: {len(runs)} starts on {sizes[number]} samples, best value {runs[0].value:.3g}")
    return TournamentResult(
        runs[0].net, runs[0].theta, runs[0].value, tuple(tables), seconds=time.perf_counter() - began
    )


@dataclass(frozen=True, eq=False)
class _Run:
    """One start on its way."""

    number: int
    net: Network
    theta: FloatArray
    value: float = np.inf
    evaluations: int = 0

    @classmethod
    def drawn(cls, number: int, rng: np.random.Generator, problem: LeastSquares, scheme: str, scattered: bool) -> _Run:
        assert isinstance(problem.net, Network)
        net = with_random_knots(problem.net, rng) if scattered else problem.net
        return cls(number, *net.initialize(rng, problem.x, scheme))

    def trained(
        self, stage: Stage, problem: LeastSquares, method: str, options: dict[str, Any], store: Checkpoints | None
    ) -> _Run:
        """Change the network and train it; what is stored is the parameters, for the network that the change makes."""
        net, theta = self.net, self.theta
        if stage.change is not None:
            net, theta = stage.change(replace(problem, net=net), theta)
            require_unchanged(self.net, self.theta, net, theta, problem.x)
        here = replace(problem, net=net)

        def task() -> dict[str, Any]:
            result = minimize(here, theta, method, stage.steps, **options)
            return {"theta": result.theta, "value": result.value, "evaluations": result.n_evaluations}

        if store is None:
            return replace(self, net=net, **task())
        key = {
            "task": "stage of a tournament",
            "problem": fingerprint(here, "problem"),
            "theta": fingerprint(theta),
            "method": method,
            "steps": stage.steps,
            "options": fingerprint(options, "options"),
        }
        return replace(self, net=net, **store.run(key, task))


def _check_stages(stages: Sequence[Stage], n_samples: int) -> list[int]:
    """Return the number of samples of each stage."""
    if not stages:
        raise ValueError("stages must hold at least one stage; got none")
    sizes = []
    for k, stage in enumerate(stages):
        check_type(f"stages[{k}]", stage, Stage)
        check_count(f"stages[{k}].survivors", stage.survivors, 1)
        check_count(f"stages[{k}].steps", stage.steps)
        every = stage.samples is None
        sizes.append(n_samples if every else check_count(f"stages[{k}].samples", stage.samples, 1, n_samples))
        if k > 0 and stage.survivors > stages[k - 1].survivors:
            raise ValueError(
                f"survivors must not increase; got {stage.survivors} in stage {k} after {stages[k - 1].survivors}"
            )
        if k > 0 and sizes[k] < sizes[k - 1]:
            raise ValueError(f"samples must not decrease; got {sizes[k]} in stage {k} after {sizes[k - 1]}")
    return sizes
