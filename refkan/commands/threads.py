"""Where a command computes: in processes of its own, or on a cluster."""

import argparse
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial

from refkan.base.long_runs.command_parser import count
from refkan.base.long_runs.worker_processes import check_address, dask_executor, worker_pool
from refkan.commands.option_values import text

MOST_WORKERS = 1000


def add_executor_options(p: argparse.ArgumentParser) -> None:
    """Add `--workers` and `--dask`."""
    where = p.add_mutually_exclusive_group()
    workers = partial(count, maximum=MOST_WORKERS)
    where.add_argument("--workers", type=workers, metavar="N", help="number of processes, with one thread each")
    where.add_argument("--dask", type=text, metavar="ADDRESS", help="scheduler of a dask cluster to compute on")


@contextmanager
def chosen_executor(chosen: argparse.Namespace) -> Iterator[Executor | None]:
    """The requested executor, closed afterwards."""
    if chosen.workers is not None:
        with worker_pool(chosen.workers) as pool:
            yield pool
    elif chosen.dask is not None:
        check_address(chosen.dask)
        with dask_executor(chosen.dask) as cluster:
            yield cluster
    else:
        yield None
