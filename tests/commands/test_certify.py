"""`refkan certify`: text, files, names, and bad input."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

import check_certificate
import refkan as rk
from refkan.cli import main
from refkan.commands.certificate_page import Bound, proven
from tests.shared.tables import each_row


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certify")
    x = np.random.default_rng(0).uniform(size=(20, 2))
    net, theta = rk.kan([2, 2, 1], 3, 2).initialize(np.random.default_rng(1), x)
    rk.save(folder / "net.npz", net, theta, notes={"columns": ["width", "length", "force"]})
    table = np.hstack([x, net(theta, x) + 0.01])
    np.savetxt(folder / "plain.csv", table, delimiter=",", fmt="%.17g")
    lines = [f"piece,{b!r},{t!r},{a!r}" for a, b, t in table.tolist()]
    (folder / "named.csv").write_text("\n".join(["name,length,force,width", *lines]))
    (folder / "inputs.csv").write_text("\n".join(f"{a!r},{b!r}" for a, b, _ in table.tolist()))
    (folder / "four.csv").write_text("\n".join("1.5,2.5,3.5,4.5" for _ in range(3)))
    dense, w = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(1), x)
    rk.save(folder / "dense.npz", dense, w)
    steps, w = rk.kan([1, 1], 1, 3).initialize(np.random.default_rng(1), x[:, :1])
    rk.save(folder / "steps.npz", steps, w)
    return folder


def test_a_page_and_a_file_hold_what_is_printed_and_are_accepted(files, capsys):
    page, file = files / "page.html", files / "certificate.json"
    arguments = ("--box", str(files / "named.csv"), "--leaves", "300", "--tolerance", "0.05")
    assert main(["certify", str(files / "net.npz"), *arguments, "--html", str(page), "--json", str(file)]) == 0
    out = capsys.readouterr().out
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


def test_boxes_are_intervals_inputs_or_the_domain(files, capsys):
    net = str(files / "net.npz")
    for box, words in (
        (["--box", "-1:1", "0:2.5"], "width in [-1, 1], length in [0, 2.5]"),
        (["--box", str(files / "inputs.csv")], "width in [0.0"),
        ([], "width in [0, 1], length in [0, 1]"),
    ):
        assert main(["certify", net, *box, "--leaves", "10"]) == 0
        out = capsys.readouterr().out
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


def test_what_is_printed_contains_what_is_proven(files, capsys):
    arguments = ("--box", str(files / "plain.csv"), "--leaves", "300", "--tolerance", "0.05")
    file = files / "bounds.json"
    assert main(["certify", str(files / "net.npz"), *arguments, "--json", str(file)]) == 0
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
    ("net.npz", ["--box", "FOUR"], "must have 2 columns, the inputs, or 3"),
    ("net.npz", ["--tolerance", "nan"], "--tolerance must"),
    ("net.npz", ["--leaves", "0"], "argument --leaves: must be a whole number, at least 1"),
    ("dense.npz", ["--box", "0:1", "0:1"], "a certificate takes layers of splines"),
    ("steps.npz", [], "of order 2 or more"),
    ("missing.npz", [], "NETWORK.npz: No such file"),
)
def test_bad_input_is_refused(files, capsys, network, arguments, message):
    arguments = [str(files / "four.csv") if each == "FOUR" else each for each in arguments]
    try:
        code = main(["certify", str(files / network), *arguments])
    except SystemExit as refusal:  # of a number that is out of range
        code = refusal.code
    out, err = capsys.readouterr()
    assert code == 2
    assert message in err, err
    assert not out
