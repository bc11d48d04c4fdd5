"""What a fresh machine compiles for small networks: each kernel once, whatever the order and number of outputs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import refkan as rk
from tests.kernels.kernel_results import finish, other_process

FIRST = """
import json, time
from tests.kernels.compiled_forms import signatures
from validation.benchmarks.measured.first_run import run_networks
run_networks(free_knots=False)
print(json.dumps([time.process_time(), signatures()]))
"""

MORE = """
import json
import numpy as np, refkan as rk
from tests.kernels.compiled_forms import signatures
from validation.benchmarks.measured.first_run import run_networks
run_networks(free_knots=False)
run_networks(free_knots=True)
x = np.random.default_rng(1).uniform(size=(300, 2))
for order, widths in ((3, [2, 5, 1]), (4, [2, 2, 3]), (2, [2, 5, 5, 4])):
    net, theta = rk.kan(widths, order, 4).initialize(np.random.default_rng(0), x)
    problem = rk.LeastSquares(net, x, np.zeros((300, widths[-1])))
    problem.value_and_gradient(theta), problem.gauss_newton(theta), problem.hessian(theta)
    net.jacobian(theta, x[:, ::-1]), net.jvp(theta, np.asfortranarray(x), theta)
print(json.dumps(signatures()))
"""
"""Forms are as many where they come from the cache of other tests, and are not compiled for seconds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("first-run")


@pytest.fixture(scope="module")
def compiled(folder):
    """Seconds of twelve networks of one layer in an empty cache, and what they compiled."""
    return answer(FIRST, folder, NUMBA_CACHE_DIR=str(folder / "cache"))


def answer(code, folder, **environment):
    code = f"import warnings; warnings.simplefilter('ignore')\n{code}"
    environment |= {"NUMBA_DISABLE_JIT": "0", "REFKAN_ENGINE": "auto"}
    return json.loads(finish(other_process(code, folder, **environment)))


def test_small_networks_compile_each_kernel_once(compiled):
    _, alone = compiled
    assert alone, "kernels were compiled"
    assert set(alone.values()) == {1}
    assert len(alone) <= 11, sorted(alone)
    fast = {"polynomial_layer", "sorted_layer", "local_jets", "bspline_basis"}
    assert not {name.split(".")[0] for name in alone} & fast


def test_more_layers_orders_layouts_and_free_knots_add_no_forms(folder):
    """But for the Jacobian, whose rows lie apart where it has more than one layer."""
    everything = answer(MORE, folder)
    assert {name: count for name, count in everything.items() if count > 1} in (
        {}, {"plain_sums.scatter_jacobian": 2},
    )  # fmt: skip


def test_they_are_done_within_seconds(compiled):
    """Asked are 15 s of processor time on a fresh machine; some 5 were measured, and 70 with the fast engine."""
    seconds, _ = compiled
    assert seconds <= 15


def test_commands_say_once_that_they_compile(compiled, folder, tmp_path):
    """In a cache that several kernels are missing from."""
    shutil.copytree(folder / "cache", tmp_path, dirs_exist_ok=True)
    missing = [path for path in tmp_path.rglob("plain_sums.*") if path.suffix in (".nbi", ".nbc")]
    assert len({path.name.split("-")[0] for path in missing}) > 2
    for path in missing:
        path.unlink()
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0", "REFKAN_ENGINE": "plain"}
    command = [sys.executable, "-m", "refkan", "spectrum", "--orders", "2", "--intervals", "2", "--samples", "20"]
    command += ["--bases", "spline"]
    root = Path(rk.__file__).parents[1]
    runs = [subprocess.run(command, env=environ, cwd=root, capture_output=True, text=True) for _ in range(2)]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert [run.stderr.count("compiling kernels") for run in runs] == [1, 0]
    assert runs[0].stdout == runs[1].stdout
    assert len({path.name.split("-")[0] for path in tmp_path.rglob("plain_sums.*.nbc")}) > 2
