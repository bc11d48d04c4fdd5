"""Cases that all files of tests share: truths are computed once for each case and kept with it."""

from __future__ import annotations

from functools import cache

from refkan.conformance import catalogue
from refkan.conformance.cases import VERSION
from refkan.conformance.frames import ANY
from refkan.conformance.precision import DTYPES


@cache
def all_cases(frame=ANY):
    return catalogue(frame=frame)


def chosen(dtypes=("float64",), select=(), frame=ANY):
    """What `catalogue` gives, of the shared cases."""
    wanted = tuple(select)
    return [c for c in all_cases(frame) if c.setting.dtype in dtypes and all(part in c.key for part in wanted)]


def shared(dtypes=DTYPES, select=(), version=VERSION, frame=ANY):
    """In place of `catalogue` in the commands: truths of a case are computed once for all tests of them."""
    if version != VERSION or not set(dtypes) <= set(DTYPES):
        return catalogue(dtypes, select, version, frame)
    return chosen(dtypes, select, frame)
