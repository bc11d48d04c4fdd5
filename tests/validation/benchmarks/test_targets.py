"""What was asked of the library's speed, judged from records, and the page that shows it."""

import json
from dataclasses import replace

import pytest

from tests.shared.refusals import refused
from validation.benchmarks.measured import layer
from validation.benchmarks.measured.limits import COPY, DGEMM
from validation.benchmarks.reporting import markdown, page
from validation.benchmarks.reporting.targets import TARGETS, Target, judge
from validation.benchmarks.rows import ROWS, tasks
from validation.benchmarks.running.harness import CaseResult, Entry, Settings
from validation.benchmarks.running.record import case_record, trimmed

CAPSULE = {
    "configuration": {"quick": False, "rounds": 3, "threads": 2, "without": []},
    "versions": {"python": "3.11", "refkan": "0.1.0"},
    "cpu": "a processor",
    "time": "2026-01-02T03:04:05+00:00",
}
TARGET = Target("layer", "n = 4", "layer", {"n": 4}, ("fast", "slow"), 8.0)


def document(**rows: list[CaseResult]) -> dict:
    """A record of cases, as JSON reads it back."""
    found = {
        row.replace("_", "-"): {"key": "k", "cases": [case_record(case) for case in cases]}
        for row, cases in rows.items()
    }
    return json.loads(json.dumps({"format": 2, "capsule": CAPSULE, "rows": found}, allow_nan=False))


def case(parameters: dict, ours: float, **peers: float) -> CaseResult:
    """A case in which ours takes so many seconds, and peers as many times as long."""
    entries = [Entry("refkan", "timed", seconds=[ours, 2 * ours, ours])]
    entries += [Entry(name, "timed", seconds=[k * s for s in entries[0].seconds]) for name, k in peers.items()]
    return CaseResult(str(parameters), entries, parameters)


def judged(target: Target, *cases: CaseResult):
    (outcome,) = judge(document(layer=list(cases)), (target,))
    return outcome


@pytest.mark.parametrize(("fast", "met"), [(7.9, False), (8.0, True), (9.0, True)])
def test_the_fastest_contestant_counts(fast, met):
    outcome = judged(TARGET, case({"n": 4}, 0.5, fast=fast, slow=100.0), case({"n": 8}, 0.5, fast=1.0))
    assert (outcome.fastest, outcome.met) == ("fast", met)
    assert outcome.measured["median"] == pytest.approx(fast)
    swapped = judged(TARGET, case({"n": 4}, 0.5, fast=100.0, slow=fast))
    assert (swapped.fastest, swapped.met) == ("slow", met)


def test_at_most_is_the_other_direction():
    at_most = replace(TARGET, at_least=False)
    assert judged(at_most, case({"n": 4}, 1.0, fast=7.0)).met is True
    assert judged(at_most, case({"n": 4}, 1.0, fast=9.0)).met is False


def test_a_target_without_times_is_not_measured():
    assert judged(TARGET).met is None
    assert judged(TARGET, case({"n": 8}, 1.0, fast=9.0)).met is None
    skipped = case({"n": 4}, 1.0)
    skipped.entries += [Entry("fast", "skipped", "fast is not installed")]
    outcome = judged(TARGET, skipped)
    assert (outcome.met, outcome.missing) == (None, ("fast (fast is not installed)", "slow (no contestant)"))
    assert markdown.tally([outcome]) == "0 of 0, 1 not measured"


def test_who_is_missing_is_said():
    partial = case({"n": 4}, 1.0, slow=9.0)
    partial.entries.append(Entry("fast", "failed", "RuntimeError: no compiler"))
    outcome = judged(TARGET, partial)
    assert (outcome.met, outcome.fastest) == (True, "slow")
    assert "slow; without fast (RuntimeError: no compiler)" in markdown.outcome_cells(outcome)


def test_a_disagreement_has_no_ratio():
    broken = CaseResult(
        "case", [Entry("refkan", "agrees"), Entry("fast", "disagrees", difference=1.0, tolerance=1e-12)], {"n": 4}
    )
    assert judged(TARGET, broken).met is None


def test_seconds_and_megabytes():
    entry = Entry("refkan", "timed", seconds=[0.5, 0.7, 0.6], megabytes=300.0)
    found = CaseResult("case", [entry], {"n": 4})
    own = replace(TARGET, against=("refkan",), at_least=False)
    seconds = judged(replace(own, quantity="seconds", asked=0.6), found)
    assert (seconds.measured["median"], seconds.met) == (0.6, True)
    megabytes = judged(replace(own, quantity="megabytes", asked=299.0), found)
    assert (megabytes.measured["median"], megabytes.met) == (300.0, False)


def test_a_target_must_name_one_case():
    refused(lambda: judged(TARGET, case({"n": 4, "Q": 1}, 1.0), case({"n": 4, "Q": 2}, 1.0)), "must name one case.*2")


@pytest.mark.parametrize("row", ROWS)
def test_every_target_finds_one_case_of_its_row(row):
    cases = list(tasks(row, Settings()))
    for target in (t for t in TARGETS if t.row == row):
        assert sum(target.where.items() <= task.parameters.items() for task in cases) == 1, target


def test_layers_that_are_compared_with_take_part():
    against = {name for target in TARGETS if target.row == "layer" for name in target.against}
    assert against < {program.name for program in layer.PROGRAMS}


def full_document(met: bool = True) -> dict:
    """A record with a number for every target, twice as good or as bad as asked, and with curves."""
    rows: dict[str, dict[str, CaseResult]] = {row: {} for row in ROWS}
    for target in TARGETS:
        factor = 2.0 if target.at_least == met else 0.5
        parameters = {"of": "layer", "N": 4096, "P": 1, "Q": 1, "n": 1, "points": 100} | dict(target.where)
        found = rows[target.row].setdefault(str(parameters), case(parameters, 0.5))
        for name in target.against:
            seconds = [factor * target.asked * (1.0 if target.quantity == "seconds" else s) for s in (0.5, 1.0, 0.5)]
            entry = Entry(name, "timed", seconds=seconds, megabytes=factor * target.asked, note="as it is")
            found.entries = [old for old in found.entries if old.name != name]
            found.entries.append(entry)
    for axis, values in (("n", (4, 16)), ("Q", (5, 20)), ("N", (256, 512))):
        for value in values:
            parameters = {"P": 20, "Q": 20, "n": 16, "N": 4096, axis: value, "against": axis}
            rows["curves"][str(parameters)] = case(parameters, 0.5, flashkan=3.0, **{DGEMM: 0.3, COPY: 0.1})
    spline = {"of": "evaluation", "n": 8, "knots": "uniform", "points": 100}
    rows["limits"][str(spline)] = case(spline, 0.5, **{COPY: 0.1})
    return document(**{row: list(cases.values()) for row, cases in rows.items()})


@pytest.mark.parametrize("met", [True, False])
def test_all_targets_of_a_made_up_record_are_met_or_missed(met):
    outcomes = judge(full_document(met))
    assert [outcome.met for outcome in outcomes] == [met] * len(TARGETS)
    assert markdown.tally(outcomes) == f"{met * len(TARGETS)} of {len(TARGETS)}"
    assert markdown.targets_table(outcomes).count("| yes |") == met * len(TARGETS)


def test_a_line_of_the_table_holds_what_was_asked():
    text = markdown.targets_table(judge(full_document()))
    line = next(line for line in text.splitlines() if "uniform knots, against scipy BSpline, n = 8 " in line)
    assert "| at least 15 | 30 | scipy BSpline | yes |" in line
    share = next(line for line in text.splitlines() if "(256, 256), forward + backward: share" in line)
    assert "at least 60 %" in share
    assert all(line.count("|") == 6 for line in text.splitlines())


def test_times_are_shown_with_their_ratio_and_reasons():
    found = case({"n": 4}, 1e-3, fast=2.0)
    found.entries.append(Entry("slow", "skipped", "would keep about 9 GB"))
    text = markdown.times_table(document(layer=[found])["rows"]["layer"]["cases"], ("n",))
    assert "| n = 4 | 1 ms | 2 ms (2) | skipped |" in text
    assert "slow: skipped, would keep about 9 GB." in text
    assert markdown.times_table([], ("n",)) == "Not measured.\n"


def test_a_disagreement_is_shown_on_the_page():
    entries = [Entry("refkan", "agrees"), Entry("wrong", "disagrees", difference=0.5, tolerance=1e-12)]
    found = document(layer=[CaseResult("a layer", entries, {"n": 4})])["rows"]["layer"]["cases"]
    assert "wrong: disagrees by 5.0e-01 in a layer: no times there." in markdown.times_table(found, ("n",))


def test_the_command_writes_record_and_page(tmp_path):
    full = full_document()
    (tmp_path / "run.json").write_text(json.dumps(full))
    assert page.main([str(tmp_path / "run.json"), str(tmp_path)]) == 0
    kept = json.loads((tmp_path / page.RECORD).read_text())
    assert kept == trimmed(full)
    assert (tmp_path / page.PAGE).read_text() == page.page(kept)
    assert [path.name for path in (tmp_path / "docs").iterdir()] == ["speed.md"]
    assert page.main([str(tmp_path / page.RECORD), str(tmp_path)]) == 0  # once more, from what it wrote
    assert json.loads((tmp_path / page.RECORD).read_text()) == kept


def test_another_processor_has_a_column(tmp_path):
    here, there = full_document(), full_document(met=False)
    there["capsule"] = CAPSULE | {"cpu": "Other(R) CPU"}
    for name, document in (("here", here), ("there", there)):
        (tmp_path / name).write_text(json.dumps(document))
    assert page.main([str(tmp_path / "here"), str(tmp_path)]) == 0
    assert page.main([str(tmp_path / "there"), str(tmp_path), "--beside"]) == 0
    beside = json.loads((tmp_path / page.RECORD).with_name("benchmarks_on_other-r-cpu.json").read_text())
    assert [o.met for o in judge(beside)] == [False] * len(TARGETS)
    assert "curves" not in beside["rows"]
    text = (tmp_path / page.PAGE).read_text()
    assert text == page.page(*page.recorded(tmp_path))
    line = next(line for line in text.splitlines() if "uniform knots, against scipy BSpline, n = 8 " in line)
    assert line.endswith("| at least 15 | 30 | scipy BSpline | yes | 7.5 |")
    assert "On another processor (1): Other(R) CPU, 2 threads" in text
    assert text.count("| yes |") == len(TARGETS)


def test_wrong_calls_are_refused(capsys):
    assert page.main([]) == 2
    assert "RECORD [ROOT]" in capsys.readouterr().err


def test_the_page_is_what_the_command_makes_of_the_records():
    documents = page.recorded()
    assert trimmed(documents) == documents
    assert (page.ROOT / page.PAGE).read_text(encoding="utf-8") == page.page(*documents)


def test_a_record_of_trainings_is_kept_apart_and_says_where_it_was_measured(tmp_path):
    whole = json.loads((page.ROOT / page.RECORD).read_text(encoding="utf-8"))
    (tmp_path / "whole.json").write_text(json.dumps(whole))
    case = next(iter(whole["rows"].values()))["cases"][0]
    capsule = whole["capsule"] | {"cpu": "another processor"}
    apart = whole | {
        "capsule": capsule,
        "rows": {"trainings": {"cases": [case | {"parameters": {"of": "methods", "error": "1e-03"}}]}},
    }
    (tmp_path / "apart.json").write_text(json.dumps(apart))
    for name in ("whole", "apart"):
        assert page.main([str(tmp_path / f"{name}.json"), str(tmp_path)]) == 0
    assert json.loads((tmp_path / page.RECORD).read_text()) == whole
    text = (tmp_path / page.PAGE).read_text()
    assert "another processor" not in text[: text.index("## Trainings")]
    assert "another processor" in text[text.index("## Trainings") :]
