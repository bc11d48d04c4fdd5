"""Gradient descent in both bases: geometries, tangent kernels, learning rates, rates and trajectories of modes."""
