"""Verdicts, their figures, and the rows of the ledger that they answer."""

from __future__ import annotations

from pathlib import Path

import validation
from refkan.claims import Figure, Verdict, judge
from refkan.claims.reporting.report import summary
from refkan.claims.running import discovery
from refkan.claims.running.console import table
from refkan.claims.running.outcomes import gather
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
