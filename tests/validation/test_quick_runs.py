"""A quick run of every claim file tells what it told: ``python -m tests.validation.quick_runs`` writes it anew."""

import json

import pytest

from tests.validation import quick_runs
from tests.validation.quick_runs import SECONDS, alike, merged, tell

TOLD = json.loads(quick_runs.TABLE.read_text(encoding="utf-8"))


def test_every_file_is_told_of():
    assert {*TOLD} == {*SECONDS}


@pytest.mark.parametrize(
    "stem", [pytest.param(stem, marks=[pytest.mark.exhaustive] * (seconds > 1)) for stem, seconds in SECONDS.items()]
)
@pytest.mark.filterwarnings("ignore")
def test_a_quick_run_tells_what_it_told(stem):
    for made, kept in zip(tell(stem), TOLD[stem], strict=True):
        assert {key: made[key] for key in kept if not alike(made[key], kept[key])} == {}


@pytest.mark.parametrize(("made", "kept"), [
    ({"n": 1.0}, {"n": 1.00001}), ([1.0], [1.0, 2.0]), ({"a": 1}, {"b": 1}), (True, 1), (None, 0.0), ("a", "b"),
    ("15", "16"), ("0.12", "0.14"), ("2e+03", "4e+03"), (1, 2),
])  # fmt: skip
def test_other_outcomes_are_not_alike(made, kept):
    assert alike(made, made)
    assert not alike(made, kept)
    assert not alike(kept, made)


def test_numbers_that_differ_have_a_tolerance_and_sentences_about_them_too():
    texts = {"measured": ["15", "0.12", "True"], "beside": []}
    kept = merged([{"n": [1.0, "15", True], **texts}, {"n": [1.0001, "17", False], **texts}])
    assert kept == {"n": ["1 ± 0.01", "15 ± 2e+02", "any"], "measured": ["15", "0.12 ± 0.06", "True"], "beside": []}
    for n, text, holds in ((1.009, "0.17", True), (1.011, "0.12", False), (0.989, "0.12", False), (1.0, "0.19", False)):
        made = {"n": [n, "214", None], "measured": ["15", text, "True"], "beside": []}
        assert alike(made, kept) == holds
