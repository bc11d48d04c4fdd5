"""Several Python threads that use the library at once get the results of one, and none waits for good."""

import os
import subprocess
import sys
from pathlib import Path

from tests.kernels.threads_at_once import RUNS

ROOT = Path(__file__).parents[2]


def test_threads_at_once_get_the_bits_of_one_thread():
    """In a process of their own: one that hangs cannot be asked to stop."""
    command = [sys.executable, "-W", "ignore:.*fork.*:DeprecationWarning", "-m", "tests.kernels.threads_at_once"]
    environ = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # its bits depend on the number of its threads
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "".join(f"{how} []\n" for how in RUNS)), run.stdout + run.stderr
