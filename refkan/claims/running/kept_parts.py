"""Parts of a long run, such as the training of one seed: kept when finished, and run in parallel."""

import inspect
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any, TypeVar

import refkan
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.capsule import versions
from refkan.claims.running.sources import sources_digest
from refkan.kernels.engine_choice import current_engine

T = TypeVar("T")
Item = TypeVar("Item")


class PartsMissing(BaseException):  # no error: nothing that handles errors may catch it
    """Parts that are to run elsewhere first: each with its key and task, ready to be sent."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = parts


class Resume:
    """Runs parts of a run: this one keeps nothing.

    Attributes
    ----------
    within
        How many `each` are under way, one in another.
    """

    within = 0

    def __call__(self, configuration: Mapping[str, Any], task: Callable[[], Any]) -> Any:
        """Return what the task returns, or what the task of this configuration returned before."""
        return task()

    def each(self, function: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """Return what a function returns for each item; parts of different items may run beside one another.

        The function may be called several times for an item, until all its parts are kept.
        """
        results: list[T] = []
        missing: list[bytes] = []
        self.within += 1
        try:
            for item in items:
                try:
                    results.append(function(item))
                except PartsMissing as those:
                    missing += those.parts
        finally:
            self.within -= 1
        if missing:
            raise PartsMissing(missing)
        return results


run_task = Resume()


@dataclass
class Parts(Resume):
    """Results of parts, each under its configuration and the sources that computed it.

    The sources are the library and the module that defines the task, with what it imports from its own package. A file
    that judges what another module measures can therefore be edited without losing what was measured, and so can the
    machinery of claims.

    Attributes
    ----------
    checkpoints
        Where finished parts are kept.
    since
        When parts must have been kept, by the clock of that folder; earlier ones are run again.
    spread
        Whether parts within `each` are to run elsewhere: if some are missing, `PartsMissing` holds them.
    seconds
        Processor time of parts that were kept, when they ran.
    """

    checkpoints: Checkpoints
    since: float = 0.0
    spread: bool = False
    seconds: float = 0.0
    _digests: dict[Path, str] = field(default_factory=dict)

    def __call__(self, configuration: Mapping[str, Any], task: Callable[[], Any]) -> Any:
        """Return the stored result of a part, or run `task`, store what it returns and return that."""
        key = {**configuration, "versions": versions(), "engine": current_engine(), "sources": self._sources(task)}
        kept = self._is_kept(key)
        if not kept and self.spread and self.within:
            with suppress(pickle.PicklingError, AttributeError, TypeError):  # of functions that have no name to import
                raise PartsMissing([pickle.dumps((key, task))])
        record = self.finish(key, task)
        if kept:
            self.seconds += record["seconds"]
        return record["result"]

    def finish(self, key: Mapping[str, Any], task: Callable[[], Any]) -> Any:
        """Return what is stored under a complete key, a result with its seconds; run the task if nothing is."""

        def timed() -> dict[str, Any]:
            start, result = process_time(), task()
            return {"result": result, "seconds": process_time() - start}

        return self.checkpoints.run(key, timed, fresh=not self._is_kept(key))

    def _is_kept(self, key: Mapping[str, Any]) -> bool:
        path = self.checkpoints.path(key)
        return path.exists() and path.stat().st_mtime >= self.since

    def _sources(self, task: Callable[[], Any]) -> str:
        """Return the digest of the sources of a task, read once: a running process does not see later edits."""
        function = task.func if isinstance(task, partial) else task
        path = Path(inspect.getfile(function)).resolve()
        if path not in self._digests:
            self._digests[path] = sources_digest(path, Path(refkan.__file__).parent, verdicts=False)
        return self._digests[path]
