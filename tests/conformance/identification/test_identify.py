"""What each stage says of layers with one defect, of layers without, and of adapters that answer nothing useful."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

from refkan.conformance import Capabilities, identify
from refkan.conformance.adapters.backends import Refkan, ScipyBSpline
from refkan.conformance.identification.explanations import explain
from tests.broken_layers import Broken
from tests.broken_layers.correct import Cardinal, Piecewise
from tests.broken_layers.defects import of_layer
from tests.broken_layers.local_layers import LocalAdapter
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.broken_layers.trial_defects import GradientAveraged, HalfBias, ReversedGradient, SlopePlus
from tests.conformance.altered_layers import first_difference, of
from tests.conformance.broken_adapters import Patched, raising
from tests.conformance.identification.asked_layers import LAYERS
from tests.conformance.identification.bank import ALL_SAID, BANK, NAMED, NUMBERS, SAID, adapter_of
from tests.conformance.identification.told_functions import ALONE
from tests.shared.refusals import refused
from tests.shared.tables import each_row


@pytest.mark.parametrize(("name", "layer"), LAYERS, ids=[name for name, _ in LAYERS])
def test_a_layer_with_one_defect_is_named(name, layer):
    identification = identify(adapter_of(layer))
    assert identification.leading == name
    assert all(str(difference).startswith(difference.name) for difference in identification.differences)
    assert not [stage.unknown for stage in identification.stages if "the stage failed" in stage.unknown]


@pytest.mark.parametrize(("pattern", "layer"), SAID.items(), ids=[pattern[:50] for pattern in SAID])
def test_what_a_layer_does_is_told(pattern, layer):
    first = first_difference(adapter_of(layer))
    assert re.search(f"^{pattern}", str(first)), first


@pytest.mark.parametrize("layer", ALL_SAID, ids=[patterns[0][:50] for patterns in ALL_SAID.values()])
def test_what_follows_from_a_cause_is_not_told(layer):
    differences = identify(adapter_of(layer)).differences
    assert len(differences) == len(ALL_SAID[layer]), differences
    for pattern, difference in zip(ALL_SAID[layer], differences, strict=True):
        assert re.search(f"^{pattern}", str(difference)), difference


@pytest.mark.parametrize("layer", [layer for layer in ALONE if ALONE[layer][0].startswith(("interval", "stale"))])
def test_what_shows_on_equally_spaced_knots_alone(layer):
    (difference,) = identify(of(layer, knots=("uniform",), degrees=(2, 3), parts=())).differences
    assert difference.name == ALONE[layer][0].partition(":")[0]


def uniform(layer):
    adapter = of(layer)
    adapter.capabilities = Capabilities(degrees=(0, 1, 2, 3, 4, 5), outside=("natural",), derivatives=("second",))
    return adapter


@pytest.mark.parametrize(
    "make",
    [PlainNumpy, Refkan, LocalAdapter, ScipyBSpline, lambda: of(Piecewise), lambda: uniform(Cardinal)],
    ids=["plain", "refkan", "local", "scipy", "powers", "cardinal"],
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
def test_of_a_right_layer_nothing_differs(make, dtype):
    adapter = make()
    if dtype not in adapter.capabilities.dtypes:
        pytest.skip("not declared")
    kept = adapter.capabilities.__dict__ | {"dtypes": (dtype,)}
    adapter.capabilities = Capabilities(**kept)
    identification = identify(adapter)
    assert identification.differences == ()
    assert not [stage.unknown for stage in identification.stages if "failed" in stage.unknown]
    assert len(str(identification).splitlines()) <= 11


ALL_STAGES = ["calls", "arithmetic", "wiring", "sizes", "functions", "parts", "gradients", "outside", "changes"]


@each_row(
    "methods, without_answer, told",
    ({"forward": raising}, ALL_STAGES, "forward: RuntimeError: no kernel"),
    ({"build": raising}, ALL_STAGES, "build: RuntimeError: no kernel"),
    ({"forward": lambda model, x: np.zeros((3, 3))}, ALL_STAGES, "returned shape (3, 3)"),
    ({"forward": lambda model, x: None}, ALL_STAGES, "returned None"),
    ({"vjp": raising}, ["gradients", "changes"], "vjp: RuntimeError: no kernel"),
    ({"second": raising}, ["gradients", "changes"], "second: RuntimeError: no kernel"),
    ({"refine": lambda *arguments: None}, ["changes"], "refine returned None: return the model"),
    ({"state": lambda model: (1, 2, 3)}, ["changes"], "state returned tuple: return a pair"),
)
def test_a_stage_without_an_answer_says_why_and_the_others_go_on(methods, without_answer, told):
    identification = identify(Patched(**methods))
    unknown = [stage for stage in identification.stages if stage.unknown]
    assert [stage.name for stage in unknown] == without_answer
    assert any(told in stage.unknown for stage in unknown)
    others = [stage for stage in identification.stages if stage.name not in without_answer]
    assert all(stage.status == "as declared" for stage in others)
    (difference,) = identification.differences
    assert (difference.name, difference.stage) == ("call fails", without_answer[0])
    assert str(identification).splitlines()[-1] == f"  {difference}"


def test_values_that_are_not_finite():
    identification = identify(Patched(forward=lambda model, x: np.full((len(x), model[0].C.shape[0]), np.nan)))
    assert "results are not finite" in str(identification)


def test_a_layer_that_raises_sometimes():
    class Sometimes(PlainNumpy):
        calls = 0

        def forward(self, model, x):
            self.calls += 1
            if self.calls % 50 == 0:
                raise MemoryError("now and then")
            return super().forward(model, x)

    identification = identify(Sometimes())
    assert any("MemoryError: now and then" in stage.unknown for stage in identification.stages)


def test_an_adapter_that_cannot_be_written_to():
    @dataclass(frozen=True)
    class Frozen(ScipyBSpline):
        pass

    frozen, other = identify(Frozen()), identify(ScipyBSpline())
    assert frozen.stages == other.stages
    assert "linear in its coefficients" in str(frozen)


def test_a_report_does_not_depend_on_the_run():
    first, second = (identify(of(LAYERS[0][1])) for _ in range(2))
    assert str(first) == str(second)
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize("name", NAMED)
def test_every_defect_is_named(name):
    first = first_difference(NAMED[name][0]())
    assert first.name == NAMED[name][1]
    assert NUMBERS.get(name, "") in str(first)


def test_a_verdict_on_what_is_said():
    known = BANK["always cubic"]
    right, other = "degree fixed: splines have degree 3 instead of 4", "sign: outputs have the opposite sign"
    each = [known.verdict(said) for said in ([right, other], [other, right], [other], [])]
    assert each == ["right", "partly", "wrong", "nothing"]
    assert len(BANK) > 270


@each_row(
    "first, second, names",
    (HalfBias, GradientAveraged, ["extra branch", "constant factor"]),
    (HalfBias, ReversedGradient, ["extra branch", "reversed coefficients"]),
    (HalfBias, SlopePlus, ["extra branch", "wrong derivative", "gradient is another"]),
    (GradientAveraged, ReversedGradient, ["reversed coefficients", "constant factor"]),
)
def test_two_defects_fall_into_two_stages(first, second, names):
    identification = identify(of_layer(type("Both", (first, second), {}))())
    assert list(dict.fromkeys(one.name for one in identification.differences)) == names


def test_a_broken_adapter_by_its_name():
    assert Broken("always cubic").title == "broken: AlwaysCubic"
    refused(lambda: Broken("nothing"), "name must be one of 'float32 knots'")


AXES = ("sample", "output", "input", "coefficient")
OURS = np.random.default_rng(0).normal(size=(12, 3, 2, 7))
I = np.eye(7)

MATRICES = {
    "reversed coefficients: they are counted from the right": I[::-1],
    "shifted index: they are shifted by +2": np.eye(7, k=-2),
    "constant factor: they are multiplied by 0.25": I / 4,
    "sign: they have the opposite sign": -I,
    "coefficients left out: they of coefficients 2, 5 of 7 have no effect": np.diag([1, 1, 0, 1, 1, 0, 1]),
    "factor on one coefficient: they of coefficient 3 of 7 are multiplied by -2": np.diag([1, 1, 1, -2, 1, 1, 1]),
    "coefficients mixed up: they: 1 and 4 are exchanged": I[[0, 4, 2, 3, 1, 5, 6]],
    "coefficients mixed up: they: neighbours are exchanged: 0 and 1, 2 and 3, ...": I[[1, 0, 3, 2, 5, 4, 6]],
    "coefficients mixed up: they: all are those of number 3": I[[3] * 7],
    "coefficients mixed up: they: each is the sum of all": np.ones((7, 7)),
    "coefficients mixed up: they: the mean of all is subtracted from each": I - 1 / 7,
    "coefficients mixed up: they: each is the sum of those up to its own": np.tril(np.ones((7, 7))),
    "coefficients mixed up: they: 2 is 0.5 times number 2 +0.5 times number 6": I - 0.5 * np.outer(I[2], I[2] - I[6]),
}


def by(M, ours):
    return np.einsum("ij,sqpj->sqpi", M, ours)


@pytest.mark.parametrize(("text", "M"), MATRICES.items(), ids=[text[:40] for text in MATRICES])
def test_a_matrix_along_one_axis_is_told(text, M):
    (told,) = explain(by(M, OURS), OURS, AXES, 1e-12, "they")
    assert str(told).startswith(text)
    assert told.evidence.get("place", "") == ""


@pytest.mark.parametrize(("text", "M"), MATRICES.items(), ids=[text[:40] for text in MATRICES])
def test_it_is_told_where_the_rest_is_right(text, M):
    theirs = OURS.copy()
    theirs[:, 1] = by(M, OURS[:, 1:2])[:, 0]
    (told,) = explain(theirs, OURS, AXES, 1e-12, "they")
    name = text.split(":")[0]
    assert "output 1" in str(told), told
    if name not in ("constant factor", "sign"):
        assert told.name == name
    else:
        assert (told.name, told.evidence["indices"]) == ("factor on one output", [1])


def test_equal_arrays_need_no_explanation_and_noise_has_none():
    noise = np.random.default_rng(1).normal(size=OURS.shape)
    assert explain(OURS + 1e-13 * noise, OURS, AXES, 1e-12, "they") == []
    assert explain(OURS + 1e-3 * noise, OURS, AXES, 1e-12, "they") is None
    assert explain(noise, OURS, AXES, 1e-12, "they") is None


def test_an_order_of_one_axis_and_a_factor_along_another_are_two_differences():
    theirs = OURS[:, ::-1].copy()
    theirs[:, :, 1] *= 3
    assert [one.name for one in explain(theirs, OURS, AXES, 1e-12, "they")] == [
        "reversed outputs",
        "factor on one input",
    ]
