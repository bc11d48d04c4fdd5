"""What each stage says of layers with one defect, of layers without, and of adapters that answer nothing useful."""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

import refkan as rk
from refkan.conformance import Capabilities
from refkan.conformance.adapters.backends import Refkan, ScipyBSpline
from tests.broken_layers.correct import Cardinal, Piecewise
from tests.broken_layers.local_layers import LocalAdapter
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.identification.asked_layers import LAYERS, MOVED, of
from tests.conformance.identification.layers_in_settings import IN_SETTINGS
from tests.conformance.identification.layers_told_once import TOLD_ONCE
from tests.conformance.identification.told_functions import FUNCTIONS_TOLD
from tests.conformance.identification.told_layers import TOLD
from tests.shared.tables import each_row


@cache
def identified(layer):
    """What a layer is, asked once for all tests."""
    return rk.conformance.identify(layer() if issubclass(layer, PlainNumpy) else of(layer))


BROKEN = [(name, layer) for name, layers in LAYERS.items() for layer in layers] + list(MOVED.items())


@pytest.mark.parametrize(("name", "layer"), BROKEN, ids=[layer.__name__ for _, layer in BROKEN])
def test_a_layer_with_one_defect_is_named(name, layer):
    identification = identified(layer)
    assert identification.leading == name
    assert all(str(difference).startswith(difference.name) for difference in identification.differences)
    assert not [stage.unknown for stage in identification.stages if "the stage failed" in stage.unknown]


SAID = TOLD | FUNCTIONS_TOLD | IN_SETTINGS


@pytest.mark.parametrize(("pattern", "layer"), SAID.items(), ids=[pattern[:50] for pattern in SAID])
def test_what_a_layer_does_is_told(pattern, layer):
    first = identified(layer).differences[0]
    assert re.search(f"^{pattern}", str(first)), first


@pytest.mark.parametrize("layer", TOLD_ONCE, ids=[layer.__name__ for layer in TOLD_ONCE])
def test_what_follows_from_a_cause_is_not_told(layer):
    differences = identified(layer).differences
    assert len(differences) == len(TOLD_ONCE[layer]), differences
    for pattern, difference in zip(TOLD_ONCE[layer], differences, strict=True):
        assert re.search(f"^{pattern}", str(difference)), difference


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
    identification = rk.conformance.identify(adapter)
    assert identification.differences == ()
    assert not [stage.unknown for stage in identification.stages if "failed" in stage.unknown]
    assert len(str(identification).splitlines()) <= 11


class Refusing(PlainNumpy):
    """Raises in one method, or returns something else."""

    def __init__(self, **methods):
        for name, method in methods.items():
            setattr(self, name, method)


def raising(*arguments):
    raise RuntimeError("no kernel")


ALL_STAGES = ["calls", "arithmetic", "wiring", "sizes", "functions", "parts", "gradients", "outside", "changes"]


@each_row(
    "methods, without_answer, told",
    ({"forward": raising}, ALL_STAGES, "forward: RuntimeError: no kernel"),
    ({"build": raising}, ALL_STAGES, "build: RuntimeError: no kernel"),
    ({"forward": lambda model, x: np.zeros((3, 3))}, ALL_STAGES, "returned shape (3, 3)"),
    ({"forward": lambda model, x: None}, ALL_STAGES, "returned None"),
    ({"vjp": raising}, ["gradients", "changes"], "vjp: RuntimeError: no kernel"),
    ({"second": raising}, ["gradients", "changes"], "second: RuntimeError: no kernel"),
    ({"refine": lambda *arguments: None}, ["changes"], "refine: returned None"),
    ({"state": lambda model: (1, 2, 3)}, ["changes"], "state: must return"),
)
def test_a_stage_without_an_answer_says_why_and_the_others_go_on(methods, without_answer, told):
    identification = rk.conformance.identify(Refusing(**methods))
    unknown = [stage for stage in identification.stages if stage.unknown]
    assert [stage.name for stage in unknown] == without_answer
    assert any(told in stage.unknown for stage in unknown)
    others = [stage for stage in identification.stages if stage.name not in without_answer]
    assert all(stage.status == "as declared" for stage in others)
    assert identification.differences == ()
    last = f"nothing that was answered differs from what was declared; unknown: {', '.join(without_answer)}"
    assert str(identification).splitlines()[-1] == last


def test_values_that_are_not_finite():
    identification = rk.conformance.identify(
        Refusing(forward=lambda model, x: np.full((len(x), model[0].C.shape[0]), np.nan))
    )
    assert "results are not finite" in str(identification)


def test_a_layer_that_raises_sometimes():
    class Sometimes(PlainNumpy):
        calls = 0

        def forward(self, model, x):
            self.calls += 1
            if self.calls % 50 == 0:
                raise MemoryError("now and then")
            return super().forward(model, x)

    identification = rk.conformance.identify(Sometimes())
    assert any("MemoryError: now and then" in stage.unknown for stage in identification.stages)


def test_an_adapter_that_cannot_be_written_to():
    @dataclass(frozen=True)
    class Frozen(ScipyBSpline):
        pass

    frozen, other = rk.conformance.identify(Frozen()), rk.conformance.identify(ScipyBSpline())
    assert frozen.stages == other.stages
    assert "linear in its coefficients" in str(frozen)


def test_a_report_does_not_depend_on_the_run():
    for name, layer in BROKEN[:2]:
        first, second = identified(layer), rk.conformance.identify(of(layer))
        assert str(first) == str(second), name
        assert first.to_dict() == second.to_dict()
