"""Parts of full runs in several processes: the same records, what is lost with a process, and what fails."""

import io
import json
import signal
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest

from refkan import cli
from refkan.claims.running.console import Progress
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.kept_parts import Resume
from refkan.claims.running.outcomes import FileResult
from refkan.claims.running.processes import Places, finished

TIMES = ("seconds_of_file", "finished")

SPREAD = """
import os, signal
CLAIMS = ("B1",)
KILL = Path(__file__).with_name("kill")
def third(k):
    with log.open("a") as stream:
        stream.write(f"{k} ")
    if k == 2 and KILL.exists():
        KILL.write_text(KILL.read_text()[1:])
        if not KILL.read_text():
            KILL.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if k == 7:
        raise ValueError("seven")
    return k / 3
def run(quick, progress, checkpoints=None):
    from functools import partial
    from refkan.claims.running.kept_parts import run_task
    resume = checkpoints or run_task
    def both(k):
        first = resume({"first": k}, partial(third, k))
        return [first, *resume.each(lambda m: resume({"then": m, "after": first}, partial(third, m)), (10 * k, k + 20))]
    values = resume.each(both, range(FIRST, 4))
    values.append(resume({"alone": 30}, lambda: third(30)))
    return [Verdict("B1", judge(True), str(values), data={"values": values}, mutations={"sign": judge(False)})]
"""

ALL = sorted([*(str(k) for k in range(4)), *(str(k) for k in (0, 10, 20, 30)), *(str(k + 20) for k in range(4)), "30"])


def record(claims):
    """The rows of a record without times; the parts that ran, in any order."""
    log = claims.folder / "spread.log"
    ran = sorted(log.read_text().split())
    log.unlink()
    return [{name: v for name, v in row.items() if name not in TIMES} for row in claims.record()["rows"]], ran


def test_parts_in_processes_give_the_record_of_one_and_run_once(claims):
    claims.write("spread", SPREAD.replace("FIRST", "0"))
    assert claims.run("--full") == 0
    alone = record(claims)
    assert alone[1] == ALL
    seconds = claims.record()["rows"][2]["seconds_of_file"]
    assert claims.run("--full", "--workers", "2", "--fresh") == 0
    assert record(claims) == alone
    (claims.output / "checkpoints").rename(claims.output / "before")  # parts are kept
    assert claims.run("--full", "--workers", "0") == 0
    assert not (claims.folder / "spread.log").exists()
    again = claims.record()["rows"][2]
    assert again["measured"] == alone[0][2]["measured"]
    assert again["seconds_of_file"] > 0 < seconds


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="it kills")
def test_a_part_whose_process_is_killed_runs_again_and_no_other(claims):
    claims.write("spread", SPREAD.replace("FIRST", "0"))
    (claims.folder / "kill").write_text("xx")
    assert claims.run("--full", "--workers", "2") == 0
    _, ran = record(claims)
    assert ran == sorted([*ALL, *"2", "2"])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="it kills")
def test_what_is_killed_three_times_is_an_error_of_its_file(claims):
    claims.write("spread", SPREAD.replace("FIRST", "0"))
    claims.write("other", "CLAIMS = ('A1',)\ndef run(quick, progress):\n    return [Verdict('A1', 'holds', '')]")
    (claims.folder / "kill").write_text("xxxx")
    assert claims.run("--full", "--workers", "2") == 1
    assert claims.status()["A1"] == "holds"
    assert "killed by SIGKILL" in claims.record()["rows"][2]["error"]


def test_a_part_that_fails_is_an_error_of_its_file(claims):
    claims.write("spread", SPREAD.replace("FIRST, 4", "3, 9"))
    claims.write("other", "CLAIMS = ('A1',)\ndef run(quick, progress):\n    return [Verdict('A1', 'holds', '')]")
    for workers in ("0", "2"):
        assert claims.run("--full", "--workers", workers) == 1
        assert claims.status()["A1"] == "holds"
        assert claims.record()["rows"][2]["error"].splitlines()[-1] == "ValueError: seven"


def test_after_a_part_that_failed_no_other_counts_as_one_of_several():
    resume = Resume()
    with pytest.raises(ZeroDivisionError):
        resume.each(lambda k: 1 / k, [1, 0])
    assert resume.within == 0


@pytest.mark.exhaustive
def test_a_cluster_of_two_processes_runs_parts_and_loses_one(claims, two_workers):
    claims.write("spread", SPREAD.replace("FIRST", "0"))
    assert claims.run("--full") == 0
    alone = record(claims)
    (claims.folder / "kill").write_text("x")
    assert claims.run("--full", "--fresh", "--dask", two_workers.scheduler_address) == 0
    rows, ran = record(claims)
    assert rows == alone[0]
    assert ran == sorted([*ALL, "2"])


OWN = """
from functools import partial
from refkan.claims import Row, Verdict, judge
ROWS = (Row("E1", "me", "x is small", "x", "x < 1"),)
def half(k):
    return k / 2
def run(quick, progress, checkpoints=None):
    values = checkpoints.each(lambda k: checkpoints({"k": k}, partial(half, k)), range(4))
    return [Verdict("E1", judge(True), str(values), mutations={"sign": judge(False)})]
"""


def test_parts_of_a_file_of_ones_own_run_in_other_processes(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    argv = ["verify", str(tmp_path / "own.py"), "--full", "--workers", "2", "--output", str(tmp_path)]
    assert cli.main(argv) == 0
    assert json.loads((tmp_path / "record.json").read_text())["rows"][0]["measured"] == "[0.0, 0.5, 1.0, 1.5]"
    assert len(list((tmp_path / "parts").glob("*.json"))) == 4


class Scripted(Executor):
    """An executor on which a file says that two parts are missing, and each part fails."""

    def submit(self, function, /, run, file, *part):
        future = Future()
        future.set_result(FileResult(file, error="no") if part else FileResult(file, missing=(b"1", b"2")))
        return future


def test_a_file_of_which_two_parts_fail_at_once_is_told_once():
    file = ClaimFile(Path("spread.py"), Path())
    ended = [*finished(None, [(1, file)], Places(2, cluster=Scripted()), Progress(1, io.StringIO()))]
    assert ended == [(1, FileResult(file, error="no"))]
