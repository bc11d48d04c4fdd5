"""`refkan verify`: claim files of one's own, the example of the documentation, and files that are wrong."""

import json
import re
import sys
import textwrap
from argparse import ArgumentParser
from pathlib import Path

import pytest

from refkan.claims.running.discovery import ledger_of
from refkan.claims.running.run_options import add_options
from refkan.cli import main
from tests.shared.tables import each_row
from validation.bases import change_of_basis_formulas as original
from validation.ledger import LEDGER

ROOT = Path(__file__).parents[2]

HEADER = """
from refkan.claims import Experiment, Factor, Row, Verdict, judge
"""

GOOD = """
ROWS = (Row("E1", "me", "x is small", "x", "x < 1"),)
EXPERIMENT = Experiment((Factor("start", ("a", "b")),), lambda choice, seed: {"error": seed / 2})
def run(quick, progress):
    return [Verdict("E1", judge(0.5 < 1), "x = 0.5", mutations={"x doubled and more": judge(2.5 < 1)})]
"""


@pytest.fixture
def verify(tmp_path, capsys):
    def run(files, *arguments):
        paths = []
        for name, body in files.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(HEADER + textwrap.dedent(body))
            paths.append(str(path))
        code = main(["verify", *paths, "--output", str(tmp_path / "out"), "--workers", "0", *arguments])
        record = tmp_path / "out" / "record.json"
        rows = json.loads(record.read_text())["rows"] if record.exists() else []
        return code, {row["id"]: row for row in rows}, capsys.readouterr()

    return run


def example():
    text = (ROOT / "docs" / "verify-a-statement.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return code


def test_the_example_of_the_documentation_holds_and_its_twin_does_not(verify):
    for size in ((), ("--full",)):
        code, rows, _ = verify({"gram_eigenvalues": example()}, *size)
        assert code == 0
        assert rows["G1"]["status"] == "holds"
        assert rows["G1"]["mutations"] == {"of ReLU powers instead": "refuted"}
        found = rows["G1"]["data"]["smallest"]
        assert found["1"] == pytest.approx([1.0] * len(found["1"]), rel=1e-12)
        assert 0.1 < found["2"][-1] < 1 / 3  # of hats on a line 1/3, less by the boundary


def test_the_example_is_refuted_where_the_criterion_is_not_met(verify):
    code, rows, _ = verify({"gram_eigenvalues": example().replace("ORDERS = (1, 2, 3, 4)", "ORDERS = (4, 3, 2, 1)")})
    assert code == 0
    assert rows["G1"]["status"] == "refuted"


def test_a_file_is_kept_until_it_changes(verify, tmp_path):
    verify({"good": GOOD})
    code, rows, output = verify({"good": GOOD})
    assert (code, rows["E1"]["resumed"], rows["E1"]["claim"]) == (0, True, "x is small")
    assert "kept: E1 holds" in output.err
    _, rows, _ = verify({"good": GOOD.replace("0.5 < 1", "1.5 < 1")})
    assert (rows["E1"]["resumed"], rows["E1"]["status"]) == (False, "refuted")
    assert str(tmp_path) not in (tmp_path / "out" / "record.json").read_text()


OTHER = GOOD.replace("E1", "E2")
WRONG = {
    "raises": (OTHER.replace("return [", "1 / 0; ["), "ZeroDivisionError"),
    "raises on import": (OTHER + "\nimport no_such_module", "no_such_module"),
    "no verdict": (OTHER.replace("return [", "["), "run must return a list of Verdict; got NoneType"),
    "no run": (
        OTHER.replace("def run", "def walk"),
        r"wrong.py must define run\(quick, progress\), .* a row; got none\. It may take",
    ),
    "another run": (
        OTHER.replace("(quick, progress)", "(quick)"),
        r"must define run\(quick, progress\), .* got run\(quick\)\.",
    ),
    "id of another file": (GOOD, r"rows that no other file answers; got E1 \(good\)"),
    "id twice": (OTHER.replace("),)", '), Row("E2", "me", "y", "y", "y"))', 1), "with ids used once"),
    "no twin": (OTHER.replace(', mutations={"x doubled and more": judge(2.5 < 1)}', ""), "E2 must have a mutated twin"),
    "no twin beside one": (
        OTHER.replace("),)", '), Row("E3", "me", "y", "y", "y"))', 1).replace(
            "return [", 'return [Verdict("E3", judge(True), ""), '
        ),
        "ValueError: E3 must have a mutated twin",
    ),
    "twin passes": (OTHER.replace("2.5 < 1", "0.6 < 1"), "E2: the mutated claim was not refuted: x doubled and more"),
    "no rows": ("def run(quick, progress):\n    return []", "does not define ROWS"),
    "computed rows": ('ROWS = (Row(str(1), "me", "x", "x", "x"),)', "literal strings; got NameError"),
    "a row too short": ('ROWS = (Row("E2", "me", "x"),)', "literal strings; got TypeError"),
    "an empty criterion": ('ROWS = (Row("E2", "me", "x", "x", ""),)', "no empty text"),
    "no row at all": ("ROWS = ()", "one row or more"),
    "something else": ("ROWS = (3,)", "literal strings; got AttributeError"),
    "a number measured": (OTHER.replace('"x = 0.5"', "0.5"), r"E2: measured must be of type str; got 0\.5"),
    "a table that is none": (
        OTHER.replace("mutations=", "tables=(3,), mutations="),
        r"E2: tables\[0\] must be a Table; got int",
    ),
    "words judged": (OTHER.replace("judge(0.5 < 1)", "judge('no')"), r"as_printed must be True or False; got 'no'"),
    "a typed status": (OTHER.replace("judge(0.5 < 1)", "'true'"), "status must be one of 'holds', .*; got 'true'"),
    "syntax": ("ROWS = (", "cannot be read"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_are_told_and_the_others_go_on(verify, kind):
    body, message = WRONG[kind]
    code, rows, output = verify({"good": GOOD, "wrong": body})
    assert code == 1
    assert rows["E1"]["status"] == "holds"
    told = output.out + "".join(row.get("error", "") for row in rows.values())
    assert re.search(message, told), told


def test_a_verdict_whose_twin_passes_is_void(verify):
    _, rows, output = verify({"wrong": WRONG["twin passes"][0]})
    assert rows["E2"]["status"] == "void"
    assert "\nthis run: 1 row: 1 void\n" in output.out
    assert "E2 void" in output.err
    assert "holds" not in output.err


@pytest.mark.parametrize("kind", ["no twin", "a typed status", "another run"])
def test_long_errors_are_whole_below_the_table(verify, monkeypatch, kind):
    monkeypatch.setenv("COLUMNS", "80")
    _, rows, output = verify({"wrong": WRONG[kind][0]})
    message = rows["E2"]["error"].splitlines()[-1]
    assert len(message) > 80
    assert output.out.count(f"\nE2: {message}\n") == 1


def test_an_error_of_several_rows_is_told_once(verify, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    body = WRONG["no run"][0].replace("),)", '), Row("E3", "me", "y", "y", "y"))', 1)
    _, _, output = verify({"wrong": body})
    assert (
        output.out.count("must define run(quick, progress), which returns a list of one Verdict a row; got none") == 1
    )
    assert "\nE2, E3: ValueError: wrong.py must" in output.out
    assert "\nthis run: 2 rows: 2 error\n" in output.out


def test_a_bool_comes_with_the_remedy(verify):
    _, rows, _ = verify({"wrong": OTHER.replace("judge(0.5 < 1)", "True")})
    assert "status must be a status; got True: use judge(True)" in rows["E2"]["error"]


def test_quick_runs_are_plain_unless_told_otherwise(verify, tmp_path, monkeypatch):
    def engine(*options):
        verify({"good": GOOD}, *options)
        return json.loads((tmp_path / "out" / "record.json").read_text())["capsule"]["engine"]

    monkeypatch.delenv("REFKAN_ENGINE", raising=False)
    assert [engine(), engine("--engine", "fast"), engine("--full")] == ["plain", "fast", "auto"]


@each_row("options, engine", ((), "plain"), (("--full",), "auto"), (("--cell", "a=b"), "auto"))
def test_one_cell_has_the_engine_of_full_runs(options, engine, tmp_path):
    parser = ArgumentParser()
    add_options(parser, tmp_path)
    chosen = parser.parse_args(options)
    assert chosen.engine_otherwise(chosen) == engine


def test_files_that_are_missing_are_a_wrong_use(capsys, tmp_path):
    assert main(["verify", "no-such.py", "--output", str(tmp_path / "out")]) == 2
    assert "there is no no-such.py" in capsys.readouterr().err


def test_modules_beside_a_claim_file_can_be_imported(verify, tmp_path):
    (tmp_path / "beside_the_claim.py").write_text("X = 0.25")
    _, rows, _ = verify({"good": "import beside_the_claim\n" + GOOD.replace('"x = 0.5"', "str(beside_the_claim.X)")})
    assert rows["E1"]["measured"] == "0.25"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_modules_beside_a_claim_file_can_be_imported_while_it_runs(verify, tmp_path, workers):
    """Those of another folder with the same names are others, and none stays in the process."""
    bodies = {}
    for folder, id in (("one", "E1"), ("two", "E2")):
        (tmp_path / folder / "helpers").mkdir(parents=True)
        (tmp_path / folder / "helpers" / "__init__.py").touch()
        (tmp_path / folder / "helpers" / "deep.py").write_text(f"X = {id!r}")
        measured = GOOD.replace("E1", id).replace('"x = 0.5"', "deep.X")
        bodies[f"{folder}/claim_{id}"] = measured.replace("    return [", "    from helpers import deep\n    return [")
    code, rows, _ = verify(bodies, "--workers", workers)
    assert (code, {id: row["measured"] for id, row in rows.items()}) == (0, {"E1": "E1", "E2": "E2"})
    assert "helpers" not in sys.modules
    deep = tmp_path / "one" / "helpers" / "deep.py"
    deep.write_text("X = 'changed'")  # of what a file imports its result depends
    _, rows, _ = verify(bodies, "--workers", workers)
    assert (rows["E1"]["measured"], rows["E1"]["resumed"], rows["E2"]["resumed"]) == ("changed", False, True)


def test_a_row_without_a_twin_leaves_the_other_rows_of_its_file(verify):
    code, rows, output = verify({"mixed": WRONG["no twin beside one"][0]})
    assert code == 1
    assert {id: row["status"] for id, row in rows.items()} == {"E2": "holds", "E3": "error"}
    assert rows["E3"]["error"].startswith("ValueError: E3 must have a mutated twin")
    assert "E2 holds, error: ValueError: E3" in output.err


def test_a_copy_of_a_claim_of_the_papers_gives_the_same_verdict(verify):
    """The file as it is, with the rows that its ledger states written into it."""
    stated = [row for row in LEDGER if row.id in original.CLAIMS]
    texts = (f"Row({row.id!r}, {row.source!r}, {row.claim!r}, {row.measured!r}, {row.criterion!r})," for row in stated)
    body = Path(original.__file__).read_text().replace("from __future__ import annotations", "")
    code, rows, _ = verify({"copied": f"ROWS = ({' '.join(texts)})\n{body}"})
    assert code == 0
    expected = {verdict.id: (verdict.status, verdict.measured) for verdict in original.run(True, lambda text: None)}
    assert {id: (row["status"], row["measured"]) for id, row in rows.items()} == expected
    # As it is, it states none.
    assert "does not define ROWS" in ledger_of([Path(original.__file__)]).files[0].problem
