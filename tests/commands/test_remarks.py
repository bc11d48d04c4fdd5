"""`refkan predict`, and remarks that commands make."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.commands import certify
from refkan.commands.data_files.number_files import read_numbers
from refkan.commands.spectra import own_network
from refkan.commands.training import train
from refkan.commands.training.configuration import configuration
from refkan.commands.training.train import remarks
from refkan.plots.training_pictures import can_be_drawn
from refkan.training.recipes import own_data
from refkan.training.recipes.records import chosen_level
from tests.commands.test_train import ONE, parse
from tests.shared.commands import command
from tests.shared.tables import each_row


def written(folder, x, y):
    file = folder / "mine.csv"
    np.savetxt(file, np.column_stack([x, y]), delimiter=",")
    return file


def test_a_level_that_is_worse_is_remarked_with_the_way_to_stop_before_it(tmp_path):
    """Noise is learnt by heart on the finer level; the schedule that the remark names ends with the better one."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(60, 1))
    file = written(tmp_path, x, np.sin(6 * x) + 0.2 * rng.normal(size=x.shape))
    options = ["--widths", "1", "1", "--intervals", "4", "--quiet"]
    err = command("train", file, *options, "--schedule", "9", "9", "9", "--output", tmp_path / "out").err
    levels = json.loads((tmp_path / "out" / "history.json").read_text())["levels"]
    errors = [level["error"] for level in levels]
    best = int(np.argmin(errors))
    assert best < 2
    schedule = ["9"] * (best + 1)
    assert err == (
        f"refkan train: remark: the error rose: level 3 ({levels[2]['parameters']} parameters) ends with "
        f"{errors[2]:.2e}, level {best + 1} ({levels[best]['parameters']}) with {errors[best]:.2e}; level "
        f"{best + 1} is kept, by its error on the held-out rows; --schedule {' '.join(schedule)} stops there\n"
    )
    net, _ = rk.load(tmp_path / "out" / "network.npz")
    assert net.n_params == levels[best]["parameters"]
    out, err = command("train", file, *options, "--schedule", *schedule)
    assert f"{errors[best]:.2e}" in out.splitlines()[-2]
    assert err == ""


def test_more_parameters_than_rows_are_remarked(tmp_path):
    file = written(tmp_path, np.arange(24.0), 2 * np.arange(24.0))
    options = ["--widths", "1", "1", "--schedule", "3", "--quiet"]
    for intervals in ("17", "18"):  # 19 and 20 parameters on 20 rows are none too many
        assert command("train", file, *options, "--intervals", intervals).err == ""
    err = command("train", file, *options, "--intervals", "19", "--output", tmp_path / "out").err
    assert (
        "refkan train: remark: more parameters (21) than rows to train on (20): a small loss says nothing then" in err
    )
    (said,) = json.loads((tmp_path / "out" / "history.json").read_text())["remarks"]
    assert err == f"refkan train: remark: {said}\n"


@each_row(
    "errors, told",
    ((1e-2, 2e-2), "level 2 (11 parameters) ends with 2.00e-02, level 1 (7) with 1.00e-02; --schedule 3 stops"),
    ((1e-2, np.nan), "level 2 (11 parameters) ends with nan, level 1 (7) with 1.00e-02; --schedule 3 stops"),
    ((1e-2, 1.001e-2), ""),
    ((2e-2, 1e-2), ""),
    ((np.nan, np.nan), ""),
)
def test_the_error_that_rose_is_remarked(errors, told):
    what = configuration(parse(*ONE))
    levels = [{"parameters": count, "error": error} for count, error in zip((7, 11), errors, strict=True)]
    said = list(remarks(what, levels))
    assert [told in sentence for sentence in said] == [True] * bool(told)


def test_layers_that_work_by_their_tails_are_remarked():
    """Fifty times the first layer takes activations out of the next domain; at the start they fill it."""
    options = ("--points", "50", "--widths", "2", "3", "1", "--schedule", "3", "--node-map", "affine")
    asked = configuration(parse("regression", *options))
    problem, theta = asked.setup.start(asked.net, np.random.default_rng(0))
    net, far = problem.net, theta.copy()
    far[net.slices[0]] *= 50
    z, (low, high) = net.activations(far, asked.setup.samples).inputs[1], net.layers[1].domains.T
    share = ((z < low) | (z > high)).mean()
    assert share > 0.5
    (told,) = train.outside(asked.setup, net, far)
    assert told.startswith(f"{share:.0%} of the inputs of layer 2 lie outside its domain")
    assert "--node-map mean-std" in told
    assert not list(train.outside(asked.setup, net, theta))


def test_a_network_too_large_for_its_picture_is_remarked(tmp_path):
    x = np.random.default_rng(0).uniform(size=(12, 2))
    file, out = str(written(tmp_path, x, x[:, 0])), tmp_path / "out"
    options = [file, "--widths", "2", "251", "1", "--schedule", "0", "--intervals", "1", "--order", "2", "--quiet"]
    said = "refkan train: remark: network.png is left out: it shows networks with at most 500 edges in each layer\n"
    assert said in command("train", *options, "--output", out).err
    assert [(out / f"{name}.png").exists() for name in ("figure", "network")] == [True, False]
    assert said not in command("train", *options).err
    assert [can_be_drawn(rk.kan([2, width, 1], 2, 1)) for width in (250, 251)] == [True, False]


@each_row(
    "lines, asked",
    (["2020,2021,2022", "0.5,12,1e3", "0.25,9.5,2e3", "0.1,3.25,1.5"], True),
    (["2020,2021", "12,15", "9,18", "10,13"], True),
    (["2020.0,2021", "12,15", "9,18", "10,13"], False),
    (["#2020,2021", "12,15", "9,18", "10,13"], False),
    (["0,1,2", "0.5,1.25,1.5", "0.25,1.75,0.5", "0.75,0.5,2.5"], True),  # columns of a data frame
    (["0,1", "0.5,1.25", "0.25,0.75", "-0.5,1.5"], True),
    (["0", "0.5", "0.25", "-0.5"], False),  # one column: zero among numbers
    (["0,1", "1,2", "0,0", "3,1"], False),  # whole numbers below
    (["0,1", "0.5,2", "0.25,0", "-0.5,1"], False),  # in one of the columns
    (["0,2", "0.5,1.25", "0.25,0.75", "-0.5,1.5"], False),  # they do not count on
    (["1,0", "0.5,1.25", "0.25,0.75", "-0.5,1.5"], False),
    (["0.0,1", "0.5,1.25", "0.25,0.75", "-0.5,1.5"], False),
    (["0,1", "0.5,1.25"], False),  # one line below tells nothing
    (["8", "4", "3", "5"], True),  # farther from the column than the column is long
    (["7", "4", "3", "5"], False),
    (["1", "4", "3", "5"], False),
    (["0", "4", "3", "5"], True),
    (["1,2", "2,4", "3,6", "4,8"], False),
    (["1,1", "0.5,12.5", "0.25,9.5"], False),
)
def test_headers_of_numbers_are_asked_for(tmp_path, lines, asked):
    file = tmp_path / "mine.csv"
    file.write_text("\n".join(lines))
    if asked:
        with pytest.raises(ValueError, match=f"mine.csv must say whether line 1 is a header; got {lines[0]}"):
            read_numbers("PROBLEM", file)
    else:
        assert len(read_numbers("PROBLEM", file).rows) == len(lines) - lines[0].startswith("#")


@pytest.mark.parametrize(("inputs", "rows"), [(1, 12), (2, 50), (3, 354), (12, 354), (2, 1000)])
def test_networks_of_few_rows_have_fewer_parameters_than_rows(inputs, rows):
    x = np.random.default_rng(0).uniform(size=(rows, inputs))
    setup = own_data(x, 1 + x.sum(axis=1))
    finest = setup.kan(intervals=setup.shape.intervals[-1])
    assert finest.n_params <= len(setup.samples)
    assert rows < 1000 or (setup.shape.widths, setup.shape.intervals) == ((2, 5, 1), (4, 8))


def test_the_level_of_least_error_is_kept_of_data_alone():
    x = np.random.default_rng(0).uniform(size=(20, 1))
    values = own_data(x, 1 + x).values
    for errors in ([3e-2, 1e-2, 2e-2], [np.nan, 1.0], [1.0, 1.0001]):
        course = [SimpleNamespace(network=None, result=SimpleNamespace(theta=error)) for error in errors]
        trained = SimpleNamespace(course=course)
        data, known = (SimpleNamespace(values=v, error=lambda net, error: error) for v in (values, None))
        assert chosen_level(data, trained) is course[1]
        assert chosen_level(known, trained) is course[-1]


SMALL = ("--schedule", "3", "--intervals", "2", "--widths", "2", "1", "--quiet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file with a name, a date, and a target between its inputs; and the network that was trained on it."""
    folder = tmp_path_factory.mktemp("predict")
    x = np.random.default_rng(0).uniform([0, 10], [1, 20], (40, 2))
    y = np.sin(x[:, 0]) + x[:, 1]
    lines = [
        f"piece {k},{a!r},{t!r},2026-01-01,{b!r}"
        for k, ((a, b), t) in enumerate(zip(x.tolist(), y.tolist(), strict=True))
    ]
    (folder / "mine.csv").write_text("\n".join(["name,width,force,day,length", *lines]))
    columns = ("--target", "force", "--inputs", "length", "width")
    command("train", folder / "mine.csv", *columns, *SMALL, "--output", folder / "run")
    return folder, x, y


def predicted(*arguments):
    out, err = command("predict", *arguments)
    header, *lines = out.splitlines()
    return header, np.array([float(line) for line in lines]), err


def test_inputs_are_found_by_name(trained):
    folder, x, y = trained
    net, theta, notes = rk.load(folder / "run" / "network.npz", return_notes=True)
    assert notes["columns"] == ["length", "width", "force"]
    header, values, err = predicted(folder / "run" / "network.npz", folder / "mine.csv")
    assert (header, err) == ("force", "")
    np.testing.assert_array_equal(values, net(theta, x[:, ::-1])[:, 0])
    assert np.abs(values - y).max() < 0.2 * np.ptp(y)


def test_a_file_without_header_is_taken_in_order_and_rows_outside_are_said(trained):
    folder, x, _ = trained
    rows = x[:3, ::-1].copy()
    rows[1, 1] = 1.5
    np.savetxt(folder / "new.csv", rows, delimiter=",")
    net, theta = rk.load(folder / "run" / "network.npz")
    _, values, err = predicted(folder / "run" / "network.npz", folder / "new.csv")
    np.testing.assert_allclose(values, net(theta, rows)[:, 0], rtol=1e-12)
    low, high = net.layers[0].domains[1]
    assert (
        f"1 of 3 rows lie outside the ranges that the network was trained on, where it goes on by its rule 'linear'; "
        f"the first is row 2, width = 1.5 outside [{low:g}, {high:g}]" in err
    )
    command("predict", folder / "run/network.npz", folder / "new.csv", "--output", folder / "y.csv")
    written = np.loadtxt(folder / "y.csv", skiprows=1)
    np.testing.assert_array_equal(written, values)


def test_networks_without_names_or_domains_predict_too(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.savetxt(tmp_path / "rows.csv", x, delimiter=",", header="a,b", comments="")
    net, theta = rk.mlp([2, 3, 2]).initialize(np.random.default_rng(1), x)
    rk.save(tmp_path / "net.npz", net, theta)
    out, err = command("predict", tmp_path / "net.npz", tmp_path / "rows.csv")
    assert (out.splitlines()[0], err) == ("y1,y2", "")
    values = [list(map(float, line.split(","))) for line in out.splitlines()[1:]]
    np.testing.assert_allclose(values, net(theta, x), rtol=1e-12)


def test_every_command_finds_the_columns_of_a_network_by_name(trained, monkeypatch):
    """Rows that are not whole in the trained columns are refused, or left out and counted; other columns are not read.

    A target of its own is no column of a file to predict at, and none to certify on either.
    """
    folder, x, y = trained
    net, theta = rk.load(folder / "run" / "network.npz")
    header, *lines = (folder / "mine.csv").read_text().splitlines()
    lines[3], lines[8] = "no width,,0.5,2026-01-01,12", "no target,0.5,NA,2026-01-01,12"
    (folder / "gaps.csv").write_text("\n".join([header, *lines]))
    given = [str(folder / name) for name in ("run/network.npz", "gaps.csv")]
    commands = {
        "predict": ["predict", *given],
        "spectrum": ["spectrum", "--network", given[0], "--data", given[1]],
        "certify": ["certify", given[0], "--box", given[1], "--json", str(folder / "c.json")],
    }
    seen = []
    monkeypatch.setattr(certify, "certificate", lambda net, theta, box, *more: seen.append((box, *more)) or {})
    monkeypatch.setattr(certify, "text_of", lambda made: "")
    monkeypatch.setattr(own_network, "LeastSquares", lambda *problem: seen.append(problem) or rk.LeastSquares(*problem))
    for name, bad, columns in (("predict", 1, "length, width"), ("spectrum", 2, "length, width, force")):
        bad_rows = rf"finite numbers for {columns} in every line; {bad} of 40 .* --drop-bad-rows"
        refused(commands[name], f"{bad_rows}; --impute fills gaps of inputs$")
    out = {}
    for name, bad in (("predict", 1), ("spectrum", 2), ("certify", 2)):
        told = command(*commands[name], "--drop-bad-rows")
        assert told.err == f"refkan {name}: {bad} of 40 rows of gaps.csv left out\n"
        out[name] = told.out
    header, *table = out["predict"].splitlines()
    numbers, values = np.array([line.split(",") for line in table], float).T
    assert (header, numbers.tolist()) == ("row,force", [k for k in range(1, 41) if k != 4])
    rows = np.delete(x[:, ::-1], 3, axis=0)
    np.testing.assert_array_equal(values[:7], net(theta, rows)[:7, 0])
    whole, targets = np.delete(x[:, ::-1], [3, 8], axis=0), np.delete(y, [3, 8])[:, None]
    (_, x_spectrum, y_spectrum, _), (box, (x_box, y_box), *_) = seen
    for ours, theirs in ((x_spectrum, whole), (x_box, whole), (y_spectrum, targets), (y_box, targets)):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(box, rk.exact.bounding_box(whole))
    (folder / "weights.csv").write_text("1\n" * 40)
    both = [*commands["spectrum"], "--drop-bad-rows", "--weights", str(folder / "weights.csv")]
    refused(both, "--weights has one weight for each row; leave out --drop-bad-rows")


def refused(arguments, message):
    assert re.search(message, command(*arguments, code=2).err)


@each_row(
    "header, message",
    ("length,breadth,force", "must have one column 'width' in its header; got 0 among length, breadth, force"),
    ("width,length,width", "must have one column 'width' in its header; got 2 among"),
    ("1.25,2,3", "must have 2 columns, the inputs; got 3: leave out the others; or give it a header with the names"),
)
def test_columns_that_cannot_be_told(trained, header, message):
    folder = trained[0]
    (folder / "bad.csv").write_text(f"{header}\n1.5,2.5,3.5\n4.5,5.5,6.5\n")
    refused(["predict", str(folder / "run/network.npz"), str(folder / "bad.csv")], message)


@each_row(
    "options, message",
    (["--target", "Force"], "must have one column 'Force' in its header; got 0 among .*; did you mean 'force'"),
    (["--target", "width", "--inputs", "width"], "--inputs must not name the target; got 'width'"),
    (["--target", "force"], "column 1 .name. and column 4 .day. have none in 40 lines.*0' and '2026-01-01' in line 2:"),
)
def test_targets_that_are_none(trained, options, message):
    file = str(trained[0] / "mine.csv")
    refused(["train", file, *options, *SMALL], message)
