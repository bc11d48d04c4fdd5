"""refkan: a CPU ground truth for spline networks."""

from refkan import bsplines
from refkan.errors import ConvergenceError, KnotError
from refkan.spaces import SplineSpace

__version__ = "0.1.0"

__all__ = ["ConvergenceError", "KnotError", "SplineSpace", "bsplines"]
