"""What is no adapter, no capability and no case is refused by name, before any layer runs."""

import pytest

from refkan.conformance import (
    Capabilities,
    Case,
    EfficientKanAdapter,
    Judge,
    PykanAdapter,
    catalogue,
    identify,
    parametrize_with_cases,
    prove,
)
from refkan.conformance.adapters.backends import ScipyBSpline
from tests.shared.refusals import refusals, refused

UNDECLARED = type("Undeclared", (ScipyBSpline,), {"capabilities": {"degrees": (1,)}})


@pytest.mark.parametrize("function", [Judge, identify, prove, parametrize_with_cases])
def test_what_is_no_adapter_is_refused(function):
    if function is not parametrize_with_cases:
        refused(lambda: function(None), "TypeError: adapter must be an Adapter; got NoneType")
        refused(lambda: function(ScipyBSpline), r"TypeError: got the class ScipyBSpline: pass ScipyBSpline\(\)")
    refused(lambda: function(UNDECLARED()), "TypeError: capabilities of the adapter must be a Capabilities; got dict")


test_calls = refusals(
    (lambda: Case(None, "values"), "TypeError: setting must be a Setting; got NoneType"),
    (lambda: parametrize_with_cases(lambda: 5), "TypeError: adapter must be an Adapter; got int"),
    (lambda: prove(ScipyBSpline(), quick="yes"), "TypeError: quick must be True or False; got 'yes'"),
    (lambda: parametrize_with_cases(ScipyBSpline, ["float46"]), "dtypes must be one of .*'float46': did you mean"),
    (lambda: parametrize_with_cases(ScipyBSpline, select=["z"]), r"select must hold parts of one key; got \['z'\]"),
    (
        lambda: parametrize_with_cases(ScipyBSpline, ["float64"], expected_failures={5: "a"}),
        "TypeError: the key 5 of expected_failures must be of type str; got 5",
    ),
    (
        lambda: parametrize_with_cases(ScipyBSpline, ["float64"], expected_failures={"*": 5}),
        r"TypeError: expected_failures\['\*'\] must be of type str; got 5",
    ),
    (
        lambda: catalogue(["float64"], ["degree-1", "zzz"]),
        r"select must .*; got \['degree-1', 'zzz'\]: no case has all",
    ),
)


def test_without_formats_nothing_is_selected():
    assert catalogue([], ["zzz"]) == []
    assert Judge(ScipyBSpline()).run([]) == []
    assert Capabilities().problems() == []


def test_copies_that_are_not_there_are_told():
    pytest.importorskip("torch")
    refused(lambda: PykanAdapter(where=5), "TypeError: where must be a str; got int")
    refused(lambda: EfficientKanAdapter(), "ImportError: needs the class of layers: set `layer` to it")
    refused(lambda: EfficientKanAdapter(where="no_such"), "ImportError: give the folder that holds its module, or make")
