"""Adapters that fail: exit code 1 and one clear line; what is right in an unusual way: no difference."""

import json
import os
import re
import time

import pytest

from refkan.conformance import Judge, catalogue, identify
from refkan.conformance.broken_layers import BROKEN, RightLayer
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import explained
from refkan.conformance.reports.findings_reported import causes, text
from tests.conformance import failing_adapters as adapters
from tests.shared.commands import command
from tests.shared.tables import each_row

FAILING = "tests.conformance.failing_adapters"
VALUES = "float64/layer/degree-3/uniform/3x2/values"


def identified(name, *arguments, code=1):
    """What `refkan conform --identify` prints on an adapter."""
    return command("conform", "--backend", f"{FAILING}:{name}", "--identify", *arguments, code=code).out


HERE = ("--call-timeout", 0)
MISMATCH = "forward fails in all calls: RuntimeError: shape mismatch: (3, 2); (2, 3) (line "


@each_row(
    "name, words",
    ("Raises", MISMATCH),
    ("RaisesOfAnotherBasis", MISMATCH),
    ("RaisesNowAndThen", "forward fails in some calls: ValueError: now and then (line "),
    ("Masked", "forward fails in all calls: forward returned an array with masked entries: return numbers for all"),
    ("Transposed", "forward fails in all calls: forward returned shape (3, "),
    ("NotFinite", "coefficients are not finite"),
    ("RefinesNothing", "refine fails in all calls: RuntimeError: no refinement (line "),
    ("UpdatesNothing", "update fails in all calls: RuntimeError: no update (line "),
    ("InFloat64Only", "build fails in all calls in float32: TypeError: float64 only (line "),
)
def test_what_fails_differs_from_what_is_declared(name, words):
    told = identified(name, *HERE)
    _, _, differences = told.partition("what differs from what was declared\n")
    assert differences.count(words) == 1
    if "line" in words:
        assert "of failing_adapters.py)" in differences


def test_a_layer_that_always_raises_is_asked_in_one_stage_only():
    lines = identified("Raises", *HERE).splitlines()
    assert lines[2] == (
        "  arithmetic, wiring, sizes, functions, parts, gradients, outside, changes: unknown: "
        "not asked: every call failed before"
    )
    assert len(lines) == 5


def test_the_line_of_the_adapter_is_said_once_for_all_cases():
    judge = Judge(adapters.Raises(), hints=False)
    findings = judge.run(catalogue(["float64"], ["layer/degree-3/uniform/3x2"]))
    assert {finding.status for finding in findings} == {f.ERROR, f.NOT_APPLICABLE}
    report = text("title", findings)
    assert report.count("RuntimeError: shape mismatch: (3, 2); (2, 3) (") == report.count("RuntimeError") == 1
    assert "every call raises: RuntimeError" in report
    assert re.search(r"line \d+ of failing_adapters\.py\)", report)


def test_nothing_is_judged_if_every_call_raises(tmp_path):
    """Not even if all these failures were expected."""
    known = tmp_path / "known.txt"
    known.write_text("*\n")
    select = ("--select", VALUES, "--no-hints", *HERE)
    for more in ((), ("--expected-failures", known)):
        told = command("conform", "--backend", f"{FAILING}:Raises", *select, *more, code=1)
        assert "nothing was judged: every call raises: RuntimeError: shape mismatch" in told.err
    told = command(
        "conform", "--backend", f"{FAILING}:RaisesNowAndThen", "--select", "degree-3/uniform/3x2", *HERE, code=1
    )
    assert "nothing was judged" not in told.err


@each_row(
    "name, words",
    ("Stops", "the process was stopped by a signal for more than 1 s and was ended"),
    ("Aborts", "the process ended, killed by SIGABRT"),
    ("Exits", "the process ended, exit code 0"),
    ("Hangs", "took more than 1 s and was ended: --call-timeout allows more"),
)
def test_what_ends_the_process_or_hangs_does_not_pass(name, words):
    if name == "Stops" and not hasattr(os, "waitid"):
        pytest.skip("the system does not say which processes are stopped")
    start = time.monotonic()
    told = identified(name, "--call-timeout", 1)
    assert time.monotonic() - start < 60
    assert f"process ended: in the stage 'calls': {words}" in told
    assert f"process ended: in the stage 'arithmetic': {words}" in told


def test_a_stopped_adapter_is_a_finding(tmp_path):
    if not hasattr(os, "waitid"):
        pytest.skip("the system does not say which processes are stopped")
    out = tmp_path / "out.json"
    arguments = ("--backend", f"{FAILING}:Stops", "--call-timeout", 1, "--no-hints", "--select", VALUES)
    command("conform", *arguments, "--json", out, code=1)
    (finding,) = json.loads(out.read_text())["findings"]
    assert finding["status"] == "error"
    assert finding["message"] == "the process was stopped by a signal for more than 1 s and was ended"


def test_results_that_cannot_be_written_to_are_right():
    assert "nothing differs from what was declared" in identified("ReadOnly", *HERE, code=0)


def test_a_layer_of_another_basis_that_nobody_identifies_is_not_judged():
    arguments = ("--backend", f"{FAILING}:Cosines", "--no-hints", "--dtype", "float64", *HERE)
    told = command("conform", *arguments, "--select", VALUES, code=1)
    assert "nothing was judged: no case is for layers of another basis" in told.err


@pytest.mark.parametrize("dtype", ["float32", "tf32", "bfloat16", "float16"])
def test_another_basis_of_one_format_is_right(dtype):
    assert identify(adapters.CosinesOfOneFormat(dtype)).differences == ()


def test_another_basis_is_compared_with_itself_in_other_formats():
    """Not with B-splines."""
    found = identify(adapters.Cosines())
    assert found.differences == ()
    assert found.stages[-1].is_what == "the same in float32, tf32, bfloat16, float16"
    (difference, *others) = identify(adapters.CosinesElsewhere()).differences
    assert str(difference).startswith("other functions: functions in float32 differ by up to 1.7e-01 from those in flo")
    assert {other.name for other in others} <= {"other functions"}


@pytest.mark.parametrize("kind", ["clamped", "repeated", "arbitrary"])
def test_knots_of_one_input_used_for_all(kind):
    """Inputs do not act together."""
    (difference,) = identify(adapters.SharedKnots(kind)).differences
    assert str(difference) == "knots of another input: splines of input 1 use the knots of input 0"


def test_a_small_difference_is_no_cause_of_a_large_error():
    """Updates that lose a quarter of the function are no consequence of knots in float32, and lead the report."""
    adapter = adapters.Float32KnotsAndUpdate()
    found = identify(adapter)
    assert [difference.name for difference in found.differences] == ["float32 knots", "function changed by update"]
    judge = Judge(adapter, hints=False)
    cases = [*catalogue(["float64"], ["update/degree-3/random-data/"]), *catalogue(["float64"], ["3/uniform-fine/3x2"])]
    failures = [explained(x, found) for x in judge.run(cases) if x.status == f.FAILED]
    by_family = {(finding.family, finding.hint) for finding in failures}
    assert ("update", "function changed by update") in by_family
    assert ("update", "float32 knots") not in by_family
    assert ("values", "float32 knots") in by_family
    assert list(causes(failures)) == ["function changed by update", "float32 knots"]
    report = text("title", failures, found)
    assert report.index("function changed by update: ") < report.index("float32 knots: ")


@pytest.mark.parametrize("name", BROKEN)
def test_layers_of_the_documentation_are_broken(name):
    """By cases, and by what identifies them; the layer from which they derive is right."""
    adapter = BROKEN[name]()
    found = identify(adapter)
    assert found.leading
    declared = adapter.capabilities
    keys = ["float64/basis/degree-3", "float64/layer/degree-3/uniform", "refine/degree-3", "update/degree-3/discrete"]
    cases = [case for key in keys for case in catalogue(["float64"], [key]) if not declared.missing(case.needs())]
    assert f.FAILED in {finding.status for finding in Judge(adapter, hints=False, proofs=False).run(cases)}


def test_the_layer_from_which_broken_ones_derive_is_right():
    assert identify(RightLayer()).differences == ()
