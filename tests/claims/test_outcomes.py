"""Outcomes as plain data, errors without folders, texts cut to a width."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refkan.claims.running.console import shorten
from refkan.claims.running.outcomes import describe_error, plain, without_folders
from tests.shared.refusals import refused


@pytest.mark.parametrize("width", [1, 2, 5, 100])
def test_shorten(width):
    text = shorten("several  words\nin lines", width)
    assert len(text) <= width
    assert "\n" not in text


def test_plain_data():
    data = {"a": np.array([[1.0, np.inf]]), 2: np.int64(3), "z": 1 + 2j}
    assert plain(data) == {"a": [[1.0, "inf"]], "2": 3, "z": {"re": 1.0, "im": 2.0}}
    refused(lambda: plain({"a": {1, 2}}), "TypeError: JSON")


def test_folders_are_removed_from_messages():
    assert without_folders("no file '/a/b-c/d.txt' at 1/2 and x/y") == "no file 'd.txt' at 1/2 and x/y"


def raise_deep(depth: int, fail: Callable[[], None]) -> None:
    fail() if depth == 0 else raise_deep(depth - 1, fail)


def test_describe_error_names_every_frame():
    def fail():
        raise ValueError("two\nlines")

    with pytest.raises(ValueError) as info:
        raise_deep(2, fail)
    lines = describe_error(info.value, Path(__file__).parents[2]).splitlines()
    assert len(lines) == 6
    assert lines[1].startswith("tests/claims/test_outcomes.py, line ")
    assert lines[-1] == "ValueError: two lines"
