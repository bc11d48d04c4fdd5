"""`refkan predict`, and the choice of columns by name in `refkan train`."""

import re

import numpy as np
import pytest

import refkan as rk
from refkan.cli import main

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
    assert main(["train", str(folder / "mine.csv"), *columns, *SMALL, "--output", str(folder / "run")]) == 0
    return folder, x, y


def predicted(capsys, *arguments):
    assert main(["predict", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    header, *lines = out.splitlines()
    return header, np.array([float(line) for line in lines]), err


def test_inputs_are_found_by_name(trained, capsys):
    folder, x, y = trained
    net, theta, notes = rk.load(folder / "run" / "network.npz", return_notes=True)
    assert notes["columns"] == ["length", "width", "force"]
    header, values, err = predicted(capsys, folder / "run" / "network.npz", folder / "mine.csv")
    assert (header, err) == ("force", "")
    np.testing.assert_array_equal(values, net(theta, x[:, ::-1])[:, 0])
    assert np.abs(values - y).max() < 0.2 * np.ptp(y)


def test_a_file_without_header_is_taken_in_order_and_rows_outside_are_said(trained, capsys):
    folder, x, _ = trained
    rows = x[:3, ::-1].copy()
    rows[1, 1] = 1.5
    np.savetxt(folder / "new.csv", rows, delimiter=",")
    net, theta = rk.load(folder / "run" / "network.npz")
    _, values, err = predicted(capsys, folder / "run" / "network.npz", folder / "new.csv")
    np.testing.assert_allclose(values, net(theta, rows)[:, 0], rtol=1e-12)
    low, high = net.layers[0].domains[1]
    assert (
        f"1 of 3 rows lie outside the ranges that the network was trained on, where it goes on by its rule 'linear'; "
        f"the first is row 2, width = 1.5 outside [{low:g}, {high:g}]" in err
    )
    assert (
        main(["predict", str(folder / "run/network.npz"), str(folder / "new.csv"), "--output", str(folder / "y.csv")])
        == 0
    )
    written = np.loadtxt(folder / "y.csv", skiprows=1)
    np.testing.assert_array_equal(written, values)


def test_networks_without_names_or_domains_predict_too(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(5, 2))
    np.savetxt(tmp_path / "rows.csv", x, delimiter=",", header="a,b", comments="")
    net, theta = rk.mlp([2, 3, 2]).initialize(np.random.default_rng(1), x)
    rk.save(tmp_path / "net.npz", net, theta)
    assert main(["predict", str(tmp_path / "net.npz"), str(tmp_path / "rows.csv")]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0], err) == ("y1,y2", "")
    values = [list(map(float, line.split(","))) for line in out.splitlines()[1:]]
    np.testing.assert_allclose(values, net(theta, x), rtol=1e-12)


def refused(capsys, arguments, message):
    capsys.readouterr()
    assert main(arguments) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("length,breadth,force", "must have one column 'width' in its header; got 0 among length, breadth, force"),
        ("width,length,width", "must have one column 'width' in its header; got 2 among"),
        (
            "1.25,2,3",
            "must have a column for each of the 2 inputs and no other; got 3: leave out the others, such as the",
        ),
    ],
)
def test_columns_that_cannot_be_told(trained, capsys, header, message):
    folder = trained[0]
    (folder / "bad.csv").write_text(f"{header}\n1.5,2.5,3.5\n4.5,5.5,6.5\n")
    refused(capsys, ["predict", str(folder / "run/network.npz"), str(folder / "bad.csv")], message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "Force"], "must have one column 'Force' in its header; got 0 among .*; did you mean 'force'"),
        (["--target", "width", "--inputs", "width"], "--inputs must not name the target; got 'width'"),
        (["--target", "force"], "column 1 .name. has none in 40 lines, got 'piece 0' in line 2: leave that column out"),
    ],
)
def test_targets_that_are_none(trained, capsys, options, message):
    file = str(trained[0] / "mine.csv")
    refused(capsys, ["train", file, *options, *SMALL], message)
