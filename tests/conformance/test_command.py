"""`refkan conform` and `refkan cases`: loading, exit codes, files, and what is said when something is wrong."""

import argparse
import itertools
import json
import re
import sys
import time
from xml.etree import ElementTree

import pytest

from refkan.commands.conform import _deliver
from refkan.conformance import catalogue
from refkan.conformance.adapters.loading import BackendError, load
from refkan.conformance.cases.catalogue import FAMILIES, family
from refkan.conformance.identification import Stage, identified
from refkan.conformance.judging import findings as f
from refkan.conformance.judging import guarded
from refkan.conformance.judging.findings import Finding
from tests.conformance.commands import BROKEN, PLAIN, SELECT
from tests.conformance.judged_cases import shared
from tests.shared.commands import command
from tests.shared.refusals import refused
from tests.shared.tables import each_row

WITHOUT_HINTS = ("--no-hints",)  # which take longest, and change no status


@pytest.fixture(autouse=True)
def shared_cases(monkeypatch):
    """Truths of cases, and what an adapter is, are found out once for all tests here."""
    monkeypatch.setattr(guarded, "catalogue", shared)
    monkeypatch.setattr(guarded, "identified", identified_once)


STAGES: dict[str, list[Stage]] = {}


def identified_once(adapter, without):
    if adapter.title not in STAGES:
        STAGES[adapter.title] = list(identified(adapter, without))
    return iter(STAGES[adapter.title])


def conform(*arguments, code=0):
    return command("conform", "--call-timeout", 0, "--dtype", "float64", *arguments, "--select", *SELECT, code=code)


def written_on(picture):
    """The text of a badge."""
    return "".join(ElementTree.parse(picture).getroot().itertext())


def test_a_correct_backend(tmp_path):
    out = conform("--backend", PLAIN, "--badge", tmp_path / "refkan.svg").out
    assert written_on(tmp_path / "refkan.svg") == "refkan cases v4B-splines: yes"
    assert out.startswith("plain NumPy: what this layer is")
    assert "plain NumPy, cases of version 4" in out
    assert "passed" in out
    assert "nothing differs from what was declared" in out


def test_a_broken_backend_in_all_formats(tmp_path):
    out, xml, summary, picture = (tmp_path / f"out.{kind}" for kind in ("json", "xml", "summary", "svg"))
    arguments = ("--backend", BROKEN, "--argument", "mean over samples")
    files = ("--json", out, "--junit", xml, "--summary", summary, "--badge", picture)
    shown = conform(*arguments, *files, code=1).out
    assert "coefficient gradients are multiplied by 0.0625, 1 over the number of samples" in shown
    assert "\nconstant factor (" in shown
    document, short = (json.loads(file.read_text()) for file in (out, summary))
    assert document["backend"] == "broken: MeanOverSamples"
    failed = document["counts"]["failed"]
    assert ElementTree.parse(xml).getroot().get("failures") == str(failed)
    assert not list(tmp_path.rglob("*.tmp"))
    assert json.loads(conform(*arguments, "--json", "-", *WITHOUT_HINTS, code=1).out)["counts"] == document["counts"]
    assert short["counts"] == document["counts"]
    assert short["families"]["gradients"]["failed"] + short["families"]["spans and sizes"]["failed"] <= failed
    assert sum(cause["cases"] for cause in short["causes"]) == failed
    assert short["causes"][0]["name"] == "constant factor"
    assert "1 over the number of samples" in short["causes"][0]["evidence"]
    assert short["cases"] == 4
    assert written_on(picture) == "refkan cases v4B-splines: yes; gradients: no; sizes: no; parts: no"
    assert short["answers"] == {"B-splines": "yes", "gradients": "no", "sizes": "no", "parts": "no"}


def test_only_new_defects_fail_a_run_with_a_baseline(tmp_path):
    """A cause in a family of cases that it did not reach before is new, and so is another cause."""
    known = tmp_path / "known.txt"
    mean = ("--backend", BROKEN, "--argument", "mean over samples")
    conform(*mean, "--defects", known, code=1)
    text = known.read_text()
    assert text.startswith("refkan, broken: MeanOverSamples: ")
    assert "- constant factor [gradients, sizes" in text.replace("spans and sizes", "sizes")
    assert "defects that the baseline does not list: 0" in conform(*mean, "--baseline", known).err
    known.write_text(text.replace("[gradients, ", "["))
    assert (
        "defects that the baseline does not list: 1\n- constant factor [gradients,"
        in conform(*mean, "--baseline", known, code=1).err
    )
    known.write_text(text + "- sign [values]: gone\n")
    assert "listed, but found no more: sign" in conform(*mean, "--baseline", known).err
    known.write_text("- constant factor: no families\n")
    assert "line 1 of" in conform(*mean, "--baseline", known, code=2).err


@pytest.mark.exhaustive
def test_the_same_bytes_whatever_the_clocks_say(monkeypatch):
    """What was found, what the layer is, and what failures follow from; seconds alone may differ."""
    chosen = ("--backend", BROKEN, "--argument", "mean over samples", "--json", "-")

    def told():
        STAGES.clear()
        document = conform(*chosen, code=1).out
        assert json.loads(document)["leading hint"] == "constant factor"
        return re.sub(r'"seconds": [\d.e+-]+', '"seconds": 0', document)

    quick, hours = told(), itertools.count(0, 3600.0)
    for clock in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        monkeypatch.setattr(time, clock, lambda: next(hours))  # as if the processor were busy with something else
    assert told() == quick
    assert next(hours) > 3600  # some clock was read


@pytest.mark.exhaustive
def test_expected_failures_and_patterns_that_match_nothing(tmp_path):
    known = tmp_path / "known.txt"
    known.write_text(
        "*-data/coefficient-gradients\n*/transposed/coefficient-*\n*/strided/coef*\n*/3x2/coefficient-gradients\n*-samples/coef*\n"
        "*-spans/coefficient-gradients\n*/with-*/coefficient-gradients\n*-mode/coef*\n*-cotangents/coef*\n*-backward/coef*\n"
    )
    arguments = ("--backend", BROKEN, "--argument", "mean over samples", "--expected-failures", known, *WITHOUT_HINTS)
    assert "expected failure" in conform(*arguments).out
    known.write_text("*/coefficient-gradients\n")  # the mean over one sample is right
    told = conform(*arguments, code=1)
    assert "one-sample/coefficient-gradients: listed as an expected failure, but it passes" in told.out
    known.write_text("*/values\n")
    assert "unexpected pass" in conform(*arguments, code=1).out
    assert "missing.txt" in conform("--backend", PLAIN, "--expected-failures", tmp_path / "missing.txt", code=2).err


def test_the_keys_can_be_listed():
    assert conform("--backend", PLAIN, "--list").out.splitlines()[0] == "float64/layer/degree-3/uniform/3x2/values"


def test_a_selection_of_nothing():
    told = command("conform", "--call-timeout", 0, "--backend", PLAIN, "--select", "no such key", code=2)
    assert "--list shows the keys" in told.err


def test_unknown_formats_alone_are_named():
    backend = "tests.conformance.broken_adapters:OfUnknownFormats"
    told = command("conform", "--call-timeout", 0, "--backend", backend, code=2)
    assert "capability dtypes has the unknown name 'float8'; known: 'float64'" in told.err


def test_a_run_that_judges_nothing_does_not_pass():
    arguments = ("--backend", "refkan.conformance.adapters.backends:Refkan", "--dtype", "float32", "--select", *SELECT)
    assert "nothing was judged" in command("conform", "--call-timeout", 0, *WITHOUT_HINTS, *arguments, code=1).err


@each_row(
    "name, arguments, message",
    ("PlainNumpy", (), "must be named package.module:Adapter"),
    ("no_such_module:Adapter", (), "no module 'no_such_module': run in the folder that holds it"),
    ("refkan.conformance.adapters.backends:Nothing", (), "has no 'Nothing'; adapters in it: PlainJax"),
    ("tests.broken_layers.plain_numpy:PlainNumpy", ("a",), "raised TypeError"),
    ("refkan.conformance.cases.specs:LayerSpec", ("a", "b", "c"), "raised"),
    ("refkan.conformance.cases.specs:KNOTS", (), "must be a subclass of refkan.conformance.Adapter; got tuple"),
    ("tests.conformance.broken_adapters:OfADict", (), "capabilities of tests.conformance.broken_adapters:OfADict"),
    ("tests.broken_layers:Broken", ("nothing",), "name must be one of"),
    ("tests.conformance.broken_adapters:OfNoName", (), "OfNoName raised ZeroDivisionError: no name"),
)
def test_backends_that_cannot_be_loaded(name, arguments, message):
    with pytest.raises(BackendError, match=re.escape(message)):
        load(name, arguments)


def test_modules_that_lack_a_package_or_fail(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    (tmp_path / "lacking.py").write_text("import no_such_package\n")
    (tmp_path / "failing.py").write_text("raise OSError('no driver')\n")
    (tmp_path / "odd.py").write_text("raise type('Odd', (BaseException,), {})('no')\n")
    refused(lambda: load("lacking:A"), "BackendError: lacking needs the package 'no_such_package'")
    refused(lambda: load("failing:A"), "BackendError: importing failing raised OSError: no driver")
    refused(lambda: load("odd:A"), "BackendError: importing odd raised Odd: no")


@each_row(
    "body, told",
    ("os.abort()", "the process ended, killed by SIGABRT"),
    ("time.sleep(60)", "took more than 1 s and was ended: --import-timeout allows more"),
)
def test_adapters_that_end_the_process_when_they_are_imported(body, told, tmp_path):
    (tmp_path / "ending.py").write_text(f"import os, time\n{body}\n")
    written = command("conform", "--backend", f"{tmp_path / 'ending.py'}:A", "--import-timeout", 1, code=2)
    assert f"ending.py:A: {told}\n" in written.err


def test_every_case_has_a_family():
    assert {family(case) for case in catalogue()} == set(FAMILIES)


def test_an_earlier_version_of_the_cases():
    keys = []
    for version in (1, 2, 3):
        keys.append(conform("--backend", PLAIN, "--list", "--cases", version).out.splitlines())
    assert set(keys[0]) < set(keys[1])
    assert not any("with-" in key for key in keys[0])
    assert "plain NumPy, cases of version 1" in conform("--backend", PLAIN, "--cases", 1).out


def test_devices_and_variants_are_for_layers_in_pytorch():
    told = conform("--backend", PLAIN, "--device", "cuda", code=2)
    assert "--device and --variant require a TorchAdapter" in told.err
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        told = conform("--backend", "refkan.conformance.adapters.backends:PlainTorch", "--device", "cuda", code=2)
        assert "no device 'cuda' here" in told.err


@pytest.mark.parametrize("statuses", [(f.FAILED, f.PASSED), (f.PASSED, f.FAILED), (f.ERROR,), (f.PASSED,)])
def test_one_failure_anywhere_fails_the_run(statuses, capsys):
    chosen = argparse.Namespace(summary=None, badge=None, junit=None, defects=None, baseline=None, json="-")
    findings = [Finding(f"case/{k}", "values", status, "") for k, status in enumerate(statuses)]
    assert _deliver(chosen, "title", findings, None, 0.0, 1) == int(set(statuses) != {f.PASSED})
    assert json.loads(capsys.readouterr().out)


def test_a_backend_that_declines_everything_does_not_pass():
    captured = conform("--backend", "tests.conformance.broken_adapters:OfNothing", *WITHOUT_HINTS, code=1)
    assert "declined by the adapter" in captured.out
    assert "nothing was judged" in captured.err


def test_an_adapter_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setattr("sys.modules", dict(sys.modules))
    file = tmp_path / "layer-and-adapter.py"
    (tmp_path / "beside_the_adapter.py").write_text("from tests.broken_layers.plain_numpy import PlainNumpy\n")
    file.write_text("from beside_the_adapter import PlainNumpy\n\nclass Mine(PlainNumpy):\n    name = 'mine'\n")
    assert load(f"{file}:Mine").title == load(f"{file}:Mine").title == "mine"
    command("conform", "--call-timeout", 0, "--backend", f"{file}:Mine", "--list", "--select", *SELECT)
    (tmp_path / "json.py").write_text("")
    (tmp_path / "needing.py").write_text("import no_such_package\n")
    (tmp_path / "wrong.py").write_text("1 +\n")
    for name, message in (
        (f"{file}:Other", "has no 'Other'; adapters in it: PlainNumpy, Mine"),
        (f"{file}", "add :Adapter, the name of the class in it"),
        (f"{tmp_path / 'missing.py'}:Mine", "missing.py: no such file; give the path of a file that holds the adapter"),
        (f"{tmp_path / 'json.py'}:Mine", "json.py: a module 'json' is loaded already from elsewhere; rename the file"),
        (f"{tmp_path / 'needing.py'}:Mine", "needs the package 'no_such_package', which is not installed"),
        (f"{tmp_path / 'wrong.py'}:Mine", "raised SyntaxError"),
    ):
        with pytest.raises(BackendError, match=re.escape(message)) as refusal:
            load(name)
        assert "BackendError" not in str(refusal.value)
