"""Folders of cases for layers that can do less than all of them: `refkan cases export --declare NAME=VALUE ...`."""

from collections import Counter

import numpy as np
import pytest

from refkan.conformance.cases.exchanged_folders import read_cases
from refkan.conformance.reports.case_files import capabilities_of, check, probes
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.judged_cases import chosen
from tests.shared.commands import command

UNIFORM = ("degrees=3", "knots=uniform", "intervals=5", "domain=-1,1")


def exported_for(folder, *declared):
    command(
        "cases", "export", folder, "--dtype", "float64", "--select", "layer/degree-3/", "/3x2/", "--declare", *declared
    )
    return read_cases(folder)


def test_cases_for_a_layer_of_one_grid(tmp_path):
    """All of them are on its intervals and domain, in both directions."""
    folder, results = tmp_path / "cases", tmp_path / "results.npz"
    read = exported_for(folder, *UNIFORM)
    assert read.declared == list(UNIFORM)
    assert {key.split("/")[3] for key in read.keys} <= {"uniform", "uniform-fine"}
    frame = capabilities_of(UNIFORM).frame
    adapter, out = PlainNumpy(), {}
    for case in chosen(["float64"], ["layer/degree-3/", "/3x2/", "/values"], frame):
        if case.key in read.keys:
            out[case.key] = adapter.forward(adapter.build(case.setting.spec), case.setting.x)
            assert case.setting.spec.domain == (-1.0, 1.0)
    np.savez(results, **out)
    statuses = Counter(finding.status for finding in check(folder, results)[0])
    assert statuses["passed"] == len(out) > 10
    assert set(statuses) == {"passed", "not applicable"}


def test_the_right_end_of_a_layer_is_that_of_its_files(tmp_path):
    ends = {}
    for name in ("closed", "zero"):
        folder = tmp_path / name
        command("cases", "export", folder, "--dtype", "float64", "--select", "basis/degree-1/uniform/ends/values",
                "--declare", "degrees=1", f"right_end={name}")  # fmt: skip
        read = read_cases(folder)
        ends[name] = read.arrays["float64/basis/degree-1/uniform/ends/values/expected"]
    assert ends["closed"][0].sum() == 1
    assert ends["zero"][0].sum() == 0


def test_declarations_of_files_are_refused_in_words(tmp_path):
    for line, message in (
        ("update=True", "must be NAME=VALUE with NAME one of degrees, knots"),
        ("degrees=three", "degrees must have a value such as 1,3; got 'three'"),
        ("knots=unifrom", "capability knots has the unknown name 'unifrom'"),
    ):
        told = command("cases", "export", tmp_path / "none", "--declare", line, code=2)
        assert message in told.err


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_probes_are_of_the_formats_that_are_exported(dtype):
    asked = probes([dtype], capabilities_of(["degrees=3", "knots=uniform"]))
    assert {case.setting.dtype for case in asked} == {dtype}
    assert {case.setting.spec.kind for case in asked} == {"uniform"}
