"""The base for layers in PyTorch: where its tensors are and how they lie in memory; where PyTorch is installed."""

import subprocess
import sys

import numpy as np
import pytest

from refkan.conformance import Judge, catalogue, pytest_suite
from refkan.conformance.adapters.backends import PlainTorch
from refkan.conformance.judging import findings as f
from tests.shared.refusals import refused

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tensors_are_made_on_the_device_of_the_adapter(device):
    """The device `meta`, which every PyTorch has, holds shapes alone."""

    class There(PlainTorch):
        pass

    There.device = device
    adapter = There()
    wide = np.zeros((10, 3))[::2, :2]
    wide[:] = np.arange(10.0).reshape(5, 2)
    made, strided = adapter.tensor(wide, "float32"), adapter.samples(wide)
    assert (made.device.type, made.dtype) == (device, torch.float32)
    assert (strided.device.type, strided.dtype, strided.stride()) == (device, torch.float64, (6, 1))
    if device == "cpu":
        assert np.array_equal(adapter.array(strided), wide)


def test_results_come_back_from_another_device():
    class Elsewhere:
        """What a tensor of a graphics card does when NumPy asks for it."""

        dtype = torch.float64

        def detach(self):
            return self

        def cpu(self):
            return torch.ones(2, dtype=torch.float64)

        def numpy(self):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    assert PlainTorch().array(Elsewhere()).tolist() == [1.0, 1.0]


def judged(adapter, *select, dtype="float64"):
    findings = Judge(adapter).run(catalogue([dtype], select))
    return [x for x in findings if x.status not in f.UNJUDGED]


@pytest.mark.parametrize(
    ("variant", "dtype", "select"),
    [("vmap", "float64", "uniform/3x2/"), ("autocast", "bfloat16", "uniform/3x2/"), ("eager", "float16", "layer/")],
)
def test_a_correct_layer_raises_no_alarm_in_other_ways_of_calling(variant, dtype, select):
    findings = judged(PlainTorch().as_variant(variant), select, dtype=dtype)
    assert not [(x.key, x.message, x.hint) for x in findings if x.status in f.BAD]
    assert len(findings) > 20


class WrongUnderVmap(PlainTorch):
    """A mean over the samples of a call, which is one where calls are mapped."""

    def call(self, model, x):
        y = super().call(model, x)
        return y + (0.5 if x.shape[0] == 1 else 0.0)


class WrongUnderAutocast(PlainTorch):
    """Outputs times 2 in the lower format."""

    def call(self, model, x):
        y = super().call(model, x)
        return 2 * y if torch.is_autocast_enabled("cpu") else y


@pytest.mark.parametrize(
    ("make", "variant", "dtype"), [(WrongUnderVmap, "vmap", "float64"), (WrongUnderAutocast, "autocast", "bfloat16")]
)
def test_a_layer_that_is_wrong_in_one_way_of_calling_fails_in_it_alone(make, variant, dtype):
    key = "layer/degree-3/uniform/3x2/values"
    assert [x.status for x in judged(make(), key, dtype=dtype)] == [f.PASSED]
    (finding,) = judged(make().as_variant(variant), key, dtype=dtype)
    assert finding.status == f.FAILED
    assert make().as_variant(variant).title.endswith(f", {variant}")


def test_data_dependent_control_flow_is_told_under_vmap():
    class Branching(PlainTorch):
        def call(self, model, x):
            return super().call(model, x if x.sum() > 0 else x + 0)

    (finding,) = judged(Branching().as_variant("vmap"), "layer/degree-3/uniform/3x2/values")
    assert finding.status == f.ERROR
    assert "vmap" in finding.message


def test_what_is_compiled_is_compiled_and_the_rest_declined():
    """By the backend "eager": PyTorch traces the layer, and no program is generated."""

    class Traced(PlainTorch):
        compile_options = {"backend": "eager"}  # noqa: RUF012

    class WrongWhenCompiled(Traced):
        def call(self, model, x):
            y = super().call(model, x)
            return -y if torch.compiler.is_compiling() else y

    cases = catalogue(["float64"], ["layer/degree-3/uniform/3x2"])
    findings = Judge(Traced().as_variant("compile")).run(cases)
    found = {status: [x.key for x in findings if x.status == status] for status in (f.PASSED, f.DECLINED)}
    assert len(found[f.PASSED]) == 3
    assert {x.status for x in findings} == {f.PASSED, f.DECLINED}
    (finding,) = judged(WrongWhenCompiled().as_variant("compile"), "layer/degree-3/uniform/3x2/values")
    assert finding.hint == "sign"


def test_a_device_that_is_not_there_skips_the_suite():
    if torch.cuda.is_available():
        findings = judged(PlainTorch().on("cuda"), "layer/degree-3/uniform/3x2/")
        assert {x.status for x in findings} == {f.PASSED}
        return
    refused(lambda: PlainTorch().on("cuda:0"), "ImportError: no device 'cuda:0' here: torch .* finds no CUDA; nothing")
    suite = pytest_suite(lambda: PlainTorch().on("cuda"))
    ((parameter,),) = (suite.pytestmark[0].args[1],)
    (mark,) = parameter.marks
    assert (mark.name, "finds no CUDA" in mark.kwargs["reason"]) == ("skip", True)


def test_the_plain_layer_makes_all_its_tensors_on_the_device():
    """On the device `meta` an operation on tensors of two devices raises, as on a graphics card."""

    class There(PlainTorch):
        device = "meta"

    adapter = There()
    for key in ("3x2/with-base-scale/values", "2-3-2/values"):
        case = catalogue(["float64"], [key])[0]
        specs = case.setting.specs
        model = adapter.built(specs if len(specs) > 1 else specs[0])
        y = adapter.call(model, adapter.samples(case.setting.x))
        assert (y.device.type, tuple(y.shape)) == ("meta", case.setting.dy.shape)


def test_a_variant_that_does_not_exist():
    refused(lambda: PlainTorch().as_variant("jit"), r"variant must be one of 'eager', .* 'tf32'; got 'jit'")


def test_outputs_of_another_shape_are_told_by_every_quantity():
    class Turned(PlainTorch):
        """Outputs (Q, N), which sums over samples would take for (N, Q) where one of them is 1."""

        def call(self, model, x):
            return super().call(model, x).T

    findings = judged(Turned(), "layer/degree-3/uniform/1x1/")
    assert {x.status for x in findings} == {f.ERROR}
    assert {"shape (1, 12); expected (12, 1)" in x.message for x in findings} == {True}


def test_gradients_take_no_package_of_symbols():
    """A cotangent handed to autograd loads one, which takes longer than a hundred cases."""
    code = (
        "import sys; from refkan.conformance import Judge, catalogue;"
        "from refkan.conformance.adapters.backends import PlainTorch;"
        "found = Judge(PlainTorch()).run(catalogue(['float64'], ['layer/degree-3/uniform/3x2/']));"
        "print({x.status for x in found}, 'sympy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["{'passed'}", "False"]
