"""Files of numbers: what is no file, what a header may hold, and weights of zero."""

import os

import numpy as np
import pytest

import refkan as rk
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.commands.number_files import read_numbers, read_weights
from refkan.conformance.judging.expectations import Expectations
from tests.shared.refusals import refused

READERS = {
    "numbers": lambda path: read_numbers("--data", path),
    "expectations": Expectations.read,
    "network": rk.load,
    "checkpoint": lambda path: Checkpoints(path.parent).get({"a": 1}),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("make", [os.mkdir, *([os.mkfifo] if hasattr(os, "mkfifo") else [])])
def test_folders_and_pipes_are_refused_at_once(make, read, tmp_path):
    path = Checkpoints(tmp_path).path({"a": 1})
    make(path)
    with pytest.raises((OSError, ValueError), match=f"must be a file, not a folder, a pipe or a device.*{path.name}"):
        read(path)


def test_names_of_columns_obey_no_terminal(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("\ufeffx\x1b[2J, \u0394\x07\n1,2\n")
    assert read_numbers("FILE", file).names == (r"x\x1b[2J", "\u0394\\x07")
    file.write_text("x,y,z\n1,2\n")
    assert read_numbers("FILE", file).names is None
    file.write_text("x\x1b[2J,y\n1,2\n1,nan\n")
    with pytest.raises(ValueError, match="must hold") as refusal:
        read_numbers("FILE", file)
    assert "\x1b" not in str(refusal.value)


def test_weights_of_zero_leave_samples_out(tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("0\n1\n-0.0\n")
    np.testing.assert_array_equal(read_weights("--weights", file, 3), [0.0, 1.0, 0.0])
    file.write_text("0.0\n1\n-1e-300\n")
    refused(lambda: read_weights("--weights", file, 3), "must hold no negative weight; got -1e-300")
