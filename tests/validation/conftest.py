"""What all tests of claims share: the plain engine, undrawn pictures, grounds not compared, bootstraps of few draws."""

import pytest

from tests.shared.pictures import unrendered  # noqa: F401
from tests.shared.plain_engine import plain_engine  # noqa: F401
from tests.validation import replays
from tests.validation.conditioning_answers import knots, layers, networks, trajectories  # noqa: F401
from validation import grounds


@pytest.fixture(scope="package", autouse=True)
def by_what_they_measure():
    """Claims notice what is broken here by what they measure; tests/claims/test_grounds.py has their grounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grounds, "HELD", set(grounds.GROUNDS.values()))
        yield


@pytest.fixture(autouse=True)
def few_draws():
    with replays.few_draws():
        yield
