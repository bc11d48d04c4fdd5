"""What the judge makes of adapters that raise, return nonsense or declare it; the report; expected failures; pytest."""

import itertools
import json
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from refkan.base.json_data import to_bytes
from refkan.conformance import Adapter, Capabilities, Judge
from refkan.conformance.adapters.backends import EfficientKan, PlainJax, PlainTorch, Pykan
from refkan.conformance.identification import identify
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Expectations, Finding
from refkan.conformance.reports.findings_reported import document, line, text, to_junit
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.broken_adapters import Patched, raising
from tests.conformance.judged_cases import chosen
from tests.shared.tables import each_row
from validation.implementations.published_layers import Jaxkan

KEY = "float64/layer/degree-3/uniform/3x2/"
CASES = chosen(["float64"], [KEY])[:4]


def judged(adapter, cases=CASES):
    return Judge(adapter).run(cases)


@each_row(
    "methods, message",
    ({"forward": raising}, "RuntimeError: no kernel"),
    ({"forward": lambda model, x: np.zeros((3, 12))}, "forward returned shape (3, 12); expected (12, 3)"),
    ({"forward": lambda model, x: None}, "forward returned None: return an array"),
    ({"forward": lambda model, x: "text"}, "forward returned dtype <U4: return real numbers"),
    ({"forward": lambda model, x: np.zeros((12, 3), complex)}, "forward returned dtype complex128"),
    ({"forward": lambda model, x: np.zeros((12, 3), "f4")}, "forward returned float32 in a case of float64"),
    ({"forward": lambda model, x: [[1.0], [1.0, 2.0]]}, "forward returned what numpy cannot read"),
    ({"forward": lambda model, x: sys.exit(3)}, "SystemExit: 3"),
    ({"build": lambda spec: __import__("no_such_package")}, "needs the package no_such_package"),
)
def test_what_a_backend_raises_or_returns_is_a_finding(methods, message):
    findings = judged(Patched(**methods))
    assert findings[0].status == f.ERROR
    assert message in findings[0].message
    if "build" not in methods:
        assert [finding.status for finding in findings[1:]] == [f.PASSED] * 3  # the others run


@each_row(
    "found, message",
    ({}, "vjp returned []; expected a mapping with 'inputs'"),
    ((1, 2), "vjp returned tuple; expected a mapping with 'inputs'"),
    ({"inputs": np.zeros(2), "coefficients": 0}, "vjp (inputs) returned shape (2,); expected (12, 2)"),
)
def test_gradients_that_are_missing_or_of_a_wrong_shape(found, message):
    findings = judged(Patched(vjp=lambda model, x, dy: found))
    assert [finding.status for finding in findings] == [f.PASSED, f.ERROR, f.ERROR, f.PASSED]
    assert message in findings[1].message


@each_row(
    "methods, message",
    ({"refine": lambda model, intervals, x: None}, "refine returned None: return the model"),
    ({"state": lambda model: 3}, "state returned int: return a pair of knots and coefficients"),
)
def test_what_state_changes_return_is_told(methods, message):
    case = next(iter(chosen(["float64"], ["refine/degree-3/6-to-12/refinement"])))
    finding = Judge(Patched(**methods))(case)
    assert (finding.status, finding.message) == (f.ERROR, message)


def test_repeated_runs_need_gradients_by_name():
    case = next(iter(chosen(["float64"], ["repeatability"])))
    finding = Judge(Patched(vjp=lambda model, x, dy: (1, 2)))(case)
    assert (finding.status, finding.message) == (f.ERROR, "vjp returned tuple; expected a mapping with 'inputs'")


def test_nan_is_a_failure_and_is_named():
    findings = judged(Patched(forward=lambda model, x: np.full((12, 3), np.nan)))
    assert (findings[0].status, findings[0].hint, findings[0].wrong) == (f.FAILED, "not finite", 36)


def test_gradients_that_do_not_exist_are_detached():
    findings = judged(Patched(vjp=lambda model, x, dy: {"inputs": None, "coefficients": None}))
    assert [finding.hint for finding in findings[1:3]] == ["detached gradient"] * 2


@pytest.mark.parametrize("method", ["forward", "vjp", "second"])
def test_arrays_that_a_backend_changes_are_not_those_of_the_judge(method):
    def changing(model, x, *vectors):
        found = getattr(PlainNumpy(), method)(model, x, *vectors)
        (x, *vectors)[-1][:] = 0
        return found

    changing.__name__ = method
    before = [case.setting.x.copy() for case in CASES]
    findings = judged(Patched(**{method: changing}))
    failed = [finding for finding in findings if finding.status == f.FAILED]
    assert {finding.hint for finding in failed} == {"inputs overwritten"}
    name = {"forward": "x", "vjp": "dy", "second": "direction"}[method]
    assert failed[0].message == f"{method} changed its argument {name}"
    assert len(failed) == {"forward": 1, "vjp": 2, "second": 1}[method]
    for case, x in zip(CASES, before, strict=True):
        assert np.array_equal(case.setting.x, x)


def test_what_is_declared_but_not_implemented():
    class Bare(Adapter):
        capabilities = Capabilities(derivatives=("inputs", "second"), refine=("nested",), update=True, state=True)

        def build(self, spec):
            return None

        def forward(self, model, x):
            return np.zeros((len(x), 3))

    findings = judged(Bare(), chosen(["float64"], ["degree-3"]))
    told = {finding.message for finding in findings if finding.status == f.ERROR}
    assert "NotImplementedError: derivatives are declared but vjp is not implemented" in told
    assert "NotImplementedError: refine is declared but not implemented" in told


def test_a_capability_that_is_not_declared_is_not_applicable():
    adapter = Patched()
    adapter.capabilities = Capabilities(degrees=(2,), derivatives=())
    assert {finding.message for finding in judged(adapter)} == {"not declared: degrees 3"}
    adapter.capabilities = Capabilities(degrees=(3,), derivatives=())
    findings = judged(adapter)
    assert [finding.status for finding in findings] == [f.PASSED] + [f.NOT_APPLICABLE] * 3


def test_unknown_names_are_told_and_the_cases_still_run():
    adapter = Patched()
    adapter.capabilities = replace(
        PlainNumpy.capabilities, knots=("uniform", "periodic"), dtypes="float64", state=1, form="fast"
    )
    findings = judged(adapter)
    told = [finding.message for finding in findings if finding.quantity == "capabilities"]
    assert "capability knots has the unknown name 'periodic'; known: 'uniform', 'arbitrary'" in told[0]
    assert "capability dtypes must be a sequence of names; got 'float64'" in told[1]
    assert "capability state must be True or False; got 1" in told[2]
    assert "capability form must be one of 'local', 'truncated powers'; got 'fast'" in told[3]
    adapter.capabilities = replace(PlainNumpy.capabilities, knots=("uniform", "periodic"))
    assert [finding.status for finding in judged(adapter)] == [f.ERROR] + [f.PASSED] * 4


@pytest.mark.parametrize("make", [PlainTorch, PlainJax, Pykan, Jaxkan, EfficientKan])
def test_adapters_of_backends_that_are_not_installed_say_what_to_install(make):
    told = ""
    try:
        make()
    except ImportError as error:
        told = str(error)
    if told:
        assert "needs" in told
        assert "pip install 'refkan[backends]', or " in told or "copy of efficient-kan" in told


def test_the_spec_is_remembered_before_a_model_is_built():
    class Following(PlainNumpy):
        def remember(self, spec):
            self.dtype = spec.dtype
            return super().remember(spec)

        def build(self, spec):
            assert self.dtype == spec.dtype
            return super().build(spec)

    for dtype in ("float32", "float64"):
        findings = judged(Following(), chosen([dtype], ["layer/degree-3/uniform/3x2/values"]))
        assert {finding.status for finding in findings} == {f.PASSED}


def test_a_failure_line_says_where_and_how_much():
    finding = judged(Patched(forward=lambda model, x: -PlainNumpy().forward(model, x)))[0]
    shown = line(finding)
    assert shown.startswith(f"{KEY}values [")
    for part in ("ours ", "theirs ", "relative error 2.0e+00", " ulps", "36 of 36 wrong", "x = ", " in ["):
        assert part in shown
    low, high = finding.span[0]
    assert low <= finding.x[0] < high


def test_the_report_groups_failures_and_counts_what_was_not_asked():
    adapter = Patched(forward=lambda model, x: -PlainNumpy().forward(model, x))
    findings = judged(adapter, chosen(["float64"], ["layer/degree-3/uniform"]))
    shown = text("mine", findings, identify(adapter))
    assert shown.startswith("plain NumPy: what this layer is")
    assert "more: --all, --json or --junit shows them" in shown
    assert "sign (38 cases: " in shown
    left = sum(finding.status == f.NOT_APPLICABLE for finding in findings)
    assert left
    assert f"not applicable ({left} case" in shown
    assert len(text("mine", findings, everything=True).splitlines()) > len(shown.splitlines())


def test_a_long_list_of_what_was_not_declared_is_wrapped():
    names = [f"outside a-rule-with-hyphens-{k}" for k in range(20)]
    findings = [Finding(f"a/{k}", "values", f.NOT_APPLICABLE, f"not declared: {name}") for k, name in enumerate(names)]
    lines = text("mine", findings).splitlines()
    start = next(k for k, row in enumerate(lines) if row.startswith("not applicable (20 cases): "))
    told = [lines[start], *itertools.takewhile(lambda row: row.startswith("  "), lines[start + 1 :])]
    assert len(told) > 1
    assert max(map(len, told)) <= 120
    joined = " ".join(map(str.strip, told))
    assert joined == f"not applicable (20 cases): {', '.join(f'{name} (1)' for name in names)}"
    assert "not applicable (1 case): outside" in text("mine", findings[:1])


def test_json_and_junit_hold_every_finding():
    findings = judged(Patched(forward=lambda model, x: np.full((12, 3), np.inf), vjp=raising))
    told = json.loads(to_bytes(document("mine", findings)))
    assert told["counts"] == {"passed": 1, "failed": 1, "error": 2}
    assert told["findings"][0]["theirs"] == "inf"
    assert told["findings"][0]["hints"][0]["name"] == "not finite"
    suite = ElementTree.fromstring(to_junit("mine", findings))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "2")
    assert [child.tag for case in suite for child in case] == ["failure", "error", "error"]


def test_messages_with_characters_that_xml_cannot_hold():
    def control(model, x):
        raise ValueError("bell \x07 and escape \x1b[0m")

    suite = ElementTree.fromstring(to_junit("mine", judged(Patched(forward=control))))
    assert r"bell \x07 and escape \x1b[0m" in suite[0][0].get("message")


def test_expected_failures(tmp_path):
    path = tmp_path / "known.txt"
    path.write_text("# the sign is known\n\n*/values  # of forward\n*/coefficient-gradients\nnothing/at/all\n")
    known = Expectations.of(path)
    assert (known.reason(f"{KEY}values"), known.reason(f"{KEY}coefficient-gradients")) == (
        "of forward", "*/coefficient-gradients",
    )  # fmt: skip
    findings = [known.apply(x) for x in judged(Patched(forward=lambda model, x: -PlainNumpy().forward(model, x)))]
    assert [x.status for x in findings] == [f.EXPECTED_FAILURE, f.PASSED, f.UNEXPECTED_PASS, f.PASSED]
    assert [x.key for x in known.unused([x.key for x in findings])] == ["expected-failures/nothing/at/all"]
    assert Expectations.of({"*": "a reason"}).reason("x") == "a reason"


def test_models_are_not_mixed_up_between_cases():
    """Few models are kept at a time: results do not depend on the order of cases."""
    cases = chosen(["float64"], ["layer/degree-3", "values"])
    forward, backward = Judge(PlainNumpy()), Judge(PlainNumpy())
    there = {x.key: x.status for x in forward.run(cases)}
    assert there == {x.key: x.status for x in backward.run(cases[::-1])}
