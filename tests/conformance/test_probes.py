"""Layers judged by files are identified by the results of probes."""

from refkan.cli import main
from refkan.conformance import identify
from refkan.conformance.cases.exchanged_folders import export, numbered, read_cases
from refkan.conformance.reports.case_files import PORTABLE, check, probes
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.judged_cases import chosen


def test_a_layer_is_identified_by_the_results_of_probes(tmp_path, capsys):
    """The same as if it were asked itself; a stage whose results are missing says so, the others go on."""
    asked = probes()
    export(tmp_path / "cases", chosen(["float64"], ["layer/degree-3/uniform/1x1/values"]), probes=asked)
    assert read_cases(tmp_path / "cases").probes == [case.key for case in asked]
    adapter, right = PlainNumpy(), {}
    for case in asked:
        model, s = adapter.build(case.setting.specs), case.setting
        if case.quantity == "values":
            right[case.key] = adapter.forward(model, s.x)
        else:
            name = {"input-gradients": "inputs", "coefficient-gradients": "coefficients"}[case.quantity]
            right[case.key] = adapter.vjp(model, s.x, s.dy)[name]
    results = tmp_path / "results"
    results.mkdir()

    def identified(answers):
        for name, content in numbered(answers).items():
            (results / name).write_bytes(content)
        return check(tmp_path / "cases", results)[1]

    adapter.capabilities = PORTABLE
    by_itself, by_files = identify(adapter), identified(right)
    assert [str(stage) for stage in by_files.stages] == [str(stage) for stage in by_itself.stages]
    assert not by_files.differences
    doubled = {key: 2 * array if key.endswith("/input-gradients") else array for key, array in right.items()}
    (difference,) = identified(doubled).differences
    assert difference.stage == "gradients"
    assert main(["cases", "check", str(tmp_path / "cases"), str(results)]) == 1
    assert "gradient" in capsys.readouterr().out
    values = {key: array for key, array in right.items() if key.endswith("/values")}
    unknown = {stage.name: stage.unknown for stage in identified(values).stages if stage.unknown}
    assert "no result probes/" in unknown["gradients"]
    assert "functions" not in unknown
