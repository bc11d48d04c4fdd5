"""Verdicts, their figures, and the rows of the ledger that they answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import validation
from refkan.claims import Figure, Verdict, judge
from refkan.claims.reporting.page import _readings_of
from refkan.claims.reporting.report import summary
from refkan.claims.running import discovery
from refkan.claims.running.console import Progress, table
from refkan.claims.running.outcomes import Outcome, gather
from tests.shared.refusals import refused
from validation.ledger import LEDGER, row


def test_judge():
    assert judge(True) == judge(True, False) == "holds"
    assert judge(False, True) == "holds as corrected"
    assert judge(False) == judge(False, False) == "refuted"
    assert judge(False, None, experiment=True) == "undecided"


def test_a_status_is_one_of_ours():
    refused(lambda: Verdict("A1", "ok", ""), "A1: got 'ok' for status; it must be one of holds, ")
    refused(lambda: Verdict("A1", "holds", "", mutations={"sign": "ok"}), r"A1: got .* for sign")


def test_figure_from_matplotlib_is_reproducible():
    from matplotlib.figure import Figure as MatplotlibFigure

    def draw() -> bytes:
        figure = MatplotlibFigure(figsize=(2, 1))
        figure.subplots().plot([0, 1])
        return Figure.from_matplotlib(figure, "line", "a line").png

    assert draw().startswith(b"\x89PNG\r\n")
    assert draw() == draw()


def test_ledger_is_complete_and_ids_are_unique():
    ids = [r.id for r in LEDGER]
    assert len(ids) == len(set(ids)) == 88
    assert all(r.source and r.claim and r.measured and r.criterion for r in LEDGER)
    assert row("G0").source == "ours"
    refused(lambda: row("Z9"), "'Z9'")


def test_claim_files_of_the_package_answer_rows_of_the_ledger():
    files = discovery.discover(Path(validation.__file__).parent, LEDGER)
    assert [file.problem for file in files if file.problem] == []
    assert {id for file in files for id in file.ids} == {row.id for row in LEDGER}


def test_table_fits_its_width():
    outcomes = gather(LEDGER, [], [])
    assert summary(outcomes) == {"pending": 88}
    assert max(map(len, table(outcomes, 100).splitlines())) <= 100


@pytest.mark.parametrize(("width", "claim"), [(40, 20), (80, 20), (84, 21), (120, 30), (176, 44), (400, 44)])
def test_columns_of_the_table_share_its_width(width, claim):
    """A quarter for the claim, from 20 to 44, and what is left to what was measured, 16 at least."""
    long = Verdict("A1", "holds", "m" * 500, mutations={"m": "refuted"})
    outcome = Outcome(replace(row("A1"), claim="c" * 99), "holds", long)
    header, line, *_ = table([outcome], width).splitlines()
    places = [0, 6, 22, 24 + claim, 44 + claim]
    assert [header.index(name) for name in ("id", "source", "claim", "verdict", "measured")] == places
    assert len(line) == 44 + claim + max(width - 44 - claim, 16)
    assert line[22 : 22 + claim] == "c" * (claim - 1) + "…"


def test_files_that_run_share_the_line_of_a_terminal():
    progress, shown = Progress(12), []
    progress._status = SimpleNamespace(width=80, update=shown.append, line=lambda text: None)
    progress.starts(3, "a" * 99)
    progress.message(3, "fitting " * 20)
    progress.starts(11, "b" * 99)
    assert list(map(len, shown)) == [76, 76, 2 * (78 // 2 - 2) + 2]
    assert shown[-1].count("…") == 2
    progress.ends(3, "a", "holds")
    assert shown[-1].startswith("[11/12] bbb")


def test_readings_count_those_that_are_decided():
    readings = tuple({"holds": holds} for holds in (True, False, None, True))
    assert (
        _readings_of(Verdict("A1", "holds", "1", readings=readings, mutations={"m": "refuted"})) == "holds under 2 of 3"
    )
    assert _readings_of(None) == _readings_of(Verdict("A1", "holds", "1", mutations={"m": "refuted"})) == "one"
