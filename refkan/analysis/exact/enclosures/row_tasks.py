"""Functions of many rows, evaluated here or in tasks of an executor: each row for itself, so that numbers agree."""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from refkan.analysis.exact.enclosures.float_intervals import quiet, require_rounding_to_nearest


def in_tasks(
    function: Callable[..., Any], rows: tuple[Any, ...], count: int, sizes: tuple[int, int], executor: Executor | None
) -> list[Any]:
    """Return function(*part) for each part of `count` rows: as many as fit, here, or a few, each a task.

    Parameters
    ----------
    function : callable
        With an executor of processes it is sent there: a function of a module, or a partial of one.
    rows : tuple
        Arrays or intervals that are cut alike.
    count : int
    sizes : (int, int)
        Rows of a part without an executor, and of a task.
    executor : concurrent.futures.Executor or None
    """
    size = sizes[executor is not None]
    parts = [[each[k : k + size] for k in range(0, count, size)] for each in rows]
    each_part: Callable[..., Iterable[Any]] = map if executor is None else executor.map
    return list(each_part(partial(_rounding_outwards, function), *parts))


def _rounding_outwards(function: Callable[..., Any], *rows: Any) -> Any:
    """Evaluate where float64 rounds as bounds need it, which another process, or thread, might not."""
    require_rounding_to_nearest()
    with quiet():
        return function(*rows)
