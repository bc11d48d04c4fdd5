"""Nested spaces and networks, prolongation, coarse subspaces, and multilevel training on the regression problem."""
