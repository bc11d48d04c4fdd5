"""Own data as a set-up, from arrays and from a file by `refkan train`."""

import json

import numpy as np
import pytest

import refkan as rk
from refkan.cli import main
from refkan.plots import training_pictures
from refkan.training.recipes import input_effects, own_data, train_starts
from refkan.training.recipes.setups import own_data as own_data_file
from refkan.training.recipes.setups.setups import midpoints, tensor_grid
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row

RANGES = np.array([1e-3, 1e4])


def data(n=200):
    x = np.random.default_rng(0).uniform(size=(n, 2)) * RANGES
    return x, np.sin(3e3 * x[:, 0]) + (x[:, 1] / 1e4) ** 2


def written(folder, rows, header="width,force,answer"):
    file = folder / "mine.csv"
    file.write_text("\n".join([header, *(",".join(map(repr, row)) for row in rows.tolist())]))
    return file


def test_the_error_is_that_of_the_rows_kept_back():
    setup = own_data(*data())
    done = train_starts(setup, setup.kan(), np.random.default_rng(0), (20, 20))
    net, theta = done.course[-1].network, done.course[-1].result.theta
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


test_data_that_cannot_be_used = refusals(
    (np.ones((20, 2)), np.ones(20), r"x must vary in every column; x\[:, 0\] is 1 throughout"),
    (data(9)[0], data(9)[1], "x must have at least 10 rows"),
    (data()[0], np.zeros(200), "y must not be zero at all held-out samples"),
    call=own_data,
)


def test_ten_rows_are_enough():
    assert own_data(*data(10)).equation == "regression on 8 samples, error on 2 others"


def test_rows_that_are_not_whole_are_left_out_when_asked_and_counted():
    x, y = data(60)
    x[3, 1], y[3], y[10] = np.nan, np.nan, np.inf
    for bad, words in (
        (x, r"x\[3, 1\] = nan: leave out the 1 of 60"),
        (data(60)[0], r"y\[3, 0\] = nan: leave out the 2 of"),
    ):
        with pytest.raises(ValueError, match=words):
            own_data(bad, y)
    setup = own_data(x, y, drop_bad_rows=True)
    assert setup.equation == "regression on 47 samples, error on 11 others, 2 of 60 rows left out"
    found = np.concatenate([np.hstack([setup.samples, setup.values[0]]), np.hstack([setup.grid, setup.values[1]])])
    kept = np.delete(np.column_stack([x, y]), [3, 10], axis=0)
    assert {tuple(row) for row in found} == {tuple(row) for row in kept}
    assert own_data(*data(60), drop_bad_rows=True).equation == own_data(*data(60)).equation
    x[5:] = np.nan
    refused(lambda: own_data(x, y, drop_bad_rows=True), r"at least 10 rows, .* got 4, 56 of 60 rows left out")


def test_columns_have_names():
    x, y = data(60)
    setup = own_data(x, y, names=["width", "force", "answer"])
    assert (setup.variables, setup.output) == (("width", "force"), "answer")
    assert (own_data(x, y).variables, own_data(x, y).output) == (("x1", "x2"), "y")
    x[:, 1] = 7
    refused(lambda: own_data(x, y, names=["width", "force", "answer"]), "x must vary in every column; column.*7")
    for wrong in (["width", "force"], "abc"):
        with pytest.raises(ValueError, match="names must be one for each of the 2 columns of x and one for y; got"):
            own_data(*data(60), names=wrong)


def test_bad_lines_of_a_file_are_left_out_when_asked(tmp_path, capsys):
    x, y = data(60)
    file = written(tmp_path, np.column_stack([x, y]))
    lines = file.read_text().splitlines()
    lines[4], lines[9], lines[20] = "1,sensor failure,3", "1,2", lines[20] + ",5"
    file.write_text("\n".join(lines))
    options = ("--widths", "2", "1", "--schedule", "2", "--quiet")
    assert main(["train", str(file), *options]) == 2
    err = capsys.readouterr().err
    assert (
        "3 of 60 lines do not: got 'sensor failure' in line 5, column 2 (force); got 2 cells, not 3, in line 10;" in err
    )
    assert err.endswith("leave them out, or give --drop-bad-rows\n")
    out = tmp_path / "out"
    assert main(["train", str(file), *options, "--drop-bad-rows", "--output", str(out)]) == 0
    told = "mine.csv: regression on 46 samples, error on 11 others, 3 of 60 rows left out"
    assert capsys.readouterr().out.splitlines()[0] == told
    assert json.loads((out / "history.json").read_text())["equation"] == told.removeprefix("mine.csv: ")
    net, theta, *_ = rk.load(out / "network.npz")
    whole = np.delete(np.column_stack([x, y]), [3, 8, 19], axis=0)
    clean = own_data(whole[:, :2], whole[:, 2])
    assert clean.error(net, theta) == json.loads((out / "history.json").read_text())["levels"][-1]["error"]
    assert main(["train", "burgers", "--drop-bad-rows"]) == 2
    assert "--drop-bad-rows is for files of data; burgers has none" in capsys.readouterr().err


def test_gaps_are_filled_with_the_medians_of_the_training_when_asked(tmp_path, capsys):
    """The same network as of a file that was filled by hand; a target, a row without inputs, or a word is no gap."""
    x, y = data(60)
    rows, options = np.column_stack([x, y]), ("--widths", "2", "1", "--schedule", "2", "--quiet")
    header, *lines = written(tmp_path, rows).read_text().splitlines()
    for k, gap in ((4, ""), (9, "NaN"), (20, "N/A")):
        lines[k] = ",".join([gap, *lines[k].split(",")[1:]])
    keep = np.setdiff1d(np.arange(60), [4, 9, 20])
    medians = float(np.median(x[keep, 0])), float(np.median(x[:, 1]))
    (tmp_path / "gaps.csv").write_text("\n".join([header, *lines]))
    rows[[4, 9, 20], 0] = medians[0]
    runs = {"gaps.csv": ("--impute",), written(tmp_path, rows).name: ()}
    thetas = []
    for name, option in runs.items():
        assert main(["train", str(tmp_path / name), *options, *option, "--output", str(tmp_path / name[:4])]) == 0
        _, theta, notes = rk.load(tmp_path / name[:4] / "network.npz", return_notes=True)
        assert notes["medians"] == pytest.approx(medians, rel=1e-15)
        thetas.append(theta.tobytes())
        assert ("refkan train: 3 gaps of gaps.csv filled with medians" in capsys.readouterr().err) == bool(option)
    assert thetas[0] == thetas[1]
    network = str(tmp_path / "gaps" / "network.npz")
    (tmp_path / "new.csv").write_text(f"width,force\n,5000\n{medians[0]!r},5000\n1e-4,na")
    assert main(["predict", network, str(tmp_path / "new.csv"), "--impute"]) == 0
    first, second, third = capsys.readouterr().out.splitlines()[1:]
    net, theta = rk.load(network)
    assert (first, float(third)) == (second, pytest.approx(net(theta, [[1e-4, medians[1]]])[0, 0], rel=1e-15))
    for text, told in (
        ("NA,nan\n1e-4,5000", "1 of 2 rows of new.csv have no output or no input, the first is row 1: leave"),
        ("sensor failure,1\n1e-4,5000", "got 'sensor failure' in line 2, column 1"),
    ):
        (tmp_path / "new.csv").write_text(f"width,force\n{text}")
        assert main(["predict", network, str(tmp_path / "new.csv"), "--impute"]) == 2
        assert told in capsys.readouterr().err
        assert main(["predict", network, str(tmp_path / "new.csv"), "--impute", "--drop-bad-rows"]) == 0
        assert capsys.readouterr().out.splitlines()[1].startswith("2,")
    rk.save(tmp_path / "own.npz", net, theta)
    assert main(["predict", str(tmp_path / "own.npz"), str(tmp_path / "new.csv"), "--impute"]) == 2
    assert "--impute needs the medians of the training" in capsys.readouterr().err


@pytest.mark.parametrize("option", [(), ("--drop-bad-rows",)])
@each_row(
    "first, told",
    (lambda k: f"no. {k}", "column 1 (name) has none in 60 lines, got 'no. 0' in line 2: leave that column out"),
    (lambda k: "", "column 1 (name) has none in 60 lines, got '' in line 2: leave that column out"),
    (lambda k: '"1,5"', "got '1,5' in line 2: write its numbers with a decimal point and"),
    (lambda k: '"1' if k == 30 else "1", "got one that is open from line 32 to line 61: close it, or leave it out"),
)
def test_what_would_leave_no_line_or_hide_some_is_told_with_its_remedy(tmp_path, capsys, option, first, told):
    file = written(tmp_path, np.column_stack(data(60)))
    header, *rows = file.read_text().splitlines()
    file.write_text("\n".join([f"name,{header}", *(f"{first(k)},{row}" for k, row in enumerate(rows))]))
    assert main(["train", str(file), *option]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_outputs_whose_squares_are_no_numbers_are_refused(size):
    x, y = data(60)
    at_the_ends = np.where(y > 0, 1.0, -1.0) * min(max(size, own_data_file.SMALLEST), own_data_file.LARGEST)
    assert own_data(x, at_the_ends).samples.shape == (len(x) - len(x) // 5, x.shape[1])
    refused(lambda: own_data(x, size * y), "y must have a size between 1e-150 and 1e")
    own_data(x, size**0.7 * y)


def test_names_of_columns_and_what_each_is_worth_are_told(tmp_path, capsys, monkeypatch):
    drawn = []
    network = training_pictures.network
    monkeypatch.setattr(
        training_pictures, "network", lambda *args, **kw: drawn.append(network(*args, **kw)) or drawn[0]
    )
    x = np.random.default_rng(0).uniform(size=(80, 2)) * RANGES
    file = written(tmp_path, np.column_stack([x, np.sin(3e3 * x[:, 0])]), "width,width,answer")  # names need not differ
    out = tmp_path / "out"
    assert main(["train", str(file), "--widths", "2", "1", "--schedule", "9", "--quiet", "--output", str(out)]) == 0
    told = json.loads((out / "history.json").read_text())["effects"]
    assert [name for name, _ in told] == ["width", "width"]
    (_, width), (_, force) = told
    assert width > 0.9
    assert force < 1e-2
    line = "share of the output's variance that is due to each input, alone or with others: width "
    assert capsys.readouterr().out.splitlines()[-1] == f"{line}{width:.2g}, width {force:.2g}"
    assert (out / "network.png").read_bytes().startswith(b"\x89PNG")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["width", "width", "answer"]


def by_hand(widths, *edges):
    """A network of polynomials of degree 2 and its parameters: for each layer rows of (c_1, c_2), c_1 t + c_2 t^2."""
    net = rk.kan(widths, 3, 2, node_map="none", outside="polynomial")
    theta = []
    for layer, rows in zip(net.layers, edges, strict=True):
        t = layer.spaces_at(np.zeros(layer.n_params))[0].knots
        line, square = (t[1:-2] + t[2:-1]) / 2, t[1:-2] * t[2:-1]
        theta += [c * line + d * square for row in rows for c, d in row]
    return net, np.concatenate(theta)


def test_effects_are_those_of_the_formula():
    """Total effects of (x_1 + x_2)^2 on the unit square, integrated by hand; of an input that is not used, none."""
    x = tensor_grid(midpoints(0, 1, 40), midpoints(0, 1, 40), midpoints(0, 1, 2))
    net, theta = by_hand([3, 1, 1], [[(1, 0), (1, 0), (0, 0)]], [[(0, 1)]])
    np.testing.assert_allclose(net(theta, x)[:, 0], (x[:, 0] + x[:, 1]) ** 2, rtol=0, atol=1e-13)
    inside = 4 / 45 + 1 / 9 + 1 / 6  # the variance of x_1^2 + 2 x_1 x_2 in x_1, averaged over x_2
    variance = 2 / 5 + 1 + 2 / 3 - (7 / 6) ** 2
    found = input_effects(net, theta, x)
    np.testing.assert_allclose(found, [[inside / variance, inside / variance, 0.0]], rtol=0, atol=0.02)
    assert found[0, 2] == 0
    assert np.array_equal(input_effects(net, np.zeros(net.n_params), x), [[0.0, 0.0, 0.0]])
    assert np.isfinite(input_effects(net, theta, x[:2])).all()
    refused(lambda: input_effects(net, theta, x[:1]), "x must hold at least two samples, whose inputs are mixed; got 1")


def test_edges_that_cancel_have_no_effect():
    x = tensor_grid(midpoints(0, 1, 40), midpoints(0, 1, 40), midpoints(0, 1, 2))
    first = [[(1, 0), (1, 0), (5, 0)], [(0, 0), (0, 0), (5, 0)]]
    net, theta = by_hand([3, 2, 2], first, [[(1, 0), (-1, 0)], [(0, 0), (1, 0)]])
    found = input_effects(net, theta, x)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], rtol=0, atol=0.02)
    assert found[0, 2] < 1e-25


def test_files_and_names_that_cannot_be_used(tmp_path, capsys):
    def refused(*arguments):
        assert main(["train", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    assert "did you mean burgers?" in refused("burger")
    assert "PROBLEM must be a file of data, FILE.csv, or one of poisson" in refused("nothing-like-it")
    assert "no such file" in refused(tmp_path / "none.csv").lower()
    x, y = data(30)
    rows = np.column_stack([x, y])
    assert "--points applies to named problems" in refused(written(tmp_path, rows), "--points", 5)
    assert "must begin with 2 and end with 1" in refused(written(tmp_path, rows), "--widths", 3, 1)
    assert "inputs x and last column y: x must have at least 10 rows" in refused(written(tmp_path, rows[:8]))
    assert "two columns or more" in refused(written(tmp_path, rows[:, :1], "a"))
    rows[3, 1] = np.nan
    bad = "got 'nan' in line 5, column 2 (force): leave it out, or give --drop-bad-rows; --impute fills gaps of inputs"
    assert bad in refused(written(tmp_path, rows))


@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_the_network_that_is_proposed_is_the_finest_that_has_no_more_parameters_than_samples(inputs):
    """Down to one hidden node, which is left also where it has more."""
    widths = [inputs, 2 * inputs + 1, 1]
    sizes = {levels: rk.kan(widths, 3, levels[-1]).n_params for levels in ((4, 8), (2, 4), (1, 2))}
    for levels, size in sizes.items():
        proposed = own_data_file._shape(inputs, size)
        assert (proposed.widths, proposed.order, proposed.intervals) == (tuple(widths), 3, levels)
        assert own_data_file._shape(inputs, size - 1).intervals != levels or levels == (1, 2)
    node = rk.kan([inputs, 1, 1], 3, 2).n_params
    assert own_data_file._shape(inputs, 10**6).widths == tuple(widths)
    few = {count: own_data_file._shape(inputs, count) for count in (sizes[1, 2] - 1, 2 * node, 2 * node - 1, 1)}
    assert [shape.widths[1] for shape in few.values()] == [2 * inputs, 2, 1, 1]
    assert {shape.intervals for shape in few.values()} == {(1, 2)}


def test_rows_with_one_bad_number_are_left_out_and_some_outputs_may_be_zero(rng):
    x, y = rng.uniform(size=(30, 2)), np.where(np.arange(30) % 3, 1.0, 0.0)
    x[4, 1] = np.nan
    equation = own_data(x, y, drop_bad_rows=True).equation
    assert equation == "regression on 24 samples, error on 5 others, 1 of 30 rows left out"
