r"""Many starts that lose to each other stage by stage, the network changing in between: refined, or its knots freed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from time import process_time
from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_count, check_type
from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import ShortRepr
from refkan.networks import Network
from refkan.training.adaptivity.random_knots import with_random_knots
from refkan.training.losses import LeastSquares
from refkan.training.multilevel.stages import Stage, StageTable, compete
from refkan.training.optimizers.progress import Report, report_of


@dataclass(frozen=True, eq=False, repr=False)
class TournamentResult(ShortRepr):
    """The outcome of `tournament`.

    Attributes
    ----------
    network, theta : Network, ndarray
        The winner: the least value in the last stage.
    value : float
    stages : tuple of StageTable
    seconds : float
        Processor time.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Freed, Stage, tournament
    >>> x = np.linspace(0.0, 1.0, 100)[:, None]
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 1 / np.pi))
    >>> result = tournament(problem, np.random.default_rng(1), [Stage(2, 1), Stage(1, 40, change=Freed())])
    >>> len(result.stages), bool(result.value == result.stages[-1].values[0])
    (2, True)
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
    progress: bool | Report = False,
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
    progress : bool or callable
        As for `minimize`, for all trainings: ``state.stage`` says of which start on which stage. True also shows a line
        after each stage, and so does ``ProgressLines(write)``.
    **options
        Of the method.

    Returns
    -------
    TournamentResult

    Raises
    ------
    ValueError
        Without stages, and for survivors that increase or samples that decrease or exceed those of the problem.
    TypeError
        For a problem, a network, an rng, stages or changes of another kind.
    RuntimeError
        If a change is not the same function.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.adaptivity import Freed, Stage, tournament
    >>> x = np.random.default_rng(0).uniform(size=(200, 1))
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), x, np.abs(x - 1 / np.pi))
    >>> result = tournament(problem, np.random.default_rng(1), [Stage(3, 1), Stage(1, 60, change=Freed())])
    >>> bool(np.sqrt(2 * result.value) < 1e-9), len(result.stages[0].starts)
    (True, 3)
    """
    check_annotated(tournament, locals(), but=("progress", "stages"))
    check_type("problem", problem, LeastSquares)
    check_type("problem.net", problem.net, Network)
    check_type("rng", rng, np.random.Generator)
    check_type("random_knots", random_knots, bool)
    sizes = _check_stages(stages, problem.x.shape[0])
    store = checkpoints if checkpoints is None or isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)

    def draw(number: int, net: Network, stream: np.random.Generator) -> Network:
        return with_random_knots(net, stream) if random_knots and number > 0 else net

    began = process_time()
    report = report_of(progress)
    best, tables = compete(problem, rng, stages, sizes, method, scheme, store, report, options, draw=draw)
    return TournamentResult(best.net, best.theta, best.value, tables, seconds=process_time() - began)


def _check_stages(stages: Sequence[Stage], n_samples: int) -> list[int]:
    """Return the number of samples of each stage."""
    if not isinstance(stages, Sequence):
        raise TypeError(f"stages must be a sequence of Stage; got {stages!r}")
    if not stages:
        raise ValueError("stages must hold at least one stage; got none")
    sizes = []
    for k, stage in enumerate(stages):
        check_type(f"stages[{k}]", stage, Stage)
        check_count(f"stages[{k}].survivors", stage.survivors, 1)
        check_count(f"stages[{k}].steps", stage.steps)
        if not (stage.change is None or callable(stage.change)):
            raise TypeError(f"stages[{k}].change must be callable or None; got {stage.change!r}")
        every = stage.samples is None
        sizes.append(n_samples if every else check_count(f"stages[{k}].samples", stage.samples, 1, n_samples))
        if k > 0 and stage.survivors > stages[k - 1].survivors:
            raise ValueError(
                f"survivors must not increase; got {stage.survivors} in stage {k} after {stages[k - 1].survivors}"
            )
        if k > 0 and sizes[k] < sizes[k - 1]:
            raise ValueError(f"samples must not decrease; got {sizes[k]} in stage {k} after {sizes[k - 1]}")
    return sizes
