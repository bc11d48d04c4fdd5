"""`refkan train`: files, resuming, options, refusals and interruptions."""

import argparse
import errno
import json
import warnings
from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.base.errors import ConvergenceError
from refkan.base.long_runs import checkpoints, status_lines
from refkan.commands import add_train_parser
from refkan.commands.training import train
from refkan.commands.training import train as progress_module
from refkan.commands.training.configuration import configuration
from refkan.plots.training_pictures import to_png
from refkan.training.multilevel import Level
from refkan.training.optimizers import State
from refkan.training.recipes import setup_named, train_starts
from tests.shared.commands import command
from tests.shared.tables import each_row

TINY = ("--points", "6", "--widths", "2", "2", "1", "--intervals", "2", "--schedule", "2", "1")
ONE = ("poisson-1d-peak", "--points", "30", "--intervals", "4", "--schedule", "3", "2")


def parse(*options):
    parser = argparse.ArgumentParser(prog="refkan")
    add_train_parser(parser.add_subparsers())
    return parser.parse_args(["train", *options])


run = partial(command, "train")


def test_a_line_for_each_level():
    out, err = run("burgers", *TINY)
    lines = out.splitlines()
    assert lines[0].startswith("burgers: u_t + u u_x = nu u_xx")
    assert lines[1].split() == ["parameters", "steps", "seconds", "loss", "rel.", "error"]
    assert [line.split()[:2] for line in lines[2:]] == [["30", "2"], ["42", "1"]]
    assert "level 1 of 2, 30 parameters: step 1 of 2, loss " in err
    assert f"level 2 of 2, 42 parameters: step 1 of 1, loss {float(lines[3].split()[3]):.3g}"[:-2] in err
    assert err.splitlines()[-1].endswith(f"error {lines[3].split()[4]}")
    assert run("burgers", *TINY, "--quiet").err == ""


def test_progress_tells_levels(monkeypatch, capsys):
    what = configuration(parse(*ONE))
    net, theta = what.net.initialize(np.random.default_rng(0), what.setup.grid)
    fine, error = net.refine(), f"{what.setup.error(net, theta):.2e}"
    assert what.setup.error(fine, net.convert(theta, fine)) > 0  # compiles
    times = iter([100.0, 101.0, 103.0, 106.0])
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(times))
    shown = progress_module.Progress(what.setup, 2, status_lines.StatusLine())
    for step in (1, 2, 3):  # at 100, 101 (too soon) and 103 s; the last one is always shown
        shown.step(Level(0, net, None), State(step, theta, 0.25 / step, 1.0, 0.1, step, 0.0, steps=3))
    shown.step(Level(1, fine, None), State(1, net.convert(theta, fine), 0.5, 1.0, 0.1, 4, 0.0, steps=2))
    assert capsys.readouterr().err.splitlines() == [
        f"level 1 of 2, 7 parameters: step 1 of 3, loss 0.5, error {error}",
        f"level 1 of 2, 7 parameters: step 3 of 3, loss 0.167, error {error}",
        f"level 2 of 2, 11 parameters: step 1 of 2, loss 1, error {error}",
    ]


def test_files_say_what_was_printed(tmp_path):
    out = run(*ONE, "--seed", "3", "--output", tmp_path).out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.png", "history.json", "levels", "network.npz"]
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    net, theta = rk.load(tmp_path / "network.npz")
    history = json.loads((tmp_path / "history.json").read_text())
    setup = setup_named("poisson-1d-peak", 30)
    last = history["levels"][-1]
    assert setup.error(net, theta) == last["error"]
    assert f"{last['error']:.2e}" in out.splitlines()[-1]
    assert history["asked"]["seed"] == 3
    assert history["problem"] == "poisson-1d-peak"
    assert [level["parameters"] for level in history["levels"]] == [7, 11]
    assert [len(level["history"]["value"]) for level in history["levels"]] == [4, 3]
    assert last["loss"] == pytest.approx(
        sum(term.weight * last["mean squares"][term.name] for term in setup.terms), rel=1e-12
    )
    assert 2 * last["history"]["value"][-1] == pytest.approx(last["loss"], rel=1e-9)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_finished_levels_are_not_trained_again(tmp_path, monkeypatch):
    def interrupt_second_level(self, level, state):
        if level.index == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.Progress, "step", interrupt_second_level)
        told = run(*ONE, "--output", tmp_path, code=130)
    assert "interrupted; finished levels are kept in" in told.err
    assert not (tmp_path / "network.npz").exists()
    resumed = run(*ONE, "--output", tmp_path).out.splitlines()
    assert [line.endswith("(kept)") for line in resumed[2:]] == [True, False]
    at_once = run(*ONE).out.splitlines()
    assert [line.split()[3:5] for line in resumed[2:]] == [line.split()[3:5] for line in at_once[2:]]


@pytest.mark.filterwarnings("ignore::refkan.base.errors.DiscontinuousLossWarning")  # of --node-map affine
@each_row(
    "problem, options",
    ("burgers", ("--optimizer", "adam", "--learning-rate", "0.001")),
    ("burgers", ("--optimizer", "lbfgs", "--basis", "relu")),
    ("burgers", ("--node-map", "affine")),
    ("allen-cahn", ("--optimizer", "gauss-newton", "--order", "5")),
    ("regression", ("--optimizer", "variable-projection", "--points", "100")),
)
def test_problems_and_methods(problem, options):
    points = ("--points", "6") if problem == "burgers" else ("--points", "40")
    rest = ("--widths", "2", "2", "1", "--intervals", "2", "--schedule", "2", "1", "--quiet")
    assert len(run(problem, *points, *rest, *options).out.splitlines()) == 4


def test_the_level_set_is_an_input_of_poisson(tmp_path):
    options = ("--points", "5", "--intervals", "2", "--schedule", "2", "--quiet")
    run("poisson", *options, "--output", tmp_path)
    net, theta = rk.load(tmp_path / "network.npz")
    assert net.widths == (3, 5, 1)
    assert net(theta, [[0.5, 0.5, 0.5]]).shape == (1, 1)


def test_what_is_asked_for_is_what_is_trained():
    what = configuration(parse("burgers", "--optimizer", "adam", "--seed", "5", "--schedule", "8", "9"))
    assert (what.method, what.options, what.seed) == ("adam", {"learning_rate": 1e-2}, 5)
    assert what.schedule == (8, 9)
    assert what.net.n_params == 3680
    assert configuration(parse("poisson")).schedule == (30, 30, 30, 30)
    assert configuration(parse("poisson", "--optimizer", "adam")).schedule == (500, 500, 500, 500)


@each_row(
    "options, message",
    (("burgers", *TINY, "--order", "2"), "--order 2 for burgers: layer 0: second derivatives"),
    (("burgers", "--widths", "3", "2", "1"), "--widths must begin with 2 and end with 1"),
    (("burgers", "--widths", "2", "2"), "--widths must begin with 2 and end with 1"),
    (("burgers", "--points", "1"), "--points 1 for burgers: points[0] must be at least 2"),
    (("burgers", "--intervals", "2", "3"), "--intervals must have one value or one a layer (3); got 2"),
    (("burgers", "--learning-rate", "0.1"), "--learning-rate is for --optimizer adam or gd"),
    (("burgers", "--optimizer", "variable-projection"), "is for regression"),
)
def test_wrong_usage_is_refused(options, message):
    err = run(*options, "--quiet", code=2).err
    assert err.startswith("refkan train: ")
    assert message in err


def test_order_3_is_allowed_with_one_warning():
    """Several levels warn of the same thing."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        told = run("burgers", *TINY, "--order", "3", "--quiet")
    assert [line for line in told.err.splitlines() if "remark" not in line] == [
        "refkan train: warning: the second derivative of splines of order 3 jumps at the knots"
    ]


def test_references_that_do_not_converge_and_failing_trainings_have_code_1(monkeypatch):
    def fail(*arguments, **options):
        raise ConvergenceError("u must agree to 1e-8")

    with monkeypatch.context() as patch:
        patch.setattr("refkan.training.recipes.setups.space_time_setups._on_space_time", fail)
        assert "u must agree" in run("allen-cahn", *TINY, code=1).err
    monkeypatch.setattr(train, "train_starts", fail)
    run(*ONE, code=1)


@pytest.mark.parametrize("problem", ["poisson-1d-peak", "poisson", "sum-4"])
def test_figures_name_their_axes_and_state_the_error(problem, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda canvas, stream, **options: drawn.append(canvas))
    chosen = parse(problem, "--points", "40" if "-" in problem else "6", "--intervals", "2", "--schedule", "2", "1")
    what = configuration(chosen)
    trained = train_starts(what.setup, what.net, np.random.default_rng(0), what.schedule, what.method)
    last = trained.course[-1]
    to_png(what.setup, trained, last)
    loss, values = drawn[0].axes
    assert (values.get_xlabel(), values.get_ylabel()) == ("solution", "network")
    x, y = values.lines[0].get_data()
    error = what.setup.error(last.network, last.result.theta)
    assert loss.get_legend_handles_labels()[1][-1] == f"{last.network.n_params} parameters, error {error:.1e}"
    assert np.linalg.norm(y - x) / np.linalg.norm(x) == pytest.approx(error, rel=0.2)  # of some points


@pytest.mark.parametrize("where", ["levels", "results"])
def test_a_full_disk_is_told_without_a_traceback(tmp_path, monkeypatch, where):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(checkpoints if where == "levels" else train, "write_atomically", full)
    assert "refkan train: [Errno 28] No space left on device" in run(*ONE, "--output", tmp_path, code=1).err
