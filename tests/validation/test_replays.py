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


@pytest.mark.parametrize("by", REPLAYS)
def test_numbers_and_statuses_are_those_of_the_measurements(by):
    made, before = told(judged(REPLAYS[by])), REPLAYS[by]["outcome"]
    for ours, theirs in zip(made, before, strict=True):
        estimates = ours.pop("estimates"), theirs["estimates"]
        assert ours == {name: value for name, value in theirs.items() if name != "estimates"}, ANEW
        for (name, *mine), (other, *was) in zip(*estimates, strict=True):
            assert name == other, ANEW
            assert [n is None for n in mine] == [n is None for n in was], ANEW
            assert [float(n or 0) for n in mine] == pytest.approx([float(n or 0) for n in was], rel=1e-6), ANEW


@pytest.mark.parametrize("by", REPLAYS)
@pytest.mark.filterwarnings("ignore")
def test_scattered_measurements_are_judged_as_they_were(by):
    for seed, before in enumerate(REPLAYS[by]["scattered"]):
        assert digest(REPLAYS[by], seed) == before, (seed, ANEW)


def test_measurements_are_kept_as_they_are_read():
    for replay in REPLAYS.values():
        measured = {name: decoded(item) for name, item in replay["measured"].items()}
        assert kept(named(replay["by"]), **measured) == {name: replay[name] for name in ("by", "measured")}
