"""Statements that the cells of a reading decide: controls hold, twins fail, kept rows are judged by the same rules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import validation
from refkan.claims import Beside
from refkan.claims.running.discovery import discover
from validation.ledger import LEDGER, row
from validation.records.store import load
from validation.statements import AS_PUBLISHED, judged_again, named, ratios, times

FILES = discover(Path(validation.__file__).parent, LEDGER)

JUDGED = {
    id: judged
    for file in FILES
    if "JUDGED" in file.path.read_text()
    for id, judged in import_module(f"validation.{file.module}").JUDGED.items()
}


def test_cells_are_compared_seed_by_seed():
    a = Beside("a", "m", {1: 6.0, 2: 8.0, 3: 1.0}, 5.0)
    cells = [a, Beside("b", "m", {2: 2.0, 1: 3.0}), Beside("a", "s", {1: 0.5})]
    assert ratios(cells, "a", "b") == {1: 2.0, 2: 4.0}
    assert ratios(cells, "a", "b", "s") == {}
    assert named(cells, "a", "s") == {1: 0.5}
    _, tenfold = times(a=10.0)
    assert named(tenfold(cells), "a") == {1: 60.0, 2: 80.0, 3: 10.0}
    assert named(tenfold(cells), "b") == named(cells, "b")
    assert named(AS_PUBLISHED[1](cells), "a") == {1: 5.0, 2: 5.0, 3: 5.0}


KEPT = [id for id in JUDGED if load("full").get(id, {}).get("judged")]


@pytest.mark.parametrize("id", KEPT)
def test_kept_rows_are_what_their_numbers_make_of_them(id):
    kept = load("full")[id]
    again = judged_again(kept, JUDGED[id], row(id))
    assert (again["status"], again["controls"]) == (kept["status"], kept["controls"])
    assert again["mutations"] == kept["mutations"]
    for ours, theirs in zip(again["estimates"], kept["estimates"], strict=True):
        for name in ("value", "low", "high"):
            assert float(ours[name]) == pytest.approx(float(theirs[name]))
    assert set(kept["controls"].values()) == {"holds"}
    assert "holds" not in kept["mutations"].values()


@pytest.mark.parametrize("id", KEPT)
def test_other_numbers_would_have_another_verdict(id):
    """Numbers of which the claim is true are never refuted, whatever was measured."""
    kept, (_, change) = load("full")[id], JUDGED[id].control

    def changed(cell):
        ours = Beside(cell["cell"], cell["unit"], dict(enumerate(cell["values"])), cell["published"])
        return [cell | {"values": list(made.values.values())} for made in change([ours])]

    readings = [
        r | {kind: [new for cell in r[kind] for new in changed(cell)] for kind in ("cells", "calibration")}
        for r in kept["readings"]
    ]
    assert judged_again({**kept, "readings": readings}, JUDGED[id], row(id))["status"] != "refuted"
