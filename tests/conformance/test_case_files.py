"""Cases as files: what they say, results in them judged, and files that are none."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from refkan.commands import conform
from refkan.commands.conform import add_parsers
from refkan.conformance import catalogue
from refkan.conformance.adapters.backends import PlainNumpy
from refkan.conformance.judging import hint_search
from refkan.conformance.reports import case_files
from refkan.conformance.reports.case_files import CaseFileError, check, export, portable
from tests.conformance.judged_cases import chosen, shared

SELECT = ["layer/degree-3/uniform/3x2/"]
PLAIN = "refkan.conformance.adapters.backends:PlainNumpy"
BROKEN = "tests.broken_layers:Broken"


@pytest.fixture(autouse=True)
def shared_cases(monkeypatch):
    monkeypatch.setattr(case_files, "catalogue", shared)


def run(*arguments):
    parser = argparse.ArgumentParser(prog="refkan")
    add_parsers(parser.add_subparsers())
    chosen = parser.parse_args(list(map(str, arguments)))
    return chosen.run(chosen)


CASES = chosen(["float64"], SELECT) + [
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
    manifest = json.loads((exported / "manifest.json").read_text())
    for word in ("knots", "coefficients", "right end", "outside", "repeated knots"):
        assert manifest["conventions"][word]
    with np.load(exported / "cases.npz") as arrays:
        for row in manifest["cases"]:
            assert {"key", "quantity", "shape", "dtype", "order", "outside", "oracle"} <= set(row)
            for name in row["inputs"].values():
                assert arrays[name].dtype == np.float64
            assert list(arrays[row["expected"]].shape) == row["shape"] == list(arrays[row["tolerance"]].shape)
    refinement = next(row for row in manifest["cases"] if row["quantity"] == "refinement")
    assert set(refinement["inputs"]) == {"knots", "coefficients", "fine_knots"}
    assert sorted(p.name for p in exported.iterdir()) == ["cases.npz", "manifest.json"]


def test_the_same_bytes_each_time(exported, tmp_path):
    export(tmp_path / "again", CASES)
    for name in ("cases.npz", "manifest.json"):
        assert (exported / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_right_results_missing_ones_and_wrong_ones(exported, tmp_path, capsys):
    results = tmp_path / "results.npz"
    right = answers()
    np.savez(results, **right)
    assert run("cases", "check", exported, results) == 0
    assert "not in the results" in capsys.readouterr().out
    key = SELECT[0]
    wrong = right | {
        f"float64/{key}values": -right[f"float64/{key}values"],
        f"float64/{key}input-gradients": np.zeros((2, 12)),
        f"float64/{key}coefficient-gradients": np.array(["text"]),
        f"float64/{key}value": np.zeros(3),
    }
    del wrong[f"float64/{key}second-derivatives"]
    np.savez(results, **wrong)
    found = {finding.key: finding for finding in check(exported, results)}
    assert found[f"float64/{key}values"].hint == "sign"
    assert found[f"float64/{key}input-gradients"].message == "must have shape (12, 2); got (2, 12)"
    assert "must hold real numbers" in found[f"float64/{key}coefficient-gradients"].message
    assert found[f"float64/{key}second-derivatives"].message == "not in the results"
    assert f"did you mean 'float64/{key}values'?" in found[f"float64/{key}value"].message
    assert run("cases", "check", exported, results) == 1


def test_files_that_were_altered_or_are_of_another_version_are_refused(exported, tmp_path, capsys):
    results = tmp_path / "results.npz"
    np.savez(results, **answers())
    manifest, arrays = exported / "manifest.json", exported / "cases.npz"
    content = manifest.read_text()
    manifest.write_text(content.replace('"version": 2', '"version": 0'))
    with pytest.raises(CaseFileError, match="version 0; this refkan judges 1 to 2: write the cases again"):
        check(exported, results)
    manifest.write_text("{")
    with pytest.raises(CaseFileError, match="is no manifest"):
        check(exported, results)
    manifest.write_text(content)
    key = json.loads(content)["cases"][0]["key"]
    digest = json.loads(content)["sha256"]["cases.npz"]
    for old, new, told in (
        ('"key": "float64/', '"key": "float63/', r"manifest\.json does not match the hash"),
        (f'"{key}/expected"', f'"{key}/tolerance"', r"manifest\.json does not match the hash"),
        ('"seed": ', '"seed": 1', r"manifest\.json does not match the hash"),
        (f'"cases.npz": "{digest}"', f'"cases.npz": "{digest[::-1]}"', r"cases\.npz does not match the hash"),
        (f'"cases.npz": "{digest}",', "", r"cases\.npz does not match the hash"),
        ('"sha256": {', '"sha256": {"other.npz": "0",', r"names files that are none of the cases: 'other\.npz'"),
        ('"sha256": {', '"sha": {', r"is no manifest \('sha256'\)"),
    ):
        assert old in content
        manifest.write_text(content.replace(old, new, 1))
        with pytest.raises(CaseFileError, match=rf"{told}.*: write the cases again: refkan cases export"):
            check(exported, results)
    manifest.write_text(content)
    arrays.write_bytes(arrays.read_bytes() + b"\0")
    with pytest.raises(CaseFileError, match="does not match the hash"):
        check(exported, results)
    arrays.unlink()
    with pytest.raises(CaseFileError, match=r"cases\.npz does not exist: write"):
        check(exported, results)
    manifest.unlink()
    assert run("cases", "check", exported, results) == 2
    assert "does not exist: write the cases again: refkan cases export" in capsys.readouterr().err


def test_results_that_are_no_results(exported, tmp_path, capsys):
    results = tmp_path / "results.npz"
    assert run("cases", "check", exported, results) == 2
    results.write_text("text")
    assert run("cases", "check", exported, results) == 2
    err = capsys.readouterr().err
    assert "is not an .npz of plain arrays: save with numpy.savez" in err
    assert "pickle" not in err
    results.write_bytes(b"PK\x03\x04 nonsense")
    assert run("cases", "check", exported, results) == 2
    np.savez(results, something=np.zeros(3))
    assert run("cases", "check", exported, results) == 1
    assert "holds no result under the key of a case" in capsys.readouterr().err


def test_results_in_a_folder_as_a_program_in_another_language_writes_them(exported, tmp_path, capsys):
    """With the header of an .npy file as the manifest describes it, written byte by byte."""
    folder = tmp_path / "results"
    folder.mkdir()
    assert run("cases", "check", exported, folder) == 2
    assert "holds no .npy file: write one for each case, KEY.npy" in capsys.readouterr().err
    for key, array in answers().items():
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({', '.join(map(str, array.shape))}), }}"
        header += " " * (63 - (10 + len(header)) % 64) + "\n"
        file = folder / f"{key}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode("ascii")
        file.write_bytes(content + struct.pack(f"<{array.size}d", *array.ravel()))
    statuses = {finding.key: finding.status for finding in check(exported, folder)}
    assert {statuses[key] for key in answers()} == {"passed"}
    (folder / "float64" / "junk.npy").write_text("1.0 2.0")
    assert run("cases", "check", exported, folder) == 2
    assert "junk.npy is not an .npy file of plain numbers" in capsys.readouterr().err


def test_an_interrupted_export_leaves_nothing_half_written(tmp_path, monkeypatch):
    def interrupted(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(case_files, "write_atomically", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "cases", CASES)
    assert not list((tmp_path / "cases").iterdir())


def test_interruptions_have_their_code(exported, tmp_path, monkeypatch, capsys):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(conform, "export", interrupted)
    monkeypatch.setattr(conform, "check", interrupted)
    assert run("cases", "export", tmp_path, "--select", *SELECT) == 130
    assert run("cases", "check", exported, tmp_path) == 130
    assert capsys.readouterr().err.splitlines() == [f"refkan cases {what}: interrupted" for what in ("export", "check")]


def test_an_export_of_nothing_is_refused(tmp_path, capsys):
    assert run("cases", "export", tmp_path / "x", "--select", "no such key") == 2
    assert "no case has all of ['no such key'] in its key" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_export_by_the_command(tmp_path, capsys):
    assert run("cases", "export", tmp_path / "x", "--dtype", "float32", "--select", *SELECT) == 0
    assert " cases in" in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    assert run("cases", "export", tmp_path / "file" / "x", "--select", *SELECT) == 2


@pytest.fixture
def few_in_vain(monkeypatch):
    """A tenth of the searches that may find nothing."""
    monkeypatch.setattr(hint_search, "IN_VAIN", hint_search.IN_VAIN // 10)
    monkeypatch.setattr(hint_search, "FOR_TWO", hint_search.FOR_TWO // 10)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("huge", [1e30, 1e308, -1e308, np.inf, np.nan])
def test_results_beyond_any_range_do_not_stop_the_others(exported, tmp_path, few_in_vain, huge):
    right = answers()
    # The search for a hint goes through all hypotheses for each of them, so a few kinds of cases stand for all.
    of_a_kind = re.compile(f"float64/{SELECT[0]}((constant-data|huge-spans|with-node-scale-bias)/)?[^/]+")
    wanted = set(filter(of_a_kind.fullmatch, right))
    assert len(wanted) == 16
    for first in (False, True):  # all entries, or the first alone
        wrong = {name: right[name].copy() for name in wanted}
        for array in wrong.values():
            array.flat[: 1 if first else None] = huge
        np.savez(tmp_path / "results.npz", **(right | wrong))
        found = check(exported, tmp_path / "results.npz")
        failed = {finding.key for finding in found if finding.status == "failed"}
        assert failed == wanted
        assert not any(finding.hint == "no diagnosis" for finding in found)


def test_results_that_nothing_explains_are_not_searched_without_end(exported, tmp_path, few_in_vain):
    noise = np.random.default_rng(3)
    wrong = {name: noise.normal(size=array.shape) for name, array in answers().items()}
    np.savez(tmp_path / "results.npz", **wrong)
    failed = [x for x in check(exported, tmp_path / "results.npz") if x.status == "failed"]
    left = [x for x in failed if "not diagnosed" in x.message]
    assert 0 < len(left) < len(failed)


def test_a_diagnosis_that_fails_does_not_stop_the_others(exported, tmp_path, monkeypatch):
    def broken(*arguments):
        raise ArithmeticError("beyond all bounds")

    monkeypatch.setattr(hint_search, "diagnose", broken)
    right = answers()
    np.savez(tmp_path / "results.npz", **{name: array + 1.0 for name, array in right.items()})
    found = check(exported, tmp_path / "results.npz")
    assert {finding.status for finding in found if finding.key in right} == {"failed"}
    hints = {hint.text for finding in found for hint in finding.hints}
    assert hints == {"the diagnosis failed: ArithmeticError: beyond all bounds"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_refused_instead_of_waited_for(exported, tmp_path, capsys):
    folder = tmp_path / "results"
    folder.mkdir()
    np.save(folder / "a.npy", np.zeros(3))
    os.mkfifo(folder / "b.npy")
    assert run("cases", "check", exported, folder) == 2
    assert "b.npy cannot be read (must be a file, not a folder, a pipe or a device)" in capsys.readouterr().err
    assert run("cases", "check", exported, folder / "b.npy") == 2
    for name in ("cases.npz", "manifest.json"):
        (exported / name).unlink()
        os.mkfifo(exported / name)
        assert run("cases", "check", exported, folder) == 2
        assert f"{name} cannot be read (must be a file" in capsys.readouterr().err


def test_files_of_an_earlier_version_are_judged(tmp_path):
    cases = catalogue(["float64"], SELECT, version=1)[:2]
    export(tmp_path / "cases", cases, 1)
    assert case_files.version_in(tmp_path / "cases") == 1
    np.savez(tmp_path / "results.npz", **{case.key: case.expected for case in cases})
    assert {finding.status for finding in check(tmp_path / "cases", tmp_path / "results.npz")} == {"passed"}


def test_parts_of_layers_are_among_the_arrays(tmp_path):
    cases = chosen(["float64"], ["layer/degree-3/uniform/3x2/with-base-scale-bias/bias-gradients"])
    cases += chosen(["float64"], ["network/degree-2/uniform/2-3-2/with-node-scale-bias/values"])
    export(tmp_path / "cases", cases)
    layer, network = json.loads((tmp_path / "cases" / "manifest.json").read_text())["cases"]
    assert set(layer["inputs"]) == {"x", "dy", "knots", "coefficients", "base", "scale", "bias"}
    assert {"node_scale0", "bias0", "node_scale1", "bias1"} <= set(network["inputs"])
    with np.load(tmp_path / "cases" / "cases.npz") as arrays:
        assert np.array_equal(arrays[layer["inputs"]["bias"]], cases[0].setting.spec.bias)
        assert arrays[layer["expected"]].shape == (3,)
