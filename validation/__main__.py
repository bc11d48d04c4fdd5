"""``python -m validation``: see :mod:`validation.running.runner`."""

import os
import sys

# The matrices here are small. OpenBLAS's threads spin while they wait for one another: with other processes on the
# cores, a training of four seconds took seventy. Set before NumPy is loaded, and only where the user has not.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from validation.running.runner import main

if __name__ == "__main__":
    sys.exit(main())
