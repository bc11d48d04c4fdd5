"""What a later run of the validation keeps: finished files, parts of full runs, until a source changes."""

import base64
import shutil
from pathlib import Path

from refkan.claims.running import discovery, sources
from tests.claims.claim_packages import GOOD, ROWS


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
    claims.write("good", GOOD + f"import {package}.one\nfrom {package} import sub\nfrom {package}.sub.two import x\n")
    claims.write("one", "")
    (claims.folder / "sub").mkdir()
    for name in ("__init__", "two", "three"):
        (claims.folder / "sub" / f"{name}.py").write_text("from . import three\nfrom .. import four" * (name == "two"))
    claims.write("four", "from .five import number")
    claims.write("five", "number = 5 5")  # what cannot be read imports nothing
    claims.write("unrelated", "")
    path = discovery.discover(claims.folder, ROWS)[0].path

    def changes(source: Path) -> bool:
        before, text = sources.sources_digest(path, library), source.read_text()
        source.write_text(text + "# changed\n")
        after = sources.sources_digest(path, library)
        source.write_text(text)
        return before != after

    seen = ["good.py", "__init__.py", "one.py", "sub/__init__.py", "sub/two.py", "sub/three.py", "four.py", "five.py"]
    assert all(changes(claims.folder / name) for name in seen)
    assert changes(library / "code.py")
    (library / "claims").mkdir()
    (library / "claims" / "verdicts.py").write_text("")
    (library / "claims" / "runner.py").write_text("")
    assert changes(library / "claims" / "verdicts.py")  # what judges, but not what runs
    (library / "cli.py").write_text("")
    assert not any(changes(library / name) for name in ("claims/runner.py", "cli.py"))
    assert sources.library_digest(library) == sources.library_digest(library, verdicts=True)
    assert sources.library_digest(library) != sources.library_digest(library, verdicts=False)
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


def test_a_claim_that_fails_because_of_an_interruption_did_not_crash(claims, default_handler, capsys):
    claims.write(
        "compiling",
        """
    CLAIMS = ("B1",)
    def run(quick, progress):
        import contextlib, signal
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise RuntimeError("no compiled object yet")
    """,
    )
    assert claims.run() == 130
    assert claims.status()["B1"] == "not run"
    assert ": interrupted" in capsys.readouterr().err


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
        values.append(part(k) if checkpoints is None else checkpoints({"part": k}, lambda: part(k)))
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
    values = [checkpoints({{"part": 0}}, task(0))]
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


def test_parts_and_files_of_another_engine_are_run_again(claims):
    claims.write("long", PARTS)
    log = claims.folder / "long.log"
    for count, engine in enumerate(("plain", "fast", "plain", "fast"), start=1):
        assert claims.run("--full", "--engine", engine) == 0
        assert log.read_text() == "0 1 2 " * min(count, 2)
    shutil.rmtree(claims.output / "checkpoints")  # parts alone
    assert claims.run("--full", "--engine", "fast") == 0
    assert log.read_text() == "0 1 2 " * 2
