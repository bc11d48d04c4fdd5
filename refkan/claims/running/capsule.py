"""The capsule: the circumstances of a result, without the names of the machine or its folders."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import refkan
from refkan.base.extras import versions_of
from refkan.base.long_runs.thread_variables import THREAD_VARIABLES
from refkan.kernels.engine_choice import current_engine

THREADS = (*THREAD_VARIABLES, "OMP_WAIT_POLICY")
"""Variables that a capsule shows."""


def versions(distributions: Sequence[str] = ("numpy", "scipy", "numba")) -> dict[str, str]:
    """Return the versions of Python, refkan and those of `distributions` that are installed."""
    return {"python": platform.python_version(), "refkan": refkan.__version__, **versions_of(distributions)}


def cpu_model() -> str:
    """Return the processor's name, as the system reports it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def git_hash() -> str | None:
    """Return the commit of the source folder, with "+changes" if files differ from it; None without git."""
    folder = Path(__file__).parents[3]

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]  # never in the way of a commit
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return f"{commit}+changes" if git("status", "--porcelain", "--", ".") else commit
    except (OSError, subprocess.SubprocessError):
        return None


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> dict[str, Any]:
    """Return the numbers of processors and threads and the variables that set them."""
    numba = sys.modules.get("numba")  # not imported for the sake of a record
    return {
        "processors": processors(),
        "numba": numba.get_num_threads() if numba is not None else None,
        "environment": {name: os.environ[name] for name in THREADS if name in os.environ},
    }


def now() -> str:
    """Return the present time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def capsule(
    configuration: Mapping[str, Any],
    seeds: Any = None,
    distributions: Sequence[str] = ("numpy", "scipy", "numba"),
) -> dict[str, Any]:
    """Return the capsule of a run: versions, engine, processor, threads, seeds, commit, configuration and time."""
    return {
        "versions": versions(distributions),
        "engine": current_engine(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "threads": threads(),
        "seeds": seeds,
        "git": git_hash(),
        "configuration": dict(configuration),
        "time": now(),
    }
