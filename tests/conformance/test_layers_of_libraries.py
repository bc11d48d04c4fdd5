"""What layers of libraries need: constants outside, one clamped knot vector for all inputs, bases for copied layers."""

import re
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from refkan.conformance import Capabilities, EfficientKanAdapter, Judge, PykanAdapter, catalogue
from refkan.conformance.cases import CONSTANT, true_values
from refkan.conformance.cases.families import Frame
from refkan.conformance.identification import Difference, Identification, Stage
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding
from refkan.conformance.reports.defects import always_raised, answers, defects, in_short, new_defects
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.altered_layers import bad, of
from tests.conformance.judged_cases import chosen
from tests.shared.refusals import refused


class Held(NumpyLayer):
    """The values at the end points outside the domain, with derivatives of zero."""

    def basis(self, p, x, k=0):
        a, b = self.t[p][self.order - 1], self.t[p][-self.order]
        inside = ((a <= x) & (x <= b))[:, None]
        return super().basis(p, np.clip(x, a, b), k) * (inside if k else 1)


class SlopesGoOn(Held):
    """The slopes at the end points, too."""

    def basis(self, p, x, k=0):
        return NumpyLayer.basis(self, p, np.clip(x, *self.spec.domains[p]), k)


def outside_constant(layer):
    adapter = of(layer, outside=(CONSTANT,), degrees=(1, 2, 3), network=False)
    cases = [case for case in catalogue(["float64"]) if case.setting.spec.outside == CONSTANT]
    return [finding for finding in Judge(adapter, hints=False).run(cases) if finding.status != f.NOT_APPLICABLE]


def test_values_held_constant_outside_are_right():
    findings = outside_constant(Held)
    assert {finding.status for finding in findings} == {f.PASSED}
    assert len(findings) == 108


def test_slopes_of_a_constant_are_found():
    """As in a layer that clips its samples for values, and not for gradients."""
    wrong = {finding.quantity for finding in outside_constant(SlopesGoOn) if finding.status == f.FAILED}
    assert wrong == {"input-gradients", "second-derivatives"}


def test_the_exact_truth_of_a_constant_is_the_value_at_the_end():
    for case in catalogue(["float64"], ["outside-constant"]):
        s = case.setting
        if case.quantity == "values":
            at_ends = true_values(replace(s.spec, outside="linear"), np.clip(s.x, *s.spec.domains.T))
            assert np.allclose(case.expected, at_ends, rtol=0, atol=1e-13)


class OneKnotVector(PlainNumpy):
    """Takes the knots of the first input for all, and makes them itself from domain and number of intervals."""

    capabilities = replace(
        PlainNumpy.capabilities, knots=("clamped",), shared_knots=True, equal_spacing=True, dtypes=("float64",),
        refine=(), update=False, outside=(),
    )  # fmt: skip

    def build(self, spec):
        specs = spec if isinstance(spec, tuple) else (spec,)
        return super().build(tuple(map(self.with_own_knots, specs)))

    def with_own_knots(self, spec):
        row = np.linspace(*spec.domain, spec.intervals + 1)
        row = np.pad(row, spec.degree, mode="edge")
        return replace(spec, knots=np.array([row] * spec.n_inputs))


def test_one_clamped_equally_spaced_knot_vector_raises_no_alarm():
    adapter = OneKnotVector()
    cases = chosen(["float64"], ["clamped"], adapter.capabilities.frame)
    findings = [x for x in Judge(adapter).run(cases) if x.status != f.NOT_APPLICABLE]
    assert {finding.status for finding in findings} == {f.PASSED}
    assert len(findings) > 80


def test_cases_of_other_layers_are_not_for_one_knot_vector():
    findings = Judge(OneKnotVector()).run(chosen(["float64"], ["layer/degree-3/clamped/3x2/values"]))
    assert [x.message for x in findings] == ["not declared: knots that differ between inputs"]
    apart = replace(OneKnotVector.capabilities, shared_knots=False)
    (case,) = chosen(["float64"], ["layer/degree-3/clamped/3x2/values"])
    assert apart.missing(case.needs()) == "clamped knots of unequal spacing"


@pytest.mark.parametrize("shared", [False, True])
def test_knots_of_a_frame(shared):
    frame = Frame(shared_knots=shared, equal_spacing=True)
    for case in catalogue(["float64"], ["layer/degree-3", "values"], frame=frame):
        for spec in case.setting.specs:
            assert not shared or (spec.knots == spec.knots[0]).all(), case.key
            if spec.kind == "clamped":
                assert np.allclose(np.diff(spec.knots[:, 3:-3]), 0.5)


def kan_linear(torch, **lacking):
    """A layer with the names of efficient-kan, by the plain basis; its `update_grid` makes nothing but a mistake."""
    from refkan.conformance.adapters.backends.plain_layers import basis

    class KANLinear(torch.nn.Module):
        def __init__(self, in_features, out_features, grid_size=5, spline_order=3, grid_range=(-1, 1)):
            super().__init__()
            (a, b), Q, P = grid_range, out_features, in_features
            steps = torch.arange(-spline_order, grid_size + spline_order + 1, dtype=torch.float64)
            row = a + (b - a) / grid_size * steps
            self.register_buffer("grid", row.expand(P, -1).contiguous())
            self.order = spline_order + 1
            self.spline_weight = torch.nn.Parameter(torch.ones(Q, P, grid_size + spline_order))
            if "base_weight" not in lacking:
                self.base_weight = torch.nn.Parameter(torch.ones(Q, P))
            if "spline_scaler" not in lacking:
                self.spline_scaler = torch.nn.Parameter(torch.ones(Q, P))

        def weights(self):
            return self.spline_weight * self.spline_scaler[:, :, None] if self.has_scale() else self.spline_weight

        def has_scale(self):
            return hasattr(self, "spline_scaler")

        def forward(self, x):
            y = torch.einsum("spi,qpi->sq", basis(torch, x, self.grid, self.order, "natural"), self.weights())
            if hasattr(self, "base_weight"):
                y = y + torch.nn.functional.silu(x) @ self.base_weight.T
            return y

        def update_grid(self, x):
            self.spline_weight.data = self.weights().data  # of which the scaler is a factor once more

    if "update_grid" in lacking:
        del KANLinear.update_grid
    return KANLinear


FEW = (
    "layer/degree-3/uniform/3x2/", "layer/degree-2/arbitrary/3x2/", "network/degree-2/uniform",
    "update/degree-3/random",
)  # fmt: skip


def judged(adapter):
    cases = [case for key in FEW for case in chosen(["float64"], [key]) if len(case.setting.x) < 30]
    return Judge(adapter, hints=False).run(cases)


def test_a_copy_of_efficient_kan_takes_three_lines():
    torch = pytest.importorskip("torch")

    class Mine(EfficientKanAdapter):
        layer = kan_linear(torch)

    adapter = Mine()
    assert (adapter.capabilities.parts, adapter.capabilities.update) == (("base", "scale"), True)
    findings = judged(adapter)
    wrong = {finding.family for finding in findings if finding.status in f.BAD}
    assert wrong == {"update"}  # a factor that is applied twice shows though no case of updates asks for one
    assert sum(finding.status == f.PASSED for finding in findings) > 50


def test_what_a_copy_lacks_is_not_declared():
    torch = pytest.importorskip("torch")

    class Mine(EfficientKanAdapter):
        layer = kan_linear(torch, base_weight=True, spline_scaler=True, update_grid=True)

    adapter = Mine()
    assert (adapter.capabilities.parts, adapter.capabilities.update) == ((), False)
    assert not bad(judged(adapter))


def test_a_library_that_is_missing_is_asked_for_in_words(tmp_path, monkeypatch):
    pytest.importorskip("torch")

    class Mine(PykanAdapter):
        name, module, variable = "my copy", "no_such_module_of_mine", "MY_COPY"

    told = "ImportError: Mine needs a copy of my copy: give the folder that holds no_such_module_of_mine, or set MY_C"
    refused(Mine, told)
    monkeypatch.setenv("MY_COPY", str(tmp_path))
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    (tmp_path / "no_such_module_of_mine.py").write_text("class KANLayer:\n    pass\n")
    assert Mine().layer.__name__ == "KANLayer"


def test_capabilities_of_real_layers_are_said_in_words():
    assert Capabilities(outside=("constant",), shared_knots=True, equal_spacing=True).problems() == []
    assert Capabilities(shared_knots="yes").problems() == ["capability shared_knots must be True or False; got 'yes'"]


def test_the_line_of_an_error_is_in_the_adapter_and_not_in_its_base():
    torch = pytest.importorskip("torch")

    class Raising(kan_linear(torch)):
        def forward(self, x):
            raise TypeError("no kernel")

    class Mine(EfficientKanAdapter):
        layer = Raising

    findings = Judge(Mine(), hints=False).run(chosen(["float64"], ["layer/degree-3/uniform/3x2/values"]))
    assert re.fullmatch(
        r"every call raises: TypeError: no kernel \(1 of 1 cases, line \d+ of test_layers_of_libraries.py\)",
        always_raised(findings),
    )


def finding(family, status, ours=1.0, theirs=1.0):
    return Finding("key", "values", status, index=(0,), ours=ours, theirs=theirs, family=family)


def test_answers_in_short():
    """By the largest error of each aspect; small results count by their absolute errors."""
    findings = [
        finding("values", f.PASSED), finding("values", f.FAILED, 1.0, 1.0 + 2e-7),
        finding("values", f.FAILED, 1e-12, 2e-12), finding("gradients", f.PASSED),
        finding("update", f.FAILED, 1.0, 0.5), finding("refine", f.PASSED),
        finding("spans and sizes", f.ERROR), finding("spans and sizes", f.PASSED), finding("outside", f.ERROR),
        finding("parts", f.NOT_APPLICABLE), finding("networks", f.FAILED, 1.0, float("nan")),
    ]  # fmt: skip
    assert in_short(findings) == (
        "B-splines: to 2e-07; outside: raises; sizes: raises in 1 of 2 cases; networks: no; refine: exact; update: no"
    )
    assert "gradients" in answers(findings)


def test_changes_in_another_format_are_answered_as_changes():
    passed, failed = (Finding(key, "values", status, family="float32") for key, status in (
        ("float32/layer/degree-3/uniform/values", f.PASSED), ("float32/update/degree-3/random-data/values", f.FAILED)
    ))  # fmt: skip
    assert answers([passed, failed]) == {"update": "no", "float32": "yes"}


def test_defects_that_no_case_shows_are_those_of_the_layer():
    identification = Identification(
        "title",
        (
            Stage(
                "wiring",
                differences=(Difference("sign", {"what": "outputs"}),),
            ),
        ),
    )
    found = defects([finding("values", f.PASSED)], identification)
    assert [(defect.name, defect.families) for defect in found] == [("sign", ("layer",))]
    assert new_defects(found, {"sign": {"values"}}) == found
    assert new_defects(found, {"sign": {"values", "layer"}}) == []


def test_the_page_of_names_is_that_of_the_code():
    folder = Path(__file__).parents[2] / "docs"
    if not folder.is_dir():
        pytest.skip("no docs here")
    spec = spec_from_file_location("adapter_fields", folder / "adapter_fields.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/adapter_fields.py"
    for name in ("spec.knots", "shared_knots", "update(model, x)", "to_papers(array)", "neutral_scale"):
        assert name in module.page()
