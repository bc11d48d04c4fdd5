"""`refkan spectrum` and `refkan certify`: what they print, write and refuse."""

import csv
import importlib
import json
import os
import re
import subprocess
import sys
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import check_certificate
import refkan as rk
from check_certificate import Bound, proven
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.base.long_runs import checkpoints, worker_processes
from refkan.commands.spectra import spectrum
from tests.shared.commands import command
from tests.shared.tables import each_row

ROOT = Path(checkpoints.__file__).parent.parent
SMALL = ["--orders", "2", "--intervals", "2", "3", "--widths", "2", "1", "--samples", "40"]


run = partial(command, "spectrum", *SMALL)


def test_a_table_of_all_combinations():
    out, err = run("--bases", "spline", "relu", "mlp-tanh", "--widths", "1", "1", "--seeds", "0", "1")
    lines = out.splitlines()
    # Two widths, two bases of splines on two intervals, dense networks once, two seeds.
    assert lines.index("") == 1 + 2 * (2 * 2 + 1) * 2
    assert lines[0].startswith("kind")
    assert "20/20 mlp-tanh [1, 1] seed 1: condition" in err


def test_files_are_written_and_points_are_kept(tmp_path):
    folder = tmp_path / "new" / "study"
    first = run("--output", folder)
    rows = json.loads((folder / "spectrum.json").read_text())
    assert [(row["kind"], row["intervals"]) for row in rows] == [
        ("spline", 2), ("spline", 3), ("relu", 2), ("relu", 3),
    ]  # fmt: skip
    assert (folder / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    lines = list(csv.DictReader((folder / "spectrum.csv").read_text().splitlines()))
    assert [line["condition"] for line in lines] == [repr(row["condition"]) for row in rows]
    assert {(line["kind"], line["widths"], line["preconditioner"]) for line in lines} == {
        ("spline", "2 1", ""), ("relu", "2 1", ""),
    }  # fmt: skip
    assert len(list((folder / "points").glob("*.json"))) == 4
    assert not list(folder.rglob("*.tmp"))
    again = run("--output", folder)
    assert again.out == first.out
    assert again.err.splitlines() == ["4 of 4 points are there already"]


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run()
    assert not list(tmp_path.iterdir())


def test_workers_and_a_cluster_compute_the_same(tmp_path, cluster):
    before = dict(os.environ)
    alone = run().out
    assert run("--workers", "1", "--output", tmp_path).out == alone
    assert run("--dask", cluster.scheduler_address).out == alone
    assert dict(os.environ) == before


def test_a_cluster_that_is_not_there(monkeypatch):
    class Unreachable:
        @staticmethod
        def Client(address, **options):  # noqa: N802
            raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(worker_processes, "needed", lambda owner, name: Unreachable)
    assert "Timed out trying to connect to tcp://127.0.0.1:9" in run("--dask", "tcp://127.0.0.1:9", code=1).err


def test_the_extra_for_clusters_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    told = run("--dask", "tcp://127.0.0.1:8786", code=2)
    assert "--dask needs distributed: pip install 'refkan[cluster]'" in told.err


def test_hessians():
    out = run("--which", "hessian", "--node-map", "mean-std").out
    assert len(out.split("\n\n")[0].splitlines()) == 1 + 2 * 2


@each_row(
    "options, message",
    (["--widths", "3"], "--widths must hold at least two numbers, inputs and outputs; got [3]"),
    (["--which", "hessian", "--widths", "3", "1"], "--which hessian needs two inputs and one output"),
    (["--bases", "fourier"], "invalid choice: 'fourier'"),
    (["--which", "fisher"], "invalid choice: 'fisher'"),
    (["--workers", "1", "--dask", "a"], "not allowed with argument"),
)
def test_wrong_options_are_usage_errors(options, message):
    out, err = run(*options, code=2)
    assert not out
    assert message in err


def failing_study(error):
    def run(*_, **__):
        raise error

    return run


def test_a_dead_executor_and_an_interruption_have_codes_of_their_own(tmp_path, monkeypatch):
    died = RuntimeError("the executor failed when 3 of 4 points were done")
    monkeypatch.setattr(spectrum, "study", failing_study(died))
    assert "3 of 4 points" in run("--output", tmp_path, code=1).err
    monkeypatch.setattr(spectrum, "study", failing_study(KeyboardInterrupt()))
    told = run("--output", tmp_path, code=130)
    assert told.err == "refkan spectrum: interrupted\n"  # and nothing is kept of no point
    (tmp_path / "points").mkdir(exist_ok=True)
    (tmp_path / "points" / "one.npz").touch()
    assert f"interrupted; finished points are kept in {tmp_path / 'points'}" in run("--output", tmp_path, code=130).err
    run(code=130)
    assert not (tmp_path / "spectrum.json").exists()


def test_a_failed_point_is_shown_and_makes_the_code_1(monkeypatch):
    studies = importlib.import_module("refkan.analysis.conditioning.studies.studies")
    original = studies.measure

    def measure(point, *rest):
        if point.kind == "relu":
            raise MemoryError("too large")
        return original(point, *rest)

    monkeypatch.setattr(studies, "measure", measure)
    assert run(code=1).out.count("MemoryError: too large") == 2


def test_a_legend_explains_the_columns_and_the_flags_that_occur():
    table, legend = run("--widths", "2", "5", "1").out.split("\n\n")
    present = {flag for flag in FLAGS if any(line.split()[-1] == flag for line in table.splitlines())}
    assert present == {"nullity"}
    for name, meaning in FLAGS.items():
        assert (meaning in legend) == (name in present)
    assert "known" in legend


def test_the_help_explains_columns_and_flags():
    told = " ".join(command("spectrum", "--help").out.split())
    assert "known: nullity that follows from the structure of the network alone, a lower bound" in told
    for name, meaning in FLAGS.items():
        assert f"{name}: {meaning}" in told
    assert "flagged points have hollow markers" in told


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device here")
def test_a_full_disk_behind_the_standard_output():
    with open("/dev/full", "w") as full:
        told = subprocess.run(
            [sys.executable, "-m", "refkan", "info"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr == "refkan info: [Errno 28] No space left on device\n"


def test_certificates(tmp_path):
    out = run("--certify", "--bases", "spline", "relu", "--output", tmp_path).out
    assert "condition in" in out
    rows = json.loads((tmp_path / "certificates.json").read_text())
    measured = json.loads((tmp_path / "spectrum.json").read_text())
    assert len(rows) == len(measured) == 4
    for row, beside in zip(rows, measured, strict=True):
        assert (row["rank"], row["by"], row["error"]) == (beside["rank"], "exact", "")
        assert row["low"] <= row["high"] <= row["low"] * (1 + 3e-10)
        assert beside["condition"] == pytest.approx(row["low"], rel=1e-8)


def test_certificates_of_kernels_and_of_what_has_none(tmp_path):
    run("--certify", "--which", "ntk", "--bases", "spline", "--orders", "2", "--output", tmp_path)
    rows, measured = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("certificates", "spectrum"))
    for row, beside in zip(rows, measured, strict=True):
        assert (row["rank"], row["nullity"], row["error"]) == (beside["rank"], beside["nullity"], "")
        assert beside["condition"] == pytest.approx(row["low"], rel=1e-8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certify")
    x = np.random.default_rng(0).uniform(size=(20, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    rk.save(folder / "net.npz", net, theta, notes={"columns": ["width", "length", "force"]})
    table = np.hstack([x, net(theta, x) + 0.01])
    np.savetxt(folder / "plain.csv", table, delimiter=",", fmt="%.17g")
    (folder / "inputs.csv").write_text("\n".join(f"{a!r},{b!r}" for a, b, _ in table.tolist()))
    (folder / "four.csv").write_text("\n".join("1.5,2.5,3.5,4.5" for _ in range(3)))
    dense, w = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(1), x)
    rk.save(folder / "dense.npz", dense, w)
    steps, w = rk.kan([1, 1], 1, 3).initialize(np.random.default_rng(1), x[:, :1])
    rk.save(folder / "steps.npz", steps, w)
    return folder


def test_a_page_and_a_file_hold_what_is_printed_and_are_accepted(files, capsys):
    page, file = files / "page.html", files / "certificate.json"
    arguments = ("--box", str(files / "plain.csv"), "--leaves", "300", "--tolerance", "0.05")
    out = command("certify", files / "net.npz", *arguments, "--html", page, "--json", file).out
    data = json.loads(file.read_text())
    for words in ("range of force", "force in width", "Lipschitz constant", "largest residual of force", "rank of the"):
        assert words in out
        assert words in page.read_text()
    table = np.loadtxt(files / "plain.csv", delimiter=",")
    sides = [[float.fromhex(end) for end in side] for side in data["box"]]
    np.testing.assert_array_equal(sides, np.stack([table[:, :2].min(0), table[:, :2].max(0)], axis=1))
    for written in (page, file):
        assert check_certificate.main([str(written)]) == 0
        assert "rejected" not in capsys.readouterr().out


def test_a_condition_number_that_is_not_proven_is_explained(tmp_path):
    x = np.random.default_rng(0).uniform(size=(40, 2))
    net, theta = rk.kan([2, 2, 1], 2, 2, node_map="sigmoid").initialize(np.random.default_rng(1), x)
    rk.save(tmp_path / "net.npz", net, theta)
    np.savetxt(tmp_path / "data.csv", np.hstack([x, net(theta, x)]), delimiter=",", fmt="%.17g")
    out = command("certify", tmp_path / "net.npz", "--box", tmp_path / "data.csv", "--leaves", "2").out
    assert "3 of the 18 eigenvalues of J^T J/N are zero" in out
    assert "the rank, which this certificate does not prove, and without a proven rank none may be zero" in out


def test_boxes_are_intervals_inputs_or_the_domain(files):
    net = str(files / "net.npz")
    for box, words in (
        (["--box", "-1:1", "0:2.5"], "width in [-1, 1], length in [0, 2.5]"),
        (["--box", str(files / "inputs.csv")], "width in [0.0"),
        ([], "width in [0, 1], length in [0, 1]"),
    ):
        out = command("certify", net, *box, "--leaves", "10").out
        assert words in out
        assert "residual" not in out
        assert "is not reached with 10 leaves" in out


NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"


def test_bounds_are_written_in_decimals_that_are_bounds():
    rng = np.random.default_rng(0)
    drawn = rng.choice([-1.0, 1.0], 300) * 10.0 ** rng.uniform(-320, 308, 300)
    for number in (0.0, 0.1, 121252939.6463, 5e-324, -5e-324, *drawn.tolist()):
        for digits in (1, 3, 6, 15):
            below, above = (Fraction(f"{Bound(number):{side} {digits}g}") for side in ("below", "above"))
            assert below <= Fraction(number) <= above
            assert above - below <= abs(Fraction(number)) / 10 ** (digits - 1)
    assert f"{Bound(0.5):below 6g} {Bound(0.5):above 6g}" == "0.5 0.5"


def test_what_is_printed_contains_what_is_proven(files):
    arguments = ("--box", str(files / "plain.csv"), "--leaves", "300", "--tolerance", "0.05")
    file = files / "bounds.json"
    command("certify", files / "net.npz", *arguments, "--json", file)
    data = json.loads(file.read_text())
    kinds = set()
    for statement, (_, said) in zip(data["statements"], proven(data), strict=True):
        ends = {k: Fraction(float.fromhex(v)) for k, v in statement.items() if isinstance(v, str) and "0x" in v}
        if "smallest" in statement:
            (a, b), (c, d) = ([Fraction(float.fromhex(v)) for v in statement[k]] for k in ("smallest", "largest"))
            ends = {"low": c / b, "high": d / a}
        intervals = [tuple(map(Fraction, pair)) for pair in re.findall(rf"\[({NUMBER}), ({NUMBER})\]", said)]
        if not intervals:
            continue
        assert intervals[0][0] <= ends["low"]
        assert ends["high"] <= intervals[-1][1]
        if len(intervals) == 2:
            assert ends["least"] <= intervals[0][1]
            assert intervals[1][0] <= ends["greatest"]
        kinds.add(statement["kind"])
    assert {"range", "lipschitz", "residual"} <= kinds


@each_row(
    "network, arguments, message",
    ("net.npz", ["--box", "1:0", "0:1"], "LOW <= HIGH; got '1:0'"),
    ("net.npz", ["--box", "0:inf", "0:1"], "of finite numbers"),
    ("net.npz", ["--box", "nan:1", "0:1"], "of finite numbers"),
    ("net.npz", ["--box", "0:1"], "for each of the 2 inputs; got 1"),
    ("net.npz", ["--box", "0:1:2", "0:1"], "intervals LOW:HIGH"),
    ("net.npz", ["--box", "missing.csv"], "--box: No such file"),
    ("net.npz", ["--box", "FOUR"], "must have 2 columns, the inputs, or 3 columns, the inputs and then"),
    ("net.npz", ["--tolerance", "nan"], "--tolerance must"),
    ("net.npz", ["--leaves", "0"], "argument --leaves: must be a whole number, at least 1"),
    ("dense.npz", ["--box", "0:1", "0:1"], "a certificate supports layers of splines"),
    ("steps.npz", [], "of order 2 or more"),
    ("missing.npz", [], "NETWORK.npz: No such file"),
)
def test_bad_input_is_refused(files, network, arguments, message):
    arguments = [str(files / "four.csv") if each == "FOUR" else each for each in arguments]
    out, err = command("certify", files / network, *arguments, code=2)
    assert message in err, err
    assert not out
