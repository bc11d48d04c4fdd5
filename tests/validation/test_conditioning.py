"""The claims about conditioning and the speed of descent: every mutation fails, everything can be reported."""

from __future__ import annotations

import json

from refkan.claims import FAILING
from refkan.claims.running.outcomes import plain
from tests.validation.conditioning_answers import knots, layers, networks, spectra, trajectories
from validation.descent import descent_rates, descent_trajectories
from validation.knots import free_knots_conditioning
from validation.ledger import row


def test_mutations_fail_and_everything_can_be_reported():
    verdicts = [
        spectra(),
        descent_rates.verdict(layers(), networks()),
        descent_trajectories.verdict(trajectories()),
        free_knots_conditioning.verdict(*knots()),
    ]
    assert [verdict.id for verdict in verdicts] == ["H1", "H2", "H3", "K3"]
    for verdict in verdicts:
        assert row(verdict.id).criterion
        assert len(verdict.mutations) >= 3
        assert all(status in FAILING for status in verdict.mutations.values()), (verdict.id, verdict.mutations)
        json.dumps(plain(verdict.data), allow_nan=False)
