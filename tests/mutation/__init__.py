"""Small mistakes made one at a time in a copy of the library: ``python -m tests.mutation --room analysis/exact``."""
