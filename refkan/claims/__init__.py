"""Claims: how a statement is written down, measured, judged, kept and reported.

A claim file measures and returns verdicts: `rows` and `verdicts` are what it writes, `estimates` the numbers that
decide, `experiments` and `readings` what it leaves open, `cells` single runs of an experiment.
`discovery` finds claim files, `runner` runs them and keeps what is finished (`parts`: pieces of a long run), and
`report` writes one page and one record. The claims of the two papers that refkan follows are the package `validation`
of its repository; ``refkan verify FILE`` does the same for anybody's claim file.

Examples
--------
>>> from refkan.claims import FAILING, STATUSES, Status
>>> FAILING  # what a mutated twin must come out with
('refuted', 'not reproduced', 'undecided')
>>> [status for status in STATUSES if status not in FAILING]
['holds', 'holds under some readings', 'holds as corrected', 'pending']
>>> set(STATUSES) == set(Status.__args__)  # the type of statuses
True
"""

from refkan.claims.cells import Cell, Grid
from refkan.claims.estimates import Estimate, decide, estimate, exactly, twin
from refkan.claims.experiments import Choice, Experiment, Factor
from refkan.claims.readings import Beside, Reading, Readings
from refkan.claims.rows import Row
from refkan.claims.statuses import FAILING, STATUSES, Status, judge
from refkan.claims.verdicts import Figure, Table, Verdict

__all__ = [
    "FAILING",
    "STATUSES",
    "Beside",
    "Cell",
    "Choice",
    "Estimate",
    "Experiment",
    "Factor",
    "Figure",
    "Grid",
    "Reading",
    "Readings",
    "Row",
    "Status",
    "Table",
    "Verdict",
    "decide",
    "estimate",
    "exactly",
    "judge",
    "twin",
]
