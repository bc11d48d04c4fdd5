"""Tests of tables: one test for each row."""

import pytest


def each_row(names, *rows, **options):
    """Make a test of each row, which has an entry for each of the names; these stand in one text."""
    return pytest.mark.parametrize(names, rows, **options)
