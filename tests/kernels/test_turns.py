"""Processes that need one kernel at the same time: one compiles it."""

import os
import subprocess
import sys
import threading
import time

import pytest

from refkan.kernels import turns
from tests.kernels.kernel_results import KERNELS_ALONE, ROOT

pytestmark = pytest.mark.skipif(turns.fcntl is None, reason="no locks between processes on this system")

COMPILES = f"""{KERNELS_ALONE}
import sys, time
from numba.core import event
from refkan.kernels.relu_power_basis import falling_power

class Count(event.Listener):
    n = 0
    def on_start(self, event):
        self.n += event.data["dispatcher"] is falling_power
    def on_end(self, event):
        pass

count = Count()
event.register("numba:compile", count)
print("ready", flush=True)
sys.stdin.readline()
assert falling_power(3.0, 2, 1) == 6.0
print(count.n, flush=True)
"""

HOLDS = f"""{KERNELS_ALONE}
import sys
from refkan.kernels.turns import turn
with turn(sys.argv[1], "a form"):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def started(code, *arguments, **environ):
    """A process that waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_compile_a_kernel_once(tmp_path):
    """Both compiled it: in a validation with two workers, and in tests, every kernel that both need at the start."""
    environ = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0"}
    processes = [started(COMPILES, **environ) for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(counts) == [0, 1]


def test_a_turn_is_waited_for_unless_another_form_is_asked_for(tmp_path):
    other = started(HOLDS, str(tmp_path))
    entered = threading.Event()

    def enter():
        with turns.turn(str(tmp_path), "a form"):
            entered.set()

    waiting = threading.Thread(target=enter)
    with turns.turn(str(tmp_path), "another form"):
        waiting.start()
        assert not entered.wait(0.3)
    other.communicate("\n", timeout=60)
    assert entered.wait(60)
    waiting.join()


def test_a_process_that_dies_gives_up_its_turn(tmp_path):
    other = started(HOLDS, str(tmp_path))
    other.kill()
    other.wait()
    start = time.monotonic()
    with turns.turn(str(tmp_path), "a form"):
        assert time.monotonic() - start < turns.PATIENCE / 2


def test_who_waits_too_long_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.2)
    other = started(HOLDS, str(tmp_path))
    with turns.turn(str(tmp_path), "a form"):
        assert other.poll() is None
    other.communicate("\n", timeout=60)


def test_a_turn_is_had_again_within_itself_and_after_an_error(tmp_path):
    """Threads and nested kernels of one process never wait for each other."""
    with pytest.raises(ZeroDivisionError), turns.turn(str(tmp_path), "a form"), turns.turn(str(tmp_path), "a form"):
        raise ZeroDivisionError
    with turns.turn(str(tmp_path), "a form"):
        pass


def test_without_a_folder_or_locks_nobody_waits(tmp_path, monkeypatch):
    with turns.turn(os.path.join(os.devnull, "nowhere"), "a form"):
        pass

    def refuse(*_):
        raise OSError("no locks")

    monkeypatch.setattr(turns.fcntl, "lockf", refuse)
    with turns.turn(str(tmp_path), "a form"):
        pass
