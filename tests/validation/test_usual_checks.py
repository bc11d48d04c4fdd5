"""The usual checks pass what they should, and fail what they should; the page is that of the committed record."""

import json

import pytest

from tests.broken_layers.defects import DEFECTS
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.other_forms import Bernstein, Loops
from tests.shared.tables import each_row
from validation.implementations import usual_checks
from validation.implementations.usual_checks import CHECKS, PAGE, RECORD, RIGHT, broken, let_through, page, passed

USUAL = [name for name in CHECKS if name != "conform"]


@pytest.fixture(autouse=True)
def without_cases(monkeypatch):
    monkeypatch.setattr(usual_checks, "CHECKS", {name: CHECKS[name] for name in USUAL})


def of(layer):
    def make():
        adapter = PlainNumpy()
        adapter.layer = layer
        return adapter

    return make


@pytest.mark.parametrize("make", [*RIGHT.values(), of(Bernstein), of(Loops)])
def test_right_layers_pass(make):
    assert passed(make) == USUAL


@each_row(
    "name, passes",
    ("right end open", USUAL),  # no sample lies there
    ("coefficients reversed", ["gradcheck"]),  # another function, with its right gradient
    ("sign of the input gradient", []),
    ("cotangent ignored", []),
    ("float32 arithmetic", [name for name in USUAL if name != "gradcheck"]),  # quotients of rounding errors
    ("sums in single", [name for name in USUAL if name != "gradcheck"]),
)
def test_broken_layers_fail_what_sees_their_defect(name, passes):
    assert passed(DEFECTS[name].make) == passes


def test_a_layer_that_raises_does_not_pass():
    class Raises(PlainNumpy):
        def forward(self, model, x):
            raise RuntimeError("no such function")

    assert passed(Raises) == []


@pytest.mark.skipif(not RECORD.exists(), reason="no record is committed")
def test_the_page_is_that_of_the_committed_record(monkeypatch):
    monkeypatch.setattr(usual_checks, "CHECKS", CHECKS)
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(record)
    assert record["broken"].keys() == {name for name, _ in broken()}
    assert all(passes == list(CHECKS) for passes in record["right"].values())
    counts = let_through(record)
    assert counts["conform"] < 0.05 * len(record["broken"])
    assert min(counts[name] for name in USUAL) > 0.25 * len(record["broken"])
    shown = [int(line.split("|")[2].split()[0]) for line in page(record).splitlines() if line.startswith("| all")]
    assert shown == [counts[name] for name in USUAL[:2]]
