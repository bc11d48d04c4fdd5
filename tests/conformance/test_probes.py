"""Layers identified by files: probes in each format, answered as by a program in another language."""

import pytest

from refkan.conformance import identify
from refkan.conformance.cases.exchanged_folders import export, numbered, read_cases
from refkan.conformance.reports.case_files import PORTABLE, check, probes
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.judged_cases import chosen
from tests.shared.commands import command


def answers_to(asked):
    """Results of probes, as a program in another language would compute them."""
    adapter, right = PlainNumpy(), {}
    for case in asked:
        model, s = adapter.build(case.setting.specs), case.setting
        if case.quantity == "values":
            right[case.key] = adapter.forward(model, s.x)
        else:
            name = {"input-gradients": "inputs", "coefficient-gradients": "coefficients"}[case.quantity]
            right[case.key] = adapter.vjp(model, s.x, s.dy)[name]
    return right


def identified_by(cases, results, answers):
    """What a layer is by the results of probes."""
    results.mkdir(exist_ok=True)
    for name, content in numbered(answers).items():
        (results / name).write_bytes(content)
    return check(cases, results)[1]


@pytest.mark.parametrize(("dtype", "kinds"), [("float32", ("uniform", "arbitrary")), ("float64", ("uniform",))])
def test_layers_of_one_format_or_of_uniform_knots_only_are_identified(dtype, kinds, tmp_path):
    """`export --dtype` writes probes in each format; foreign code may have uniform knots only."""
    asked = probes((dtype,))
    assert {case.setting.dtype for case in asked} == {dtype}
    export(tmp_path / "cases", chosen(["float64"], ["layer/degree-3/uniform/1x1/values"]), probes=asked)
    right = answers_to([case for case in asked if case.setting.spec.kind in kinds])
    found = identified_by(tmp_path / "cases", tmp_path / "results", right)
    assert not found.differences
    answered = {stage.name for stage in found.stages if not stage.unknown}
    assert {"calls", "arithmetic", "wiring", "sizes", "functions", "parts", "gradients"} <= answered
    scaled = {key: 0.5 * array if key.endswith("/values") else array for key, array in right.items()}
    assert identified_by(tmp_path / "cases", tmp_path / "results", scaled).differences


def test_a_layer_is_identified_by_the_results_of_probes(tmp_path):
    """The same as if it were asked itself; a stage whose results are missing says so, the others go on."""
    asked = probes()
    export(tmp_path / "cases", chosen(["float64"], ["layer/degree-3/uniform/1x1/values"]), probes=asked)
    assert list(read_cases(tmp_path / "cases").probes) == [case.key for case in asked]
    adapter, right = PlainNumpy(), answers_to(asked)
    results = tmp_path / "results"

    def identified(answers):
        return identified_by(tmp_path / "cases", results, answers)

    adapter.capabilities = PORTABLE
    by_itself, by_files = identify(adapter), identified(right)
    assert [str(stage) for stage in by_files.stages] == [str(stage) for stage in by_itself.stages]
    assert not by_files.differences
    doubled = {key: 2 * array if key.endswith("/input-gradients") else array for key, array in right.items()}
    (difference,) = identified(doubled).differences
    assert difference.stage == "gradients"
    assert "gradient" in command("cases", "check", tmp_path / "cases", results, code=1).out
    values = {key: array for key, array in right.items() if key.endswith("/values")}
    unknown = {stage.name: stage.unknown for stage in identified(values).stages if stage.unknown}
    assert "no result probes/" in unknown["gradients"]
    assert "functions" not in unknown
