"""Scripts of docs/certificates.md: published networks as their authors write them; others as plain ReLU networks."""

import importlib.util
import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from scipy.interpolate import BSpline

import refkan as rk

DOCS = Path(__file__).parents[3] / "docs"


def script(name):
    specification = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


published_networks, relu_bounds = script("published_networks"), script("relu_bounds")


def written(rng, widths):
    """A file of numbers drawn at random, as published ones are."""
    data = {"width": widths, "degree": 3, "coefs_size": 5, "knots_size": 9}
    edges = [(k, q, p) for k in range(len(widths) - 1) for q, p in product(range(widths[k + 1]), range(widths[k]))]
    for name, low, count in (("knots", -1.0, 9), ("coefs", None, 5)):
        values = {edge: np.linspace(-2.5, 2.5, 9) if low else rng.normal(size=count) for edge in edges}
        data[f"{name}_dict"] = {
            f"{k},{q},{p},{i}": v for (k, q, p), row in values.items() for i, v in enumerate(row.tolist())
        }
    for name in ("scale_base", "scale_sp", "input_lb", "input_ub"):
        fixed = {"input_lb": -0.6, "input_ub": 0.6}.get(name)
        data[f"{name}_dict"] = {",".join(map(str, edge)): fixed or rng.normal() for edge in edges}
    data["biases_dict"] = {f"{k},{q}": rng.normal() for k in range(len(widths) - 1) for q in range(widths[k + 1])}
    for name, count in (("input", widths[0]), ("output", 1)):
        data[f"mean_{name}_dict"] = {str(i): 0.1 * rng.normal() for i in range(count)}
        data[f"std_{name}_dict"] = {str(i): rng.uniform(1, 2) for i in range(count)}
    return data


def value(data, x):
    """The output in its own unit at scaled inputs (P,)."""
    for k, outputs in enumerate(data["width"][1:]):
        y = [data["biases_dict"][f"{k},{q}"] for q in range(outputs)]
        for q, p in product(range(outputs), range(len(x))):
            knots, c = (
                [data[f"{name}_dict"][f"{k},{q},{p},{i}"] for i in range(n)] for name, n in (("knots", 9), ("coefs", 5))
            )
            basis = sum(
                c_i * BSpline.basis_element(knots[i : i + 5], extrapolate=False)(x[p])
                if knots[i] <= x[p] < knots[i + 4]
                else 0.0
                for i, c_i in enumerate(c)
            )
            silu = x[p] / (1 + np.exp(-x[p]))
            y[q] += data["scale_base_dict"][f"{k},{q},{p}"] * silu + data["scale_sp_dict"][f"{k},{q},{p}"] * basis
        x = y
    return x[0] * data["std_output_dict"]["0"] + data["mean_output_dict"]["0"]


def test_values_are_those_of_the_file_and_extremes_hold_them(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(8)
    data = written(rng, [2, 2, 1])
    (tmp_path / "Peaks_H1_N2.json").write_text(json.dumps(data))
    net, theta, box, scale, shift = published_networks.read(tmp_path / "Peaks_H1_N2.json")
    points = rng.uniform(box[:, 0], box[:, 1], (50, 2))
    expected = np.array([value(data, list(x)) for x in points])
    assert np.allclose(net(theta, points)[:, 0] * scale + shift, expected, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(sys, "argv", ["published_networks.py", str(tmp_path), "--json", str(tmp_path / "results")])
    published_networks.main()
    assert "1 of 1 to 0.001 of the range" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "results").read_text())
    assert row["minimum"][0] <= expected.min()
    assert row["maximum"][1] >= expected.max()


def test_networks_of_order_two_are_plain_relu_networks_beyond_their_domains_too():
    rng = np.random.default_rng(6)
    net, theta = rk.kan([3, 2, 2], order=2, intervals=4, outside="linear").initialize(rng, rng.uniform(size=(30, 3)))
    relu = net.to_basis("relu")
    weights = net.convert(theta + rng.normal(size=theta.shape), relu)
    matrices = relu_bounds.plain_relu_network(relu, weights)
    points = rng.uniform(-1.0, 2.0, size=(200, 3))
    h = points
    for A, c in matrices[:-1]:
        h = np.maximum(h @ A.T + c, 0.0)
    A, c = matrices[-1]
    assert np.allclose(h @ A.T + c, relu(weights, points), rtol=1e-12, atol=1e-12)
