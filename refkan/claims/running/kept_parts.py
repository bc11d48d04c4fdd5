"""Parts of a long run, such as one training of one seed: kept as they are finished, for a run may be interrupted."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import refkan
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.capsule import versions
from refkan.claims.running.sources import sources_digest
from refkan.kernels.engine_choice import current_engine

Resume = Callable[[Mapping[str, Any], Callable[[], Any]], Any]
"""Returns the result of a task with this configuration: runs it, or finds what it returned before."""


def run_task(configuration: Mapping[str, Any], task: Callable[[], Any]) -> Any:
    """Run the task: the `Resume` that keeps nothing."""
    return task()


class Parts:
    """Results of parts, each under its configuration and the sources that computed it.

    The sources are the library and the module that defines the task, with what it imports from its own package. A file
    that judges what another module measures can therefore be edited without losing what was measured, and so can the
    machinery of claims.

    Parameters
    ----------
    checkpoints
        Where finished parts are kept.
    fresh
        Whether to run again what is finished.
    """

    def __init__(self, checkpoints: Checkpoints, fresh: bool = False) -> None:
        self._checkpoints = checkpoints
        self._fresh = fresh
        self._digests: dict[Path, str] = {}

    def run(self, configuration: Mapping[str, Any], task: Callable[[], Any]) -> Any:
        """Return the stored result of a part, or run `task`, store what it returns and return that."""
        key = {**configuration, "versions": versions(), "engine": current_engine(), "sources": self._sources(task)}
        return self._checkpoints.run(key, task, fresh=self._fresh)

    def _sources(self, task: Callable[[], Any]) -> str:
        """Return the digest of the sources of a task, read once: a running process does not see later edits."""
        function = task.func if isinstance(task, partial) else task
        path = Path(inspect.getfile(function)).resolve()
        if path not in self._digests:
            self._digests[path] = sources_digest(path, Path(refkan.__file__).parent, verdicts=False)
        return self._digests[path]


def resume_from(parts: Parts | None) -> Resume:
    """Return what runs tasks: the store of a long run, or, without one, `run_task`."""
    return run_task if parts is None else parts.run
