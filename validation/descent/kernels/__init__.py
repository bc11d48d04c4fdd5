"""Bounds of tangent kernels: Theorem 2, certified and searched for."""
