"""What stands in docs/ about verdicts comes from records of runs, and from nothing else."""

import html
import json
import re
import runpy
from pathlib import Path
from subprocess import run

import pytest

import refkan as rk
from refkan.claims import Estimate
from refkan.claims.estimates import ENOUGH
from refkan.claims.reporting.page import page as report_page
from tests.shared.refusals import refused
from tests.shared.tables import each_row
from validation.ledger import LEDGER
from validation.records.__main__ import main
from validation.records.pages import fewer_seeds, goals, readings, table, verdicts
from validation.records.store import FOLDER, SIZES, keep, load, rows_of
from validation.sources import PAPERS, SOURCES

ROOT = Path(__file__).parents[2]
CRITERIA = {row.id: row.criterion for row in LEDGER}


def record(size="quick", commit="0123456789abcdef", said="", **statuses):
    common = {"source": "s", "claim": "c", "what_is_measured": "m", "file": "f", "said": said}
    common |= {"seconds_of_file": 1.25, "finished": "2026-01-02T03:04:05+00:00", "data": {"raw": [1, 2]}}
    common |= {"measured": "a*b 1", "corrected": "", "mutations": {"sign": "refuted"}, "readings": []}
    common |= {"estimates": [], "controls": {}}
    capsule = {"git": commit, "versions": {}, "cpu": "", "threads": {"processors": 2}, "configuration": {"size": size}}
    capsule["engine"] = "auto"
    rows = [common | {"id": id, "criterion": CRITERIA[id], "status": status} for id, status in statuses.items()]
    return {"capsule": capsule, "rows": rows}


def test_rows_are_merged_by_size_in_the_order_of_the_ledger(tmp_path):
    keep(record(L2="holds", L1="refuted", C1="pending"), tmp_path)
    keep(record(L1="holds"), tmp_path)
    keep(record("full", L2="not reproduced"), tmp_path)
    quick, full = (load(size, tmp_path) for size in SIZES)
    assert [(id, row["status"]) for id, row in quick.items()] == [("L1", "holds"), ("L2", "holds")]
    assert [(id, row["status"]) for id, row in full.items()] == [("L2", "not reproduced")]
    assert "data" not in quick["L1"]
    assert quick["L1"]["circumstances"]["commit"] == "0123456789ab"
    assert "| not reproduced | holds |" in table(quick, full)
    assert "| - | holds |" in table(quick, full)
    text = verdicts(quick, full)
    assert "**not reproduced** (at full size, `f`, 1.25 s, 2026-01-02, commit 0123456789ab)" in text
    assert r"Measured: a\*b 1" in text


@pytest.mark.parametrize("status", ["holds", "holds as corrected", "refuted", "not reproduced"])
def test_corrected_statements_are_given_where_they_hold(status):
    (row,) = record(L1=status)["rows"]
    kept = {"L1": row | {"corrected": "twice as much", "circumstances": {"commit": "0"}}}
    assert ("As corrected: twice as much" in verdicts(kept, {})) == status.startswith("holds")


def test_a_row_whose_criterion_changed_says_that_it_was_not_run_since(tmp_path):
    given = record("full", L1="holds")
    given["rows"][0]["criterion"] = "another one"
    keep(given, tmp_path)
    keep(record(L1="refuted"), tmp_path)
    quick, full = (load(size, tmp_path) for size in SIZES)
    assert "| not run since its criterion changed | refuted |" in table(quick, full)
    assert "At full size not run since the criterion changed (it took 1 s); by the earlier one, another one: holds" in (
        verdicts(quick, full)
    )


def test_a_quick_run_of_an_experiment_stands_as_a_direction(tmp_path):
    for size, said in (("full", ""), ("quick", "recorded: holds; small run: same direction")):
        given = record(size, said=said, L1="holds" if size == "full" else "undecided")
        given["rows"][0]["readings"] = with_readings(True)
        keep(given, tmp_path)
    quick, full = (load(size, tmp_path) for size in SIZES)
    assert "| holds | same direction |" in table(quick, full)


def test_goals_stand_on_a_page_of_their_own(tmp_path):
    keep(record("quick", R5="1 of 2 reached"), tmp_path)
    keep(record("full", R5="1 of 2 reached", L1="holds"), tmp_path)
    kept = load("goals", tmp_path)
    assert list(kept) == ["R5"]
    assert "R5" not in {**load("full", tmp_path), **load("quick", tmp_path)}
    assert r"Reached: a\*b 1" in goals(kept)
    assert "R5" not in verdicts(load("quick", tmp_path), load("full", tmp_path))


@each_row(
    "given, message",
    (record(L1="error"), "errors for L1"),
    (record(commit="0123+changes", L1="holds"), "sources of a commit; got 0123"),
    (record(commit=None, L1="holds"), "no commit"),
    (record(size="huge", L1="holds"), "one of quick, full; got 'huge'"),
)
def test_records_that_prove_nothing_are_refused(tmp_path, given, message):
    refused(lambda: keep(given, tmp_path), message)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record(L1="holds")))
    assert main([str(path)], tmp_path, tmp_path) == 0
    text = (tmp_path / "docs" / "verdicts.md").read_text()
    assert text == verdicts(load("quick", tmp_path), {})
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == ["goals.md", "readings.md", "verdicts.md"]
    assert main([str(tmp_path / "missing.json")], tmp_path, tmp_path) == 2
    assert "missing.json" in capsys.readouterr().err


def test_the_pages_are_what_the_kept_rows_make_of_them():
    quick, full = (load(size) for size in SIZES)
    pages = {"verdicts": verdicts(quick, full), "readings": readings(full), "goals": goals(load("goals"))}
    for name, text in pages.items():
        assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == text


def test_only_answered_rows_are_kept():
    assert [row["id"] for row in rows_of(record(L1="holds", L2="not run"))] == ["L1"]


def test_sources_are_explained_wherever_rows_name_them():
    """[A25], [S26], "summary" and "next checks" mean nothing to a reader who meets them in a table."""
    named = {row.source for row in LEDGER}
    assert {"summary", "next checks", "ours", "[A25] abstract"} <= named
    for word in ("[S26]", "[A25]", '"summary"', '"next checks"', '"ours"', "2603.04827", "2505.18131"):
        assert word in SOURCES
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(word in readme for word in ("[S26]", "[A25]", "2603.04827", "2505.18131"))
    assert SOURCES in verdicts({}, {})
    assert all(
        html.escape(name) in report_page([], {}, {"configuration": {"size": "quick"}}, PAPERS)
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
    cell |= {"mean": 1.75, "deviation": 0.25, "meets": True, "seeds": [3, 4], "values": [1.5, 2.0]}
    cell |= {"again": "start=normal"}
    return [
        {"choice": {"start": f"start{k}", "n": "9"}, "holds": hold, "corrected": False, "measured": f"ratio {k}"}
        | {"calibrated": None, "size": "9 points", "cells": [cell], "calibration": []}
        for k, hold in enumerate(holds)
    ]


@each_row(
    "holds, status, short",
    ((True, False, None), "holds under some readings", "holds under 1 of 2 readings (3 tried)"),
    ((False, False), "not reproduced", "not reproduced, under 0 of 2 readings"),
    ((None, None), "undecided", "undecided"),
)
def test_readings_reach_the_pages_with_every_seed(tmp_path, holds, status, short):
    given = record("full", L1=status)
    given["rows"][0]["readings"] = with_readings(*holds)
    keep(given, tmp_path)
    full = load("full", tmp_path)
    assert full["L1"]["readings"] == given["rows"][0]["readings"]
    assert '"values": [1.5, 2.0]' in (tmp_path / "full.json").read_text()
    assert f"| {short} | - |" in table({}, full)
    assert f"**{short}**" in verdicts({}, full)
    text = readings(full)
    assert ("| start | holds | calibrated | measured |" in text) == (len(holds) > 1)
    line = '`python -m validation L1 --cell "start=normal" --seed 3`'
    assert f"| spline, fine | 2.00e+00 (5.0e-01) | 1.50e+00 | 1.75e+00 (2.5e-01) | 2 | {line} |" in text


@pytest.mark.exhaustive
def test_the_pages_of_findings_are_what_the_records_say():
    """The first of them fits two printed pages, and corrects what the long one corrects of this paper."""
    made = runpy.run_path(str(ROOT / "docs" / "findings.py"))
    kept = made["rows"]()
    for name, page in made["PAGES"].items():
        assert page(kept) == (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert len(re.findall(r"[^\s|]*\w[^\s|]*", made["page"](kept))) < 1500  # words, not the bars of tables
    corrected = {id for id in kept if made["is_corrected"](kept, id)}
    assert corrected == {*made["IN_SHORT"], *made["MISPRINTS"]}


def test_records_name_commits_of_this_history():
    """Whoever has the project can check out what was measured."""

    def git(*arguments):
        return run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()

    if git("rev-parse", "--show-toplevel", "--is-shallow-repository") != [str(ROOT), "false"]:
        pytest.skip("needs a checkout with its history")
    known = {commit[:12] for commit in git("rev-list", "HEAD")}
    named = {kept["circumstances"]["commit"] for size in (*SIZES, "goals") for kept in load(size).values()}
    assert named <= known


def test_no_quick_verdict_contradicts_its_record():
    quick, full = (load(size) for size in SIZES)
    for id, kept in quick.items():
        if id in full and not kept["said"].startswith("recorded"):
            assert kept["status"] == full[id]["status"], id
        assert "other direction" not in kept["said"], id


def test_experiments_of_few_seeds_state_the_cost_that_forbids_more():
    """In processor time, or as long as the record's own seeds took; the pages show it."""
    full = load("full")
    page = verdicts(load("quick"), full)
    few = {id: seeds for id, kept in full.items() if (seeds := fewer_seeds(kept))}
    assert few
    for id, (seeds, cost) in few.items():
        assert seeds < ENOUGH
        assert re.search(r"(second|minute|hour|\d s)\w* of processor time|took \d+ s, ", cost), (id, cost)
        assert f"Seeds: {seeds} of the {ENOUGH} that decide an experiment; {cost}." in page


def test_a_row_is_judged_again_from_the_numbers_that_it_keeps(tmp_path, capsys):
    """O2 comes out as it did, of the numbers of every seed; L1 keeps none."""
    (tmp_path / "docs").mkdir()
    for size in ("full", "goals"):
        (tmp_path / f"{size}.json").write_bytes((FOLDER / f"{size}.json").read_bytes())
    assert main(["--judge", "O2"], tmp_path, tmp_path) == 0
    again, kept = load("full", tmp_path)["O2"], load("full")["O2"]
    for name in ("status", "estimates", "mutations", "controls"):
        assert again[name] == kept[name]
    assert main(["--judge", "L1"], tmp_path, tmp_path) == 2
    assert "L1 is judged by more than the numbers that its row keeps" in capsys.readouterr().err


def test_findings_tell_what_the_free_scale_of_rows_does_with_the_numbers_of_the_record():
    made = runpy.run_path(str(ROOT / "docs" / "findings.py"))
    kept = made["rows"]()
    (bad,) = (e for e in kept["R12"]["estimates"] if e["name"] == "bad runs, rows free")
    told = f"({round(bad['value'] * len(bad['seeds']))} of {len(bad['seeds'])})"
    assert told in made["gauge"](kept)
    assert made["gauge"](kept) in made["page"](kept)
    fewer = [e | {"value": 0.5, "high": 1.0} if e is bad else e for e in kept["R12"]["estimates"]]
    other = made["gauge"](kept | {"R12": kept["R12"] | {"estimates": fewer}})
    assert told not in other
    assert "run in two is bad" in other


def test_findings_compute_what_they_say_of_shares_and_of_readings():
    made = runpy.run_path(str(ROOT / "docs" / "findings.py"))

    def share(value, low, high):
        return Estimate("share", value, low, high)

    often = made["often"]
    assert "as often as fine" in often(share(0.24, 0.09, 0.45), share(0.2, 0.07, 0.41))
    assert "more often than fine" in often(share(0.8, 0.6, 0.9), share(0.2, 0.07, 0.41))
    assert "less often than fine" in often(share(0.0, 0.0, 0.1), share(0.5, 0.3, 0.7))

    def of(**meets):
        cells = [{"cell": name, "meets": m, "mean": 2.0, "published": 1.0, "unit": ""} for name, m in meets.items()]
        return {"cells": cells, "calibration": [], "choice": {"start": "normal"}}

    assert made["met"](of(a=True, b=False, c=None)) == "1 of 2 (b above the printed mean)"
    assert made["all_met"]([of(a=True, b=False), of(a=None)]).startswith("None")
    assert made["all_met"]([of(a=True, b=None)]).startswith("None is known")
    assert "together: start=normal" in made["all_met"]([of(a=True, b=True)])


def test_papers_are_what_the_kept_rows_make_of_them():
    """Both are generated; the one for JOSS has its sections and its length, and blanks where people sign."""
    made = runpy.run_path(str(ROOT / "paper" / "build.py"))
    kept = made["FINDINGS"]["rows"]()
    for name in ("rescience", "joss"):
        assert (ROOT / "paper" / f"{name}.md").read_text(encoding="utf-8") == made[name](kept)
    text = made["joss"](kept)
    assert 750 <= len(text.split("---", 2)[2].split()) <= 1750
    assert re.findall(r"^# (.*)$", text, re.MULTILINE) == [
        "Summary", "Statement of need", "State of the field", "Software design", "Research impact statement",
        "AI usage disclosure", "Acknowledgements", "References",
    ]  # fmt: skip
    assert text.count("[To be stated by the authors") == text.count('orcid: "[ORCID]"') == 1
    assert (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8").count("doi = {10.48550/arXiv.") == 6


def test_pages_show_what_tables_of_five_print_and_the_range_over_readings():
    made = runpy.run_path(str(ROOT / "docs" / "findings.py"))
    kept = made["rows"]()
    page = made["page"](kept)
    order = ("## What is undisputed", "## Table 2", "## All statements", "## Differential equations")
    assert [page.index(heading) for heading in order] == sorted(page.index(heading) for heading in order)
    (line,) = (text for text in page.splitlines() if text.startswith("| spline, coarse over spline, multilevel"))
    pair = "spline, coarse over spline, multilevel"
    medians = [
        float(e["value"])
        for reading in kept["R2"]["readings"]
        for e in reading["estimates"]
        if e["name"] == f"typical run, {pair}"
    ]
    assert len(medians) == len(kept["R2"]["readings"])
    assert f"{min(medians):.3g} to {max(medians):.3g}" in line
    (five,) = (e for e in kept["R2"]["estimates"] if e["name"] == f"means of five, {pair}")
    assert f"{five['value']:.3g} [{five['low']:.3g}, {five['high']:.3g}]" in line


def test_a_row_without_numbers_of_seeds_loses_the_interval_of_its_mean(tmp_path):
    """K1 keeps the geometric mean of 20 seeds alone: nothing can be said of its median."""
    kept = load("full")["K1"]
    assert kept["status"] == "undecided"
    (mean,) = (e for e in kept["estimates"] if e["seeds"])
    assert (mean["low"], mean["high"]) == ("-inf", "inf")
    assert "keeps no number of a seed" in kept["measured"]
