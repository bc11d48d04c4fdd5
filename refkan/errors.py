"""The library's own exceptions."""

from __future__ import annotations


class KnotError(ValueError):
    """A knot vector does not meet a requirement: order, multiplicity, length, nesting or domain."""


class DegenerateNodeError(ValueError):
    """The activations of a node are constant on the data, so that no node map takes them onto a domain."""


class OutsideDomainError(ValueError):
    """A point lies outside its domain under the policy outside="error"."""


class OutsideDomainWarning(UserWarning):
    """Many of the samples that a network starts on lie outside the domain of its first layer."""


class DiscontinuousLossWarning(UserWarning):
    """Second derivatives jump where activations of a collocation problem lie: its loss is not continuous in theta."""


class ConvergenceError(RuntimeError):
    """An iteration or a reference solution did not reach the accuracy that it promises."""
