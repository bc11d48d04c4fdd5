"""Splines: knots, spaces, both bases, the change between them, and what kernels need to know of knots."""
