"""What several tests of the judge ask for; all of them use the plain engine, which has no forms to compile."""

from __future__ import annotations

import pytest

from refkan.conformance.judging import hint_time
from tests.shared.plain_engine import plain_engine  # noqa: F401


@pytest.fixture
def short_searches(monkeypatch):
    """Half a second for two defects that are not found; those that are found take a tenth of one."""
    monkeypatch.setattr(hint_time, "FREE_SECONDS", 0.5)
