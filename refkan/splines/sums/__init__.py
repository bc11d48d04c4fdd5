"""Sums over samples of spline functions times coefficients, by the engine in use: one formula, several ways."""
