"""What all tests of claims share: the plain engine, and pictures drawn as they come."""

from __future__ import annotations

import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tests.shared.plain_engine import plain_engine  # noqa: F401


@pytest.fixture(scope="package", autouse=True)
def pictures_without_layout():
    """Half of the time of a picture is its layout, at which nothing looks here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
        yield
