"""Layers with knots: spline, ReLU-power and SiLU edges, free knots, and conversions between them."""
