import gc
import os
import signal

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # see validation/__main__.py; before NumPy is loaded

import numpy as np
import pytest
from hypothesis import settings

# Compilation and exact arithmetic make single examples slow; drawing them the same way each time keeps the suite
# deterministic.
settings.register_profile("refkan", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("refkan")


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave the tests, which stay until the end, out of what the garbage collector goes through again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture
def default_handler():
    """Python's own handler of Ctrl-C, also where a shell runs the tests in the background, without one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng():
    return np.random.default_rng(20250518)
