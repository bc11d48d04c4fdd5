"""The conformance suite: silent on a correct layer, and not on one whose values are off by a thousandth."""

from typing import Any

import numpy as np

from refkan.conformance import Judge, catalogue
from refkan.conformance.judging import findings as f
from tests.broken_layers.plain_numpy import PlainNumpy
from validation.grounds.spaces import Departures


class Off(PlainNumpy):
    """A correct layer times 1.001."""

    def forward(self, layer: Any, x: Any) -> Any:
        return super().forward(layer, x) * np.float64(1.001)


def suite() -> Departures:
    cases = catalogue(["float64"], select=["degree-3", "basis", "uniform/interior"])
    for adapter, wrong in ((PlainNumpy(), False), (Off(), True)):
        findings = Judge(adapter, hints=False, proofs=False).run(cases)
        bad = any(finding.status in f.BAD for finding in findings)
        yield adapter.title, 0.0 if bad == wrong and findings else np.inf
