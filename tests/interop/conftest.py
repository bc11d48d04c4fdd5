"""What other libraries change is put back."""

import random

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def random_numbers_as_before():
    """Libraries seed Python and NumPy when they are imported or make a model."""
    before = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])  # noqa: NPY002
