"""One training of several: by a method of the library or your own, reported, stored and resumed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from os import PathLike
from time import process_time
from typing import Any

from refkan.base import FloatArray, Frozen, check_type
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.multilevel.fingerprints import fingerprint
from refkan.training.optimizers import Result, State, minimize
from refkan.training.optimizers.progress import Report, note
from refkan.training.optimizers.results import History
from refkan.training.optimizers.run import STOPPED

Trainer = Callable[..., Result]


class TrainedNetwork(Frozen):
    """A network with the result of its training.

    Attributes
    ----------
    network : Network
    result : Result
    seconds : float
        Processor time of the training.
    resumed : bool
        Whether it comes from a checkpoint.
    change : float
        How much the change of the network before the training moved its function: rounding after an exact change,
        relative to the contributions to its values; after a refit the largest difference on the samples relative to
        the largest value there.
    refining : float
        Processor time of the change of the network.

    Examples
    --------
    >>> import refkan as rk
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=1), [[0.5], [1.0]], [[1.0], [4.0]])
    >>> result = rk.minimize_multilevel(problem, [0.0, 1.0], [2, 2])
    >>> [level.network.layers[0].intervals for level in result.course], result.course[0].resumed
    ([1, 2], False)
    """

    network: Network
    result: Result
    seconds: float
    resumed: bool = False
    change: float = 0.0
    refining: float = 0.0


def train(
    problem: Any,
    theta: FloatArray,
    method: str | Trainer,
    steps: int,
    options: Mapping[str, Any],
    store: Checkpoints | None = None,
    report: Report | None = None,
    callback: Callable[[State], Any] | None = None,
) -> TrainedNetwork:
    """Minimise, or take what is stored for the same engine, problem, start, method, steps and options.

    A training that a callback ended is not stored: its key promises more steps.
    """
    if store is None:
        began = process_time()
        result = _minimize(problem, theta, method, steps, options, report, callback)
        return TrainedNetwork(problem.net, result, process_time() - began)
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
    if packed is not None:
        trained = _unpacked(problem, packed, resumed=True)
        note(report, f"resumed, value {trained.result.value:.4g}")
        return trained
    unfinished = store.path(key).with_suffix(".npz")
    if not callable(method):
        options = {**options, "checkpoint": unfinished}
    began = process_time()
    result = _minimize(problem, theta, method, steps, options, report, callback)
    packed = {"result": asdict(result), "seconds": process_time() - began}
    if not result.message.startswith(STOPPED):
        packed = store.run(key, lambda: packed, fresh=True)  # as it will be read back
        unfinished.unlink(missing_ok=True)
    return _unpacked(problem, packed, resumed=False)


def _unpacked(problem: Any, packed: Mapping[str, Any], resumed: bool) -> TrainedNetwork:
    """Return a training from what is stored of it."""
    fields = dict(packed["result"])
    history = History(**fields.pop("history"))
    return TrainedNetwork(problem.net, Result(history=history, **fields), packed["seconds"], resumed)


def _minimize(
    problem: Any,
    theta: FloatArray,
    method: str | Trainer,
    steps: int,
    options: Mapping[str, Any],
    report: Report | None,
    callback: Callable[[State], Any] | None,
) -> Result:
    """Minimise by a method of the library, or by a function."""
    if "steps" in options:
        raise TypeError("steps must be left out of the options: the schedule or the stages say how many")
    if not callable(method):
        return minimize(problem, theta, method, steps, **{"callback": callback, "progress": report, **options})

    def after_step(state: State) -> None:  # a method of one's own knows callbacks only
        if report is not None:
            report(replace(state, theta=state.theta.copy()))
        if callback is not None:
            callback(state)

    result = method(problem, theta, steps=steps, callback=after_step, **options)
    check_type("what method returns", result, Result)
    note(report, f"{result.message}, value {result.value:.4g}")
    return result


def as_store(checkpoint: Checkpoints | str | PathLike[str] | None) -> Checkpoints | None:
    """Return checkpoints in a folder, created if need be; None for none."""
    if checkpoint is None or isinstance(checkpoint, Checkpoints):
        return checkpoint
    return Checkpoints(checkpoint)
