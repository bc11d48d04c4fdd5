"""Every verdict on kept measurements of a small run, and on these scattered, is what it was."""

import json

import pytest

from tests.validation.replays import FOLDER, decoded, digest, judged, kept, named, told

REPLAYS = {
    f"{replay['by'].removeprefix('validation.')}, {k}": replay
    for file in sorted(FOLDER.glob("*.json"))
    for k, replay in enumerate(json.loads(file.read_text(encoding="utf-8")))
}

ANEW = "if that is meant, python -m tests.validation.replays judges all measurements anew"


def alike(made, before):
    """Whether two outcomes are the same but for the last digits of numbers: logarithms differ between machines."""
    if isinstance(made, dict):
        return made.keys() == before.keys() and all(alike(made[name], before[name]) for name in made)
    if isinstance(made, list):
        return len(made) == len(before) and all(map(alike, made, before))
    if isinstance(made, float) and isinstance(before, float):
        return made == pytest.approx(before, rel=1e-6, nan_ok=True)
    return type(made) is type(before) and made == before


@pytest.mark.parametrize("by", REPLAYS)
def test_numbers_and_statuses_are_those_of_the_measurements(by):
    assert alike(told(judged(REPLAYS[by])), REPLAYS[by]["outcome"]), ANEW


@pytest.mark.parametrize(("made", "before"), [
    ([{"n": 1.0}], [{"n": 1.00001}]), ([1.0], [1.0, 2.0]), ({"a": 1}, {"b": 1}),
    ([True], [1]), ([None], [0.0]), (["a"], ["b"]),
])  # fmt: skip
def test_other_outcomes_are_not_alike(made, before):
    assert alike(made, made)
    assert not alike(made, before)


@pytest.mark.parametrize("by", REPLAYS)
@pytest.mark.filterwarnings("ignore")
def test_scattered_measurements_are_judged_as_they_were(by):
    for seed, before in enumerate(REPLAYS[by]["scattered"]):
        assert digest(REPLAYS[by], seed) == before, (seed, ANEW)


def test_measurements_are_kept_as_they_are_read():
    for replay in REPLAYS.values():
        measured = {name: decoded(item) for name, item in replay["measured"].items()}
        assert kept(named(replay["by"]), **measured) == {name: replay[name] for name in ("by", "measured")}
