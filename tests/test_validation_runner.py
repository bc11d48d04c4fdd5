from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from validation import discovery
from validation.console import shorten, table
from validation.ledger import LEDGER, Row, row
from validation.outcomes import describe_error, gather, plain, without_folders
from validation.report import summary
from validation.runner import main
from validation.verdicts import Figure, Verdict, judge

ROWS = tuple(
    Row(id, f"source of {id}", f"claim {id} <b>", "numbers", "x < 1") for id in ("A1", "A2", "B1", "C1")
)
PACKAGES = count()

HEADER = """
from pathlib import Path
from validation.verdicts import Figure, Verdict, judge
log = Path(__file__).with_suffix(".log")
"""

GOOD = """
CLAIMS = ("A1", "A2")
def run(quick, progress):
    progress("working")
    log.write_text((log.read_text() if log.exists() else "") + ("quick " if quick else "full "))
    figure = Figure("curve", "A & B", b"\\x89PNG fake")
    return [
        Verdict("A1", judge(True), "error 1e-16 < 1", details="One.\\n\\nTwo <script>",
                data={"seeds": [1, 2]}, figures=(figure,), mutations={"sign": judge(False)}),
        Verdict("A2", judge(False), "ratio 3", corrected="A2 the other way",
                data={"x": float("nan"), 3: (1, 2)}),
    ]
"""


@dataclass
class Claims:
    """A package of claim files that each test writes anew."""

    folder: Path
    package: str
    output: Path

    def write(self, name: str, body: str) -> None:
        (self.folder / f"{name}.py").write_text(HEADER + textwrap.dedent(body))

    def run(self, *arguments: str) -> int:
        # Each run is a new process in practice: the module must be read anew.
        for name in [name for name in sys.modules if name.split(".")[0] == self.package]:
            del sys.modules[name]
        argv = ["--output", str(self.output), *arguments]
        return main(argv, folder=self.folder, package=self.package, ledger=ROWS)

    def record(self) -> dict:
        return json.loads((self.output / "record.json").read_text(), parse_constant=refuse_constant)

    def status(self) -> dict[str, str]:
        return {row["id"]: row["status"] for row in self.record()["rows"]}

    def html(self) -> str:
        return (self.output / "report.html").read_text()

    def runs(self, name: str) -> int:
        log = self.folder / f"{name}.log"
        return len(log.read_text().split()) if log.exists() else 0


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture
def claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Claims:
    package = f"fake_claims_{next(PACKAGES)}"  # a name of its own: Python caches listings of folders
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions of a file within one second
    return Claims(folder, package, tmp_path / "report")


def test_rows_without_a_file_are_pending(claims, capsys):
    assert claims.run() == 0
    assert set(claims.status().values()) == {"pending"}
    assert "4 rows: 4 pending" in capsys.readouterr().out


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
    claims.run()
    claims.run("--full")
    assert (claims.folder / "good.log").read_text() == "quick full "
    assert claims.record()["capsule"]["configuration"]["size"] == "full"


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


def test_a_crash_is_not_kept(claims):
    claims.write("bad", CRASHES["in run"])
    assert claims.run() == 1
    assert list((claims.output / "checkpoints").iterdir()) == []
    assert claims.run() == 1


def test_a_crash_shows_its_line_and_no_folder(claims, capsys):
    claims.write("bad", "CLAIMS = ('B1',)\ndef run(q, p):\n    open('/some/where/missing.txt')")
    claims.run()
    error = claims.record()["rows"][2]["error"]
    assert f"{claims.package}/bad.py, line" in error
    assert error.splitlines()[-1] == "FileNotFoundError: [Errno 2] No such file or directory: 'missing.txt'"
    assert "FileNotFoundError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "body", ["CLAIMS = ('B1'", "CLAIMS = tuple(range(3))", "CLAIMS = (1, 2)", "CLAIMS = ()"]
)
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


def test_finished_files_are_resumed(claims):
    claims.write("good", GOOD)
    claims.run()
    first = claims.record()["rows"]
    assert claims.run() == 0
    assert claims.runs("good") == 1
    second = claims.record()["rows"]
    assert [row.pop("resumed", None) for row in first] == [False, False, None, None]
    assert [row.pop("resumed", None) for row in second] == [True, True, None, None]
    assert first == second
    picture = base64.b64encode(b"\x89PNG fake").decode()  # bytes survive the checkpoint
    assert f"data:image/png;base64,{picture}" in claims.html()


def test_fresh_runs_again(claims):
    claims.write("good", GOOD)
    claims.run()
    claims.run("--fresh")
    assert claims.runs("good") == 2


def test_a_changed_source_is_run_again_and_no_other(claims):
    claims.write("good", GOOD)
    claims.write(
        "other",
        "CLAIMS = ('B1',)\nfrom . import helper\ndef run(q, p):\n    log.open('a').write('x ')\n"
        "    return [Verdict('B1', 'holds', helper.TEXT)]",
    )
    claims.write("helper", "TEXT = 'one'")
    claims.run()
    claims.write("helper", "TEXT = 'two'")
    claims.run()
    assert claims.runs("good") == 1
    assert claims.runs("other") == 2
    assert claims.record()["rows"][2]["measured"] == "two"


def test_the_digest_sees_the_library_and_what_is_imported(claims, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "code.py").write_text("a = 1")
    package = claims.package
    claims.write(
        "good", GOOD + f"import {package}.one\nfrom {package} import sub\nfrom {package}.sub.two import x\n"
    )
    claims.write("one", "")
    (claims.folder / "sub").mkdir()
    for name in ("__init__", "two", "three"):
        (claims.folder / "sub" / f"{name}.py").write_text("from . import three" if name == "two" else "")
    claims.write("unrelated", "")
    file = discovery.discover(claims.folder, ROWS)[0]

    def changes(path: Path) -> bool:
        before, text = discovery.sources_digest(file, library), path.read_text()
        path.write_text(text + "# changed\n")
        after = discovery.sources_digest(file, library)
        path.write_text(text)
        return before != after

    seen = ["good.py", "__init__.py", "one.py", "sub/__init__.py", "sub/two.py", "sub/three.py"]
    assert all(changes(claims.folder / name) for name in seen)
    assert changes(library / "code.py")
    assert not changes(claims.folder / "unrelated.py")


def test_interrupt_keeps_what_is_done(claims, capsys):
    claims.write("good", GOOD)
    claims.write("slow", "CLAIMS = ('B1',)\ndef run(q, p):\n    raise KeyboardInterrupt")
    assert claims.run() == 130
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "not run", "C1": "pending"}
    assert claims.record()["capsule"]["configuration"]["interrupted"] is True
    claims.write("slow", "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '')]")
    assert claims.run() == 0
    assert claims.runs("good") == 1
    assert claims.status()["B1"] == "holds"


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs signals")
def test_a_real_interrupt(claims):
    claims.write("good", GOOD)
    claims.write(
        "slow",
        """
    CLAIMS = ("B1",)
    def run(quick, progress):
        import os, signal, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    """,
    )
    code = f"""
import sys
from pathlib import Path
from validation.ledger import Row
from validation.runner import main
sys.path.insert(0, {str(claims.folder.parent)!r})
rows = [Row(id, "", "", "", "") for id in ("A1", "A2", "B1")]
sys.exit(main(["--output", {str(claims.output)!r}], Path({str(claims.folder)!r}), {claims.package!r}, rows))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=Path(__file__).parent.parent,
    )
    assert done.returncode == 130, done.stderr
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "not run"}


def test_names_select_and_the_rest_is_shown_as_last_measured(claims):
    claims.write("good", GOOD)
    claims.write("other", "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '')]")
    assert claims.run("B1") == 0
    assert claims.status() == {"A1": "not run", "A2": "not run", "B1": "holds", "C1": "pending"}
    assert claims.run("good.py") == 0
    assert claims.status() == {"A1": "holds", "A2": "refuted", "B1": "holds", "C1": "pending"}
    assert claims.record()["capsule"]["configuration"]["files"] == ["good"]


@pytest.mark.parametrize(
    ("name", "message"), [("nothing", "NAME must be a row id or a file"), ("C1", "pending")]
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
    assert "folder must be writable" in capsys.readouterr().err
    assert claims.runs("good") == 0


def test_list_runs_nothing_and_imports_nothing(claims, capsys):
    claims.write("file", "CLAIMS = ('B1',)\nraise RuntimeError")
    assert claims.run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.match(r"B1 .*\bfile\b", line) for line in lines)
    assert any(re.match(r"C1 .*\bpending\b", line) for line in lines)
    assert not claims.output.exists()


def test_page_is_self_contained_and_escaped(claims):
    claims.write("good", GOOD)
    claims.run()
    page = claims.html()
    assert not re.search(r"https?:|//\w|<link|<script|@import|url\(", page)
    assert set(re.findall(r'src="([^":]*:[^;]*);', page)) == {"data:image/png"}
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
    assert "claim A1 &lt;b&gt;" in page
    assert "Two &lt;script&gt;" in page
    assert "A2 the other way" in page
    assert "A &amp; B" in page
    assert 'name="viewport"' in page
    for text in (page, (claims.output / "record.json").read_text()):
        assert str(claims.folder.parent) not in text
        assert str(Path.cwd()) not in text


def test_the_sections_of_a_page_are_those_of_the_ledger(claims):
    claims.write("good", GOOD)
    claims.run()
    assert re.findall(r'<h2 id="(\w+)">', claims.html()) == [row.id for row in ROWS] + ["capsule"]


def test_long_data_is_left_to_the_record(claims):
    claims.write(
        "file",
        "CLAIMS = ('B1',)\ndef run(q, p):\n    return [Verdict('B1', 'holds', '', data={'x': [7] * 9999})]",
    )
    claims.run()
    assert len(claims.html()) < 20_000
    assert len(claims.record()["rows"][2]["data"]["x"]) == 9999


def test_capsule(claims):
    claims.run()
    capsule = claims.record()["capsule"]
    assert {"versions", "cpu", "threads", "seeds", "git", "configuration", "time"} <= capsule.keys()
    assert {"python", "refkan", "numpy", "scipy", "numba"} <= capsule["versions"].keys()
    assert capsule["threads"]["numba"] >= 1
    assert capsule["cpu"]


def test_judge():
    assert judge(True) == judge(True, False) == "holds"
    assert judge(False, True) == "holds as corrected"
    assert judge(False) == judge(False, False) == "refuted"
    assert judge(False, None, experiment=True) == "not reproduced"


def test_a_status_is_one_of_ours():
    with pytest.raises(ValueError, match="A1: status must be one of"):
        Verdict("A1", "ok", "")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="A1: sign must be one of"):
        Verdict("A1", "holds", "", mutations={"sign": "ok"})  # type: ignore[dict-item]


def test_figure_from_matplotlib_is_reproducible():
    from matplotlib.figure import Figure as MatplotlibFigure

    def draw() -> bytes:
        figure = MatplotlibFigure(figsize=(2, 1))
        figure.subplots().plot([0, 1])
        return Figure.from_matplotlib(figure, "line", "a line").png

    assert draw().startswith(b"\x89PNG\r\n")
    assert draw() == draw()


def test_ledger_is_complete_and_ids_are_unique():
    ids = [r.id for r in LEDGER]
    assert len(ids) == len(set(ids)) == 52
    assert all(r.source and r.claim and r.measured and r.criterion for r in LEDGER)
    assert row("G0").source == "ours"
    with pytest.raises(ValueError, match="'Z9'"):
        row("Z9")


def test_claim_files_of_the_package_answer_rows_of_the_ledger():
    files = discovery.discover(Path(discovery.__file__).parent, LEDGER)
    assert [file.problem for file in files if file.problem] == []


def test_table_fits_its_width():
    outcomes = gather(LEDGER, [], [])
    assert summary(outcomes) == {"pending": 52}
    assert max(map(len, table(outcomes, 100).splitlines())) <= 100


@pytest.mark.parametrize("width", [1, 2, 5, 100])
def test_shorten(width):
    text = shorten("several  words\nin lines", width)
    assert len(text) <= width
    assert "\n" not in text


def test_plain_data():
    data = {"a": np.array([[1.0, np.inf]]), 2: np.int64(3), "z": 1 + 2j}
    assert plain(data) == {"a": [[1.0, "inf"]], "2": 3, "z": {"re": 1.0, "im": 2.0}}
    with pytest.raises(TypeError, match="JSON"):
        plain({"a": {1, 2}})


def test_folders_are_removed_from_messages():
    assert without_folders("no file '/a/b-c/d.txt' at 1/2 and x/y") == "no file 'd.txt' at 1/2 and x/y"


def raise_deep(depth: int, fail: Callable[[], None]) -> None:
    fail() if depth == 0 else raise_deep(depth - 1, fail)


def test_describe_error_names_every_frame():
    def fail():
        raise ValueError("two\nlines")

    with pytest.raises(ValueError) as info:
        raise_deep(2, fail)
    lines = describe_error(info.value, Path(__file__).parent.parent).splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("tests/test_validation_runner.py, line ")
    assert lines[-1] == "ValueError: two lines"


PARTS = """
CLAIMS = ("B1",)
def part(k):
    with log.open("a") as stream:
        stream.write(f"{k} ")
    return k / 3
def run(quick, progress, checkpoints=None):
    values = []
    for k in range(3):
        if k == 2 and Path(__file__).with_name("stop").exists():
            raise KeyboardInterrupt
        values.append(part(k) if checkpoints is None else checkpoints.run({"part": k}, lambda: part(k)))
    return [Verdict("B1", judge(True), str(values), mutations={"sign": judge(False)})]
"""


def test_parts_of_an_interrupted_full_run_are_not_run_again(claims):
    claims.write("long", PARTS)
    log, stop = claims.folder / "long.log", claims.folder / "stop"
    stop.touch()
    assert claims.run("--full") == 130
    assert log.read_text() == "0 1 "
    stop.unlink()
    assert claims.run("--full") == 0
    assert log.read_text() == "0 1 2 "
    assert claims.record()["rows"][2]["measured"] == str([0.0, 1 / 3, 2 / 3])
    assert claims.run("--full", "--fresh") == 0
    assert log.read_text() == "0 1 2 0 1 2 "


def test_a_quick_run_keeps_no_parts(claims):
    claims.write("long", PARTS)
    assert claims.run() == 0
    assert not (claims.output / "parts").exists()


JUDGED = """
CLAIMS = ("B1",)
def run(quick, progress, checkpoints=None):
    from {package}.measure import task
    values = [checkpoints.run({{"part": 0}}, task(0))]
    return [Verdict("B1", judge(True), "{word}", mutations={{"sign": judge(False)}})]
"""

MEASURE = PARTS.split("def run")[0].replace('CLAIMS = ("B1",)', "") + "def task(k):\n    return lambda: part(k)\n"


def test_parts_are_void_once_the_sources_of_their_task_change(claims):
    log = claims.folder / "measure.log"
    claims.write("measure", MEASURE)
    for word in ("one", "two"):  # how the part is judged changes: the part is kept
        claims.write("judged", JUDGED.format(package=claims.package, word=word))
        assert claims.run("--full") == 0
        assert log.read_text() == "0 "
    claims.write("measure", MEASURE.replace("k / 3", "k / 4"))
    assert claims.run("--full") == 0
    assert log.read_text() == "0 0 "
