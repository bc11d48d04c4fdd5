"""``python -m validation.equations``: a published problem is trained level by level, resumed, and written."""

import doctest
from importlib import import_module

import numpy as np
import pytest

import refkan as rk
from validation.equations import __main__ as program
from validation.equations import published
from validation.equations.recipes.starts import train_starts


@pytest.mark.parametrize(
    "name", ["schedules", "setups", "space_time_setups", "poisson_setup", "ordinary_setups", "starts", "trainers"]
)
def test_examples_of_recipes(name):
    failed, count = doctest.testmod(
        import_module(f"validation.equations.recipes.{name}"), optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert (failed, count > 0) == (0, True)


def test_a_published_problem_is_trained_and_written(tmp_path, capsys):
    arguments = ["poisson-1d-peak", "--steps", "2", "1", "--seed", "3", "--output", str(tmp_path / "run")]
    assert program.main(arguments) == 0
    first = capsys.readouterr().out
    setup = published.PROBLEMS["poisson-1d-peak"]()
    expected = train_starts(setup, setup.kan(), 3, [2, 1])
    net, theta, notes = rk.load(tmp_path / "run" / "network.npz", return_notes=True)
    assert notes == {"problem": "poisson-1d-peak"}
    np.testing.assert_array_equal(theta, expected.theta)
    head, columns, *levels = first.splitlines()
    assert head == f"poisson-1d-peak: {setup.equation}"
    assert columns.split() == ["parameters", "steps", "seconds", "loss", "rel.", "error"]
    assert [line.split()[:2] for line in levels] == [["19", "2"], ["35", "1"]]
    assert levels[-1].split()[3:] == [f"{2 * expected.value:.2e}", f"{setup.error(net, theta):.2e}"]
    assert (tmp_path / "run" / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "run" / "levels").glob("*.json"))) == 2
    assert program.main(arguments) == 0
    assert capsys.readouterr().out == first  # its seconds too: the levels are resumed


def test_a_quick_run_has_two_levels_of_three_steps(capsys):
    assert program.main(["helmholtz-1d-wave", "--quick"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[2:]] == ["3", "3"]


def test_problems_that_are_none_are_refused(capsys):
    with pytest.raises(SystemExit) as refusal:
        program.main(["nonsense"])
    assert refusal.value.code == 2
    assert "invalid choice: 'nonsense'" in capsys.readouterr().err
