"""The page on published backends is what the command makes of the committed record."""

import json

import pytest

from refkan.conformance import Capabilities
from refkan.conformance.cases.cases import VERSION
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.shared.refusals import refused
from validation.records.backends_matrix import main as measure
from validation.records.backends_matrix import row
from validation.records.backends_page import PAGE, RECORD, cell, escaped, main, numbers, page, read, table, trimmed


@pytest.mark.skipif(not RECORD.exists(), reason="no record of B1 is committed")
def test_the_page_is_that_of_the_committed_record():
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(RECORD.read_text(encoding="utf-8")), read())


@pytest.mark.skipif(not RECORD.exists(), reason="no record of B1 is committed")
def test_the_committed_record_is_of_pinned_versions_and_a_clean_commit():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert len(record["git"]) == 40  # no "+changes"
    assert not any("pinned:" in version for version in record["versions"])
    assert all(trap["found"] for trap in record["traps"])
    assert {backend["backend"] for backend in record["backends"]} >= {"pykan", "jaxkan", "efficient-kan"}


def test_a_record_without_backends_makes_no_page():
    row = {"id": "B1", "data": {"traps": [], "backends": []}}
    refused(lambda: trimmed({"rows": [row], "capsule": {}}), "must be of a run of B1 with at least one backend")


def test_what_a_full_run_finds_is_told_by_kind():
    kind = {"name": "sign", "count": 3, "line": "a/values [0]: ours 1", "hints": "sign: |x|", "call": "refkan conform"}
    backend = {
        "backend": "mine", "adapter": "A layer.", "call": "refkan conform", "observations": ["nothing"],
        "dtypes": ["float64"], "counts": {"passed": 5, "failed": 3}, "kinds": [kind],
    }  # fmt: skip
    day = {"git": "0" * 40, "time": "2026-01-02T03:04", "versions": ["mine 1.0"]}
    told = page({**day, "measured": "0 of 0 known; more", "traps": [], "backends": [backend]})
    assert "measured on 2026-01-02, at 0000000, with mine 1.0: " in told
    assert "In float64: 5 passed, 3 failed." in told
    assert "| sign | 3 | a/values [0]: ours 1 | sign: \\|x\\| | `refkan conform` |" in told


class Narrow(PlainNumpy):
    """One small family, half of it wrong."""

    name = "narrow"
    capabilities = Capabilities(degrees=(1,), derivatives=("inputs",))

    def vjp(self, model, x, dy):
        return {"inputs": -super().vjp(model, x, dy)["inputs"]}


def test_a_row_of_the_matrix():
    found = row(Narrow(), ["narrow 1.2 (pinned: 1.1)"], "2026-11-27")
    assert (found["backend"], found["version"], found["cases"]) == ("narrow", "1.2", VERSION)
    assert found["families"]["gradients"].keys() == {"failed"}
    assert found["families"]["values"].keys() == {"passed"}
    shown = table([found])
    assert shown.startswith("| backend, version, day | values | gradients |")
    assert f"| narrow 1.2, 2026-11-27 | {found['families']['values']['passed']} | **0 of " in shown


def test_cells_of_the_matrix():
    assert cell({}) == cell({"declined": 2}) == ""
    assert cell({"passed": 3}) == "3"
    assert cell({"passed": 3, "failed": 1, "error": 1, "declined": 7}) == "**3 of 5**"
    assert measure(["nothing"]) == 2


def test_cells():
    assert numbers("a/values [0, 1]: ours 1, theirs 2") == "[0, 1]: ours 1, theirs 2"
    assert numbers("a/values: forward returned None") == "forward returned None"
    assert escaped("a |b\n c") == "a \\|b c"
    assert main(["a", "b"]) == 2
