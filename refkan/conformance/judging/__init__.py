"""Judging: the comparison of a backend with the truth, and what its failures have in common."""
