import pytest

from tests.claims.claim_packages import new_claims


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """A package of claim files that the test writes, of a name of its own."""
    return new_claims(tmp_path, monkeypatch)
