"""`refkan spectrum --network`: the spectrum and the certificates of a network, samples and weights in files."""

import csv
import json
import re
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.commands.spectra.own_network import CertifiedRow, certificate_table
from tests.shared.commands import command
from tests.shared.tables import each_row


@pytest.fixture
def files(tmp_path):
    """A network [2, 2, 1] with its samples and weights in files, as the options that name them, and the problem."""
    rng = np.random.default_rng(3)
    x, weights = rng.uniform(size=(30, 2)), rng.uniform(0.5, 2.0, size=30)
    y = np.sin(3 * x.sum(axis=1, keepdims=True))
    net, theta = rk.kan([2, 2, 1], order=2, intervals=2, outside="polynomial").initialize(rng, x)
    rk.save(tmp_path / "net.npz", net, theta)
    rows = [",".join(map(repr, map(float, row))) for row in np.hstack([x, y])]
    (tmp_path / "samples.csv").write_text("# x1,x2,y\n" + "\n".join(rows) + "\n")
    (tmp_path / "weights.csv").write_text("# weights\n" + "\n".join(map(repr, map(float, weights))) + "\n\n")
    options = ["--network", str(tmp_path / "net.npz"), "--data", str(tmp_path / "samples.csv")]
    return options, ["--weights", str(tmp_path / "weights.csv")], rk.LeastSquares(net, x, y, weights), theta


run = partial(command, "spectrum")


def refused(*options):
    out, err = run(*options, code=2)
    assert not out
    return err


def test_spectra_and_certificates_are_those_of_the_problem(files, tmp_path):
    options, weights, problem, theta = files
    out = tmp_path / "out"
    told = run(*options, *weights, "--bases", "spline", "relu", "--certify", "--output", out).out
    assert "condition in" in told
    assert "float64 takes eigenvalues below its own rounding for zeros" in told
    spectra, certificates = (json.loads((out / name).read_text()) for name in ("spectrum.json", "certificates.json"))
    assert (out / "spectrum.png").read_bytes().startswith(b"\x89PNG")
    lines = list(csv.DictReader((out / "spectrum.csv").read_text().splitlines()))
    for row in spectra:
        mine = [line for line in lines if line["basis"] == row["basis"]]
        assert [float(line["eigenvalue"]) for line in mine] == row["values"]
        assert [int(line["number"]) for line in mine] == list(range(1, len(mine) + 1))
        assert sum(line["in_range"] == "True" for line in mine) == row["rank"]
    for basis, row, certificate in zip(("spline", "relu"), spectra, certificates, strict=True):
        spectrum = rk.spectrum(problem, theta, basis=basis)
        assert (row["basis"], row["values"], row["rank"]) == (basis, spectrum.values.tolist(), spectrum.rank)
        low, high = rk.exact.certified_gauss_newton_condition(problem, theta, basis=basis)
        assert (certificate["point"], certificate["low"], certificate["high"]) == (basis, low, high)
        assert spectrum.condition == pytest.approx(low, rel=1e-6)
    assert spectra[0]["condition"] != spectra[1]["condition"]


def test_outputs_count_in_hessians(files):
    options, weights, problem, theta = files
    told = run(*options, *weights, "--which", "hessian", "--certify").out
    assert rk.spectrum(problem, theta, which="hessian").table in told
    low, high = rk.exact.certified_spectrum(problem, theta, which="hessian").condition.floats()
    (told_low, told_high), *_ = re.findall(r"\[([\d.]+e[+-]\d+), ([\d.]+e[+-]\d+)\]", told)
    assert Fraction(told_low) <= Fraction(low)
    assert Fraction(high) <= Fraction(told_high)
    assert float(told_low) == pytest.approx(low, rel=1e-14)
    assert float(told_high) == pytest.approx(high, rel=1e-14)


def test_condition_numbers_beyond_the_floats_and_errors_are_rows_too():
    table = certificate_table([CertifiedRow("far", 2, 0, 1e300, np.inf, "exact"), CertifiedRow("no", error="refused")])
    assert "[1.00000000000000e+300, inf]  exact" in table
    assert table.endswith("no         refused")


def test_a_dense_network_has_its_own_parameters(tmp_path):
    x = np.linspace(0.0, 1.0, 12)[:, None]
    net, theta = rk.mlp([1, 2, 1], "relu").initialize(np.random.default_rng(0), x)
    rk.save(tmp_path / "net.npz", net, theta)
    np.savetxt(tmp_path / "samples.csv", np.hstack([x, x]), delimiter=",")
    options = ["--network", str(tmp_path / "net.npz"), "--data", str(tmp_path / "samples.csv")]
    assert "own parameters" in run(*options, "--certify").out
    assert "basis 'relu' is not available: DenseLayer has none" in refused(*options, "--bases", "relu")


NUMBERS = "must hold numbers separated by commas, as many in each line: "


@each_row(
    "text, message",
    ("", "must hold at least one line of numbers; got none"),
    ("# x1,x2,y\n\n", "must hold at least one line of numbers; got none"),
    ("0.1,0.2\n", "must have 3 columns, the inputs and then the outputs; got 2"),
    ("0.1,0.2,0.3\n0.4,0.5\n", f"{NUMBERS}the number of columns changed from 3 to 2 at row 2"),
    ("x1,x2,y\n0.1,0.2,0.3\n", f"{NUMBERS}could not convert string 'x1' to float64 at row 0, column 1"),
    ("0.1;0.2;0.3\n", f"{NUMBERS}could not convert string '0.1;0.2;0.3'"),
    ("0.1,,0.3\n", f"{NUMBERS}could not convert string ''"),
    (
        "0.1,0.2,0.3\n0.1,nan,0.3\n1,2,inf\n",
        "must hold finite numbers; got others in 2 of 3 rows, the first of them row",
    ),
)
def test_samples_that_do_not_fit_are_reported(files, tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text)
    err = refused(*files[0][:3], str(tmp_path / "bad.csv"))
    assert f"--data: {tmp_path / 'bad.csv'} {message}" in err


@each_row(
    "text, message",
    ("1\n" * 29, "must have a row for each of the 30 samples; got 29"),
    ("1\n" * 29 + "-1\n", "must hold no negative weight; got -1"),
)
def test_weights_that_do_not_fit_are_refused(files, tmp_path, text, message):
    (tmp_path / "bad.csv").write_text(text)
    assert message in refused(*files[0], "--weights", str(tmp_path / "bad.csv"))


def test_files_that_are_not_there_or_something_else_are_refused(files, tmp_path):
    (network, net), (data, samples) = files[0][:2], files[0][2:]
    assert "--network: No such file" in refused(network, "absent.npz", data, samples)
    assert "--data: No such file" in refused(network, net, data, "absent.csv")
    assert "must hold numbers separated by commas" in refused(network, net, data, net)
    assert "--network: " in refused(network, samples, data, samples)
    assert "--network needs --data" in refused(network, net)


@each_row(
    "options, message",
    (["--orders", "3"], "--orders describes the networks of a study; leave it out with --network"),
    (["--node-map", "none"], "--node-map describes the networks of a study"),
    (["--workers", "1"], "--workers describes the networks of a study"),
    (["--bases", "mlp-relu"], "--bases with --network must be one of"),
)
def test_options_of_studies_are_refused(files, options, message):
    assert message in refused(*files[0], *options)


def test_files_without_a_network_are_refused(files):
    assert "--data belongs to a network in a file" in refused(*files[0][2:])
    assert "--weights belongs to a network in a file" in refused(*files[1])
