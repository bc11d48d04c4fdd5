"""Certified eigenvalues and condition numbers of spline spaces and of networks."""
