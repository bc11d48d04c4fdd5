"""Own data as a set-up, from arrays and from a file by `refkan train`."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.cli import main
from refkan.training import own_data, train_starts

RANGES = np.array([1e-3, 1e4])


def data(n=200):
    x = np.random.default_rng(0).uniform(size=(n, 2)) * RANGES
    return x, np.sin(3e3 * x[:, 0]) + (x[:, 1] / 1e4) ** 2


def written(folder, rows, header="width,force,answer"):
    file = folder / "mine.csv"
    file.write_text("\n".join([header, *(",".join(map(repr, row)) for row in rows.tolist())]))
    return file


def test_samples_are_split_and_nothing_is_lost():
    x, y = data()
    setup = own_data(x, y)
    assert (len(setup.samples), len(setup.grid)) == (160, 40)
    rows = np.concatenate([np.hstack([setup.samples, setup.values[0]]), np.hstack([setup.grid, setup.values[1]])])
    assert {tuple(row) for row in rows} == {tuple(row) for row in np.column_stack([x, y])}


def test_equal_inputs_keep_values_of_their_own():
    x, y = data(50)
    x, y = np.repeat(x, 2, axis=0), np.arange(100.0)
    setup = own_data(x, y)
    found = {tuple(row) for row in np.hstack([setup.samples, setup.values[0]])}
    assert len(found) == 80
    assert found <= {tuple(row) for row in np.column_stack([x, y])}


def test_the_error_is_that_of_the_rows_kept_back():
    setup = own_data(*data())
    done = train_starts(setup, setup.kan(), np.random.default_rng(0), (20, 20))
    net, theta = done.levels[-1].network, done.levels[-1].result.theta
    wrong = net(theta, setup.grid) - setup.values[1]
    assert np.isclose(setup.error(net, theta), np.linalg.norm(wrong) / np.linalg.norm(setup.values[1]), rtol=1e-12)
    assert setup.error(net, theta) < 1e-2
    start, _ = setup.start(setup.kan(), np.random.default_rng(0))
    assert np.array_equal(start.y, setup.values[0])


def test_a_file_is_trained_on_and_its_network_written(tmp_path, capsys):
    x, y = data(60)
    file, out = written(tmp_path, np.column_stack([x, y])), tmp_path / "out"
    assert main(["train", str(file), "--widths", "2", "3", "1", "--schedule", "5", "5", "--output", str(out)]) == 0
    assert "mine.csv: regression on 48 samples, error on 12 others" in capsys.readouterr().out
    net, theta, *_ = rk.load(out / "network.npz")
    setup = own_data(x, y, "mine.csv")
    told = json.loads((out / "history.json").read_text())["levels"][-1]["error"]
    assert np.isclose(setup.error(net, theta), told, rtol=1e-12)
    assert (out / "figure.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((20, 2)), np.ones(20), "x must vary in every column; column 0 is 1 throughout"),
        (data(9)[0], data(9)[1], "x must have at least 10 rows"),
        (data()[0], np.zeros(200), "y must not be zero at all samples kept back"),
        (data()[0], data(100)[1], r"y must have one value for each of the 200 rows of x; got shape \(100,\)"),
        (data()[0][:, 0], data()[1], r"x must have 2 dimensions; got shape \(200,\): one column is x\[:, None\]"),
    ],
)
def test_data_that_cannot_be_used(x, y, words):
    with pytest.raises(ValueError, match=words):
        own_data(x, y)


def test_files_and_names_that_cannot_be_used(tmp_path, capsys):
    def refused(*arguments):
        assert main(["train", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    assert "did you mean burgers?" in refused("burger")
    assert "PROBLEM must be a file of data, FILE.csv, or one of poisson" in refused("nothing-like-it")
    assert "no such file" in refused(tmp_path / "none.csv").lower()
    x, y = data(30)
    rows = np.column_stack([x, y])
    assert "--points is for named problems" in refused(written(tmp_path, rows), "--points", 5)
    assert "must begin with 2 and end with 1" in refused(written(tmp_path, rows), "--widths", 3, 1)
    assert "inputs x and last column y: x must have at least 10 rows" in refused(written(tmp_path, rows[:8]))
    assert "two columns or more" in refused(written(tmp_path, rows[:, :1], "a"))
    rows[3, 1] = np.nan
    assert "got 'nan' in line 5, column 2: leave out lines without a number" in refused(written(tmp_path, rows))
