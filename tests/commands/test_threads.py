"""Threads of the command `refkan`: what a process is started with, and what is refused."""

import os
import subprocess
import sys

import pytest

from refkan.cli import main
from refkan.commands.threads import BLAS, THREAD_VARIABLES, thread_variables

SHOW = """
import os, sys
from refkan.cli import main
from refkan.commands.training import train
from refkan.kernels.launch import thread_count

def show(chosen):
    tasks = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
    print(thread_count(), *(os.environ.get(name) for name in NAMES), tasks)
    return 3

train.run_train = show
raise SystemExit(main())
""".replace("NAMES", repr(BLAS))


def threads_of(*options, **variables):
    """Threads of the kernels, variables of BLAS, and threads alive when a training would begin."""
    environ = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES} | variables
    command = [sys.executable, "-c", SHOW, "train", "burgers", *options]
    run = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert run.returncode == 3, run.stderr
    return run.stdout.split()


def test_blas_has_one_thread_by_default_and_kernels_what_the_library_uses():
    assert threads_of(NUMBA_NUM_THREADS="3") == ["3", "1", "1", "1", "1"]


def test_the_option_sets_kernels_and_blas_alike():
    found = threads_of("--threads", "2", NUMBA_NUM_THREADS="3", OPENBLAS_NUM_THREADS="3")
    assert found[:-1] == ["2", "2", "2", "2"]


def test_what_the_user_has_set_stays():
    assert threads_of(NUMBA_NUM_THREADS="2", OMP_NUM_THREADS="1")[:-1] == ["2", "None", "None", "1"]


def test_a_process_that_has_its_variables_is_not_started_again():
    complete = dict.fromkeys(THREAD_VARIABLES, "2")
    assert thread_variables(2, complete) == {}
    assert thread_variables(None, complete) == {}
    assert thread_variables(1, complete) == dict.fromkeys(THREAD_VARIABLES, "1")


@pytest.mark.parametrize("count", ["0", "-1", "two", "1.5"])
def test_bad_numbers_of_threads_are_refused(count, capsys):
    with pytest.raises(SystemExit) as refusal:
        main(["train", "burgers", f"--threads={count}"])
    assert refusal.value.code == 2
    assert f"argument --threads: N must be an integer, at least 1; got {count!r}" in capsys.readouterr().err
