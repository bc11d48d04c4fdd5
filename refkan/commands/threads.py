"""Threads of a command, of its kernels and of BLAS, which reads their number when it is loaded; its processes.

NumPy loads BLAS before any line of a command can run: `refkan` starts itself again with the variables set. By default
kernels take all cores, and wait without spinning; BLAS takes one thread. OpenBLAS's threads spin while they wait for
one another: with other processes on the cores, a training by Levenberg-Marquardt took eight times its processor time.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context

from refkan.base.long_runs.thread_variables import BLAS, KERNELS, THREAD_VARIABLES, one_thread_each
from refkan.claims.running.executors import check_address, dask_executor
from refkan.claims.running.run_options import count
from refkan.commands.option_values import text


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--threads`."""
    parser.add_argument(
        "--threads",
        type=count,
        metavar="N",
        help=f"of kernels and BLAS; default: all cores for kernels, one for BLAS, unless {KERNELS} or "
        f"{BLAS[0]}, {BLAS[1]} or {BLAS[2]} is set",
    )


def thread_variables(threads: int | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command needs and `environ` does not have, with their values.

    Examples
    --------
    >>> thread_variables(2, {"NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "4"})
    {'OPENBLAS_NUM_THREADS': '2', 'MKL_NUM_THREADS': '2', 'OMP_NUM_THREADS': '2'}
    >>> thread_variables(None, {"OMP_NUM_THREADS": "4"})
    {}
    """
    if threads is not None:
        wanted = dict.fromkeys(THREAD_VARIABLES, str(threads))
        return {name: value for name, value in wanted.items() if environ.get(name) != value}
    return {} if any(environ.get(name) for name in BLAS) else dict.fromkeys(BLAS, "1")


def restart_with_threads(threads: int | None) -> None:
    """Start this process again with its own command line, unless its variables are as they should be."""
    missing = thread_variables(threads, os.environ)
    if not missing:
        return
    command, environ = [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing}
    if os.name == "posix":  # the same process: its parent, terminal and signals stay
        sys.stdout.flush()
        os.execve(sys.executable, command, environ)
    raise SystemExit(subprocess.call(command, env=environ))


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
        # Fresh processes: forked ones would inherit the locks of threads that they do not have.
        with one_thread_each(), ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn")) as pool:
            yield pool
    elif chosen.dask is not None:
        check_address(chosen.dask)
        with dask_executor(chosen.dask) as cluster:
            yield cluster
    else:
        yield None
