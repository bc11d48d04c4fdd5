"""ReLU networks of order 2: exactly the network, the same in ONNX runtime, and questions with the proven answers."""

import re
import sys
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import refkan as rk
from refkan.cli import main
from refkan.interop.relu_networks import drawn_boxes, in_relu_basis, questions, relu_network, write_onnx
from refkan.truth import of


def trained(widths=(2, 3, 1), **options):
    x = np.random.default_rng(0).uniform(size=(200, widths[0]))
    net, theta = rk.kan(list(widths), 2, 4, **options).initialize(np.random.default_rng(1), x)
    return net, theta + 0.3 * np.random.default_rng(2).standard_normal(theta.shape)


def exact_values(parts, x):
    """The outputs of linear parts and ReLUs at one point, over rational numbers."""
    z = [Fraction(float(each)) for each in x]
    for part in parts:
        rows = zip(part.weights.tolist(), part.shift.tolist(), strict=True)
        z = [sum((Fraction(a) * b for a, b in zip(row, z, strict=True)), Fraction(c)) for row, c in rows]
        if part.relu:
            z = [max(each, Fraction(0)) for each in z]
    return z


@pytest.mark.parametrize("options", [{}, {"node_map": "mean-std"}, {"outside": "polynomial"}], ids=str)
def test_the_relu_network_is_the_network_exactly(options):
    relu, weights = in_relu_basis(*trained((2, 3, 2), **options))
    parts = relu_network(relu, weights)
    points = [*np.random.default_rng(3).uniform(-0.5, 1.5, (8, 2)), [0.0, 1.0], [0.25, 0.5]]
    for x in points:
        assert exact_values(parts, x) == of(relu, weights, [list(map(float, x))]).value[0]


def output(net, theta, q, sign, x):
    """An output, times a sign."""
    return sign * net(theta, x)[:, q]


def greatest(values, box):
    """The greatest value on grids around the best point of each, and the range on the first."""
    low, high = box.T
    best, spread = -np.inf, None
    for _ in range(6):
        grid = np.stack(np.meshgrid(*np.linspace(low, high, 101).T), axis=-1).reshape(-1, 2)
        y = values(grid)
        best = max(best, y.max())
        if spread is None:
            spread = np.ptp(y)
        reach = 0.05 * (high - low)
        low, high = (np.clip(grid[y.argmax()] + side * reach, *box.T) for side in (-1, 1))
    return best, spread


def test_questions_have_the_proven_answers():
    relu, weights = in_relu_basis(*trained())
    boxes = drawn_boxes(np.array([[0.0, 1.0]] * 2), 3, seed=4)
    assert len(boxes) == 3
    asked = list(questions(relu, weights, boxes, 2000))
    assert len(asked) == 12
    for question in asked:
        low, high = question.box.T
        assert (low >= 0).all()
        assert (high <= 1).all()
        sign = 1.0 if question.relation == ">=" else -1.0
        extreme, spread = greatest(partial(output, relu, weights, question.output, sign), question.box)
        assert (extreme >= sign * question.threshold) == question.name.endswith("-sat")
        assert abs(extreme - sign * question.threshold) <= 0.01 * spread


def test_texts_hold_the_numbers_as_they_are():
    relu, weights = in_relu_basis(*trained())
    question = next(questions(relu, weights, [np.array([[0.1, 0.7], [1e-9, 1.0]])], 500))
    text = question.text(1)
    low, high = re.match(r"; unsat: the extreme of Y_0 is between (\S+) and (\S+)\n", text).groups()
    assert (Fraction(low), Fraction(high)) == tuple(map(Fraction, question.bound))
    numbers = re.findall(r"\((?:>=|<=) (\w+) ([-.\d]+)\)", text)
    expected = [("X_0", 0.1), ("X_0", 0.7), ("X_1", 1e-9), ("X_1", 1.0), ("Y_0", question.threshold)]
    assert [(name, Fraction(number)) for name, number in numbers] == [(name, Fraction(x)) for name, x in expected]


def test_onnx_runtime_computes_the_network(tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    net, theta = trained(node_map="mean-std")
    _, _, count = write_onnx(net, theta, [np.array([[0.0, 1.0]] * 2)], tmp_path / "net.onnx", 500)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(5).uniform(size=(20, 2))
    y = np.concatenate([session.run(None, {"x": row[None]})[0] for row in x])
    assert np.abs(y - net(theta, x)).max() <= 1e-13 * np.abs(y).max()
    listed = (tmp_path / "net.csv").read_text().splitlines()
    assert len(listed) == count == 4
    assert all((tmp_path / line.split(",")[1]).exists() for line in listed)


def test_the_command(tmp_path, capsys):
    pytest.importorskip("onnx")
    rk.save(tmp_path / "net.npz", *trained())
    options = ["--onnx", "--output", str(tmp_path / "f.onnx"), "--box", "0:1", "0:0.5", "--boxes", "2"]
    assert main(["model", "export", str(tmp_path / "net.npz"), *options]) == 0
    assert re.search(
        r"f.onnx: in exact arithmetic within \S+e-1\d of the network; 8 questions", capsys.readouterr().out
    )
    assert len(list(tmp_path.glob("f-*.vnnlib"))) == 8


def test_without_onnx_the_command_says_what_to_install(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    rk.save(tmp_path / "net.npz", *trained())
    options = ["--onnx", "--output", str(tmp_path / "f.onnx")]
    assert main(["model", "export", str(tmp_path / "net.npz"), *options]) == 2
    assert "refkan model export --onnx needs onnx: pip install onnx" in capsys.readouterr().err
    assert not list(tmp_path.glob("f*"))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (rk.kan([2, 1], 3, 2), "layers of order 2"),
        (rk.kan([2, 1], 2, 2, edge="silu"), "without SiLU"),
        (rk.kan([2, 1], 2, 2, outside="natural"), "outside='natural'"),
        (rk.kan([2, 2, 1], 2, 2, node_map="sigmoid"), "no sigmoid maps"),
    ],
)
def test_other_networks_are_refused(net, message):
    net, theta = net.initialize(0, np.random.default_rng(0).uniform(size=(20, 2)))
    with pytest.raises(ValueError, match=message):
        in_relu_basis(net, theta)
