"""Deliberately broken layers, one defect each, and the hint that must name it: what the diagnosis is tested with."""

from tests.broken_layers.defects import DEFECTS, Broken, Defect

__all__ = ["DEFECTS", "Broken", "Defect"]
