"""What stands in docs/ about verdicts comes from records of runs, and from nothing else."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

import refkan as rk
from refkan.claims.reporting.page import page as report_page
from validation.ledger import LEDGER, PAPERS, SOURCES
from validation.records.__main__ import main
from validation.records.pages import page, table
from validation.records.store import SIZES, keep, load, rows_of

ROOT = Path(__file__).parents[2]


def record(size="quick", commit="0123456789abcdef", **statuses):
    common = {"source": "s", "claim": "c", "what_is_measured": "m", "criterion": "x < 1", "file": "f"}
    common |= {"seconds_of_file": 1.25, "finished": "2026-01-02T03:04:05+00:00", "data": {"raw": [1, 2]}}
    common |= {"measured": "a*b 1", "corrected": "", "mutations": {"sign": "refuted"}, "readings": []}
    capsule = {"git": commit, "versions": {}, "cpu": "", "threads": {"processors": 2}, "configuration": {"size": size}}
    capsule["engine"] = "auto"
    return {"capsule": capsule, "rows": [common | {"id": id, "status": status} for id, status in statuses.items()]}


def test_rows_are_merged_by_size_in_the_order_of_the_ledger(tmp_path):
    keep(record(L2="holds", L1="refuted", C1="pending"), tmp_path)
    keep(record(L1="holds"), tmp_path)
    keep(record("full", L2="not reproduced"), tmp_path)
    quick, full = (load(size, tmp_path) for size in SIZES)
    assert [(id, row["status"]) for id, row in quick.items()] == [("L1", "holds"), ("L2", "holds")]
    assert [(id, row["status"]) for id, row in full.items()] == [("L2", "not reproduced")]
    assert "data" not in quick["L1"]
    assert quick["L1"]["circumstances"]["commit"] == "0123456789ab"
    row = next(row for row in LEDGER if row.id == "L2")
    assert f"| L2 | {row.source} | {row.claim} | holds | not reproduced |" in table(quick, full)
    assert f"| {next(r for r in LEDGER if r.id == 'L1').claim} | holds | - |" in table(quick, full)
    assert r"**Quick: holds.** a\*b 1 (`f`, 1.25 s, 2026-01-02, commit 0123456789ab)" in page(quick, full)


@pytest.mark.parametrize("status", ["holds", "holds as corrected", "refuted", "not reproduced"])
def test_corrected_statements_are_given_where_they_hold(status):
    (row,) = record(L1=status)["rows"]
    kept = {"L1": row | {"corrected": "twice as much", "circumstances": {"commit": "0"}}}
    assert ("As corrected: twice as much" in page(kept, {})) == status.startswith("holds")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (record(L1="error"), "errors for L1"),
        (record(commit="0123+changes", L1="holds"), "sources of a commit; got 0123"),
        (record(commit=None, L1="holds"), "no commit"),
        (record(size="huge", L1="holds"), "one of quick, full; got 'huge'"),
    ],
)
def test_records_that_prove_nothing_are_refused(tmp_path, given, message):
    with pytest.raises(ValueError, match=message):
        keep(given, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record(L1="holds")))
    assert main([str(path)], tmp_path, tmp_path) == 0
    text = (tmp_path / "docs" / "verdicts.md").read_text()
    assert text == page(load("quick", tmp_path), {})
    assert f"\n\n{table(load('quick', tmp_path), {})}\n## L1" in text
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["docs"]
    assert main([str(tmp_path / "missing.json")], tmp_path, tmp_path) == 2
    assert "missing.json" in capsys.readouterr().err


def test_the_page_is_what_the_kept_rows_make_of_it():
    quick, full = (load(size) for size in SIZES)
    assert (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8") == page(quick, full)


@pytest.mark.parametrize("size", SIZES)
def test_kept_rows_answer_the_present_ledger(size):
    """A row whose claim or criterion has changed since must be measured anew."""
    texts = {row.id: (row.source, row.claim, row.measured, row.criterion) for row in LEDGER}
    kept = load(size)
    assert kept
    for id, row in kept.items():
        assert (row["source"], row["claim"], row["what_is_measured"], row["criterion"]) == texts[id]


def test_only_answered_rows_are_kept():
    assert [row["id"] for row in rows_of(record(L1="holds", L2="not run"))] == ["L1"]


def test_sources_are_explained_wherever_rows_name_them():
    """[A25], [S26], "summary" and "next checks" mean nothing to a reader who meets them in a table."""
    named = {row.source for row in LEDGER}
    assert {"summary", "next checks", "ours", "[A25]"} <= named
    for word in ("[S26]", "[A25]", '"summary"', '"next checks"', '"ours"', "2603.04827", "2505.18131"):
        assert word in SOURCES
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(word in readme for word in ("[S26]", "[A25]", "2603.04827", "2505.18131"))
    assert SOURCES in page({}, {})
    assert all(
        html.escape(name) in report_page([], {}, {"configuration": {"size": "quick"}}, str, PAPERS)
        for name in PAPERS.values()
    )
    in_help = " ".join(rk.__doc__.split())
    assert all(word in in_help for word in ("[S26] Southworth", "[A25] Actor", "2603.04827", "2505.18131"))


def test_no_file_cites_a_page_that_the_project_does_not_have():
    there = {page.name for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))}
    parts = ("refkan", "tests", "validation", "docs")
    for path in [ROOT / "README.md", *(file for part in parts for file in (ROOT / part).rglob("*"))]:
        if path.suffix in (".py", ".md"):
            cited = set(re.findall(r"[\w-]+\.md\b", path.read_text(encoding="utf-8")))
            assert cited <= there, path


def with_readings(*holds):
    cell = {"cell": "spline, fine", "unit": "mm", "published": 2.0, "published deviation": 0.5, "median": 1.5}
    cell |= {"mean": 1.75, "deviation": 0.25, "near": True, "seeds": [3, 4], "values": [1.5, 2.0]}
    cell |= {"again": "start=normal"}
    return [
        {"choice": {"start": f"start{k}", "n": "9"}, "holds": hold, "corrected": False, "measured": f"ratio {k}"}
        | {"calibrated": None, "size": "9 points", "cells": [cell], "calibration": []}
        for k, hold in enumerate(holds)
    ]


@pytest.mark.parametrize(
    ("holds", "status", "short"),
    [
        ((True, False, None), "holds under some readings", "holds under 1 of 2 readings (1 too small to decide)"),
        ((False, False), "not reproduced", "not reproduced, under 0 of 2 readings"),
        ((None, None), "undecided", "undecided"),
    ],
)
def test_readings_reach_the_pages_with_every_seed(tmp_path, holds, status, short):
    given = record(L1=status)
    given["rows"][0]["readings"] = with_readings(*holds)
    keep(given, tmp_path)
    quick = load("quick", tmp_path)
    assert quick["L1"]["readings"] == given["rows"][0]["readings"]
    assert '"values": [1.5, 2.0]' in (tmp_path / "quick.json").read_text()
    assert f"| {short} | - |" in table(quick, {})
    text = page(quick, {})
    assert f"**Quick: {short}.**" in text
    assert "| start | holds | calibrated | measured |" in text
    assert "| start0 | " in text
    line = '`python -m validation L1 --cell "start=normal" --seed 3`'
    assert f"| spline, fine | 2.00e+00 (5.0e-01) | 1.50e+00 | 1.75e+00 (2.5e-01) | 2 | {line} |" in text


def test_smaller_readings_stand_beside_an_earlier_measurement_of_the_published_size(tmp_path):
    keep(record("full", L1="holds", L2="holds"), tmp_path)
    given = record("full", L1="undecided", L2="undecided", C1="undecided")
    for k, row in enumerate(given["rows"]):
        readings = with_readings(None)
        readings[0]["reduced"] = k != 1
        row |= {"readings": readings, "measured": "screened"}
    keep(given, tmp_path)
    keep(given, tmp_path)  # and once more: what was earlier stays
    full = load("full", tmp_path)
    assert full["L1"]["earlier"]["measured"] == "a*b 1"
    assert "earlier" not in full["L2"]
    assert "earlier" not in full["C1"]
    earlier = r"At the published size, one set-up: a\*b 1 (`f`, 1.25 s, 2026-01-02, commit 0123456789ab)"
    assert page({}, full).count(earlier) == 1


def test_published_numbers_need_no_deviation(tmp_path):
    given = record(L1="undecided")
    readings = with_readings(None)
    readings[0]["cells"][0] |= {"published deviation": None}
    given["rows"][0]["readings"] = readings
    keep(given, tmp_path)
    assert "| spline, fine | 2.00e+00 | 1.50e+00 |" in page(load("quick", tmp_path), {})


def test_rows_from_before_readings_are_not_called_not_reproduced(tmp_path):
    row = record(L1="not reproduced")["rows"][0] | {"circumstances": {"commit": "0"}}
    del row["readings"]
    ours = row | {"id": "L2", "source": "ours"}
    (tmp_path / "full.json").write_text(json.dumps([row, ours]))
    assert {id: kept["status"] for id, kept in load("full", tmp_path).items()} == {"L1": "undecided", "L2": "refuted"}
