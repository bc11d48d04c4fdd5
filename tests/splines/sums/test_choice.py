"""Which engine is used: by call, block, environment and option; in threads; by sizes; and for how long."""

import contextvars
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning import grid, study
from refkan.analysis.conditioning.studies import studies
from refkan.cli import main
from refkan.kernels import engine_choice, launch
from refkan.kernels.engine_choice import current_engine
from refkan.kernels.engine_option import chosen_engine
from refkan.networks.hessians import sparse_accumulation
from refkan.networks.hessians.points import Points
from refkan.splines.local_basis import KnotTables
from refkan.splines.sums import spline_functions
from refkan.splines.sums.channels import Channels
from refkan.splines.sums.input_jet import InputJet
from refkan.splines.sums.spline_functions import spline_sums
from tests.kernels.kernel_results import finish, other_process
from tests.shared.refusals import refused

ROOT = Path(rk.__file__).parents[1]
LISTED = "must be one of 'auto', 'plain', 'fast'; got"


@pytest.fixture
def chosen(monkeypatch):
    """Which sums are taken for sizes, without compiling any."""
    for name in ("PlainSums", "FastSums", "WindowSums"):
        stand_in = SimpleNamespace(_first_value=lambda name=name: name)
        monkeypatch.setattr(spline_functions, name, lambda *arguments, stand_in=stand_in: stand_in)

    def sums(N, P, Q, order, n=8, channels=(0, 0)):
        S = rk.SplineSpace.uniform(order, n)
        tables = KnotTables(np.tile(S.knots, (P, 1)), order)
        at = InputJet(np.full((N, Channels(*channels).count, P), 0.3))
        return spline_sums(tables, np.ones((Q, P, S.dim)), at, Channels(*channels), "linear").value

    return sums


@pytest.fixture
def auto():
    with rk.use_engine("auto"):
        yield


def test_blocks_nest_and_calls_stay(auto):
    with rk.use_engine("plain"):
        assert current_engine() == "plain"
        with rk.use_engine("fast") as chosen:
            assert current_engine() == "fast"
        assert current_engine() == "plain"
        with chosen:
            assert current_engine() == "fast"
        rk.use_engine("fast")
        assert current_engine() == "fast"
    assert current_engine() == "auto"
    assert repr(chosen) == "use_engine('fast')"


def test_a_block_ends_where_it_fails(auto):
    with pytest.raises(RuntimeError), rk.use_engine("plain"):
        raise RuntimeError
    assert current_engine() == "auto"


def test_unknown_names_are_refused_under_the_place_that_they_came_from(capsys):
    for name in ("quick", "", None, 3, "Plain"):
        with pytest.raises(ValueError, match=rf"use_engine\(name\) {LISTED} {name!r}"):
            rk.use_engine(name)
    with pytest.raises(SystemExit) as ended:
        main(["info", "--engine", "quick"])
    assert ended.value.code == 2
    assert f"argument --engine: NAME {LISTED} 'quick'" in capsys.readouterr().err


def test_an_unknown_name_in_the_environment_is_refused_by_calls_and_commands(monkeypatch, capsys):
    monkeypatch.setenv("REFKAN_ENGINE", "quick")
    engine_choice._from_environment.cache_clear()
    message = f"the environment variable REFKAN_ENGINE {LISTED} 'quick'"
    try:
        refused(lambda: contextvars.Context().run(rk.kan([1, 1], 2, 2), np.ones(3), [[0.5]]), message)
        assert contextvars.Context().run(main, ["info"]) == 2
    finally:
        engine_choice._from_environment.cache_clear()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("name", "expected"), [("plain", "plain"), ("", "auto")])
def test_the_environment_counts_where_nothing_else_does(name, expected, monkeypatch):
    """In a context that nothing was chosen in, as at the start of a program."""
    monkeypatch.setenv("REFKAN_ENGINE", name)
    found = []

    def program():
        found.append(current_engine())
        other = threading.Thread(target=lambda: found.append(current_engine()))
        other.start()
        other.join()
        rk.use_engine("fast")
        found.append(current_engine())

    engine_choice._from_environment.cache_clear()
    try:
        contextvars.Context().run(program)
    finally:
        engine_choice._from_environment.cache_clear()
    assert found == [expected, expected, "fast"]


@pytest.mark.parametrize("name", ["auto", "plain", "fast"])
def test_commands_take_the_option_for_themselves_alone(auto, name, capsys, monkeypatch):
    monkeypatch.delenv("REFKAN_ENGINE", raising=False)
    assert main(["info", "--engine", name]) == 0
    assert f"engine: {name}\n" in capsys.readouterr().out
    assert current_engine() == "auto"
    assert "REFKAN_ENGINE" not in os.environ


def test_a_command_may_have_a_default_of_its_own(auto, monkeypatch):
    def engine(name):
        with chosen_engine(name, "command", "plain"):
            return current_engine()

    monkeypatch.delenv("REFKAN_ENGINE", raising=False)
    assert [engine(None), engine("auto"), engine("fast")] == ["plain", "auto", "fast"]
    with rk.use_engine("fast"):
        assert engine(None) == "fast"
    monkeypatch.setenv("REFKAN_ENGINE", "auto")
    assert engine(None) == "auto"


def test_other_threads_choose_for_themselves(auto):
    found = []

    def other():
        before = current_engine()
        with rk.use_engine("fast"):
            found.append((before, current_engine()))

    with rk.use_engine("plain"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert current_engine() == "plain"
    assert found[0][1] == "fast"


@pytest.mark.parametrize("name", ["plain", "fast"])
def test_workers_use_the_engine_of_their_caller(name, monkeypatch):
    monkeypatch.setattr(launch, "thread_count", lambda: 3)
    met = threading.Barrier(3, timeout=60)

    def engine(k):
        met.wait()  # all three threads are at work
        return current_engine(), threading.get_ident()

    with rk.use_engine(name):
        results = launch.run_blocks(engine, 3)
    assert [engine for engine, _ in results] == [name] * 3
    assert len({thread for _, thread in results}) == 3


def test_studies_on_executors_use_the_engine_of_their_caller(monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    found = set()
    right = studies.measure

    def measure(*arguments):
        found.add(current_engine())
        return right(*arguments)

    monkeypatch.setattr(studies, "measure", measure)
    with rk.use_engine("plain"), ThreadPoolExecutor(2) as pool:
        study(grid(["spline"], [[2, 1]], orders=[2], intervals=[2, 3], samples=20), pool)
    assert found == {"plain"}


def test_small_layers_never_wait_for_the_compiler(auto, chosen):
    for Q in (1, 2, 5, 12):
        for order in (2, 3, 4):
            assert chosen(300, 2, Q, order) == chosen(300, 2, Q, order, channels=(2, 2)) == "PlainSums"


@pytest.mark.parametrize("n", [4, 64])
@pytest.mark.parametrize(("P", "Q"), [(2, 5), (5, 1), (20, 20)])
def test_large_layers_are_fast(auto, chosen, P, Q, n):
    assert chosen(4096, P, Q, 4, n) == "FastSums"
    if Q == 1:
        assert chosen(4096, P, Q, 2, n) == "FastSums"
    if P == 20:
        assert chosen(1024, P, Q, 4, n, channels=(2, 1)) == "WindowSums"


def test_matrices_are_fast_where_there_are_samples_enough(auto):
    for widths, N, fast in (([2, 12], 300, False), ([2, 5, 1], 300, False), ([2, 5, 1], 20000, True)):
        x = np.random.default_rng(0).uniform(size=(20, 2))
        net, theta = rk.kan(widths, 4, 8).initialize(np.random.default_rng(0), x)
        raw = sparse_accumulation.RawMatrix(Points.check(net, theta, x, None).forms, N)
        assert raw.fast == fast
        assert all(sums.fast == fast for sums in raw.all_sums)
        assert raw.nbytes == sum(sums.store.nbytes for sums in raw.all_sums)


def test_a_linearisation_keeps_its_engine(rng):
    net, theta = rk.kan([2, 5, 1], 4, 4).initialize(rng, rng.uniform(size=(9, 2)))
    x, dy = rng.uniform(size=(30, 2)), rng.standard_normal((30, 1))
    results = {}
    for name in ("plain", "fast"):
        with rk.use_engine(name):
            results[name] = net.vjp(theta, x)[1](dy)[0]
    assert not np.array_equal(results["plain"], results["fast"]), "both engines round alike: choose other samples"
    for name, other in (("plain", "fast"), ("fast", "plain")):
        with rk.use_engine(name):
            _, pullback = net.vjp(theta, x)
        with rk.use_engine(other):
            assert np.array_equal(pullback(dy)[0], results[name])


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


@pytest.mark.exhaustive
def test_small_networks_compile_each_kernel_once(compiled):
    _, alone = compiled
    assert alone, "kernels were compiled"
    assert set(alone.values()) == {1}
    assert len(alone) <= 12, sorted(alone)
    fast = {"polynomial_layer", "sorted_layer", "local_jets", "bspline_basis"}
    assert not {name.split(".")[0] for name in alone} & fast


@pytest.mark.exhaustive
def test_more_layers_orders_layouts_and_free_knots_add_no_forms(folder):
    """But for the Jacobian, whose rows lie apart where it has more than one layer."""
    everything = answer(MORE, folder)
    assert {name: count for name, count in everything.items() if count > 1} in (
        {}, {"plain_sums.scatter_jacobian": 2},
    )  # fmt: skip


@pytest.mark.exhaustive
def test_they_are_done_within_seconds(compiled):
    """Asked are 15 s of processor time on a fresh machine; some 5 were measured, and 70 with the fast engine."""
    seconds, _ = compiled
    assert seconds <= 15


@pytest.mark.exhaustive
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
