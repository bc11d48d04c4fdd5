"""Condition numbers of Gauss-Newton matrices and Hessians, in every basis and for other architectures."""
