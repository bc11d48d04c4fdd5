import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from validation.benchmarks.reporting.markdown import duration, notes, series_table
from validation.benchmarks.running import watch as watch_module
from validation.benchmarks.running.harness import (
    Case,
    CaseResult,
    Contestant,
    Entry,
    Limit,
    Settings,
    Timed,
    TooLargeError,
    difference,
    run_case,
    task,
)
from validation.benchmarks.running.record import case_record
from validation.benchmarks.running.timing import Spread

TRUTH = (np.array([1.0, -2.0, 3.0]), np.array([[4.0, 5.0], [6.0, 0.0]]))
FAST = Settings(rounds=3, seconds_per_timing=0.0)


def contestant(name: str, compute: Callable[[], tuple[np.ndarray, ...]] = lambda: TRUTH, **options) -> Contestant:
    return Contestant(name, lambda: Timed(compute, lambda result: result), **options)


def run(*contestants: Contestant, settings: Settings = FAST) -> CaseResult:
    return run_case(Case("case", lambda: TRUTH, contestants), settings)


def statuses(result: CaseResult) -> dict[str, str]:
    return {entry.name: entry.status for entry in result.entries}


def table(result: CaseResult) -> str:
    return series_table(json.loads(json.dumps(case_record(result), allow_nan=False)))


SABOTAGE = {
    "sign": lambda: (TRUTH[0], -TRUTH[1]),
    "factor": lambda: (TRUTH[0] * (1 + 1e-9), TRUTH[1]),
    "shift": lambda: (np.roll(TRUTH[0], 1), TRUTH[1]),
    "transposed": lambda: (TRUTH[0], TRUTH[1].T),
    "shape": lambda: (TRUTH[0][:, None], TRUTH[1]),
    "missing": lambda: TRUTH[:1],
    "nan": lambda: (TRUTH[0] * np.nan, TRUTH[1]),
    "infinite": lambda: (TRUTH[0] + np.inf, TRUTH[1]),
}


@pytest.mark.parametrize("kind", SABOTAGE)
def test_disagreement_prints_no_times(kind):
    result = run(contestant("ours"), contestant("wrong", SABOTAGE[kind]), contestant("peer"))
    assert statuses(result) == {"ours": "agrees", "wrong": "disagrees", "peer": "agrees"}
    assert all(entry.seconds == [] for entry in result.entries)
    text = table(result)
    assert "| wrong | disagrees by" in text
    assert not any(unit in text for unit in (" s ", " ms", " us", " ns"))
    record = json.loads(json.dumps(case_record(result), allow_nan=False))
    assert record["agreed"] is False
    assert all("seconds" not in entry and "theirs_over_ours" not in entry for entry in record["entries"])


def test_the_size_of_a_disagreement_is_stated():
    result = run(contestant("ours"), contestant("wrong", lambda: (TRUTH[0] * (1 + 1e-9), TRUTH[1])))
    assert "| wrong | disagrees by 1.0e-09, more than 1e-12: no times |" in table(result)


def test_a_wide_tolerance_is_the_contestants_own():
    blunt = lambda: (TRUTH[0] * (1 + 1e-7), TRUTH[1])  # noqa: E731
    assert statuses(run(contestant("ours"), contestant("float32", blunt, tolerance=1e-6)))["float32"] == "timed"
    assert statuses(run(contestant("ours", blunt), contestant("float32", tolerance=1e-6)))["ours"] == "disagrees"


def test_results_are_compared_after_timing_too():
    calls = []

    def drifting():
        calls.append(1)
        return (TRUTH[0] + 1e-3 * (len(calls) > 2), TRUTH[1])

    result = run(contestant("ours"), contestant("drifting", drifting))
    assert statuses(result) == {"ours": "agrees", "drifting": "disagrees"}
    assert all(entry.seconds == [] for entry in result.entries)


def test_a_missing_peer_is_skipped_by_name():
    result = run(contestant("ours"), contestant("rival", requires="no_such_module"))
    assert statuses(result) == {"ours": "timed", "rival": "skipped"}
    assert "| rival | skipped: no_such_module is not installed |" in table(result)


def test_a_failing_peer_lets_the_others_run():
    def fail():
        raise RuntimeError("two\nlines")

    def too_large():
        raise TooLargeError("would keep about 9 GB")

    result = run(
        contestant("ours"),
        Contestant("broken", fail),
        contestant("broken in run", fail),
        Contestant("large", too_large),
    )
    assert statuses(result) == {
        "ours": "timed",
        "broken": "failed",
        "broken in run": "failed",
        "large": "skipped",
    }
    assert "failed: RuntimeError: two lines" in table(result)
    assert "skipped: would keep about 9 GB" in table(result)


def test_without_ours_there_are_no_ratios():
    result = run(contestant("ours", requires="no_such_module"), contestant("peer"))
    assert result.ratio(result.entries[1]) is None
    assert " to " not in table(result)


def test_ratio_is_the_median_of_the_ratios_within_rounds():
    # The machine slows down tenfold in the second round: medians apart would give 15.
    ours = Entry("ours", "timed", seconds=[1.0, 10.0, 2.0])
    peer = Entry("peer", "timed", seconds=[4.0, 30.0, 40.0])
    result = CaseResult("case", [ours, peer])
    assert result.ratio(peer) == Spread(median=4.0, lower=3.5, upper=12.0)
    assert peer.spread.median / ours.spread.median == 15.0
    assert result.ratio(ours) == Spread(1.0, 1.0, 1.0)


def test_a_case_knows_how_busy_the_machine_was(monkeypatch):
    assert task(Case("case", lambda: TRUTH, [contestant("ours")])).run(FAST).elsewhere is None
    monkeypatch.undo()
    elsewhere = task(Case("case", lambda: TRUTH, [contestant("ours")])).run(FAST).elsewhere
    assert (elsewhere is None) == (watch_module.busy_seconds() is None)


class Clock:
    """A clock that only moves when a contestant works."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def worker(self, name: str, seconds: float) -> Contestant:
        def work():
            self.now += seconds
            self.calls.append(name)
            return TRUTH

        return contestant(name, work)


def test_seconds_are_of_one_call_and_short_calls_are_repeated():
    clock = Clock()
    case = Case("case", lambda: TRUTH, [clock.worker("ours", 0.25), clock.worker("peer", 2.0)])
    result = run_case(case, Settings(rounds=2, seconds_per_timing=1.0), clock)
    ours, peer = result.entries
    assert ours.seconds == [0.25, 0.25]
    assert peer.seconds == [2.0, 2.0]
    assert result.ratio(peer) == Spread(8.0, 8.0, 8.0)
    # Once to compare, once to estimate, 2 rounds of 1 s, once to compare again.
    assert clock.calls.count("ours") == 1 + 1 + 2 * 4 + 1
    assert clock.calls.count("peer") == 1 + 1 + 2 * 1 + 1


def test_limits_are_timed_in_the_same_rounds_and_scaled():
    clock = Clock()

    def spend():
        clock.now += 4.0

    case = Case("case", lambda: TRUTH, [clock.worker("ours", 2.0)], {"n": 3}, {"limit": Limit(spend, share=0.25)})
    result = run_case(case, Settings(rounds=3, seconds_per_timing=1.0), clock)
    _, limit = result.entries
    assert (limit.status, limit.seconds) == ("timed", [1.0, 1.0, 1.0])
    assert result.ratio(limit) == Spread(0.5, 0.5, 0.5)
    assert result.parameters == {"n": 3}
    wrong = Case("case", lambda: TRUTH, [contestant("wrong", SABOTAGE["sign"])], limits=case.limits)
    assert [entry.name for entry in run_case(wrong, FAST).entries] == ["wrong"]


def test_a_task_runs_its_case_with_timings_as_long_as_it_asks():
    clock = Clock()
    case = Case("case", lambda: TRUTH, [clock.worker("ours", 0.001)], {"n": 3})
    result = task(case).run(FAST)
    assert (result.title, result.parameters) == ("case", {"n": 3})
    assert [len(entry.seconds) for entry in result.entries] == [FAST.rounds]
    assert len(clock.calls) == 1 + 1 + FAST.rounds + 1
    before = len(clock.calls)
    task(case, seconds_per_timing=1e-3).run(FAST)
    assert len(clock.calls) > before + 1 + 1 + FAST.rounds + 1


def test_difference_is_relative_to_the_largest_entry_of_each_array():
    reference = (np.array([1e-3, 0.0]), np.array([1e6]))
    assert difference((np.array([1e-3, 1e-5]), np.array([1e6])), reference) == pytest.approx(1e-2)
    assert difference((np.zeros(1),), (np.zeros(1),)) == 0.0
    assert difference((np.ones(1),), (np.zeros(1),)) == math.inf
    assert difference((np.zeros((0, 2)),), (np.zeros((0, 2)),)) == 0.0


def test_notes_are_said_once_and_not_for_the_skipped():
    results = [
        run(contestant("ours"), contestant("a", note="wide"), contestant("b", note="never", requires="no_such"))
        for _ in range(2)
    ]
    assert notes(map(case_record, results)) == [("a", "wide")]


@pytest.mark.parametrize(("seconds", "text"), [(1.5, "1.5 s"), (2e-3, "2 ms"), (1.2345e-5, "12.3 us"), (3e-8, "30 ns")])
def test_duration(seconds, text):
    assert duration(seconds) == text
