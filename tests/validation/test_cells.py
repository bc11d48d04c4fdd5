"""Every claim file runs, quickly and in full, what it did: cells, sizes, seeds and steps; its constants are the same.

Where another extent is meant, ``python -m tests.validation.extents`` writes it down.
"""

import json

import pytest

from tests.validation.extents import FILES, JUDGING, TABLE, constants, extent

EXTENTS = json.loads(TABLE.read_text(encoding="utf-8"))
RUNS, CONSTANTS = EXTENTS["runs"], EXTENTS["constants"]


def test_every_file_has_an_extent():
    assert ({*RUNS}, {*CONSTANTS}) == ({*FILES}, {*JUDGING})


@pytest.mark.parametrize("stem", RUNS)
def test_what_is_run_is_what_was_run(stem):
    assert [extent(stem, quick) for quick in (True, False)] == RUNS[stem]


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_what_they_were(name):
    assert constants(name) == CONSTANTS[name]
