"""`refkan model`: spectrum, refine and judge of models in files."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import BSpline, PPoly

import check_certificate
import refkan as rk
from refkan.cli import main
from refkan.commands import model
from refkan.interop import read_model
from refkan.networks.edge_functions import edge_values
from refkan.networks.node_maps import NODE_MAPS
from tests.interop.models import efficient_state, pykan_state, pykan_values
from tests.shared.tables import each_row


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "model.npz", **pykan_state(np.random.default_rng(0), [2, 2, 1]))
    return tmp_path / "model.npz"


def test_spectrum(file, capsys):
    assert main(["model", "spectrum", str(file), "--samples", "200"]) == 0
    captured = capsys.readouterr()
    assert "condition number" in captured.out
    assert "SiLU is assumed" in captured.err


def test_a_network_of_refkan_says_what_its_functions_are(file, tmp_path, capsys):
    rk.save(tmp_path / "net.npz", *read_model(file))
    assert main(["model", "judge", str(tmp_path / "net.npz")]) == 0
    assert "assumed" not in capsys.readouterr().err


def test_export(tmp_path, capsys):
    net, theta = rk.kan([1, 2, 1], 3, 2).initialize(np.random.default_rng(0), np.linspace(0, 1, 20)[:, None])
    rk.save(tmp_path / "net.npz", net, theta)
    options = ["--output", str(tmp_path / "f.c"), "--dtype", "Q8.24", "--box", "0:0.5", "--leaves", "2"]
    assert main(["model", "export", str(tmp_path / "net.npz"), *options]) == 0
    assert "f.c: in Q8.24 within " in capsys.readouterr().out
    certificate, code = tmp_path / "f.json", tmp_path / "f.c"
    given = [str(certificate), "--code", str(code), "--network", str(tmp_path / "net.npz")]
    assert check_certificate.main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accepted  the network: net.npz has the SHA-256 that is named")
    assert lines[1] == "accepted  the code: its text is the one that the table of the certificate makes"
    assert lines[2].startswith("accepted  statement 1 (code): the code in Q8.24 is within ")


def test_refine(file, tmp_path, capsys):
    out = tmp_path / "fine.npz"
    assert main(["model", "refine", str(file), "--output", str(out)]) == 0
    assert capsys.readouterr().out.count("values differ by") == 2
    with np.load(file) as old, np.load(out) as new:
        x = np.random.default_rng(1).uniform(-3, 4, (100, 2))
        before, after = (pykan_values(dict(state), x) for state in (old, new))
    assert np.abs(after - before).max() <= 1e-13 * np.abs(before).max()
    assert read_model(out)[0].layers[0].intervals > read_model(file)[0].layers[0].intervals


def test_a_finer_grid_of_another_function_is_noticed(file, tmp_path, monkeypatch, capsys):
    finer = model._finer
    monkeypatch.setattr(model, "_finer", lambda net, theta: finer(net, theta * (1 + 1e-8)))
    assert main(["model", "refine", str(file), "--output", str(tmp_path / "fine.npz")]) == 1
    assert "values differ by more than 1e-12" in capsys.readouterr().err


@pytest.mark.parametrize("outside", ["linear", "polynomial", "error"])
def test_refine_networks_of_our_own(outside, tmp_path, capsys):
    x = np.random.default_rng(0).uniform(size=(50, 2))
    net, theta = rk.kan([2, 3, 1], 3, 4, outside=outside, node_map="sigmoid").initialize(np.random.default_rng(1), x)
    file, out = tmp_path / "net.npz", tmp_path / "fine.npz"
    rk.save(file, net, theta)
    assert main(["model", "refine", str(file), "--output", str(out)]) == 0
    assert capsys.readouterr().out.count("values differ by") == (1 if outside == "error" else 2)
    fine, finer, *_ = rk.load(out)
    assert (fine.layers[0].intervals, fine.layers[0].outside) == (8, outside)
    assert np.abs(fine(finer, x) - net(theta, x)).max() <= 1e-13 * np.abs(net(theta, x)).max()


@each_row(
    "options, message",
    ({}, "got outside='linear': build the network by refkan.kan(..., outside='natural') and train it again"),
    ({"basis": "relu", "outside": "natural"}, "got basis='relu': build"),
    ({"free_knots": True}, "got outside='linear', free_knots=True: build"),
    ({"node_map": "mean-std", "outside": "natural"}, "the same function without statistics is net.freeze(theta)"),
    ({"node_map": "sigmoid", "outside": "natural"}, "build the network by refkan.kan(..., node_map='none') or 'aff"),
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_networks_that_cannot_be_judged_come_with_the_remedy(options, message, tmp_path, capsys):
    x = np.random.default_rng(0).uniform(size=(50, 2))
    net, theta = rk.kan([2, 3, 1], 3, 4, **options).initialize(np.random.default_rng(1), x)
    rk.save(tmp_path / "net.npz", net, theta)
    assert main(["model", "judge", str(tmp_path / "net.npz")]) == 2
    assert message in capsys.readouterr().err
    remedied = {"basis": "spline", "outside": "natural", "free_knots": False}
    if options.get("node_map") == "mean-std":
        net = net.freeze(theta)
    elif options.get("node_map") == "sigmoid":
        net, theta = rk.kan([2, 3, 1], 3, 4, outside="natural", node_map="none").initialize(np.random.default_rng(1), x)
    else:
        net, theta = rk.kan([2, 3, 1], 3, 4, **remedied).initialize(np.random.default_rng(1), x)
    rk.save(tmp_path / "net.npz", net, theta)
    assert main(["model", "judge", str(tmp_path / "net.npz")]) == 0


def test_judge(file, tmp_path, capsys):
    with np.load(file) as state:
        x = np.random.default_rng(1).uniform(-3, 4, (100, 2))
        y = pykan_values(dict(state), x)
    np.savez(tmp_path / "values.npz", x=x, y=y)
    assert main(["model", "judge", str(file), "--outputs", str(tmp_path / "values.npz")]) == 0
    assert "outputs agree" in capsys.readouterr().out
    y[7, 0] += 1e-6
    np.savez(tmp_path / "values.npz", x=x, y=y)
    assert main(["model", "judge", str(file), "--outputs", str(tmp_path / "values.npz")]) == 1
    assert "outputs differ" in (out := capsys.readouterr().out)
    assert "y[7, 0]" in out


@each_row(
    "size, command, code, message",
    (0.0, "spectrum", 0, "samples: 54 parameters, rank 0"),
    (1e-320, "spectrum", 2, "refkan model spectrum: the eigenvalues must be normal float64 numbers"),
    (1e300, "judge", 0, "layer 1: its inputs overflow"),
    (1e300, "refine", 2, "refkan model refine: theta and x must keep values within float64"),
)
def test_weights_of_extreme_sizes(size, command, code, message, tmp_path, capsys):
    state = efficient_state(np.random.default_rng(0), [2, 2, 1])
    np.savez(tmp_path / "model.npz", **{n: a if "grid" in n else np.full_like(a, size) for n, a in state.items()})
    output = ["--output", str(tmp_path / "fine.npz")] if command == "refine" else []
    assert main(["model", command, str(tmp_path / "model.npz"), "--samples", "40", *output]) == code
    captured = capsys.readouterr()
    assert message in captured.out + captured.err


@each_row(
    "arguments, message",
    (["spectrum", "none.npz"], "FILE: No such file or directory"),
    (["refine", "model.npz", "--output", "fine.pt"], "--output must end in .npz"),
    (["judge", "model.npz", "--outputs", "model.npz"], "must hold x and y"),
    (["judge", "model.npz", "--samples", "0"], "argument --samples: must be a whole number, at least 1"),
)
def test_bad_input(file, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["model", *arguments])
    except SystemExit as refusal:  # of a number that is out of range
        code = refusal.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "fine.npz").exists()


@each_row(
    "arrays, message",
    (None, "No such file or directory; got 'values.npz'"),
    ({"x": np.ones((0, 2)), "y": np.ones((0, 1))}, "x must hold at least one sample; got none"),
    ({"x": np.ones((3, 1)), "y": np.ones((3, 1))}, "x must have shape (N, 2); got (3, 1)"),
    ({"x": np.full((3, 2), np.nan), "y": np.ones((3, 1))}, "x must be finite; got x[0, 0] = nan"),
    ({"x": np.ones((3, 2)), "y": np.ones((2, 1))}, "y must have shape (3, 1); got (2, 1)"),
    ({"x": np.ones((3, 2)), "y": np.ones((3, 1)) + 1j}, "y must be real numbers; got dtype complex128"),
    ({"x": np.ones((3, 2)), "y": np.full((3, 1), "1")}, "y must hold numbers; got y[0, 0] = '1'"),
)
def test_values_to_compare_are_real_numbers_of_the_network(arrays, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("model.npz", **efficient_state(np.random.default_rng(0), [2, 1]))
    if arrays is not None:
        np.savez("values.npz", **arrays)
    assert main(["model", "judge", "model.npz", "--outputs", "values.npz"]) == 2
    assert f"refkan model judge: --outputs: {message}" in capsys.readouterr().err


@each_row(
    "build",
    lambda: rk.kan([2, 3, 1], 3, [2, 5], edge="silu", domain=(-1.0, 2.0)),
    lambda: rk.kan([2, 3, 1], 4, 3, basis="relu", outside="polynomial"),
    lambda: rk.kan([2, 2, 1], 2, 4, outside="natural", free_knots=False),
    lambda: rk.kan([2, 2, 1], 3, 4, free_knots=True),
    lambda: rk.kan([1, 2, 1], 1, 3),
    ids=["silu", "relu", "natural", "free", "constant"],
)
def test_edges_are_read_back_by_scipy(build, tmp_path, capsys):
    rng = np.random.default_rng(2)
    net = build()
    net, _ = net.initialize(rng, rng.uniform(size=(20, net.widths[0])))
    theta = rng.normal(size=net.n_params)
    rk.save(tmp_path / "net.npz", net, theta)
    assert main(["model", "edges", str(tmp_path / "net.npz"), "--output", str(tmp_path / "e.json")]) == 0
    edges = json.loads((tmp_path / "e.json").read_text())["edges"]
    assert len(edges) == sum(layer.n_inputs * layer.n_outputs for layer in net.layers)
    assert not (tmp_path / "e.csv").exists()
    for edge in edges:
        made, k = np.array(edge["coefficients"]), edge["order"] - 1
        if "knots" in edge:
            f = BSpline(edge["knots"], made, k, extrapolate=edge["extrapolate"])
        else:
            f = PPoly(made, edge["breakpoints"], extrapolate=edge["extrapolate"])
            assert len(made) == edge["order"]
        place = [edge[name] for name in ("layer", "output", "input")]
        layer, part = net.layers[place[0]], theta[net.slices[place[0]]]
        points = np.linspace(*layer.domains.T, 101)
        x, values = points[:, place[2]], edge_values(layer, part, points)[:, place[1], place[2]]
        np.testing.assert_array_equal(net.edge_function(theta, *place)(x), f(x))
        whole = f(x) + edge["w_b"] * x / (1 + np.exp(-x))
        w = layer.unpack(part)["coefficients"][tuple(place[1:])]
        np.testing.assert_allclose(values, whole, rtol=0, atol=1e-15 * np.abs(w).sum())


READER = runpy.run_path(str(Path(__file__).parents[2] / "docs/readers/edges.py"))["network_values"]


@pytest.mark.parametrize("node_map", sorted(NODE_MAPS))
@each_row(
    "options",
    {},
    {"order": 1},
    {"basis": "relu", "outside": "polynomial"},
    {"basis": "scaled-relu"},
    {"edge": "silu", "outside": "natural"},
    {"free_knots": True},
    ids=lambda options: "-".join(map(str, options.values())) or "default",
)
def test_the_reader_of_the_page_reproduces_the_network(node_map, options, tmp_path):
    """Inside the domain and a length beyond it, where the rule of each layer counts."""
    rng = np.random.default_rng(5)
    build = {"order": 3, "intervals": [2, 4], "domain": [(-3.0, 5.0), (10.0, 11.0)], "node_map": node_map} | options
    net, theta = rk.kan([2, 3, 2], **build).initialize(rng, rng.uniform([-3, 10], [5, 11], (60, 2)))
    theta += 0.5 * rng.normal(size=net.n_params)
    x = rng.uniform([-11, 9], [13, 12], (200, 2))
    names = ["length", "width", "force", "path"]
    rk.save(tmp_path / "net.npz", net, theta, notes={"columns": names})
    assert main(["model", "edges", str(tmp_path / "net.npz"), "--output", str(tmp_path / "e.json")]) == 0
    model = json.loads((tmp_path / "e.json").read_text())
    assert model["inputs"] + model["outputs"] == names
    values = net(theta, x)
    np.testing.assert_allclose(READER(model, x), values, rtol=0, atol=1e-12 * np.abs(values).max())


def test_edges_of_other_layers_and_names_are_said(tmp_path, capsys):
    net, theta = rk.mlp([2, 3, 1]).initialize(np.random.default_rng(0), np.zeros((2, 2)))
    rk.save(tmp_path / "net.npz", net, theta)
    assert main(["model", "edges", str(tmp_path / "net.npz"), "--output", str(tmp_path / "e.json")]) == 0
    told = capsys.readouterr()
    assert "layer 1 has no splines and is left out" in told.err
    assert "0 edges" in told.out
    assert main(["model", "edges", str(tmp_path / "net.npz"), "--output", str(tmp_path / "e.csv")]) == 2
    assert "--output must end in .json; got 'e.csv'" in capsys.readouterr().err
