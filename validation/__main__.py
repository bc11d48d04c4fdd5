"""``python -m validation``: the papers' claims, by :mod:`refkan.claims.running.runner`."""

import os
import sys

# The matrices here are small. OpenBLAS's threads spin while they wait for one another: with other processes on the
# cores, a training of four seconds took seventy. Set before NumPy is loaded, and only where the user has not.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warnings
from pathlib import Path

from refkan.base.errors import DiscontinuousLossWarning
from refkan.claims.running.runner import main
from validation.ledger import LEDGER
from validation.records.store import is_old, load
from validation.sources import PAPERS

# The set-ups of the papers are measured as they are; that their losses jump is a finding, not news of a run. This holds
# in every process that runs claim files, each of which imports this module.
warnings.simplefilter("ignore", DiscontinuousLossWarning)

if __name__ == "__main__":
    recorded = {id: row["status"] for id, row in load("full").items() if not is_old(row)}
    more = {"papers": PAPERS, "recorded": recorded, "grounds": "validation.grounds:require"}
    sys.exit(main(None, Path(__file__).parent, "validation", LEDGER, **more))
