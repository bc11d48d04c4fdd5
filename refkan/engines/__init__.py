"""Sums over samples of spline functions times coefficients, by the engine in use: one formula, several ways."""

from refkan.engines.channels import VALUES, Channels
from refkan.engines.splines import SLACK, KnotFunctions, SplineFunctions, spline_sums
from refkan.engines.sums import SplineSums

__all__ = ["SLACK", "VALUES", "Channels", "KnotFunctions", "SplineFunctions", "SplineSums", "spline_sums"]
