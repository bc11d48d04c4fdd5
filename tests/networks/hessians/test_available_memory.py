"""What a system says of its memory, in each of the ways in which systems do, and how much that is in words."""

import io
import os

import pytest

from refkan.networks.hessians import memory
from tests.shared.tables import each_row

LINUX = b"MemTotal:  99 kB\nMemFree:  1 kB\nMemAvailable:    1234 kB\nBuffers:  5 kB\n"
PAGES = {"SC_AVPHYS_PAGES": 7, "SC_PAGE_SIZE": 4096}


@each_row(
    "said, pages, available",
    (LINUX, PAGES, 1024 * 1234),
    (LINUX, {}, 1024 * 1234),
    (LINUX[:24], PAGES, 7 * 4096),
    (LINUX[:24], {}, None),
    (None, PAGES, None),
)
def test_available_memory_is_what_the_system_says(said, pages, available, monkeypatch):
    def opened(*_, **options):
        if said is None:
            raise FileNotFoundError
        return io.BytesIO(said)

    def sysconf(name):
        if name not in pages:
            raise ValueError("unrecognized configuration name")
        return pages[name]

    monkeypatch.setattr(memory, "open", opened, raising=False)
    monkeypatch.setattr(os, "sysconf", sysconf)
    assert memory.available_memory() == available


@pytest.mark.parametrize(("unit", "name"), [(1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")])
def test_amounts_are_told_in_the_largest_unit_of_which_there_is_one(unit, name):
    assert memory.amount(unit) == f"1 {name}"
    assert memory.amount(1.5 * unit) == f"1.5 {name}"
    assert not memory.amount(0.99 * unit).endswith(f" {name}")
    assert memory.amount(999) == "999 bytes"
