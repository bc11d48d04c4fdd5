"""Checks of derivatives, adjoints and invariances on plain callables, which know nothing of networks.

Each check returns a frozen report with ``ok``, ``table`` (text, for reading) and ``raise_if_failed()`` (for tests). A
report has no truth value of its own: write ``assert report.ok, report.table``, never ``assert report``.
"""

from refkan.checks.adjoints import DotReport, DotTrial, dot_test
from refkan.checks.gradients import Failure, GradientReport, gradient_check, jacobian_check
from refkan.checks.invariance import InvarianceReport, invariance_test
from refkan.checks.reports import Report
from refkan.checks.taylor import Remainder, TaylorReport, taylor_test

__all__ = [
    "DotReport",
    "DotTrial",
    "Failure",
    "GradientReport",
    "InvarianceReport",
    "Remainder",
    "Report",
    "TaylorReport",
    "dot_test",
    "gradient_check",
    "invariance_test",
    "jacobian_check",
    "taylor_test",
]
