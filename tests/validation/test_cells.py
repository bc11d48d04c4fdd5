"""Every claim file runs, quickly and in full, what it did: places, cells, sizes, seeds and steps."""

import json

import pytest

from tests.validation.extents import FILES, TABLE, extent

EXTENTS = json.loads(TABLE.read_text(encoding="utf-8"))


def test_every_file_has_an_extent():
    assert {*EXTENTS} == {*FILES}


@pytest.mark.parametrize("stem", EXTENTS)
def test_what_is_run_is_what_was_run(stem):
    """Where that is meant: python -m tests.validation.extents."""
    assert [extent(stem, quick) for quick in (True, False)] == EXTENTS[stem]
