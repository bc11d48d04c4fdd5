"""A run that is ended at any moment goes on from its file to the same bits; files of other runs are refused by name."""

import io
import os
import subprocess
import sys
import time
import tracemalloc
import zipfile
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.training.optimizers import run_files
from tests.shared.refusals import refused
from tests.shared.tables import each_row

X = np.random.default_rng(0).uniform(size=(60, 2))
Y = np.sin(5 * X[:, :1]) + X[:, 1:] ** 2

METHODS = {
    "gd": {"learning_rate": 0.1},
    "adam": {"learning_rate": 0.02, "weight_decay": 1e-3},
    "lbfgs": {},
    "self-scaled-broyden": {},
    "gauss-newton": {},
    "natural-gradient": {},
    "levenberg-marquardt": {},
    "variable-projection": {"ridge_about": "start"},
}


def problem_and_start(widths=(2, 3, 1)):
    net, theta = rk.kan(list(widths), order=3, intervals=3).initialize(np.random.default_rng(1), X)
    return rk.LeastSquares(net, X, Y), theta


def same(run, other):
    for name in ("value", "gradient_norm", "evaluations", "damping", "step_length"):
        first, second = getattr(run.history, name), getattr(other.history, name)
        assert (first is None and second is None) or first.tobytes() == second.tobytes(), name
    assert run.theta.tobytes() == other.theta.tobytes()
    assert (run.value, run.n_evaluations, run.converged, run.message) == (
        other.value, other.n_evaluations, other.converged, other.message,
    )  # fmt: skip


KILLS = int(os.environ.get("REFKAN_KILLS", "2"))
"""How often a program is killed in the middle of its training."""


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(run_files, "PAUSE", -1.0)


@pytest.mark.parametrize(
    ("method", "geometry"), [*((m, None) for m in METHODS), *((m, "relu") for m in [*METHODS][:4])]
)
def test_a_run_goes_on_to_the_same_bits(method, geometry, tmp_path, every_step):
    problem, theta = problem_and_start()
    options = {"geometry": geometry, "steps": 12, **METHODS[method]}
    whole = rk.minimize(problem, theta, method, **options)
    file = tmp_path / "run.npz"
    done = []

    def interrupt(state):
        done.append(state.step)
        if len(done) == 3:  # in each attempt
            raise KeyboardInterrupt

    for _ in range(40):
        done.clear()
        try:
            pieces = rk.minimize(problem, theta, method, callback=interrupt, checkpoint=file, **options)
            break
        except KeyboardInterrupt:
            continue
    same(pieces, whole)
    same(rk.minimize(problem, theta, method, checkpoint=file, **options), whole)  # of a finished run


@pytest.mark.parametrize("method", ["adam", "lbfgs", "levenberg-marquardt"])
def test_more_steps_may_be_asked_for(method, tmp_path):
    problem, theta = problem_and_start()
    options = METHODS[method]
    rk.minimize(problem, theta, method, steps=4, checkpoint=tmp_path / "run.npz", **options)
    longer = rk.minimize(problem, theta, method, steps=9, checkpoint=tmp_path / "run.npz", **options)
    same(longer, rk.minimize(problem, theta, method, steps=9, **options))
    with pytest.raises(ValueError, match=r"steps must be at least the 9 steps of checkpoint"):
        rk.minimize(problem, theta, method, steps=5, checkpoint=tmp_path / "run.npz", **options)


def test_linear_networks_end_in_one_step_again(tmp_path):
    problem, theta = problem_and_start((2, 1))
    whole = rk.minimize(problem, theta, "variable-projection", steps=5)
    for _ in range(2):
        same(rk.minimize(problem, theta, "variable-projection", steps=5, checkpoint=tmp_path / "run.npz"), whole)


PROGRAM = """
import sys, numpy as np, refkan as rk
from refkan.training.optimizers import run_files
run_files.PAUSE = -1.0
from tests.training.optimizers.test_checkpoints import problem_and_start
problem, theta = problem_and_start()
result = rk.minimize_multilevel(problem, theta, [60, 60], method=sys.argv[1], checkpoint=sys.argv[2])
print("trained", result.theta.tobytes().hex())
"""


@pytest.mark.skipif(not hasattr(os, "kill"), reason="it kills")
@pytest.mark.exhaustive
def test_trainings_on_several_levels_survive_kills(tmp_path):
    """SIGKILL at random times after the first file is written; nothing but results is left in the folder."""
    problem, theta = problem_and_start()
    method = "lbfgs"
    expected = rk.minimize_multilevel(problem, theta, [60, 60], method=method).theta.tobytes().hex()
    rng, kills = np.random.default_rng(3), 0
    while True:
        program = subprocess.Popen([sys.executable, "-c", PROGRAM, method, tmp_path], stdout=subprocess.PIPE, text=True)
        if kills < KILLS:
            moment = time.monotonic() + 60.0
            while program.poll() is None and time.monotonic() < moment and not list(tmp_path.glob("[0-9a-f]*")):
                time.sleep(0.005)
            time.sleep(float(rng.uniform(0.0, 2.0 if kills else 0.1)))
            program.kill()
            kills += 1
        out = program.communicate()[0]
        if "trained" in out:
            break
    assert out.split()[1] == expected
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".tmp"}


def test_files_of_other_runs_are_refused(tmp_path):
    problem, theta = problem_and_start()
    file = tmp_path / "run.npz"
    rk.minimize(problem, theta, "adam", steps=3, checkpoint=file)

    def other(message, *, problem=problem, theta=theta, method="adam", **options):
        with pytest.raises(ValueError, match=message):
            rk.minimize(problem, theta, method, steps=3, checkpoint=file, **options)

    other("belongs to another run, adam with", method="lbfgs")
    other("belongs to another run, adam with", learning_rate=0.5)
    other("began with another theta", theta=theta + 1.0)
    other("belongs to another problem, engine or machine", problem=rk.LeastSquares(problem.net, X, Y + 1.0))
    for slope in (0, 1):  # of one value at the point that is kept, and gradients of another size
        toy = SimpleNamespace(value_and_gradient=lambda t, slope=slope: (1.0 + t[0] - t[0], np.array([1.0, slope])))
        with pytest.raises(ValueError, match="belongs to another problem") if slope else nullcontext():
            rk.minimize(toy, [1.0, 1.0], "gd", steps=3, learning_rate=0.1, checkpoint=tmp_path / "toy.npz")
    with rk.use_engine("plain"):
        changed = rk.minimize(problem, theta, "adam", steps=3).theta
    if changed.tobytes() != rk.minimize(problem, theta, "adam", steps=3).theta.tobytes():
        with rk.use_engine("plain"):
            other("belongs to another problem, engine or machine")
    file.write_bytes(file.read_bytes()[:200])
    other("checkpoint must be a file that minimize wrote.*remove it")
    with pytest.raises(OSError, match=r"run\.npz"):
        rk.minimize(problem, theta, "adam", steps=3, checkpoint=file / "within.npz")


def alter(file, change, digest=False):
    """Write a file with changed arrays, with the digest that it had or with the right one."""
    arrays = dict(np.load(file))
    old = file.read_bytes()[-run_files.DIGITS :]
    change(arrays)
    content = run_files.sealed(arrays)
    file.write_bytes(content if digest else content[: -run_files.DIGITS] + old)


def written(folder):
    """Write the file of a run, and return it with a function that goes on from it."""
    problem, theta = problem_and_start()
    file = folder / "run.npz"
    rk.minimize(problem, theta, "lbfgs", steps=3, checkpoint=file)
    return file, lambda: rk.minimize(problem, theta, "lbfgs", steps=5, checkpoint=file)


def test_every_altered_array_is_refused(tmp_path):
    file, go_on = written(tmp_path)
    content = file.read_bytes()
    names = [name for name, array in np.load(file).items() if array.dtype.kind == "f" and array.size]
    assert {"start", "rows", "best.value", "best.theta", "current.gradient", "carried.value"} <= set(names)
    for name in names:
        file.write_bytes(content)
        alter(file, lambda arrays, name=name: arrays.update({name: arrays[name] - 1.0}))
        refused(go_on, r"checkpoint must be a file that minimize wrote, unaltered; .*run\.npz is another one, or was")
    file.write_bytes(content)
    alter(file, lambda arrays: None, digest=True)
    go_on()


def test_every_altered_byte_is_refused(tmp_path):
    """Bytes that are not read, such as the times in an archive, could be any."""
    file, go_on = written(tmp_path)
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        altered = bytearray(content)
        altered[place] ^= 0x10
        file.write_bytes(altered)
        refused(go_on, "unaltered")


def test_networks_are_no_checkpoints(tmp_path):
    """The advice was to remove the file, which is dear to its owner."""
    problem, theta = problem_and_start()
    file = tmp_path / "network.npz"
    rk.save(file, problem.net, theta)
    refused(lambda: rk.minimize(problem, theta, steps=1, checkpoint=file), "is another one, .*: give another name")


def test_a_reported_value_is_that_of_its_point(tmp_path):
    """A checkpoint whose best value was set to -1 was believed."""
    file, go_on = written(tmp_path)
    alter(file, lambda arrays: arrays.update({"best.value": np.array(-1.0)}))
    refused(go_on, "unaltered")


@pytest.mark.parametrize("digest", [False, True])
@each_row(
    "change",
    lambda arrays: [arrays.pop(name) for name in [*arrays] if name.startswith("best.")],
    lambda arrays: arrays.pop("best.gradient"),
    lambda arrays: arrays.pop("start"),
    lambda arrays: arrays.update(evil=np.zeros(3)),
    lambda arrays: arrays.update(rows=arrays["rows"][:, :3]),
    lambda arrays: arrays.update(rows=arrays["rows"][:0]),
    lambda arrays: arrays.update(rows=arrays["rows"].ravel()),
)
def test_other_arrays_are_refused(change, digest, tmp_path):
    file, go_on = written(tmp_path)
    alter(file, change, digest)
    refused(go_on, "run.npz holds .*remove it" if digest else "unaltered")


def test_cut_rows_are_refused(tmp_path):
    file, go_on = written(tmp_path)
    alter(file, lambda arrays: arrays.update(rows=arrays["rows"][:2]))
    refused(go_on, "unaltered")


def test_an_archive_without_a_digest_is_refused(tmp_path):
    file, go_on = written(tmp_path)
    np.savez(file, **np.load(file))
    refused(go_on, "unaltered")


def bomb(compression, size):
    """An archive with one array, which declares a size in bytes that is not the file's."""
    header, stream = io.BytesIO(), io.BytesIO()
    about = {"descr": "<f8", "fortran_order": False, "shape": (size // 8,)}
    np.lib.format.write_array_header_1_0(header, about)
    with zipfile.ZipFile(stream, "w", compression) as archive, archive.open("start.npy", "w") as member:
        member.write(header.getvalue())
        if compression == zipfile.ZIP_DEFLATED:
            for _ in range(size >> 20):
                member.write(bytes(1 << 20))
    return stream.getvalue()


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_archives_are_not_unpacked_to_more_than_they_are(compression, tmp_path):
    file, go_on = written(tmp_path)
    size = 64 << 20
    file.write_bytes(run_files.with_digest(bomb(compression, size)))
    tracemalloc.start()
    refused(go_on, "compressed" if compression == zipfile.ZIP_DEFLATED else f"declared to have {size} bytes; it has 0")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < size / 16


def test_names_that_no_file_can_have_are_refused_by_name():
    problem, theta = problem_and_start()
    refused(
        lambda: rk.minimize(problem, theta, checkpoint="a\0b"),
        "ValueError: checkpoint must be a path without null characters",
    )
