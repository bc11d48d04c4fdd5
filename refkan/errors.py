"""The library's own exceptions."""

from __future__ import annotations


class KnotError(ValueError):
    """A knot vector does not meet a requirement: order, multiplicity, length, nesting or domain."""


class ConvergenceError(RuntimeError):
    """An iteration or a reference solution did not reach the accuracy that it promises."""
