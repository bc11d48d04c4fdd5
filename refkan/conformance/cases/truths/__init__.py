"""Exact answers of cases, and the errors that rounding may cause."""
