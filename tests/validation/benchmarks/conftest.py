"""What all tests of benchmarks share: pictures that are not rendered, and a machine that is at rest."""

import pytest

from tests.shared.pictures import unrendered  # noqa: F401
from validation.benchmarks.running import harness, timing, watch


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Other processes make no more rounds, and threads are not waited for: the list grows by an item in place of it."""
    waited = []
    monkeypatch.setattr(watch, "busy_seconds", lambda: None)
    monkeypatch.setattr(timing, "settle", lambda: waited.append("until threads are at rest"))
    monkeypatch.setattr(harness.gc, "collect", lambda: 0)
    return waited
