"""Q3 and Q4: what figures 7 to 9 say of Allen-Cahn, judged on one set of trainings."""

from validation.equations.allen_cahn import allen_cahn_success, residual_bandwidth
from validation.equations.allen_cahn.allen_cahn_cells import GRID
from validation.equations.allen_cahn.allen_cahn_runs import STATEMENT

CLAIMS = ("Q3", "Q4")

EXPERIMENT = GRID.experiment

JUDGED = {**allen_cahn_success.JUDGED, **residual_bandwidth.JUDGED}
run = STATEMENT.runner(lambda measured: [allen_cahn_success.verdict(measured), residual_bandwidth.verdict(measured)])
