"""Checks of derivatives, adjoints and invariances on plain callables, which know nothing of networks.

Each check returns a `Report` with ``ok``, ``table`` (text, for reading) and ``raise_if_failed()`` (for tests); the
numbers are its other attributes. A report has no truth value of its own: write ``assert report.ok, report.table``,
never ``assert report``.
"""

from refkan.checks.adjoints import dot_check
from refkan.checks.gradients import gradient_check, jacobian_check
from refkan.checks.invariance import invariance_check
from refkan.checks.taylor import taylor_check
from refkan.checks.torch_gradients import torch_gradient

__all__ = [
    "dot_check",
    "gradient_check",
    "invariance_check",
    "jacobian_check",
    "taylor_check",
    "torch_gradient",
]
