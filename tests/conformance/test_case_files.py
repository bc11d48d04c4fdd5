"""Cases as files: what they say, results in them judged, and files that are none."""

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from refkan.commands import conform
from refkan.conformance import catalogue
from refkan.conformance.cases import exchanged_folders
from refkan.conformance.cases.exchanged_folders import (
    FILES,
    INDEX,
    SUMS,
    export,
    numbered,
    portable,
    read_cases,
)
from refkan.conformance.cases.specs import CONVENTIONS, RULES
from refkan.conformance.reports import case_files
from refkan.conformance.reports.case_files import check
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.commands import SELECT
from tests.conformance.judged_cases import chosen, shared
from tests.shared.commands import command
from tests.shared.refusals import refused


@pytest.fixture(autouse=True)
def shared_cases(monkeypatch):
    monkeypatch.setattr(case_files, "catalogue", shared)


def findings_of(folder, results):
    findings, identification = check(folder, results)
    assert identification is None
    return findings


CASES = [case for case in chosen(["float64"], SELECT) if case.setting.spec.outside in RULES] + [
    case for case in chosen(["float64"], ["degree-3/6-to-12"]) if case.quantity == "refinement"
]


@cache
def answers():
    """Results as a program in another language would compute them, from the arrays of the files alone."""
    adapter, out = PlainNumpy(), {}
    for case in portable(CASES):
        if case.quantity == "refinement":
            out[case.key] = case.expected
            continue
        model, s = adapter.build(case.setting.spec), case.setting
        if case.quantity == "values":
            out[case.key] = adapter.forward(model, s.x)
        elif case.quantity == "second-derivatives":
            out[case.key] = adapter.second(model, s.x, s.dy, s.direction)
        else:
            name = case.quantity.split("-")[0] + "s"
            if name in ("inputs", "coefficients"):
                out[case.key] = adapter.vjp(model, s.x, s.dy)[name]
    return out


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "cases"
    assert export(folder, CASES) == len(portable(CASES))
    return folder


@pytest.fixture
def exported(written, tmp_path):
    """A copy of the files, to be altered."""
    return Path(shutil.copytree(written, tmp_path / "cases"))


def test_files_say_all_that_is_needed(exported):
    read = read_cases(exported)
    arrays = read.arrays
    assert (read.version, read.keys, read.probes) == (4, [case.key for case in portable(CASES)], {})
    readme = (exported / "README.txt").read_text()
    for word in (*CONVENTIONS, *FILES, "sha256sum --check"):
        assert word in readme, word
    rows = [line.split() for line in (exported / "cases.txt").read_text().splitlines()]
    for case, row in zip(portable(CASES), rows, strict=True):
        s = case.setting
        assert row == [case.key, case.quantity, s.dtype, "1", str(s.spec.order), s.spec.kind, s.spec.outside]
        for name, array in (("x", s.x), ("dy", s.dy), ("knots", s.spec.knots), ("coefficients", s.spec.coefficients)):
            assert np.array_equal(arrays[f"{case.key.removesuffix('/' + case.quantity)}/{name}"], array)
        assert np.array_equal(arrays[f"{case.key}/expected"], case.expected)
        assert np.array_equal(arrays[f"{case.key}/tolerance"], case.tolerance)
    assert any(name.endswith("/fine_knots") for name in arrays)
    assert sorted(p.name for p in exported.iterdir()) == sorted([*FILES, SUMS])


def test_the_same_bytes_each_time(exported, tmp_path):
    export(tmp_path / "again", CASES)
    for name in (*FILES, SUMS):
        assert (exported / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


READERS = Path(__file__).parents[2] / "docs" / "readers"


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_a_program_in_c_reads_the_folder(exported, tmp_path):
    source = READERS / "cases.c"
    assert len(source.read_text().splitlines()) <= 40
    subprocess.run(["cc", "-Wall", "-Werror", "-O1", "-o", tmp_path / "reader", source], check=True)
    told = subprocess.run([tmp_path / "reader", exported], check=True, capture_output=True, text=True).stdout
    expected = [(c.key, c.quantity, c.tolerance.size, float([*c.tolerance.flat, 0.0][0])) for c in portable(CASES)]
    rows = [line.split() for line in told.splitlines()]
    assert [(key, quantity, int(size), float(first)) for key, quantity, size, first in rows] == expected


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js here")
def test_a_program_in_javascript_reads_the_folder_and_writes_results(exported, tmp_path):
    source = READERS / "cases.mjs"
    assert len(source.read_text().splitlines()) <= 40
    call = ["node", source, exported, tmp_path / "results"]
    subprocess.run(call, check=True)
    assert {finding.status for finding in findings_of(exported, tmp_path / "results")} == {"passed"}
    with (exported / "arrays.f64").open("r+b") as stream:
        stream.write(b"1")
    failed = subprocess.run(call, capture_output=True, text=True, check=False)
    assert "arrays.f64 was altered" in failed.stderr


def test_right_results_missing_ones_and_wrong_ones(exported, tmp_path):
    results = tmp_path / "results.npz"
    right = answers()
    np.savez(results, **right)
    assert "not in the results" in command("cases", "check", exported, results).out
    key = SELECT[0]
    wrong = right | {
        f"float64/{key}values": -right[f"float64/{key}values"],
        f"float64/{key}input-gradients": np.zeros((2, 12)),
        f"float64/{key}coefficient-gradients": np.array(["text"]),
        f"float64/{key}value": np.zeros(3),
    }
    del wrong[f"float64/{key}second-derivatives"]
    np.savez(results, **wrong)
    findings = {finding.key: finding for finding in findings_of(exported, results)}
    assert findings[f"float64/{key}values"].hint == "sign"
    assert findings[f"float64/{key}input-gradients"].message == "must have shape (12, 2); got (2, 12)"
    assert "must hold real numbers" in findings[f"float64/{key}coefficient-gradients"].message
    assert findings[f"float64/{key}second-derivatives"].message == "not in the results"
    assert f"did you mean 'float64/{key}values'?" in findings[f"float64/{key}value"].message
    command("cases", "check", exported, results, code=1)


@pytest.mark.parametrize("name", FILES)
def test_files_that_were_altered_are_refused(exported, tmp_path, name):
    results = tmp_path / "results.npz"
    np.savez(results, **answers())
    file = exported / name
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"7" if content else b"7")
    refused(lambda: findings_of(exported, results), f"CaseFileError: {name} does not match its hash in SHA256SUMS")
    file.unlink()
    told = command("cases", "check", exported, results, code=2)
    assert f"{name} does not exist: write the cases again: refkan cases export" in told.err


def test_hashes_of_other_files_and_other_versions_are_refused(exported, tmp_path):
    results, sums = tmp_path / "results.npz", exported / SUMS
    np.savez(results, **answers())
    content = sums.read_text()
    for altered in (content + f"{'0' * 64}  other.txt\n", "".join(content.splitlines(keepends=True)[1:]), "text"):
        sums.write_text(altered)
        refused(lambda: findings_of(exported, results), r"CaseFileError: SHA256SUMS must name arrays\.f64, arrays\.txt")
    sums.unlink()
    refused(lambda: findings_of(exported, results), "CaseFileError: SHA256SUMS does not exist: write the cases again")
    export(exported, CASES, 5)
    refused(lambda: findings_of(exported, results), "CaseFileError: cases of version 5; this refkan judges 1 to 4")


def test_results_that_are_no_results(exported, tmp_path):
    results = tmp_path / "results.npz"
    command("cases", "check", exported, results, code=2)
    results.write_text("text")
    err = command("cases", "check", exported, results, code=2).err
    assert "is not an .npz of plain arrays: save with numpy.savez" in err
    assert "pickle" not in err
    results.write_bytes(b"PK\x03\x04 nonsense")
    command("cases", "check", exported, results, code=2)
    np.savez(results, something=np.zeros(3))
    assert "holds no result under the key of a case" in command("cases", "check", exported, results, code=1).err


def test_results_in_a_folder_as_a_program_in_another_language_writes_them(exported, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    assert "arrays.txt does not exist" in command("cases", "check", exported, folder, code=2).err
    for name, content in numbered(answers()).items():
        (folder / name).write_bytes(content)
    statuses = {finding.key: finding.status for finding in findings_of(exported, folder)}
    assert {statuses[key] for key in answers()} == {"passed"}
    numbers = (folder / "arrays.f64").read_bytes()
    (folder / "arrays.f64").write_bytes(numbers[:-8])
    refused(lambda: findings_of(exported, folder), r"CaseFileError: arrays\.txt must be NAME OFFSET NDIM.*arrays\.f64")
    for row in ("a/b", "a/b 0 2 3", "a/b 0 1 -3", "a/b x 1 3", "a/b -8 0"):
        (folder / "arrays.txt").write_text(row + "\n")
        refused(lambda: findings_of(exported, folder), r"CaseFileError: line 1 of .*arrays\.txt must be NAME OFFSET")


def test_an_interrupted_export_leaves_nothing_half_written(tmp_path, monkeypatch):
    def interrupted(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(exchanged_folders, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "cases", CASES)
    assert not list((tmp_path / "cases").iterdir())


def test_interruptions_have_their_code(exported, tmp_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(conform, "export", interrupted)
    monkeypatch.setattr(conform, "check", interrupted)
    for what, *arguments in (("export", tmp_path, "--select", *SELECT), ("check", exported, tmp_path)):
        assert command("cases", what, *arguments, code=130).err == f"refkan cases {what}: interrupted\n"


def test_an_export_of_nothing_is_refused(tmp_path):
    told = command("cases", "export", tmp_path / "x", "--select", "no such key", code=2)
    assert "select must hold parts of one key; got ['no such key']: no case has all of them" in told.err
    assert not (tmp_path / "x").exists()


def test_export_by_the_command(tmp_path):
    told = command("cases", "export", tmp_path / "x", "--dtype", "float32", "--select", *SELECT)
    assert " cases and 0 probes in" in told.out
    (tmp_path / "file").write_text("")
    command("cases", "export", tmp_path / "file" / "x", "--select", *SELECT, code=2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("huge", [1e30, 1e308, -1e308, np.inf, np.nan])
def test_results_beyond_any_range_do_not_stop_the_others(exported, tmp_path, huge):
    right = answers()
    of_a_kind = re.compile(f"float64/{SELECT[0]}((constant-data|huge-spans|with-node-scale-bias)/)?[^/]+")
    wanted = set(filter(of_a_kind.fullmatch, right))
    assert len(wanted) == 16
    for first in (False, True):  # all entries, or the first alone
        wrong = {name: right[name].copy() for name in wanted}
        for array in wrong.values():
            array.flat[: 1 if first else None] = huge
        np.savez(tmp_path / "results.npz", **(right | wrong))
        findings = findings_of(exported, tmp_path / "results.npz")
        failed = {finding.key for finding in findings if finding.status == "failed"}
        assert failed == wanted


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_refused_instead_of_waited_for(exported, tmp_path):
    os.mkfifo(tmp_path / "results")
    told = command("cases", "check", exported, tmp_path / "results", code=2)
    assert "results cannot be read (must be a file, not a folder, a pipe or a device)" in told.err
    for name in (SUMS, INDEX):
        (exported / name).unlink()
        os.mkfifo(exported / name)
        assert f"{name} cannot be read (must be a file" in command("cases", "check", exported, tmp_path, code=2).err
        (exported / name).unlink()
        export(exported, CASES)


def test_files_of_an_earlier_version_are_judged(tmp_path):
    cases = catalogue(["float64"], SELECT, version=1)[:2]
    export(tmp_path / "cases", cases, 1)
    assert read_cases(tmp_path / "cases").version == 1
    np.savez(tmp_path / "results.npz", **{case.key: case.expected for case in cases})
    assert {finding.status for finding in findings_of(tmp_path / "cases", tmp_path / "results.npz")} == {"passed"}


def test_parts_of_layers_are_among_the_arrays(tmp_path):
    cases = chosen(["float64"], ["layer/degree-3/uniform/3x2/with-base-scale-bias/bias-gradients"])
    cases += chosen(["float64"], ["network/degree-2/uniform/2-3-2/with-node-scale-bias/values"])
    export(tmp_path / "cases", cases)
    read = read_cases(tmp_path / "cases")
    layer, arrays = read.keys[0], read.arrays
    setting = layer.rpartition("/")[0]
    assert np.array_equal(arrays[f"{setting}/bias"], cases[0].setting.spec.bias)
    assert arrays[f"{layer}/expected"].shape == (3,)
    names = {name.rpartition("/")[2] for name in arrays if name.startswith("float64/network/")}
    assert {"knots0", "coefficients1", "node_scale0", "bias0", "node_scale1", "bias1"} <= names
