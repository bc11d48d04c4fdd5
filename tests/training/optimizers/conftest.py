import pytest

from tests.training.optimizers.residual_problems import regression


@pytest.fixture(scope="package")
def kan():
    """A regression by a small network, and its start."""
    return regression()
