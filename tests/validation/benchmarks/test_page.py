"""The committed page on speed shows the committed record, and the record is a complete one."""

import json

import pytest

from validation.benchmarks.reporting import page
from validation.benchmarks.running.record import trimmed


@pytest.fixture(scope="module")
def document():
    return json.loads((page.ROOT / page.RECORD).read_text(encoding="utf-8"))


def test_the_page_is_what_the_command_makes_of_the_record(document):
    assert trimmed(document) == document
    assert (page.ROOT / page.PAGE).read_text(encoding="utf-8") == page.page(document)
