"""Proven ranks and null spaces of Jacobians."""
