"""Balls of many bits in all tests of this folder."""

import flint
import pytest

from tests.truth.truth_cases import BITS


@pytest.fixture(autouse=True)
def precision():
    before, flint.ctx.prec = flint.ctx.prec, BITS
    yield
    flint.ctx.prec = before
