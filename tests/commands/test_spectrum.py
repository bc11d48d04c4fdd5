"""`refkan spectrum`: tables, files, resuming, workers, clusters, and what it says when something is wrong."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refkan.analysis.conditioning.spectra import FLAGS
from refkan.base.long_runs import checkpoints
from refkan.claims.running import executors
from refkan.cli import main
from refkan.commands.spectra import spectrum
from tests.shared.tables import each_row

ROOT = Path(checkpoints.__file__).parent.parent
SMALL = ["--orders", "2", "--intervals", "2", "3", "--widths", "2", "1", "--samples", "40"]


def run(*options):
    return main(["spectrum", *SMALL, *options])


def test_a_table_of_all_combinations(capsys):
    assert run("--bases", "spline", "relu", "mlp-tanh", "--widths", "1", "1", "--seeds", "0", "1") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    # Two widths, two bases of splines on two intervals, dense networks once, two seeds.
    assert lines.index("") == 1 + 2 * (2 * 2 + 1) * 2
    assert lines[0].startswith("kind")
    assert "20/20 mlp-tanh [1, 1] seed 1: condition" in err


def test_files_are_written_and_points_are_kept(tmp_path, capsys):
    folder = tmp_path / "new" / "study"
    assert run("--output", str(folder)) == 0
    first = capsys.readouterr()
    rows = json.loads((folder / "spectrum.json").read_text())
    assert [(row["kind"], row["intervals"]) for row in rows] == [
        ("spline", 2), ("spline", 3), ("relu", 2), ("relu", 3),
    ]  # fmt: skip
    assert (folder / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "points").glob("*.json"))) == 4
    assert not list(folder.rglob("*.tmp"))
    assert run("--output", str(folder)) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert again.err.splitlines() == ["4 of 4 points are there already"]


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run() == 0
    assert not list(tmp_path.iterdir())


def test_workers_and_a_cluster_compute_the_same(tmp_path, capsys, cluster):
    before = dict(os.environ)
    assert run() == 0
    alone = capsys.readouterr().out
    assert run("--workers", "1", "--output", str(tmp_path)) == 0
    assert capsys.readouterr().out == alone
    assert run("--dask", cluster.scheduler_address) == 0
    assert capsys.readouterr().out == alone
    assert dict(os.environ) == before


def test_a_cluster_that_is_not_there(monkeypatch, capsys):
    class Unreachable:
        @staticmethod
        def Client(address, **options):  # noqa: N802
            raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(executors, "needed", lambda owner, name: Unreachable)
    assert run("--dask", "tcp://127.0.0.1:9") == 1
    assert "Timed out trying to connect to tcp://127.0.0.1:9" in capsys.readouterr().err


def test_the_extra_for_clusters_is_named_when_it_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert run("--dask", "tcp://127.0.0.1:8786") == 2
    assert "--dask needs distributed: pip install 'refkan[cluster]'" in capsys.readouterr().err


def test_hessians_and_preconditioners(capsys):
    assert run("--which", "hessian", "--node-map", "mean-std", "--preconditioner", "relu") == 0
    assert "spline/relu" in capsys.readouterr().out


@each_row(
    "options, message",
    (["--widths", "3"], "--widths must hold at least two numbers, inputs and outputs; got [3]"),
    (["--which", "hessian", "--widths", "3", "1"], "--which hessian needs two inputs and one output"),
    (["--bases", "fourier"], "invalid choice: 'fourier'"),
    (["--which", "fisher"], "invalid choice: 'fisher'"),
    (["--workers", "1", "--dask", "a"], "not allowed with argument"),
)
def test_wrong_options_are_usage_errors(options, message, capsys):
    try:
        code = run(*options)
    except SystemExit as refusal:
        code = refusal.code
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert message in err


def failing_study(error):
    def run(*_, **__):
        raise error

    return run


def test_a_dead_executor_and_an_interruption_have_codes_of_their_own(tmp_path, monkeypatch, capsys):
    died = RuntimeError("the executor failed when 3 of 4 points were done")
    monkeypatch.setattr(spectrum, "study", failing_study(died))
    assert run("--output", str(tmp_path)) == 1
    assert "3 of 4 points" in capsys.readouterr().err
    monkeypatch.setattr(spectrum, "study", failing_study(KeyboardInterrupt()))
    assert run("--output", str(tmp_path)) == 130
    assert capsys.readouterr().err == "refkan spectrum: interrupted\n"  # and nothing is kept of no point
    (tmp_path / "points").mkdir(exist_ok=True)
    (tmp_path / "points" / "one.npz").touch()
    assert run("--output", str(tmp_path)) == 130
    assert f"interrupted; finished points are kept in {tmp_path / 'points'}" in capsys.readouterr().err
    assert run() == 130
    assert not (tmp_path / "spectrum.json").exists()


def test_a_failed_point_is_shown_and_makes_the_code_1(monkeypatch, capsys):
    studies = importlib.import_module("refkan.analysis.conditioning.studies.studies")
    original = studies.measure

    def measure(point, *rest):
        if point.kind == "relu":
            raise MemoryError("too large")
        return original(point, *rest)

    monkeypatch.setattr(studies, "measure", measure)
    assert run() == 1
    assert capsys.readouterr().out.count("MemoryError: too large") == 2


def test_a_legend_explains_the_columns_and_the_flags_that_occur(capsys):
    assert run("--widths", "2", "5", "1") == 0
    table, legend = capsys.readouterr().out.split("\n\n")
    present = {flag for flag in FLAGS if any(line.split()[-1] == flag for line in table.splitlines())}
    assert present == {"nullity"}
    for name, meaning in FLAGS.items():
        assert (meaning in legend) == (name in present)
    assert "known" in legend


def test_the_help_explains_columns_and_flags(capsys):
    with pytest.raises(SystemExit):
        main(["spectrum", "--help"])
    told = " ".join(capsys.readouterr().out.split())
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


def test_certificates(tmp_path, capsys):
    assert run("--certify", "--bases", "spline", "relu", "--output", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "condition in" in out
    rows = json.loads((tmp_path / "certificates.json").read_text())
    measured = json.loads((tmp_path / "spectrum.json").read_text())
    assert len(rows) == len(measured) == 4
    for row, beside in zip(rows, measured, strict=True):
        assert (row["rank"], row["by"], row["error"]) == (beside["rank"], "exact", "")
        assert row["low"] <= row["high"] <= row["low"] * (1 + 3e-10)
        assert beside["condition"] == pytest.approx(row["low"], rel=1e-8)


def test_certificates_of_kernels_and_of_what_has_none(tmp_path, capsys):
    assert run("--certify", "--which", "ntk", "--bases", "spline", "--orders", "2", "--output", str(tmp_path)) == 0
    rows, measured = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("certificates", "spectrum"))
    for row, beside in zip(rows, measured, strict=True):
        assert (row["rank"], row["nullity"], row["error"]) == (beside["rank"], beside["nullity"], "")
        assert beside["condition"] == pytest.approx(row["low"], rel=1e-8)
    capsys.readouterr()
    assert run("--certify", "--preconditioner", "jacobi") == 2
    assert "--certify takes matrices without preconditioner" in capsys.readouterr().err
