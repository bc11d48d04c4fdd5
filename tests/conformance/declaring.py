"""Plain layers that declare something, judged on some of the cases."""

from dataclasses import replace

from refkan.conformance import Judge
from refkan.conformance.judging import findings as f
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.judged_cases import chosen


def of(layer, **declared):
    adapter = PlainNumpy()
    adapter.layer = layer
    adapter.capabilities = replace(PlainNumpy.capabilities, **declared)
    return adapter


def judged(adapter, *select, dtypes=("float64",)):
    findings = Judge(adapter, proofs=False).run(chosen(dtypes, select, adapter.capabilities.frame))
    return [x for x in findings if x.status not in f.UNJUDGED]


def bad(findings):
    return [(x.key, x.message, x.hints) for x in findings if x.status in f.BAD]
