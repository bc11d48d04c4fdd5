"""docs/gradient.md: the files that a gradient passes under the plain engine are those of its table; its examples."""

import doctest
import re
import traceback
from pathlib import Path

import numpy as np

import refkan as rk
from refkan.kernels import plain_sums

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gradient.md"


def files_passed(call):
    """Files of refkan on the way to each loop that `call` enters, the loop's own file last."""
    passed = {}

    def spy(name):
        loop = getattr(plain_sums, name)

        def run(*arguments):
            package = Path(rk.__file__).parent
            frames = [Path(frame.filename) for frame in traceback.extract_stack()]
            inside = [path.relative_to(package).as_posix() for path in frames if package in path.parents]
            passed[name] = list(dict.fromkeys([*inside, "kernels/plain_sums.py"]))
            return loop(*arguments)

        return loop, run

    loops = {name: spy(name) for name in ("contract", "pull_back")}
    for name, (_, run) in loops.items():
        setattr(plain_sums, name, run)
    try:
        call()
    finally:
        for name, (loop, _) in loops.items():
            setattr(plain_sums, name, loop)
    return passed


def test_a_gradient_passes_the_files_of_the_page():
    x = np.random.default_rng(0).uniform(size=(50, 2))
    net, theta = rk.kan([2, 5], order=3, intervals=4).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, net(theta, x) + 1.0)
    with rk.use_engine("plain"):
        passed = files_passed(lambda: problem.gradient(theta))
    table = re.findall(r"^\| \d \| `([^`]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(table) == 8
    assert passed["contract"] == table
    assert passed["pull_back"] == [name for name in table if name != "splines/sums/spline_functions.py"]


def test_the_examples_of_the_page():
    failures, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert (failures, tried > 15) == (0, True)


def test_the_loop_of_the_page_is_that_of_the_kernel():
    (loop,) = re.findall(r"```python\n( {8}for .*?)```", PAGE.read_text(), re.DOTALL)
    assert loop in Path(plain_sums.__file__).read_text()
