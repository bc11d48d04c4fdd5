"""Cases that all files of tests share: truths are computed once for each case and kept with it."""

from __future__ import annotations

from functools import cache

from refkan.conformance import catalogue
from refkan.conformance.frames import ANY


@cache
def all_cases(frame=ANY):
    return catalogue(frame=frame)


def chosen(dtypes=("float64",), select=(), frame=ANY):
    """What `catalogue` gives, of the shared cases."""
    wanted = tuple(select)
    return [c for c in all_cases(frame) if c.setting.dtype in dtypes and all(part in c.key for part in wanted)]
