r"""One training of several: by a method of the library or of one's own, told of, stored and resumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from time import process_time
from typing import Any

from refkan.base.arguments import check_type
from refkan.base.array_types import FloatArray
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.short_reprs import ShortRepr
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.optimizers import STOPPED, History, Result, State, minimize
from refkan.training.optimizers.progress import Report, note

Trainer = Callable[..., Result]


@dataclass(frozen=True, eq=False)
class TrainedNetwork(ShortRepr):
    """A network with the result of its training.

    Attributes
    ----------
    network : Network
    result : Result
    seconds : float
        Processor time of the training.
    resumed : bool
        Whether it comes from a checkpoint.
    costs : mapping
        What else was measured when it was trained.

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.training.recipes import regression, train_starts
    >>> setup = regression(points=100)
    >>> trained = train_starts(setup, setup.kan(widths=[2, 2, 1], intervals=1), np.random.default_rng(0), [2, 2])
    >>> [level.network.layers[0].intervals for level in trained.course], trained.course[0].resumed
    ([1, 2], False)
    """

    network: Network
    result: Result
    seconds: float
    resumed: bool = False
    costs: Mapping[str, float] = field(default_factory=dict)


def train(
    problem: Any,
    theta: FloatArray,
    method: str | Trainer,
    steps: int,
    options: Mapping[str, Any],
    store: Checkpoints | None = None,
    report: Report | None = None,
    callback: Callable[[State], Any] | None = None,
    costs: Callable[[], dict[str, float]] = dict,
) -> TrainedNetwork:
    """Minimise, or take what is stored for the same engine, problem, start, method, steps and options.

    A training that a callback ended is not stored: its key promises more steps. `costs` is called before a training,
    and what it returns is stored with it.
    """

    def task() -> dict[str, Any]:
        measured, began = costs(), process_time()
        result = _minimize(problem, theta, method, steps, dict(options), report, callback)
        return {"result": asdict(result), "seconds": process_time() - began, "costs": measured}

    key: dict[str, Any] = {}
    packed = None
    if store is not None:
        key = {
            "task": "training",
            "engine": current_engine(),
            "problem": fingerprint(problem, "problem"),
            "theta": fingerprint(theta),
            "method": method if isinstance(method, str) else fingerprint(method, "method"),
            "steps": steps,
            "options": {name: fingerprint(value, f"option {name}") for name, value in options.items()},
        }
        packed = store.get(key)
    resumed = packed is not None
    if packed is None:
        packed = task()
        if store is not None and not packed["result"]["message"].startswith(STOPPED):
            packed = store.run(key, lambda: packed, fresh=True)  # as it will be read back
    fields = dict(packed["result"])
    result = Result(history=History(**fields.pop("history")), **fields)
    if resumed:
        note(report, f"resumed, value {result.value:.4g}")
    return TrainedNetwork(problem.net, result, packed["seconds"], resumed, packed["costs"])


def _minimize(
    problem: Any,
    theta: FloatArray,
    method: str | Trainer,
    steps: int,
    options: dict[str, Any],
    report: Report | None,
    callback: Callable[[State], Any] | None,
) -> Result:
    if not callable(method):
        options = {"callback": callback, "progress": report or False, **options}
        return minimize(problem, theta, method=method, steps=steps, **options)

    def told(state: State) -> None:  # a method of one's own knows of callbacks alone
        if report is not None:
            report(replace(state, theta=state.theta.copy()))
        if callback is not None:
            callback(state)

    quiet = report is None and callback is None
    result = method(problem, theta, steps=steps, callback=None if quiet else told, **options)
    check_type("what method returns", result, Result)
    note(report, f"{result.message}, value {result.value:.4g}")
    return result


def as_store(checkpoints: Checkpoints | str | PathLike[str] | None) -> Checkpoints | None:
    """Return checkpoints in a folder, created if need be; None for none."""
    return checkpoints if checkpoints is None or isinstance(checkpoints, Checkpoints) else Checkpoints(checkpoints)
