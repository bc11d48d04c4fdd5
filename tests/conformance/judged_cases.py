"""Cases that all files of tests share: truths are computed once for each case and kept with it."""

from functools import cache

from refkan.conformance import catalogue
from refkan.conformance.cases.cases import VERSION
from refkan.conformance.cases.families import ANY
from refkan.conformance.cases.truths.precision import DTYPES


@cache
def all_cases(frame=ANY, dtypes=DTYPES):
    return catalogue(dtypes, frame=frame)


def chosen(dtypes=("float64",), select=(), frame=ANY):
    """What `catalogue` gives, of the shared cases."""
    wanted = tuple(select)
    of = all_cases() if frame == ANY else all_cases(frame, tuple(dtypes))
    return [c for c in of if c.setting.dtype in dtypes and all(part in c.key for part in wanted)]


MANY = ("/31-samples", "/32-samples", "/33-samples", "/255-samples", "/256-samples")


def few(cases):
    """One size of blocks of samples, and all parts beside the splines at once: the others go the same ways."""
    every = {"base", "scale", "node-scale", "bias"}

    def fits(case):
        return not case.setting.name.endswith(MANY) and set(case.setting.spec.parts) in (set(), every)

    return [case for case in cases if fits(case)]


def shared(dtypes=DTYPES, select=(), version=VERSION, frame=ANY):
    """In place of `catalogue` in the commands: truths of a case are computed once for all tests of them."""
    if version != VERSION or not set(dtypes) <= set(DTYPES):
        return catalogue(dtypes, select, version, frame)
    return chosen(dtypes, select, frame) or catalogue(dtypes, select, version, frame)  # which refuses to give none
