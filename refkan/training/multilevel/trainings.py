r"""One training of several: by a method of the library or your own, reported, stored and resumed.

Fingerprints: one hash for all that a result depends on, data and functions alike.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, field, fields, is_dataclass, replace
from os import PathLike
from time import process_time
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, ShortRepr, check_type
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network
from refkan.training.optimizers import STOPPED, History, Result, State, minimize
from refkan.training.optimizers.results import Report, note


def fingerprint(value: Any, name: str = "value") -> str:
    """Return the SHA-256 of a value by content: numbers, strings, arrays, sequences, frozen dataclasses, functions.

    A function is its code with its defaults and what it closes over; globals that it reads are not followed. Fields
    that a dataclass fills by itself (``init=False``) are caches and left out.

    Raises
    ------
    TypeError
        At anything that may change in place or whose content is not known, named by where it is: no stored result could
        be told to belong to it.

    Examples
    --------
    >>> import numpy as np
    >>> fingerprint(np.arange(3)) == fingerprint(np.array([0, 1, 2])), fingerprint([1]) == fingerprint([1.0])
    (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(value, name, ()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any, where: str, within: tuple[int, ...]) -> Iterable[bytes]:
    """Bytes that spell out a value; `within` holds the ids of what encloses it, which may be itself."""
    if id(value) in within:
        yield f"back {len(within) - within.index(id(value))}".encode()
        return
    inside = (*within, id(value))
    yield type(value).__qualname__.encode()
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            yield repr(value).encode()
        case np.ndarray() | np.generic():
            array = np.asarray(value)
            if array.dtype.kind not in "biufcUS":
                raise TypeError(f"{where} must hold plain numbers; got an array of dtype {array.dtype}")
            yield f"{array.dtype.str} {array.shape}".encode()
            yield array.tobytes()
        case list() | tuple() | range():
            yield str(len(value)).encode()
            for k, item in enumerate(value):
                yield from _parts(item, f"{where}[{k}]", inside)
        case dict():
            yield str(len(value)).encode()
            for key, item in sorted(value.items(), key=lambda pair: repr(pair[0])):
                yield repr(key).encode()
                yield from _parts(item, f"{where}[{key!r}]", inside)
        case type() | BuiltinFunctionType() | np.ufunc():
            yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}".encode()
        case functools.partial():
            yield from _parts((value.func, value.args, value.keywords), where, inside)
        case MethodType():
            yield from _parts((value.__self__, value.__func__), where, inside)
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            parts = value.__code__, value.__defaults__, value.__kwdefaults__, *cells
            yield from _parts(parts, f"{where} ({value.__name__})", inside)
        case CodeType():
            constants = [sorted(map(repr, c)) if isinstance(c, frozenset) else c for c in value.co_consts]
            yield value.co_code
            yield from _parts((constants, value.co_names, value.co_varnames, value.co_freevars), where, inside)
        case _ if is_dataclass(value) and getattr(type(value), "__dataclass_params__").frozen:  # noqa: B009  # mypy
            for field in fields(value):
                if field.init:
                    yield field.name.encode()
                    yield from _parts(getattr(value, field.name), f"{where}.{field.name}", inside)
        case _:
            raise TypeError(
                f"{where} must be data that does not change in place, so that a stored result can be told to belong to "
                f"it; got {type(value).__name__}"
            )


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
    costs : mapping
        What else was measured when it was trained.

    Examples
    --------
    >>> import numpy as np
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
    costs: Mapping[str, float] = field(default_factory=dict)


class Course(ShortRepr):
    """What came of several trainings, one after another, each on the network of the one before or a finer one."""

    course: tuple[TrainedNetwork, ...]

    @property
    def network(self) -> Network:
        """The network of the last training."""
        return self.course[-1].network

    @property
    def theta(self) -> FloatArray:
        """Its parameters: the best point seen there."""
        return self.course[-1].result.theta

    @property
    def value(self) -> float:
        """The value there."""
        return self.course[-1].result.value


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
    key: dict[str, Any] = {}
    packed, unfinished = None, dict[str, Any]()
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
        if not callable(method):
            unfinished = {"checkpoint": store.path(key).with_suffix(".npz")}
    resumed = packed is not None
    if packed is None:
        measured, began = costs(), process_time()
        result = _minimize(problem, theta, method, steps, {**options, **unfinished}, report, callback)
        packed = {"result": asdict(result), "seconds": process_time() - began, "costs": measured}
        if store is not None and not result.message.startswith(STOPPED):
            packed = store.run(key, lambda: packed, fresh=True)  # as it will be read back
            for path in unfinished.values():
                path.unlink(missing_ok=True)
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

    result = method(problem, theta, steps=steps, callback=told, **options)
    check_type("what method returns", result, Result)
    note(report, f"{result.message}, value {result.value:.4g}")
    return result


def as_store(checkpoint: Checkpoints | str | PathLike[str] | None) -> Checkpoints | None:
    """Return checkpoints in a folder, created if need be; None for none."""
    return checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoints) else Checkpoints(checkpoint)
