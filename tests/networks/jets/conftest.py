"""What all tests of jets share: the networks, and no warnings where they are not the subject."""

import warnings

import pytest

from tests.networks.jets.jet_cases import CASES, bound
from tests.shared.factories import name


@pytest.fixture(autouse=True)
def quiet():
    """ReLU networks and splines of order 3 warn, which is tested where it is the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


@pytest.fixture(params=CASES, ids=name, scope="module")
def built(request):
    return bound(request.param)
