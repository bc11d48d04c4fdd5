"""The plain engine for folders of tests that are about something else than engines: it has no forms to compile."""

import pytest

import refkan as rk


@pytest.fixture(scope="package", autouse=True)
def plain_engine():
    """Used by all tests of a folder whose `conftest` imports this."""
    with rk.use_engine("plain"):
        yield
