"""A picture in place of those that a test is not about."""

from __future__ import annotations

from refkan.claims import Figure

NO_PICTURE = Figure("not-drawn", "", b"\x89PNG")
