"""What every verdict of the validation has: its status, altered statements that fail, data and pictures to be kept."""

import json

from refkan.claims.running.console import shorten
from refkan.claims.running.outcomes import plain


def check(verdict, status, mutations=2, but=()):
    """Check a verdict that has so many altered statements at least; those in `but` may hold on what is made up here."""
    assert verdict.status == status, verdict.measured
    assert shorten(verdict.measured, 60)
    assert len(verdict.mutations) >= mutations
    assert set(verdict.surviving_mutations) <= set(but), verdict.mutations
    json.dumps([plain(dict(verdict.data)), plain(list(verdict.readings))], allow_nan=False)
    assert all(figure.png.startswith(b"\x89PNG") for figure in verdict.figures)
