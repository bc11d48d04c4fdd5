"""Where functions run elsewhere: a cluster of dask."""

from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor
from typing import Any

from refkan.base.long_runs.own_process import Ended, outcome_of


class OnCluster:
    """Runs a function on a cluster, whose scheduler gives it to another worker if one is lost; an `OwnProcess` else."""

    def __init__(self, cluster: Executor) -> None:
        self._cluster = cluster

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Run a function there."""
        self._future = self._cluster.submit(outcome_of, function, *arguments)

    def events(self) -> Iterator[Any]:
        """`Ended`, once it has."""
        if self._future.done():
            try:
                yield self._future.result()
            except (Exception, CancelledError) as error:  # of the cluster: what the function raises is in its outcome
                yield Ended(error=error)

    def stop(self) -> None:
        """Do not run it, unless it runs already."""
        self._future.cancel()
