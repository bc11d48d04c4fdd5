"""Plain layers with a defect in one method or in what they are built of, or that declare something, and their judge."""

from dataclasses import replace

import numpy as np

from refkan.conformance import Judge
from refkan.conformance.identification import identified
from refkan.conformance.judging import findings as f
from tests.broken_layers.plain_numpy import NumpyLayer, PlainNumpy
from tests.conformance.judged_cases import chosen


def altered(method, after=None, before=None, base=NumpyLayer):
    """A class with a method that takes the arguments before(self, ...), or gives after(self, result, ...)."""

    def other(self, *given):
        result = getattr(base, method)(self, *(before(self, *given) if before else given))
        return after(self, result, *given) if after else result

    return type(f"Altered_{method}", (base,), {method: other})


def built(change):
    """A layer that is changed when it is built."""

    def start(self, spec):
        NumpyLayer.__init__(self, spec)
        change(self)

    return type("Built", (NumpyLayer,), {"__init__": start})


def of_coefficients(change):
    """A layer whose coefficients are changed when it is built."""
    return built(lambda layer: setattr(layer, "C", change(layer.C)))


def of_knots(change):
    """A layer whose knots are changed when it is built."""
    return built(lambda layer: setattr(layer, "t", change(layer.t)))


def of_outputs(change):
    """A layer whose outputs are changed."""
    return altered("__call__", lambda layer, y, x: change(y))


def of_samples(change):
    """A layer whose samples are changed first, all rows at once."""
    return altered("__call__", before=lambda layer, x: [change(np.asarray(x, np.float64))])


def of_points(point):
    """A layer whose functions are taken at point(x, a, b)."""
    return altered("basis", before=lambda layer, p, x, *k: (p, point(x, *layer.spec.domains[p]), *k))


def of_input_gradients(change):
    """A layer whose input gradients are changed, by the layer and the samples."""
    return altered("pull_back", lambda layer, G, x, dy, k=1: change(layer, x, G) if k == 1 else G)


def of_coefficient_gradients(change):
    """A layer whose coefficient gradients are changed, by the samples."""
    return altered("coefficient_gradient", lambda layer, G, x, dy: change(G))


def of(layer, **declared):
    adapter = PlainNumpy()
    adapter.layer = layer
    adapter.capabilities = replace(PlainNumpy.capabilities, **declared)
    return adapter


def first_difference(adapter):
    """What leads when a layer is identified; stages after its own, which cannot change it, are not asked."""
    with adapter.values_alone():
        return next(difference for stage in identified(adapter) for difference in stage.differences)


def judged(adapter, *select, dtypes=("float64",)):
    findings = Judge(adapter, proofs=False).run(chosen(dtypes, select, adapter.capabilities.frame))
    return [x for x in findings if x.status not in f.UNJUDGED]


def bad(findings):
    return [(x.key, x.message, x.hints) for x in findings if x.status in f.BAD]
