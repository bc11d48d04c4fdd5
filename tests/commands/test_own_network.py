"""`refkan spectrum --network`: the spectrum and the certificates of a network, samples and weights in files."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.cli import main


@pytest.fixture
def files(tmp_path):
    """A network [2, 2, 1] with its samples and weights in files, as the options that name them, and the problem."""
    rng = np.random.default_rng(3)
    x, weights = rng.uniform(size=(30, 2)), rng.uniform(0.5, 2.0, size=30)
    y = np.sin(3 * x.sum(axis=1, keepdims=True))
    net, theta = rk.kan([2, 2, 1], order=2, intervals=2, outside="polynomial").initialize(rng, x)
    rk.save(tmp_path / "net.npz", net, theta)
    rows = [",".join(map(repr, map(float, row))) for row in np.hstack([x, y])]
    (tmp_path / "samples.csv").write_text("x1,x2,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "weights.csv").write_text("# weights\n" + "\n".join(map(repr, map(float, weights))) + "\n\n")
    options = ["--network", str(tmp_path / "net.npz"), "--data", str(tmp_path / "samples.csv")]
    return options, ["--weights", str(tmp_path / "weights.csv")], rk.LeastSquares(net, x, y, weights), theta


def run(*options):
    return main(["spectrum", *options])


def refused(capsys, *options):
    assert run(*options) == 2
    out, err = capsys.readouterr()
    assert not out
    return err


def test_spectra_and_certificates_are_those_of_the_problem(files, tmp_path, capsys):
    options, weights, problem, theta = files
    out = tmp_path / "out"
    assert run(*options, *weights, "--bases", "spline", "relu", "--certify", "--output", str(out)) == 0
    told = capsys.readouterr().out
    assert "condition in" in told
    assert "float64 takes eigenvalues below its own rounding for zeros" in told
    spectra, certificates = (json.loads((out / name).read_text()) for name in ("spectrum.json", "certificates.json"))
    assert (out / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    for basis, row, certificate in zip(("spline", "relu"), spectra, certificates, strict=True):
        found = rk.spectrum(problem, theta, basis=basis)
        assert (row["basis"], row["values"], row["rank"]) == (basis, found.values.tolist(), found.rank)
        low, high = rk.exact.certified_condition_number(problem, theta, basis=basis)
        assert (certificate["point"], certificate["low"], certificate["high"]) == (basis, low, high)
        assert found.condition == pytest.approx(low, rel=1e-6)
    assert spectra[0]["condition"] != spectra[1]["condition"]


def test_weights_count(files, capsys):
    options, weights, problem, theta = files
    assert run(*options) == 0
    plain = capsys.readouterr().out
    assert run(*options, *weights) == 0
    weighted = capsys.readouterr().out
    assert plain != weighted
    assert rk.spectrum(problem, theta).table in weighted
    assert rk.spectrum(rk.LeastSquares(problem.net, problem.x, problem.y), theta).table in plain


def test_outputs_count_in_hessians(files, capsys):
    options, weights, problem, theta = files
    assert run(*options, *weights, "--which", "hessian", "--certify") == 0
    told = capsys.readouterr().out
    assert rk.spectrum(problem, theta, which="hessian").table in told
    low, high = rk.exact.certified_spectrum(problem, theta, which="hessian").condition.floats()
    assert f"[{low:.15e}, {high:.15e}]" in told


def test_a_dense_network_has_its_own_parameters(tmp_path, capsys):
    x = np.linspace(0.0, 1.0, 12)[:, None]
    net, theta = rk.mlp([1, 2, 1], "relu").initialize(np.random.default_rng(0), x)
    rk.save(tmp_path / "net.npz", net, theta)
    np.savetxt(tmp_path / "samples.csv", np.hstack([x, x]), delimiter=",")
    options = ["--network", str(tmp_path / "net.npz"), "--data", str(tmp_path / "samples.csv")]
    assert run(*options, "--certify") == 0
    assert "own parameters" in capsys.readouterr().out
    assert "basis 'relu' is not available: a dense layer has none" in refused(capsys, *options, "--bases", "relu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold at least one line of numbers; got none"),
        ("x1,x2,y\n", "must hold at least one line of numbers; got none"),
        ("0.1,0.2\n", "must have 3 columns, the 2 inputs of the network and then its 1 outputs; got 2"),
        ("0.1,0.2,0.3\n0.4,0.5\n", "must have equally many columns in all lines, 3 as in the first; got 2 in line 2"),
        ("x1,x2,y\n0.1,oops,0.3\n", "must hold finite numbers, separated by commas; got 'oops' in line 2, column 2"),
        ("0.1,0.2,nan\n", "must hold finite numbers, separated by commas; got 'nan' in line 1, column 3"),
        ("0.1;0.2;0.3\n0.4;0.5;0.6\n", "must hold finite numbers, separated by commas; got '0.4;0.5;0.6' in line 2"),
    ],
)
def test_samples_that_do_not_fit_are_told_where(files, tmp_path, capsys, text, message):
    (tmp_path / "bad.csv").write_text(text)
    err = refused(capsys, *files[0][:3], str(tmp_path / "bad.csv"))
    assert f"--data: {tmp_path / 'bad.csv'} {message}" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n" * 29, "must have one column and 30 rows, one weight a sample; got 1 columns and 29 rows"),
        ("1\n" * 29 + "-1\n", "must hold no negative weight; got -1"),
    ],
)
def test_weights_that_do_not_fit_are_refused(files, tmp_path, capsys, text, message):
    (tmp_path / "bad.csv").write_text(text)
    assert message in refused(capsys, *files[0], "--weights", str(tmp_path / "bad.csv"))


def test_files_that_are_not_there_or_something_else_are_refused(files, tmp_path, capsys):
    (network, net), (data, samples) = files[0][:2], files[0][2:]
    assert "--network: No such file" in refused(capsys, network, "absent.npz", data, samples)
    assert "--data: No such file" in refused(capsys, network, net, data, "absent.csv")
    assert "must be a text file of comma-separated numbers" in refused(capsys, network, net, data, net)
    assert "--network: " in refused(capsys, network, samples, data, samples)
    assert "--network needs --data" in refused(capsys, network, net)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--orders", "3"], "--orders describes the networks of a study; leave it out with --network"),
        (["--node-map", "none"], "--node-map describes the networks of a study"),
        (["--workers", "1"], "--workers describes the networks of a study"),
        (["--bases", "mlp-relu"], "--bases with --network must be one of"),
    ],
)
def test_options_of_studies_are_refused(files, capsys, options, message):
    assert message in refused(capsys, *files[0], *options)


def test_files_without_a_network_are_refused(files, capsys):
    assert "--data belongs to a network in a file" in refused(capsys, *files[0][2:])
    assert "--weights belongs to a network in a file" in refused(capsys, *files[1])
