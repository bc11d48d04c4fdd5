"""Plain layers that declare something, judged on some of the cases."""

from __future__ import annotations

from dataclasses import replace

from refkan.conformance import Judge, catalogue
from refkan.conformance import findings as f
from refkan.conformance.backends import PlainNumpy


def of(layer, **declared):
    adapter = PlainNumpy()
    adapter.layer = layer
    adapter.capabilities = replace(PlainNumpy.capabilities, **declared)
    return adapter


def judged(adapter, *select, dtypes=("float64",)):
    findings = Judge(adapter).run(catalogue(dtypes, select, frame=adapter.capabilities.frame))
    return [x for x in findings if x.status not in f.UNJUDGED]


def bad(findings):
    return [(x.key, x.message, x.hints) for x in findings if x.status in f.BAD]
