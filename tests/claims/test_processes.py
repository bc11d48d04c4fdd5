"""Claim files in several processes: the same answers, each process's end, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from refkan import cli
from refkan.base.long_runs.own_process import Ended, Event, OwnProcess, ProcessEndedError, without_copies
from refkan.claims.running import executors, processes
from refkan.claims.running.outcomes import FileResult
from refkan.kernels import plain_sums
from tests.claims.claim_packages import GOOD

OTHER = """
CLAIMS = ("{id}",)
{more}
def run(quick, progress):
    import os
    progress("counting")
    return [Verdict("{id}", judge(True), str(os.getpid()), mutations={{"sign": judge(False)}})]
"""


def measured(claims):
    return {row["id"]: row.get("measured") for row in claims.record()["rows"]}


def test_files_run_in_processes_of_their_own_and_those_that_measure_time_after_them_alone(claims, capsys):
    claims.write("good", GOOD)
    claims.write("timed", OTHER.format(id="B1", more="MEASURES_TIME = True"))
    claims.write("other", OTHER.format(id="C1", more=""))
    assert claims.run("--workers", "2") == 0
    lines = [line.split()[2] for line in capsys.readouterr().err.splitlines() if line.endswith("running")]
    assert sorted(lines[:2]) == ["good", "other"]
    assert lines[2] == "timed"
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "holds", "C1": "holds"}
    assert len({measured(claims)["B1"], measured(claims)["C1"], str(os.getpid())}) == 3
    first = claims.record()["rows"]
    assert claims.run("--workers", "2") == 0  # what the processes finished is kept
    assert claims.runs("good") == 1
    assert [row | {"resumed": True} for row in first if row["id"][0] == "A"] == claims.record()["rows"][:2]


def test_one_process_gives_the_same_answers_as_two(claims):
    claims.write("good", GOOD)
    claims.write("crash", "CLAIMS = ('B1',)\ndef run(q, p):\n    raise ValueError('no')")
    rows = []
    for workers in ("0", "2"):
        assert claims.run("--fresh", "--workers", workers) == 1
        rows.append(
            [
                {k: v for k, v in row.items() if k not in ("seconds_of_file", "finished")}
                for row in claims.record()["rows"]
            ]
        )
    assert rows[0] == rows[1]


ENDS = {
    "exits": ("os._exit(0)", "its process ended, exit code 0"),
    "leaves a copy": ("os.fork() or time.sleep(90), os.abort()", "its process ended, killed by SIGABRT"),
    "leaves a daemon": (
        "os.fork() and (until_there(), os._exit(3)); DAEMON",
        "its process ended, exit code 3",
    ),
    "hangs": ("time.sleep(600)", "took more than 4 s and was ended: --limit allows more"),
    "raises anything": ("raise type('Odd', (BaseException,), {})('no')", "Odd: no"),
    "interrupts itself": ("raise KeyboardInterrupt('own')", "KeyboardInterrupt: own"),
    "cannot be printed": ("raise ValueError(chr(0xD800) + chr(27))", r"ValueError: \ud800\x1b"),
}

LIVES = {
    "forks": "os.fork()",
    "starts a daemon": "if not os.fork(): DAEMON\n    until_there()",
    "speaks": "progress(type('Text', (str,), {})('counting'))",
    "answers": "return [type('Mine', (Verdict,), {})('ID',"
    " judge(True), chr(0xD800), corrected=chr(27),"
    " data={chr(0xDFFF): chr(0xD801)}, mutations={chr(0xD802): judge(False)})]",
}


# It is one when it has a session of its own and says so; before that it ends with the process that made it.
DAEMON = "os.setsid(); Path(__file__).with_suffix('.pid').write_text(str(os.getpid())); time.sleep(300); os._exit(0)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="some of them fork")
def test_what_ends_or_leaves_a_process_is_told_of_its_file_alone(tmp_path, capsys):
    files, start = [], time.monotonic()
    for k, body in enumerate([text for text, _ in ENDS.values()] + list(LIVES.values())):
        files.append(tmp_path / f"file_{k}.py")
        files[-1].write_text(ROWED.format(id=f"E{k}", body=body.replace("ID", f"E{k}").replace("DAEMON", DAEMON)))
    assert cli.main(["verify", *map(str, files), "--output", str(tmp_path), "--workers", "1", "--limit", "4"]) == 1
    assert time.monotonic() - start < 250  # nobody waits for daemons, which go on
    daemons = [int(file.read_text()) for file in tmp_path.glob("*.pid")]
    assert len(daemons) == 2
    for daemon in daemons:
        os.kill(daemon, signal.SIGKILL)
    rows = json.loads((tmp_path / "record.json").read_text())["rows"]
    assert [row["status"] for row in rows] == ["error"] * len(ENDS) + ["holds"] * len(LIVES)
    for row, (_, told) in zip(rows, ENDS.values(), strict=False):
        assert row["error"].splitlines()[-1].endswith(told)
    assert [row["measured"] for row in rows[len(ENDS) :]] == ["E7", "E8", "E9", r"\ud800"]
    assert rows[-1]["corrected"] == r"\x1b"
    assert (rows[-1]["data"], rows[-1]["mutations"]) == ({r"\udfff": r"\ud801"}, {r"\ud802": "refuted"})
    assert "\x1b" not in capsys.readouterr().out


ROWED = """
import os, signal, time
from pathlib import Path
from refkan.claims import Row, Verdict, judge
ROWS = (Row("{id}", "me", "x is small", "x", "x < 1"),)
def until_there():
    while not Path(__file__).with_suffix(".pid").exists():
        time.sleep(0.01)
def run(quick, progress):
    {body}
    return [Verdict("{id}", judge(True), "{id}", mutations={{"sign": judge(False)}})]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_a_copy_of_the_process_does_not_go_on():
    with without_copies():
        copy = os.fork()
    if copy == 0:  # it did
        os._exit(7)
    assert os.waitpid(copy, 0)[1] == 0


def test_a_cluster_runs_files_and_measures_no_time(claims, capsys, cluster):
    claims.write("good", GOOD)
    claims.write("dies", OTHER.format(id="C1", more="").replace('progress("counting")', "raise KeyboardInterrupt"))
    claims.write("timed", OTHER.format(id="B1", more="MEASURES_TIME = True"))
    assert claims.run("--dask", cluster.scheduler_address) == 1
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "holds", "C1": "error"}
    assert measured(claims)["B1"] != str(os.getpid())
    assert claims.run("--dask", "nowhere") == 2
    assert "--dask must be an address such as tcp://host:8786; got 'nowhere'" in capsys.readouterr().err


def test_a_full_disk_stops_the_run(claims, capsys):
    claims.write("first", OTHER.format(id="A1", more=""))
    body = OTHER.format(id="B1", more="").replace('progress("counting")', "raise_for_disk()")
    claims.write("second", body)
    # Where finished files are kept is taken away while they run, in whichever process.
    helper = f"""
def raise_for_disk():
    import pathlib, shutil
    folder = pathlib.Path({str(claims.output)!r}) / "checkpoints"
    shutil.rmtree(folder, ignore_errors=True)
    folder.write_text("in the way")
"""
    claims.write("second", helper + body)
    assert claims.run() == 1
    assert "Not a directory" in capsys.readouterr().err


def test_an_interruption_keeps_what_is_finished_and_ends_the_processes(claims):
    claims.write("good", GOOD)
    claims.write("slow", "CLAIMS = ('B1',)\ndef run(q, p):\n    import os, time\n"
                 "    log.write_text(str(os.getpid()))\n    time.sleep(60)")  # fmt: skip
    code = f"""
import signal, sys
from pathlib import Path
from validation.ledger import Row
from refkan.claims.running.runner import main
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
    sys.path.insert(0, {str(claims.folder.parent)!r})
    rows = [Row(id, "", "", "", "") for id in ("A1", "A2", "B1")]
    argv = ["--output", {str(claims.output)!r}, "--workers", "2"]
    sys.exit(main(argv, Path({str(claims.folder)!r}), {claims.package!r}, rows))
"""
    started = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    log, until = claims.folder / "slow.log", time.monotonic() + 60
    while not (log.exists() and log.read_text() and any((claims.output / "checkpoints").glob("*.json"))):
        assert time.monotonic() < until
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=30)
    assert started.returncode == 130, said
    assert "Traceback" not in said
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "not run"}
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


def starts_another(log):
    log.write_text(str(subprocess.Popen(["sleep", "300"]).pid))
    time.sleep(300)


@pytest.mark.skipif(sys.platform != "linux", reason="the states of processes are those of Linux")
def test_processes_that_a_process_starts_end_with_it(tmp_path):
    place, log, until = OwnProcess(), tmp_path / "pid", time.monotonic() + 60
    place.start(starts_another, log)
    while not (log.exists() and log.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert place.stop() == "killed by SIGKILL; memory may have run out"
    state = Path(f"/proc/{log.read_text()}/stat")
    while state.exists() and state.read_text().rpartition(")")[2].split()[0] not in "XZ":  # dead, or not yet buried
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_files_say_of_time_must_be_true_or_false(claims, capsys):
    claims.write("timed", OTHER.format(id="B1", more="MEASURES_TIME = 3"))
    assert claims.run() == 1
    assert "MEASURES_TIME must be True or False; got 3" in capsys.readouterr().out


class Said(processes.Progress):
    """Progress that is kept."""

    def message(self, number, text):
        self.said = (number, text)


def talks(file, message):
    """Can be sent: it is of a module."""
    message("working")
    return FileResult(file)


ONE = processes.ClaimFile(Path("one.py"), Path())


@pytest.mark.parametrize("workers", [0, 1])
def test_messages_come_from_where_a_file_runs(workers):
    progress = Said(1)
    ((number, result),) = processes.finished(talks, [(4, ONE)], processes.Places(workers), progress)
    assert (number, result.file, progress.said) == (4, ONE, (4, "working"))


def compiles(file, message):
    """Compiles a kernel of the library, as its first call would."""
    plain_sums.find_interval(np.float32(0.5), np.array([0.0, 1.0], np.float32), 1, 1)
    return FileResult(file)


@pytest.mark.exhaustive
def test_it_is_said_once_that_processes_compile(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # nothing is compiled there
    numbered = [(1, ONE), (2, ONE)]
    assert len(list(processes.finished(compiles, numbered, processes.Places(2), processes.Progress(2)))) == 2
    assert capsys.readouterr().err.count("compiling kernels, once on this machine") == 1


def test_a_file_that_runs_elsewhere_ends_with_its_result_or_an_error():
    def raises_interrupt(file, message, part):
        raise KeyboardInterrupt(part)

    def returns_arguments(*arguments):
        return arguments

    file, executor = ONE, ThreadPoolExecutor(1)
    task = processes._Task(4, file, (b"part",))
    returned, raised, cancelled = (Future() for _ in range(3))
    returned.set_result("result")
    raised.set_exception(ValueError("no"))
    cancelled.cancel()
    with executor:
        assert task.result(task.begin(returns_arguments, executor)) == (file, processes.send, b"part")
        assert task.result(task.begin(raises_interrupt, executor)).error.endswith("KeyboardInterrupt: b'part'")
    assert task.result(returned) == "result"
    assert task.result(raised).error == "ValueError: no"
    assert task.result(raised).finished
    assert task.result(cancelled).error.endswith("CancelledError")


def test_what_is_lost_runs_again_twice_and_nothing_else():
    lost, ended = (ProcessEndedError("its process ended") for _ in range(2))
    lost.lost = True
    task = processes._Task(4, ONE)
    for error, again in ((ended, False), (ValueError(), False), (lost, True), (lost, True), (lost, False)):
        future = Future()
        future.set_exception(error)
        assert task.is_to_run_again(future) is again


def test_a_call_that_takes_longer_than_the_limit_ends_with_its_process_and_says_what_it_can(monkeypatch):
    clock = chain([10.0, 10.5], repeat(15.0))
    monkeypatch.setattr(executors.time, "monotonic", lambda: next(clock))
    stopped, events = [], [Event.STARTS, Event.COMPILES, "fitting"]
    process = SimpleNamespace(
        events=lambda pause: [events.pop(0) for _ in list(events)],
        stop=lambda: stopped.append(True),
        is_alive=lambda: not stopped,
    )
    with executors.OwnProcesses(1, limit=1.0) as executor:
        with pytest.raises(ProcessEndedError, match=r"took more than 1.0 s and was ended: --limit allows more"):
            executor._result(process, ("file",))
        assert [executor.messages.get() for _ in range(2)] == [(("file",), Event.COMPILES), (("file",), "fitting")]
        assert (stopped, executor._idle) == ([True], [])
        stopped.clear()
        events.append(Ended("result"))
        assert executor._result(process, ("file",)) == "result"
        assert executor._idle == [process]
        events.append(Ended(error=ValueError("no")))
        with pytest.raises(ValueError, match="no"):
            executor._result(process, ("file",))


def test_calls_have_arguments_by_name_and_the_next_call_has_the_same_process():
    with executors.OwnProcesses(1) as executor:
        assert executor.submit(int, "11", base=2).result() == 3
        assert len({executor.submit(os.getpid).result() for _ in range(2)} - {os.getpid()}) == 1
