"""Rows of the benchmark: each yields its cases."""
