"""Two checkouts side by side: this one against itself and against a slower copy."""

from pathlib import Path

import pytest

from tests.shared.refusals import refused
from tests.shared.tables import each_row
from validation.benchmarks import against

HERE = Path(__file__).parents[3]


class Clockwork:
    """A checkout whose one case takes known seconds."""

    def __init__(self, seconds: float, tasks: list[tuple[str, str]]):
        self.seconds, self.tasks = seconds, tasks

    def times(self, task, rounds, without):
        return {"refkan": [self.seconds] * rounds, "scipy BSpline": [9.0] * rounds, "torch": "not installed"}


def test_the_ratio_is_their_time_over_ours():
    both, lines = ("layer", "a case"), []
    here, there = Clockwork(0.5, [both, ("layer", "new")]), Clockwork(1.5, [both, ("layer", "old")])
    assert against.compare(here, there, 3, lines.append) == {"layer: a case, refkan": 3.0}
    assert len(lines) == 1


def test_this_checkout_answers_a_question_and_ends(tmp_path):
    side = against.Checkout(HERE, ["spline-evaluation"], 1, True, tmp_path)
    try:
        row, title = side.tasks[0]
        assert row == "spline-evaluation"
        found = side.times((row, title), 1, ["scipy BSpline"])
        assert found["refkan"][0] > 0.0
        assert found["scipy BSpline"] == "left out"
    finally:
        side.close()
    refused(lambda: side.ask({"task": [row, title], "rounds": 1, "threads": 1, "without": []}), "RuntimeError: ended")


@each_row(
    "arguments, words",
    (["nowhere"], "CHECKOUT must be the root"),
    ([str(HERE), "layers"], "NAME must be one of"),
    ([str(HERE), "--turns", "0"], "at least 1"),
)
def test_wrong_usage_is_told(arguments, words, capsys):
    with pytest.raises(SystemExit):
        against.main(arguments)
    assert words in capsys.readouterr().err
