import numpy as np
import pytest


@pytest.fixture(autouse=True)
def random_numbers_as_they_were():
    """JAX and PyTorch draw from NumPy's global generator when they are first used."""
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002
