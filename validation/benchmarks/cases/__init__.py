"""Data that all contestants share, and their results by SciPy and NumPy."""
