"""Extremes over boxes; networks as sums of functions of single nodes."""
