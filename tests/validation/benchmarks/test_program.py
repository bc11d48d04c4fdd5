"""The benchmark's program: what it prints, writes and keeps, and how it ends."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tests.shared.interruptions import dropping
from tests.shared.refusals import refused
from tests.shared.tables import each_row
from validation.benchmarks import __main__ as program
from validation.benchmarks import against, rows
from validation.benchmarks.reporting import page
from validation.benchmarks.running import record, threads
from validation.benchmarks.running.harness import Case, CaseResult, Contestant, Entry, Task, Timed, task

TRUTH = (np.array([1.0, -2.0, 3.0]),)


class Row:
    """A row of one module whose cases are set by a test; `calls` counts how often a contestant was built."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.tasks: list[Task] = []

    def case(self, title: str, *results, **options) -> None:
        """Add a case whose contestants, "ours" first, return these results."""

        def contestant(number: int, result) -> Contestant:
            def build() -> Timed:
                self.calls.append(title)
                return Timed(result if callable(result) else lambda: result, lambda found: found)

            return Contestant("ours" if number == 0 else f"peer {number}", build, **options)

        self.tasks.append(task(Case(title, lambda: TRUTH, [contestant(*item) for item in enumerate(results)])))


@pytest.fixture
def row(monkeypatch):
    found = Row()
    module = types.ModuleType("validation.benchmarks.measured.fake")
    module.tasks = lambda settings: iter(found.tasks)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(rows.ROWS, "fake", ("fake", "tasks"))
    monkeypatch.setattr(record, "sources_digest", lambda row: "sources")
    monkeypatch.setattr(threads, "pin", lambda number: None)  # this process has started numpy long ago
    return found


def run(folder: Path, *arguments: str) -> int:
    return program.main(["fake", "--repeats", "2", "--output", str(folder), *arguments])


def stored(folder: Path) -> dict:
    return json.loads((folder / record.NAME).read_text())


def test_tables_are_printed_and_a_record_is_written(row, tmp_path, capsys):
    row.case("a case", TRUTH, TRUTH)
    assert run(tmp_path, "--quick") == 0
    assert "peer 1" in capsys.readouterr().out
    document = stored(tmp_path)
    assert document["capsule"]["configuration"] == {"rounds": 2, "quick": True, "threads": 2, "without": []}
    assert {"numpy", "scipy", "numba", "refkan"} <= document["capsule"]["versions"].keys()
    (case,) = document["rows"]["fake"]["cases"]
    assert [entry["status"] for entry in case["entries"]] == ["timed", "timed"]
    assert [len(entry["seconds"]["rounds"]) for entry in case["entries"]] == [2, 2]
    assert (tmp_path / page.NAME).exists()


def test_finished_cases_are_kept(row, tmp_path, capsys):
    row.case("first", TRUTH)
    row.case("second", TRUTH)
    assert run(tmp_path) == 0
    before = stored(tmp_path)["rows"]
    assert run(tmp_path) == 0
    assert row.calls == ["first", "second"]
    assert stored(tmp_path)["rows"] == before
    assert capsys.readouterr().err.count(": kept") == 2
    assert run(tmp_path, "--fresh") == 0
    assert len(row.calls) == 4


@pytest.mark.parametrize("change", [["--quick"], ["--threads", "1"], ["--without", "peer"], ["--repeats", "3"]])
def test_cases_of_other_settings_are_not_kept(row, tmp_path, change):
    row.case("a case", TRUTH)
    run(tmp_path)
    run(tmp_path, *change)
    assert len(row.calls) == 2


def test_cases_of_other_sources_are_not_kept(row, tmp_path, monkeypatch):
    row.case("a case", TRUTH)
    run(tmp_path)
    monkeypatch.setattr(record, "sources_digest", lambda row: "edited")
    run(tmp_path)
    assert len(row.calls) == 2
    assert len(stored(tmp_path)["rows"]["fake"]["cases"]) == 1


def test_an_interruption_loses_nothing_that_is_finished(row, tmp_path, capsys):
    def interrupt():
        raise KeyboardInterrupt

    row.case("first", TRUTH)
    row.tasks.append(Task("second", {}, lambda settings: interrupt()))
    assert run(tmp_path) == program.INTERRUPTED
    assert "finished cases are kept" in capsys.readouterr().err
    assert [case["title"] for case in stored(tmp_path)["rows"]["fake"]["cases"]] == ["first"]
    row.tasks.pop()
    row.case("second", TRUTH)
    assert run(tmp_path) == 0
    assert row.calls == ["first", "second"]
    assert [case["title"] for case in stored(tmp_path)["rows"]["fake"]["cases"]] == ["first", "second"]


def test_a_contestant_that_fails_because_of_an_interruption_is_not_recorded(row, tmp_path, default_handler, capsys):
    row.case("first", TRUTH)
    row.tasks[0] = Task("first", {}, dropping(row.tasks[0].entries))
    assert run(tmp_path) == program.INTERRUPTED
    assert "finished cases are kept" in capsys.readouterr().err
    assert not (tmp_path / record.NAME).exists()


def test_a_damaged_record_is_begun_anew(row, tmp_path):
    (tmp_path / record.NAME).write_text("{")
    row.case("a case", TRUTH)
    assert run(tmp_path) == 0
    assert len(stored(tmp_path)["rows"]["fake"]["cases"]) == 1


def test_disagreement_fails_and_is_measured_again(row, tmp_path, capsys):
    row.case("a case", TRUTH, (-TRUTH[0],))
    assert run(tmp_path) == 1
    assert "disagrees by" in capsys.readouterr().out
    assert stored(tmp_path)["rows"]["fake"]["cases"][0]["agreed"] is False
    assert run(tmp_path) == 1
    assert len(row.calls) == 4


def test_ours_must_not_fail_but_peers_may(row, tmp_path):
    row.case("a case", lambda: 1 / 0, TRUTH)
    assert run(tmp_path) == 1
    row.tasks.clear()
    row.case("a case", TRUTH, lambda: 1 / 0)
    assert run(tmp_path) == 0
    assert run(tmp_path) == 0
    assert len(row.calls) == 4


def test_wrong_usage_is_refused_before_any_run(row, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    wrong = (["nothing"], ["--repeats", "0"], ["--threads", "0"], ["--output", str(tmp_path / "file")])
    for arguments in wrong:
        with pytest.raises(SystemExit) as info:
            program.main(arguments)
        assert info.value.code == 2
    assert "got nothing" in capsys.readouterr().err


def test_rows_are_listed(capsys):
    assert program.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(rows.ROWS)


def test_threads_are_set_before_anything_is_imported():
    refused(lambda: threads.pin(1), "RuntimeError: before numpy")
    code = (
        "import sys\nfrom validation.benchmarks import __main__\nfrom validation.benchmarks.running import threads\n"
        "assert not set(threads.LIBRARIES) & set(sys.modules), 'imported too early'\n"
        "threads.pin(1)\nimport os, numba\n"
        "print(numba.get_num_threads(), os.environ['OMP_WAIT_POLICY'], os.environ['OPENBLAS_NUM_THREADS'])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.stdout.split() == ["1", "passive", "1"], done.stderr


def test_rows_of_each_module_have_sources_of_their_own():
    digests = {row: record.sources_digest(row) for row in rows.ROWS}
    assert len(set(digests.values())) == len({module for module, _ in rows.ROWS.values()})
    assert digests["layer"] == record.sources_digest("layer")


def test_a_trimmed_record_keeps_what_is_shown():
    entries = [Entry(name, "timed", seconds=[s, 2 * s, 3 * s]) for name, s in (("ours", 1 / 3), ("peer", 2.0))]
    case = record.case_record(CaseResult("case", entries, {"n": 4}))
    document = {"capsule": {"configuration": {"rounds": 3}}, "rows": {"layer": {"key": "k", "cases": [case]}}}
    found = record.trimmed(document)
    assert found["capsule"] == document["capsule"]
    assert "key" not in found["rows"]["layer"]
    ours, peer = found["rows"]["layer"]["cases"][0]["entries"]
    assert ours["seconds"] == {"median": 0.6667, "quartiles": [0.5, 0.8333], "fastest": 0.3333}
    assert peer["theirs_over_ours"] == {"median": 6.0, "quartiles": [6.0, 6.0]}
    assert record.trimmed(found) == found
    assert list(record.cases(found)) == [("layer", found["rows"]["layer"]["cases"][0])]


HERE = Path(__file__).parents[3]


class Clockwork:
    """A checkout whose one case takes known seconds."""

    def __init__(self, seconds: float, tasks: list[tuple[str, str]]):
        self.seconds, self.tasks = seconds, tasks

    def times(self, task, rounds, without):
        return {"refkan": [self.seconds] * rounds, "scipy BSpline": [9.0] * rounds, "torch": "not installed"}


def test_the_ratio_is_their_time_over_ours():
    both, lines = ("layer", "a case"), []
    here, there = Clockwork(0.5, [both, ("layer", "new")]), Clockwork(1.5, [both, ("layer", "old")])
    assert against.compare(here, there, 3, lines.append) == {"layer: a case, refkan": 3.0}
    assert len(lines) == 1


@pytest.mark.exhaustive
def test_this_checkout_answers_a_question_and_ends(tmp_path):
    side = against.Checkout(HERE, ["spline-evaluation"], 1, True, tmp_path)
    try:
        row, title = side.tasks[0]
        assert row == "spline-evaluation"
        found = side.times((row, title), 1, ["scipy BSpline"])
        assert found["refkan"][0] > 0.0
        assert found["scipy BSpline"] == "left out"
    finally:
        side.close()
    refused(lambda: side.ask({"task": [row, title], "rounds": 1, "threads": 1, "without": []}), "RuntimeError: ended")


@each_row(
    "arguments, words",
    (["nowhere"], "CHECKOUT must be the root"),
    ([str(HERE), "layers"], "NAME must be one of"),
    ([str(HERE), "--turns", "0"], "at least 1"),
)
def test_wrong_usage_is_told(arguments, words, capsys):
    with pytest.raises(SystemExit):
        against.main(arguments)
    assert words in capsys.readouterr().err
