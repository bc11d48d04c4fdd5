"""The page on published backends is what the command makes of the committed record."""

from __future__ import annotations

import json

import pytest

from validation.backends_page import PAGE, RECORD, escaped, main, numbers, page, trimmed


def test_the_page_is_that_of_the_committed_record():
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(RECORD.read_text(encoding="utf-8")))


def test_the_committed_record_is_of_pinned_versions_and_a_clean_commit():
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    assert len(record["git"]) == 40  # no "+changes"
    assert not any("pinned:" in version for version in record["versions"])
    assert all(trap["found"] for trap in record["traps"])
    assert {backend["backend"] for backend in record["backends"]} >= {"pykan", "jaxkan", "efficient-kan"}


def test_a_quick_record_makes_no_page():
    row = {"id": "B1", "data": {"backends": [{"backend": "pykan"}]}}
    with pytest.raises(ValueError, match="must be of a full run of B1"):
        trimmed({"rows": [row], "capsule": {}})


def test_cells():
    assert numbers("a/values [0, 1]: ours 1, theirs 2") == "[0, 1]: ours 1, theirs 2"
    assert numbers("a/values: forward returned None") == "forward returned None"
    assert escaped("a |b\n c") == "a \\|b c"
    assert main(["a", "b"]) == 2
