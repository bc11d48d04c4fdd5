"""Right layers are proven, layers with a defect in their mathematics are refuted at a point where they do differ."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from refkan.conformance import Adapter, Capabilities
from refkan.conformance.adapters.backends.plain_layers import CAPABILITIES, PlainJax, PlainTorch, basis, evaluated
from refkan.conformance.cases import LayerSpec
from refkan.conformance.programs import prove
from refkan.conformance.programs.fields.signs import Interval
from refkan.conformance.programs.regions import layers, regions_of

pytest.importorskip("flint")

SMALL = replace(
    CAPABILITIES, degrees=(2,), knots=("arbitrary",), outside=(), parts=(), derivatives=("inputs", "coefficients")
)


class Torch(PlainTorch):
    capabilities = SMALL


class Jax(PlainJax):
    capabilities = SMALL


@pytest.mark.parametrize("kind", [Torch, Jax])
def test_a_right_layer_is_proven(kind):
    pytest.importorskip("torch" if kind is Torch else "jax")
    proof = prove(kind())
    assert proof.holds
    assert not proof.refused
    assert proof.counterexample is None
    gradients = {"input-gradients", "coefficient-gradients", "jvp"}
    assert {each.quantity for each in proof.statements} == {"values", *gradients}
    assert 0 < proof.rounding < 8
    assert "proven for all inputs in 9 regions and all coefficients" in str(proof)


@pytest.mark.parametrize("kind", [Torch, Jax])
def test_scales_and_biases_are_parts_of_the_formula(kind):
    pytest.importorskip("torch" if kind is Torch else "jax")

    class WithParts(kind):
        capabilities = replace(SMALL, knots=("uniform",), parts=("base", "scale", "node-scale", "bias"))

    proof = prove(WithParts(), quick=True)
    assert proof.holds, str(proof)


class LeavesTorch(Torch):
    """Computes its values in NumPy, of which a trace keeps the numbers."""

    def call(self, model, x):
        return super().call(model, self.torch.from_numpy(x.detach().numpy() * 1.0))


class Counts(Jax):
    """Returns other values from call to call."""

    calls = 0

    def function(self, spec):
        layer = super().function(spec)

        def counting(*arguments, **parts):
            Counts.calls += 1
            return layer(*arguments, **parts) * Counts.calls

        return counting


@pytest.mark.parametrize("derivatives", [(), ("inputs",)])
@pytest.mark.parametrize("kind", [Torch, Jax])
def test_coefficients_are_variables_whether_or_not_their_gradients_are_declared(kind, derivatives):
    pytest.importorskip("torch" if kind is Torch else "jax")

    class WithoutTheirGradients(kind):
        capabilities = replace(SMALL, derivatives=derivatives)

    proof = prove(WithoutTheirGradients(), quick=True)
    assert proof.holds, str(proof)


class WithoutTensors(Torch):
    capabilities = replace(SMALL, derivatives=())

    def coefficients(self, model):
        raise NotImplementedError


class WrongTensors(Torch):
    """The layer is right; what its adapter says of its tensor is not."""

    def to_papers(self, gradient):
        return -super().to_papers(gradient)


@pytest.mark.parametrize(
    ("kind", "reason"), [(WithoutTensors, "coefficients(model)"), (WrongTensors, "as to_papers says")]
)
def test_an_adapter_that_does_not_tell_where_its_numbers_stand_is_refused(kind, reason):
    pytest.importorskip("torch")
    proof = prove(kind(), quick=True)
    assert {each.status for each in proof.statements} == {"refused"}
    assert all(reason in each.reason for each in proof.statements)


@pytest.mark.parametrize("kind", [LeavesTorch, Counts])
def test_a_trace_that_is_not_the_layer_is_refused(kind):
    pytest.importorskip("torch" if kind is LeavesTorch else "jax")
    values = [each for each in prove(kind(), quick=True).statements if each.quantity == "values"]
    assert {each.status for each in values} == {"refused"}
    assert all("other numbers than the layer" in each.reason for each in values)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [PlainTorch, PlainJax])
def test_everything_that_the_plain_layers_declare_is_proven(kind):
    pytest.importorskip("torch" if kind is PlainTorch else "jax")
    proof = prove(kind())
    assert proof.holds, str(proof)


def test_step_functions_have_no_repeated_knots():
    names = [each.name for each in layers(PlainTorch.capabilities)]
    assert any(name.startswith("degree 0, uniform") for name in names)
    assert any(name.startswith("degree 1, repeated") for name in names)
    assert not any(name.startswith("degree 0, repeated") for name in names)


class OpenEnd(Torch):
    """All functions are zero at x = b."""

    def call(self, model, x):
        ((spec, knots, C, _),) = model
        values = basis(self.torch, x, knots, spec.order, "natural")
        return self.torch.einsum("spi,qpi->sq", values * (x < spec.domain[1])[:, :, None], C)


class Epsilon(Torch):
    """1e-8 in denominators."""

    def call(self, model, x):
        ((spec, knots, C, _),) = model
        return evaluated(self.torch, None, spec, C, x, knots, {}) / (1 + 1e-8)


class Transposed(Torch):
    """Coefficients of inputs and outputs exchanged where there are as many."""

    def call(self, model, x):
        ((spec, knots, C, parts),) = model
        C = C.transpose(0, 1) if C.shape[0] == C.shape[1] else C
        return evaluated(self.torch, None, spec, C, x, knots, parts)


class Mixed(Torch):
    """Samples act on each other."""

    def call(self, model, x):
        y = super().call(model, x)
        return y + (y[0] - y) * 2.0**-40


class Detached(Torch):
    """The gradient leaves out the lowest functions."""

    def call(self, model, x):
        ((spec, knots, C, parts),) = model
        C = self.torch.cat([C[..., :1].detach(), C[..., 1:]], -1)
        return evaluated(self.torch, None, spec, C, x, knots, parts)


class Squared(Torch):
    """Not linear in its coefficients."""

    def call(self, model, x):
        ((spec, knots, C, parts),) = model
        return evaluated(self.torch, None, spec, C + 2.0**-30 * C * C, x, knots, parts)


class NoNumbers(Torch):
    """0/0 at one knot."""

    def call(self, model, x):
        t = model[0][1][0, 3]
        return super().call(model, x) + ((x - t) / (x - t) - 1).sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("wrong", "quantity"),
    [
        (OpenEnd, "values"), (Epsilon, "values"), (Transposed, "values"), (Mixed, "values"),
        (Detached, "coefficient-gradients"), (Squared, "values"), (NoNumbers, "values"),
    ],
)  # fmt: skip
def test_a_defect_is_refuted_where_the_layer_differs(wrong, quantity, capsys):
    pytest.importorskip("torch")
    proof = prove(wrong())
    assert not proof.holds
    refuted = [each for each in proof.statements if each.status == "refuted"]
    for each in refuted:
        exec(each.script, {})
        program, formula = (float(word) for word in capsys.readouterr().out.split("in place of"))
        assert formula == float(each.counterexample.formula)
        computed = float(each.counterexample.program)
        assert program == pytest.approx(computed, rel=1e-12, abs=1e-12, nan_ok=True)
    assert quantity in {each.quantity for each in refuted}
    assert all(str(each.counterexample) in str(each) for each in refuted)
    if quantity == "values" and wrong is not NoNumbers:
        for each in refuted:
            if each.quantity == "values":
                assert differs_in_floats(wrong(), each)


def differs_in_floats(adapter, statement):
    """Evaluate the backend in floats where the statement says; the formula and the program are what it says."""
    counterexample = statement.counterexample
    (layer,) = [each for each in layers(adapter.capabilities) if each.name == statement.layer]
    batch = next(b for b in layer.batches if len(b) > counterexample.index[0])
    x = np.array([[float(r.point() if isinstance(r, Interval) else r) for r in regions] for regions in batch])
    C = np.zeros(layer.spec.coefficients.shape)
    for name, value in counterexample.at.items():
        key, _, rest = name.partition("[")
        place = tuple(map(int, rest[:-1].split(",")))
        {"x": x, "c": C}[key][place] = float(value)
    model = adapter.built(replace(layer.spec, coefficients=C))
    y = np.asarray(adapter.forward(model, x))[counterexample.index]
    return abs(Fraction(float(y)) - counterexample.program) < 1e-12 and counterexample.program != counterexample.formula


class NumpyLayer(Adapter):
    """Hat functions in NumPy, which object arrays go through."""

    capabilities = Capabilities(degrees=(1,), knots=("uniform", "arbitrary"), derivatives=())

    def build(self, spec: LayerSpec):
        return spec

    def forward(self, spec, x):
        y = 0
        for i in range(spec.dim):
            left, middle, right = (spec.knots[:, i + k] for k in range(3))
            hat = np.maximum(0, np.minimum((x - left) / (middle - left), (right - x) / (right - middle)))
            y = y + np.einsum("sp,qp->sq", hat, spec.coefficients[:, :, i])
        return y


class Scaled(NumpyLayer):
    def forward(self, spec, x):
        return super().forward(spec, x) * (1 + 2.0**-50)


class Cast(NumpyLayer):
    def forward(self, spec, x):
        return super().forward(spec, np.asarray(x, np.float64))


def test_code_of_numpy_is_run_as_it_is():
    proof = prove(NumpyLayer())
    assert proof.holds, str(proof)
    wrong = prove(Scaled())
    assert {each.status for each in wrong.statements} == {"refuted"}
    assert wrong.counterexample.program / wrong.counterexample.formula == 1 + Fraction(1, 2**50)
    (reason,) = prove(Cast()).refused
    assert "float" in reason


def test_regions_cover_the_domain_and_what_lies_outside():
    spec = LayerSpec([[-1.0, 0.0, 1.0, 2.0, 3.0]], [[[0.0, 0.0, 0.0]]], order=2)
    inside = regions_of(spec, 0, outside=False, right_end="closed")
    assert inside == [Interval(0, 1), Interval(1, 2), 0, 1, 2]
    assert regions_of(spec, 0, outside=False, right_end="zero") == inside[:-1]
    outside = [Interval(-1, 0), Interval(2, 3), Interval(None, -1), Interval(3, None)]
    with_knots = inside + outside[:2] + [-1, 3] + outside[2:]
    assert regions_of(spec, 0, outside=True, right_end="closed") == with_knots
