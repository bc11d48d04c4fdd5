"""Worker processes end with the command that started them, also if it is killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.interrupts import Terminated, kept_interrupts, terminations_as_interrupts
from refkan.base.long_runs.worker_processes import submitted, watch_parent, worker_pool
from tests.shared.interruptions import busy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")

WORKERS = 2
WIDE = ("--orders", "4", "--intervals", "16", "--widths", "4", "9", "1", "--samples", "20000")
COMMANDS = {
    "spectrum": ("spectrum", *WIDE, "--seeds", *map(str, range(40))),
    "certify": ("certify", "net.npz", "--tolerance", "1e-9", "--leaves", "1000000"),
}


def in_session(session):
    """Command lines of the processes of a session, by number, but for those that are dead and not yet buried."""
    lines = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *fields = (folder / "stat").read_text().rpartition(")")[2].split()
            line = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        if int(fields[2]) == session and state not in "XZ":
            lines[int(folder.name)] = line
    return lines


def seconds_of(process):
    """Processor time of a process in seconds; 0 if there is none any more."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(condition, seconds):
    """Whether a condition comes true within a time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("workers")
    x = np.random.default_rng(0).uniform(size=(20, 4))
    net, theta = rk.kan([4, 5, 1], 4, 4).initialize(np.random.default_rng(1), x)
    rk.save(made / "net.npz", net, theta)
    return made


def at_work(command, folder):
    """A command in a session of its own, whose workers are computing."""
    line = [sys.executable, "-m", "refkan", *COMMANDS[command], "--workers", str(WORKERS)]
    run = subprocess.Popen(
        line, cwd=folder, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )

    def computing():
        assert run.poll() is None, run.communicate()
        workers = [number for number, told in in_session(run.pid).items() if "spawn_main" in told]
        return len(workers) == WORKERS and all(seconds_of(worker) > 1.5 for worker in workers)

    assert wait_for(computing, 120), in_session(run.pid)
    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_no_process_is_left_of_a_command_that_is_killed(command, folder):
    run = at_work(command, folder)
    run.kill()
    gone = wait_for(lambda: not in_session(run.pid), 5)
    left = in_session(run.pid)
    for number in left:
        os.kill(number, signal.SIGKILL)
    run.communicate()
    assert gone, left


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_workers_that_is_terminated_says_so(command, folder):
    run = at_work(command, folder)
    run.terminate()
    out, err = run.communicate(timeout=10)
    assert (run.returncode, out) == (143, "")
    assert err.splitlines()[-1] == f"refkan {command}: terminated"
    assert "Traceback" not in err
    assert wait_for(lambda: not in_session(run.pid), 5)


def terminated(function):
    """Run a function, which must end by SIGTERM."""

    def run():
        with kept_interrupts(), terminations_as_interrupts():
            function()

    with pytest.raises(Terminated):
        run()


def drop_termination():
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)


def test_termination_takes_the_way_of_an_interruption():
    before = signal.getsignal(signal.SIGTERM)
    terminated(partial(signal.raise_signal, signal.SIGTERM))
    with pytest.raises(KeyboardInterrupt) as other, terminations_as_interrupts():
        signal.raise_signal(signal.SIGINT)
    assert other.type is KeyboardInterrupt
    assert signal.getsignal(signal.SIGTERM) is before


def test_termination_that_is_dropped_comes_again():
    def goes_on():
        drop_termination()
        busy(20)

    terminated(goes_on)


def test_commands_in_the_background_can_be_terminated():
    """Shells let them ignore Ctrl-C, but not SIGTERM."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(Terminated), terminations_as_interrupts():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_exception_kills_workers_in_the_middle_of_their_tasks():
    def run():
        with worker_pool(1) as pool:
            pool.submit(os.getpid).result()
            pool.submit(time.sleep, 300)
            raise ZeroDivisionError

    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run()
    assert time.monotonic() - began < 60


def parent_of_a_worker(log):
    """Start a worker that writes its number to a file, and keep it busy."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=partial(watch_parent, ends)) as pool:
        log.write_text(str(pool.submit(os.getpid).result()))
        pool.submit(time.sleep, 300).result()


def ends():
    os._exit(1)


def test_a_thread_ends_workers_where_the_kernel_does_not(tmp_path):
    log = tmp_path / "pid"
    parent = get_context("spawn").Process(target=parent_of_a_worker, args=(log,))
    parent.start()
    assert wait_for(lambda: log.exists() and log.read_text(), 60)
    worker = Path(f"/proc/{log.read_text()}/stat")
    parent.kill()
    parent.join()
    assert wait_for(lambda: not worker.exists() or worker.read_text().rpartition(")")[2].split()[0] in "XZ", 5)


class Silent(Executor):
    """An executor whose submit returns nothing."""

    def submit(self, function, /, *arguments):
        return None


def test_an_executor_that_returns_no_future_is_named():
    message = r"must return a concurrent.futures.Future.*; Silent.submit returned None"
    with pytest.raises(TypeError, match=message):
        submitted(Silent(), os.getpid)
    with pytest.raises(RuntimeError, match=message):
        rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [2], samples=9), Silent())
