"""Claims: how a statement is written down, measured, judged, kept and reported.

A claim file measures and returns verdicts: `rows` and `verdicts` are what it writes, `estimates` the numbers that
decide, `experiments` and `readings` what it leaves open, `cells` single runs of an experiment.
`discovery` finds claim files, `runner` runs them and keeps what is finished (`parts`: pieces of a long run),
`report` writes one page and one record, and `calibration` measures how often intervals and verdicts are wrong. The
claims of the two papers that refkan follows are the package `validation`
of its repository; ``refkan verify FILE`` does the same for anybody's claim file.

Examples
--------
A claim file states `ROWS`, and its `run` returns a verdict for each, with a mutated twin that must fail. This one can
be saved and run by ``refkan verify FILE``; what else rows and verdicts hold, their own help says.

>>> import numpy as np
>>> from refkan.claims import Row, Verdict, judge
>>> row = Row("G1", "Gauss", "n points are exact up to degree 2n - 1", "error of x^5, n = 3", "at most 1e-13")
>>> ROWS = (row,)
>>> def run(quick, progress):
...     def error(n):
...         x, w = np.polynomial.legendre.leggauss(n)
...         return abs(float(w @ (x + 1) ** 5) - 2**6 / 6)
...     text, twin = f"error {error(3):.0e}", {"n = 2 in its place": judge(error(2) <= 1e-13)}
...     return [Verdict("G1", judge(error(3) <= 1e-13), text, mutations=twin)]
>>> (verdict,) = run(quick=True, progress=print)
>>> verdict.status, verdict.mutations
('holds', {'n = 2 in its place': 'refuted'})
"""

from refkan.claims import calibration as calibration  # a module of its own, whose names are not those of claims
from refkan.claims.cells import Grid
from refkan.claims.estimates import Estimate, decide, estimate, exactly, twin
from refkan.claims.experiments import Experiment, Factor
from refkan.claims.readings import Beside, Reading, Readings
from refkan.claims.rows import Row
from refkan.claims.statuses import judge
from refkan.claims.verdicts import Figure, Table, Verdict

__all__ = [
    "Beside",
    "Estimate",
    "Experiment",
    "Factor",
    "Figure",
    "Grid",
    "Reading",
    "Readings",
    "Row",
    "Table",
    "Verdict",
    "decide",
    "estimate",
    "exactly",
    "judge",
    "twin",
]
