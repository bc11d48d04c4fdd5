"""Bases of adapters: layers in PyTorch, in JAX, of single splines."""
