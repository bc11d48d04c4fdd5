"""Soaks resume, keep failures as files of the corpus, and write docs/trust.md."""

import json

import pytest

from tests.shared.draws import PARTICULAR, ROOT, Draw
from tests.soak import __main__ as soak
from tests.soak import trust
from tests.soak.record import Record

LAW = "tests/truth/test_bases.py::test_a"


def line(law=LAW, failure="", ratios=(), cases=3):
    return {
        "law": law, "case": f"{law}[seed5.1-x]", "seed": 5, "number": 1, "cases": cases, "seconds": 0.1,
        "failure": failure, "ratios": list(ratios),
    }  # fmt: skip


def test_files_of_laws_exist_and_are_those_of_the_rooms():
    files = soak.files_of_laws()
    assert "tests/truth/test_bases.py" in files
    assert "tests/package/test_checkpoints.py" in files  # hypothesis, outside of the rooms
    assert "tests/plots/test_plots.py" not in files


def test_a_record_counts_and_is_resumed(tmp_path):
    record = Record.read(tmp_path / "record.json", 7)
    record.add("a.py", [line(ratios=[("q", 0.5), ("q", 0.75)]), line(failure="E  no")], 36.0, finished=True)
    record.add("b.py", [line(ratios=[("q", 0.25)])], 36.0, finished=False)
    record.write(tmp_path / "record.json")
    again = Record.read(tmp_path / "record.json", 8)
    assert again == record
    assert (again.seed, again.draws, again.cases, again.laws) == (7, 3, 9, [LAW])
    assert again.done == ["a.py", "b.py"]
    assert again.unfinished == {"b.py": 1}
    assert len(again.failures) == 1
    assert (again.largest["q"]["ratio"], again.largest["q"]["draws"]) == (0.75, 3)
    again.next_round()
    assert (again.seed, again.done, again.seeds) == (8, [], [7, 8])
    assert "seeds 7 to 8" in again.summary()


def test_failures_become_draws_of_their_law(tmp_path, monkeypatch):
    failed = line(failure="test_bases.py:3\nE   assert 1 < 0\n")
    file, other = (soak.keep_failure(failed, tmp_path) for _ in range(2))
    assert file != other
    entry = json.loads(file.read_text())
    assert entry == {"broke": "assert 1 < 0", "law": LAW, "case": f"{LAW}[x]", "seed": 5, "number": 1}
    from tests.shared import draws

    monkeypatch.setattr(draws, "CORPUS", tmp_path)
    assert draws.kept_draws.__wrapped__()[LAW] == [Draw(5, 1, f"{LAW}[x]")] * 2


@pytest.mark.parametrize(
    ("case", "expected"),
    [("a::b[seed5.1-x-2]", "a::b[x-2]"), ("a::b[x-usual]", "a::b[x]"), ("a::b[seed5.12]", "a::b"), ("a::b", "a::b")],
)
def test_cases_are_known_without_their_draw(case, expected):
    assert soak.without_draw(case) == expected


def test_a_run_stops_in_time_and_goes_on(tmp_path, monkeypatch, capsys):
    clock, ran = iter(range(0, 1000, 7)), []
    monkeypatch.setattr(soak.time, "monotonic", lambda: next(clock))

    def run_file(file, seed, multiplier, limit, report):
        ran.append((file, seed))
        report.write_text(json.dumps(line(failure="E   x" if file == "b" else "")) + "\n{cut")
        return 1 if file == "b" else 0

    monkeypatch.setattr(soak, "run_file", run_file)
    command = ["--minutes", "2", "--seed", "3", "--record", str(tmp_path / "r.json"), "--corpus", str(tmp_path)]
    codes = [soak.main([*command, "--files", "a", "b", "c"]) for _ in range(2)]
    assert [file for file, _ in ran] == list("abcabcabc"[: len(ran)])
    assert ran[0] == ("a", 3)
    assert {seed for _, seed in ran[3:6]} == {4}
    assert 1 in codes
    assert list(tmp_path.glob("a_5_0.json"))
    assert "1 failed" in capsys.readouterr().out


def test_a_law_is_run_on_poisoned_memory(tmp_path):
    report = tmp_path / "report.jsonl"
    assert soak.run_file("tests/checks/test_identities.py", 3, 2, 300.0, report) == 0
    lines = soak.lines_of(report)
    assert lines
    assert all(each["number"] == 1 and not each["failure"] for each in lines)
    assert sum(each["cases"] for each in lines) > len(lines)


def test_failures_of_what_is_no_law_say_why():
    law, case = next(iter(PARTICULAR)), f"{LAW}[seed5.1-x] seed 5"
    assert trust.failure_text(case) == f"failed: `{case}`"
    for case in (f"{law}[seed5.1-x] seed 5", f"{law} seed 5"):
        assert trust.failure_text(case).endswith(f"no longer drawn afresh: {PARTICULAR[law]}")


PAGE = trust.PAGE.read_text(encoding="utf-8")


def test_the_page_shows_what_is_recorded(tmp_path, monkeypatch):
    quantity = trust.quantities(PAGE)[0]
    record = Record(1, seeds=[1], largest={quantity: {"ratio": 0.1234, "draws": 4321, "case": "", "seed": 1}})
    row = next(text for text in trust.with_ratios(PAGE, record).splitlines() if text.startswith(f"| {quantity} |"))
    assert " 0.12 | 4,321 |" in row
    assert trust.NOT_RUN in trust.with_ratios(PAGE, None)
    with pytest.raises(ValueError, match="markers"):
        trust.replaced(PAGE, "no such part", "")


def test_only_the_law_of_a_row_measures_its_errors():
    assert [*trust.laws(PAGE)] == trust.quantities(PAGE)
    quantity, law = next(iter(trust.laws(PAGE).items()))
    made = [line(law=each, ratios=[(quantity, 0.5)]) for each in (law, LAW)]
    assert [len(each["ratios"]) for each in soak.measured_by_laws_of_the_page(made)] == [1, 0]


def test_the_page_is_written_from_the_records():
    """`python -m tests.soak.trust` writes it anew."""
    assert trust.written(PAGE) == PAGE


def test_quantities_that_tests_measure_are_rows_of_the_page():
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py")]
    for row in (text for text in PAGE.splitlines() if f"| {trust.NO_BOUND} |" not in text):
        for quantity in trust.quantities(row):
            assert any(f'"{quantity}"' in text for text in texts), quantity
