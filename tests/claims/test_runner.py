"""Runs of the validation: verdicts reach the table, crashes and survivors of mutations fail the run, names select."""

import ast
import errno
import re

import pytest

from refkan.claims.running import discovery, runner
from tests.claims.claim_packages import GOOD, ROWS
from tests.shared.refusals import refused
from tests.shared.tables import each_row


def test_rows_without_a_file_are_pending(claims, capsys):
    assert claims.run() == 0
    assert set(claims.status().values()) == {"pending"}
    assert "this run: 4 rows: 4 pending" in capsys.readouterr().out


def test_verdicts_reach_table_page_and_record(claims, capsys):
    claims.write("good", GOOD)
    assert claims.run() == 0
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "pending", "C1": "pending"}
    output = capsys.readouterr()
    assert re.search(r"^A1 .*holds .*error 1e-16 < 1$", output.out, re.MULTILINE)
    assert "[ 1/1] good" in output.err
    assert "A1 holds, A2 refuted" in output.err
    first, second = claims.record()["rows"][:2]
    assert first["data"] == {"seeds": [1, 2]}
    assert first["mutations"] == {"sign": "refuted"}
    assert second["data"] == {"x": "nan", "3": [1, 2]}
    assert claims.record()["capsule"]["seeds"] == {"A1": [1, 2]}
    assert (claims.folder / "good.log").read_text() == "quick "


def test_full_reaches_the_claims_and_is_kept_apart(claims):
    claims.write("good", GOOD)
    for size in ((), ("--full",)):  # with the same engine, which keeps results apart, too
        claims.run("--engine", "plain", *size)
    assert (claims.folder / "good.log").read_text() == "quick full "
    assert claims.record()["capsule"]["configuration"]["size"] == "full"


@each_row(
    "arguments, limit",
    ((), runner.QUICK_LIMIT),
    (("--full",), None),
    (("--limit", "7"), 7.0),
    (("--full", "--limit", "7"), 7.0),
)
def test_quick_runs_have_a_limit_and_others_the_one_that_is_given(claims, monkeypatch, arguments, limit):
    asked = []
    monkeypatch.setattr(runner, "run_all", lambda *parts: asked.append(parts[4].limit) or ([], False))
    claims.run(*arguments)
    assert asked == [limit]


CRASHES = {
    "in run": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return 1 / 0",
    "on import": "CLAIMS = ('B1',)\nimport no_such_module",
    "exit": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    raise SystemExit(0)",
    "no run": "CLAIMS = ('B1',)",
    "no verdict": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return []",
    "not a list": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return None",
    "wrong row": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return [Verdict('C1', 'holds', '')]",
    "twice": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return 2 * [Verdict('B1', 'holds', '')]",
    "typed status": "CLAIMS = ('B1',)\ndef run(quick, progress):\n    return [Verdict('B1', 'true', '')]",
    "data": "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '', data={'a': object()})]",
    "unknown row": "CLAIMS = ('B1', 'Z9')\ndef run(q, p):\n    return [Verdict('B1', 'holds', '')]",
}


@pytest.mark.parametrize("kind", CRASHES)
def test_a_crash_is_an_error_and_lets_others_run(claims, kind):
    claims.write("bad", CRASHES[kind])
    claims.write("good", GOOD)
    assert claims.run() == 1
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "error", "C1": "pending"}


def test_a_crash_shows_its_line_and_no_folder(claims, capsys):
    claims.write("bad", "CLAIMS = ('B1',)\ndef run(q, p):\n    open('/some/where/missing.txt')")
    claims.run()
    error = claims.record()["rows"][2]["error"]
    assert f"{claims.package}/bad.py, line" in error
    assert error.splitlines()[-1] == "FileNotFoundError: [Errno 2] No such file or directory: 'missing.txt'"
    assert "FileNotFoundError" in "".join(capsys.readouterr())


@pytest.mark.parametrize("body", ["CLAIMS = ('B1'", "CLAIMS = tuple(range(3))", "CLAIMS = (1, 2)", "CLAIMS = ()"])
def test_a_file_that_answers_no_row_still_fails_the_run(claims, capsys, body):
    claims.write("bad", body)
    claims.write("good", GOOD)
    assert claims.run() == 1
    assert claims.status()["A1"] == "holds"
    assert "bad: error: " in capsys.readouterr().out


def test_two_files_for_a_row(claims, capsys):
    claims.write("good", GOOD)
    claims.write("later", GOOD)
    assert claims.run() == 1
    assert claims.status()["A1"] == "holds"
    assert "no other file answers; got A1 (good), A2 (good)" in capsys.readouterr().out


SUBJECT = """
CLAIMS = ("B1",)
def run(quick, progress):
    log.write_text("ran")
    return [Verdict("B1", judge(True), "", mutations={"sign": judge(False)})]
"""


@pytest.mark.parametrize("name", ["B1", "one", "one.py", "subject/one", "subject/one.py", "subject", "subject/"])
def test_files_in_folders_of_subjects_are_found_by_row_by_name_and_by_subject(claims, capsys, name):
    claims.write("good", GOOD)
    claims.write("subject/one", SUBJECT)
    assert claims.run(name) == 0
    assert claims.status() == {"A1": "not run", "A2": "not run", "B1": "holds", "C1": "pending"}
    assert claims.record()["rows"][2]["file"] == "one"  # records know a file by its name alone: it may move
    assert "<dd>subject/one.py</dd>" in claims.html()
    assert claims.run("--list") == 0
    assert re.search(r"^B1 .* subject/one ", capsys.readouterr().out, re.MULTILINE)


def test_two_files_of_one_name(claims, capsys):
    claims.write("first/same", GOOD)
    claims.write("second/same", SUBJECT)
    assert claims.run() == 1
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "error", "C1": "pending"}
    assert "a name of its own; got that of first/same" in "".join(capsys.readouterr())


def test_files_without_claims_are_helpers(claims):
    claims.write("helper", "raise RuntimeError('must not be imported')")
    claims.write("good", GOOD)
    assert claims.run() == 0


@pytest.mark.parametrize("status", ["holds", "holds as corrected", "pending"])
def test_a_mutation_that_survives_fails_the_run(claims, capsys, status):
    body = f"""
    CLAIMS = ("B1",)
    def run(quick, progress):
        return [Verdict("B1", "holds", "", mutations={{"factor 2": {status!r}, "sign": "refuted"}})]
    """
    claims.write("blind", body)
    assert claims.run() == 1
    assert "B1: the mutated claim was not refuted: factor 2" in capsys.readouterr().out
    assert claims.record()["surviving_mutations"] == ["B1: factor 2"]
    assert "B1: factor 2" in claims.html()
    assert claims.run() == 1  # from the checkpoint as well


def test_a_mutation_that_is_not_reproduced_is_as_good_as_refuted(claims):
    verdict = 'Verdict("B1", "holds", "", mutations={"a": judge(False, experiment=True)})'
    claims.write("file", f'CLAIMS = ("B1",)\ndef run(quick, progress):\n    return [{verdict}]')
    assert claims.run() == 0


def test_names_select_and_the_rest_is_shown_as_last_measured(claims):
    claims.write("good", GOOD)
    claims.write("other", "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '')]")
    assert claims.run("B1") == 0
    assert claims.status() == {"A1": "not run", "A2": "not run", "B1": "holds", "C1": "pending"}
    assert claims.run("good.py") == 0
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "holds", "C1": "pending"}
    assert claims.record()["capsule"]["configuration"]["files"] == ["good"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "NAME must be a row id, a file or a subject; got 'nothing' (files: good; ids: see"),
        ("C1", "pending"),
    ],
)
def test_a_wrong_name_is_refused(claims, capsys, name, message):
    claims.write("good", GOOD)
    assert claims.run(name) == 2
    assert message in capsys.readouterr().err
    assert claims.runs("good") == 0


def test_an_unwritable_folder_is_refused_before_any_run(claims, capsys):
    claims.write("good", GOOD)
    claims.output.write_text("a file where the folder should be")
    assert claims.run() == 2
    assert "must be a folder, not a file" in capsys.readouterr().err
    assert claims.runs("good") == 0


def test_list_runs_nothing_and_imports_nothing(claims, capsys):
    claims.write("file", "CLAIMS = ('B1',)\nraise RuntimeError")
    assert claims.run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"B1 .*\bfile\b", line) for line in lines)
    assert any(re.match(r"C1 .*\bpending\b", line) for line in lines)
    assert not claims.output.exists()


@pytest.mark.parametrize("where", ["refkan.base.long_runs.checkpoints", "refkan.claims.reporting.report"])
def test_a_full_disk_is_told_without_a_traceback(claims, capsys, monkeypatch, where):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    claims.write("good", GOOD)
    monkeypatch.setattr(f"{where}.write_atomically", full)
    assert claims.run() == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith(f"python -m {claims.package}: [Errno 28] No space left on device: ")
    assert ("; finished checkpoints are kept in " in err) == ("report" in where)


CELLS = """
from refkan.claims import Experiment, Factor
CLAIMS = ("B1",)
EXPERIMENT = Experiment((Factor("start", ("normal", "linear")),), lambda choice, seed: {"error": seed / 8, **choice})
def run(quick, progress, seeds=None):
    log.write_text(str(seeds))
    return [Verdict("B1", "holds", "", mutations={"m": "refuted"})]
"""


def test_one_cell_is_run_again_and_nothing_else(claims, capsys):
    claims.write("cells", CELLS)
    assert claims.run("B1", "--cell", "start=linear", "--seed", "3") == 0
    assert capsys.readouterr().out == "start=linear, seed 3\nerror: 0.375\nstart: linear\n"
    assert claims.run("B1", "--cell", "start=linear", "--seed", "0") == 0
    assert claims.runs("cells") == 0
    assert not (claims.output / "record.json").exists()


@each_row(
    "arguments, message",
    (("B1", "--cell", "stat=linear"), "no factor is called 'stat'. Factors: start=normal|linear"),
    (("B1", "--cell", "start=he"), "start must be one of normal, linear; got 'he'"),
    (("A1", "--cell", ""), "good has no cells that can be run alone"),
    (("--cell", ""), "--cell needs one NAME, a row or file with cells; got 2 files"),
    (("B1", "--seed", "3"), "--seed applies to a cell: give --cell too"),
    (("B1", "--cell", "", "--seed", "-1"), "--seed must not be negative; got -1"),
)
def test_cells_that_do_not_exist_are_a_wrong_use(claims, capsys, arguments, message):
    claims.write("cells", CELLS)
    claims.write("good", GOOD)
    assert claims.run(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_number_of_seeds_reaches_full_runs_alone_and_is_kept_apart(claims):
    claims.write("cells", CELLS)
    log = claims.folder / "cells.log"
    for arguments, seen in [(("--seeds", "7"), "None"), (("--full", "--seeds", "1"), "1"), (("--full",), "None")]:
        claims.run(*arguments)
        assert log.read_text() == seen
    with pytest.raises(SystemExit):
        claims.run("--seeds", "0")


@each_row(
    "source, message",
    ("ROWS = (Row('A1', 'ours', 'claim', ' ', 'x < 1'),)", "ROWS must be .* no empty text"),
    ("ROWS = ()", "ROWS must be one row or more"),
)
def test_wrong_rows_of_ones_own_are_refused(source, message):
    refused(lambda: discovery._stated_rows(ast.parse(source)), message)


def test_rows_of_which_one_is_no_text_are_refused_and_names_may_share_a_value(claims):
    claims.write("mixed", "CLAIMS = ('A1', 3)")
    claims.write("shared", "IDS = CLAIMS = ('B1',)")
    files = {file.name: file for file in discovery.discover(claims.folder, ROWS)}
    assert "CLAIMS must be a literal tuple of row ids" in files["mixed"].problem
    assert files["shared"].ids == ("B1",)
