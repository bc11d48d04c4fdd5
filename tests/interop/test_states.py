"""State dicts of other libraries: the same function here, the same arrays back, finer grids, and what is refused."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan import interop
from refkan.interop import ConversionError, from_state, refined, states, to_state
from refkan.interop.kan_edges import Edges, _finer, assemble, disassemble
from refkan.interop.model_files import _members
from refkan.networks.node_maps import AffineMap
from tests.interop.models import basis as bsplines
from tests.interop.models import efficient_state, jaxkan_state, pykan_state, pykan_values, silu
from tests.shared.refusals import refused
from tests.shared.tables import each_row

WIDTHS = [2, 3, 2]
STATES = {
    "pykan": lambda rng: pykan_state(rng, WIDTHS),
    "efficient-kan": lambda rng: efficient_state(rng, WIDTHS),
    "efficient-kan without scaler": lambda rng: efficient_state(rng, WIDTHS, scaler=False),
    "jaxkan": lambda rng: jaxkan_state(rng, WIDTHS),
    "jaxkan, a grid an edge": lambda rng: jaxkan_state(rng, WIDTHS, base=True),
}


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("seed", range(20))
def test_values_are_those_of_pykans_formulas(seed):
    rng, degree = np.random.default_rng(seed), seed % 3 + 1
    state = pykan_state(rng, WIDTHS, int(rng.integers(1, 7)), degree)
    if seed % 2:  # of models whose symbolic part was left out
        state = {name: array for name, array in state.items() if "symbolic" not in name}
    x = rng.uniform(-3, 5, (200, 2))
    net, theta = from_state(state)
    assert relative(net(theta, x), pykan_values(state, x, degree)) < 1e-14


def test_values_are_those_of_efficient_kans_formulas():
    rng = np.random.default_rng(0)
    state = efficient_state(rng, [2, 3])
    x = rng.uniform(-3, 5, (200, 2))
    weights = state["layers.0.spline_weight"] * state["layers.0.spline_scaler"][..., None]
    y = silu(x) @ state["layers.0.base_weight"].T
    y = y + sum(bsplines(state["layers.0.grid"][p], 3, x[:, p]) @ weights[:, p].T for p in range(2))
    net, theta = from_state(state)
    assert relative(net(theta, x), y) < 1e-14


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arrays_come_back_bit_by_bit(make, dtype):
    state = {name: array.astype(dtype) for name, array in make(np.random.default_rng(1)).items()}
    back = to_state(*from_state(state), state)
    assert back.keys() == state.keys()
    for name, array in state.items():
        assert back[name].dtype == dtype
        np.testing.assert_allclose(back[name], array, rtol=2e-16 if dtype == np.float64 else 0, atol=0)


@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_refinement_changes_nothing_on_or_off_the_grid(make, factor):
    rng = np.random.default_rng(2)
    state = make(rng)
    net, theta = from_state(state)
    fine = refined(net, theta, factor)
    again = from_state(to_state(*fine, state))
    x = rng.uniform(-6, 9, (500, 2))
    assert relative(fine[0](fine[1], x), net(theta, x)) < 2e-14
    assert relative(again[0](again[1], x), net(theta, x)) < 2e-14
    gradient = net.vjp(theta, x)[1](np.ones((500, 2)))[1]
    assert relative(again[0].vjp(again[1], x)[1](np.ones((500, 2)))[1], gradient) < 1e-12
    for layer, finer in zip(net.layers[:2], fine[0].layers, strict=False):
        for space, halved in zip(layer.spaces, finer.spaces, strict=True):  # every interval into equal ones
            np.testing.assert_allclose(np.diff(halved.knots), np.repeat(np.diff(space.knots) / factor, factor), 1e-9)


def test_refinement_of_clamped_knots():
    t = np.array([[0.0, 0, 0, 0, 1, 2, 3, 3, 3, 3]])
    one = np.ones((1, 1))
    edges = Edges(t, np.arange(6.0)[None, None] ** 2, one, one, np.ones(1), np.zeros(1))
    net, theta = assemble([edges])
    fine, fine_theta = refined(net, theta)
    x = np.linspace(0, 3, 101)[:-1, None]
    assert relative(fine(fine_theta, x), net(theta, x)) < 1e-15
    repeated = np.array([t[0], [0.0, 0, 0, 0, 2, 2, 3, 3, 3, 3]])
    two = Edges(repeated, np.ones((1, 2, 6)), np.ones((1, 2)), np.ones((1, 2)), np.ones(1), np.zeros(1))
    refused(lambda: _finer(two, 2, 0), "ConversionError: layer 0: inputs repeat different numbers of knots")


@pytest.mark.parametrize("trained", [("coefficients", "w_b", "w_s"), ("w_b",), ("w_s",)], ids=str)
def test_what_was_trained_here_goes_back(trained):
    rng = np.random.default_rng(3)
    state = pykan_state(rng, WIDTHS)
    net, theta = from_state(state)
    moved = theta.copy()
    for block in net.unpack(moved)[:-1]:
        for name in trained:
            block[name][...] += 0.1 * rng.normal(size=block[name].shape)
    assert not np.array_equal(moved, theta)
    x = rng.uniform(-3, 5, (100, 2))
    back = to_state(net, moved, state)
    assert relative(pykan_values(back, x), net(moved, x)) < 1e-14
    assert (back["act_fun.0.mask"] == 1).all()  # weights on masked edges are not lost


def test_edges_in_rows_ask_how_many_outputs_there_are():
    """Of nothing but rows of all edges and their grids it could be any number of them."""
    state = STATES["jaxkan, a grid an edge"](np.random.default_rng(0))
    bare = {name: array for name, array in state.items() if name.endswith(("grid", "c_basis"))}
    refused(lambda: from_state({5: np.ones(3)}), r"TypeError: mapping of names to arrays, .*; got {5: float64\[3\]}")
    refused(lambda: from_state(bare), "ConversionError: 0: its arrays do not determine the number of its outputs")


def test_masks_of_any_size_and_biases_alone_go_back():
    state = pykan_state(np.random.default_rng(3), WIDTHS)
    state |= {name: 0.5 * array for name, array in state.items() if name.startswith("act_fun") and "mask" in name}
    net, theta = from_state(state)
    theta[-1] += 1.0  # the last bias
    x = np.random.default_rng(4).uniform(-3, 5, (50, 2))
    assert relative(pykan_values(to_state(net, theta, state), x), net(theta, x)) < 1e-14


def changed(**arrays):
    state = pykan_state(np.random.default_rng(4), WIDTHS)
    return state | {name.replace("__", "."): array for name, array in arrays.items()}


def other(**arrays):
    state = efficient_state(np.random.default_rng(4), WIDTHS)
    return state | {name.replace("__", "."): array for name, array in arrays.items()}


@each_row(
    "state, message",
    ({}, "not the state of a model of pykan, efficient-kan or jaxkan: it has nothing"),
    ({"weight": np.ones(2)}, "it has 'weight'"),
    (changed(symbolic_fun__1__mask=np.eye(2, 3)), "layer 1: 2 edges are symbolic, the first from input 0"),
    (changed(node_scale_0=np.ones(2)), "layer 0 has multiplication nodes"),
    (changed(act_fun__0__grid=np.zeros((2, 11))), "layer 0: the grid is not a valid knot vector"),
    (changed(act_fun__0__grid=-np.arange(22.0).reshape(2, 11)), "layer 0: the grid is not a valid knot vector"),
    (changed(act_fun__1__coef=np.full((3, 2, 7), np.nan)), "layer 1: coefficients must be finite; got"),
    (changed(act_fun__0__coef=np.ones((2, 3, 7), complex)), "act_fun.0.coef must hold real numbers"),
    (changed(act_fun__0__grid=np.ones((3, 11))), r"act_fun.0.grid must have shape \(2, K\); got \(3, 11\)"),
    (changed(act_fun__0__grid=np.ones((2, 8))), "layer 0: 2 grids of 8 knots do not fit"),
    (changed(act_fun__0__grid=np.float64(1.0)), r"act_fun.0.grid must have shape \(2, K\); got \(\)"),
    (changed(act_fun__0__coef=np.ones((2, 3, 0))), r"coef must have shape \(P, Q, dim\); got \(2, 3, 0\)"),
    (changed(act_fun__0__scale_sp=np.ones((3, 2))), r"act_fun.0.scale_sp must have shape \(2, 3\); got \(3, 2\)"),
    (changed(node_bias_1=np.ones(3)), r"node_bias_1 must have shape \(2,\); got \(3,\)"),
    (changed(act_fun__1__mask=np.ones((3, 2), bool)), "act_fun.1.mask must hold real numbers; got dtype bool"),
    (changed(biases__0__weight=np.full(3, 1e3)), "the state has 'biases.0.weight', which belongs to none of its"),
    (changed(symbolic_fun__2__affine=np.ones(1)), "'symbolic_fun.2.affine', which .* none of its 2 layers"),
    (other(layers__0__bias=np.full(3, 1e3)), "the state has 'layers.0.bias', which belongs to none of its"),
    (other(layers__9__grid=np.ones((2, 11))), "the state has 'layers.9.grid', which belongs to none of its"),
    (other(layers__9__spline_weight=np.ones((2, 2, 7))), "the state has no 'layers.2.spline_weight'"),
    ({"layers.0.c_basis": np.ones((6, 7)), "layers.0.grid": np.ones((2, 11))}, "0: its arrays do not determine"),
    (other(layers__0__base_weight=np.ones((2, 3))), r"layers.0.base_weight must have shape \(3, 2\); got \(2, 3\)"),
    (other(layers__0__grid=np.ones((4, 11))), r"layers.0.grid must have shape \(2, K\) or \(6, K\); got \(4, 11\)"),
)
def test_parts_without_a_name_are_refused(state, message):
    refused(lambda: from_state(state), f"ConversionError: {message}")


def test_networks_that_the_model_has_no_place_for():
    rng = np.random.default_rng(5)
    pykan, efficient = pykan_state(rng, WIDTHS), efficient_state(rng, WIDTHS)
    refused(lambda: to_state(*from_state(pykan), efficient), "ConversionError: this model cannot hold scales of nodes")
    scale = "node_scale_0"
    pykan |= {name: np.ones_like(array) for name, array in pykan.items() if "_scale_" in name}
    with pytest.raises(ConversionError, match="layer 0: this model cannot hold scales of"):  # of one of them alone
        to_state(*from_state(pykan | {scale: np.append(pykan[scale][1:], 2.0)}), efficient)
    with pytest.raises(ConversionError, match="the network has 2 spline layers, the model 3"):
        to_state(*from_state(efficient), pykan_state(rng, [2, 3, 3, 2]))
    with pytest.raises(
        ConversionError, match=r"layer 0: the network has shape \(Q, P\) = \(3, 2\), the model \(4, 2\)"
    ):
        to_state(*from_state(efficient), pykan_state(rng, [2, 4, 2]))
    for base, bias in ((-1.0, 0.0), (0.0, -1.0)):
        jaxkan = jaxkan_state(rng, [2, 1])
        jaxkan |= {"layers.0.c_res": np.array([[base, 0.0]]), "layers.0.bias": np.array([bias])}
        lacking = {name: array for name, array in jaxkan.items() if name[9:] not in ("c_res", "bias")}
        with pytest.raises(ConversionError, match=r"0: this model cannot hold (a SiLU branch|biases of nodes)"):
            to_state(*from_state(jaxkan), lacking)
    edgewise = jaxkan_state(rng, WIDTHS, base=True)
    edgewise["layers.0.grid"][3, 2] += 1e-3
    refused(lambda: from_state(edgewise), "ConversionError: layer 0: edges of one input have different grids")
    for dense in ([2, 1], [2, 3, 1]):
        with pytest.raises(ConversionError, match=r"cannot be represented in pykan.* got basis="):
            disassemble(net := rk.mlp(dense, "tanh"), np.zeros(net.n_params))
    bent = rk.Network(
        (from_state(efficient)[0].layers[0], rk.DenseLayer(3, 3, "tanh")), (AffineMap(np.ones(3), np.ones(3)),)
    )
    with pytest.raises(ConversionError, match=r"layer 1 .* cannot be represented"):  # nonlinear, so not an affine map
        disassemble(bent, np.zeros(bent.n_params))
    linear = rk.kan([2, 1], 3, 4)
    refused(lambda: to_state(linear, np.zeros(linear.n_params), pykan), "ConversionError: outside='natural'")


def test_files(tmp_path, monkeypatch):
    state = pykan_state(np.random.default_rng(6), WIDTHS)
    np.savez(tmp_path / "model.npz", **state)
    net, theta = interop.read_model(tmp_path / "model.npz")
    rk.save(tmp_path / "net.npz", net, theta)
    again, parameters = interop.read_model(tmp_path / "net.npz")
    x = np.zeros((1, 2))
    assert (again(parameters, x) == net(theta, x)).all()
    (tmp_path / "text.npz").write_text("no archive")
    refused(lambda: interop.read_model(tmp_path / "text.npz"), r"ConversionError: is not an \.npz of plain arrays")
    refused(lambda: interop.read_model(tmp_path / "model.txt"), r"ConversionError: must end in \.npz, \.pt or \.pth")
    with pytest.raises(FileNotFoundError):
        interop.read_model(tmp_path / "none.npz")
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    refused(lambda: interop.read_model(tmp_path / "model.pt"), r"ImportError: needs none\) needs.*'refkan\[backends\]'")


def test_errors_of_files_name_them(tmp_path):
    file = tmp_path / "model.npz"
    np.savez(file, **changed(act_fun__0__grid=np.float64(1.0)))
    refused(lambda: interop.read_model(file), f"ConversionError: ^{re.escape(str(file))}: act_fun.0.grid")


class Unpickled:
    """What a file could run where arrays of objects are read."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def test_objects_of_files_are_not_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "model.npz", coef=np.array([Unpickled()], dtype=object))
    refused(lambda: interop.read_model(tmp_path / "model.npz"), "ConversionError: model.npz is not an .npz of plain")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("node", range(3))
@pytest.mark.parametrize("part", ["scale", "shift"])
def test_what_moves_one_node_goes_back(part, node):
    state = STATES["pykan"](np.random.default_rng(0))
    first, *others = disassemble(*from_state(state))
    moved = getattr(first, part) + 0.5 * (np.arange(3) == node)
    net, theta = assemble([replace(first, **{part: moved}), *others])
    back, again = from_state(to_state(net, theta, state))
    x = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    assert relative(back(again, x), net(theta, x)) < 1e-14


def test_what_would_unpack_to_very_much_is_refused_before(tmp_path):
    bomb, flat, pipe = (tmp_path / f"{name}.npz" for name in ("bomb", "flat", "pipe"))
    np.savez_compressed(bomb, **other(layers__0__grid=np.zeros((2, 2**21))))
    refused(lambda: interop.read_model(bomb), r"ConversionError: bomb.npz has \d+ bytes that would unpack to 3355\d+")
    np.savez_compressed(flat, **{name: 0 * array if "weight" in name else array for name, array in other().items()})
    assert interop.read_model(flat)[0].widths == tuple(WIDTHS)  # zeros of a small model may be compressed
    archive, early = bomb.rename(tmp_path / "bomb.pt"), tmp_path / "early.pt"
    refused(lambda: _members(archive), r"ConversionError: bomb.pt has \d+ bytes that would unpack to")
    early.write_bytes(b"\x80\x02")
    assert _members(early) == []  # files of early versions of PyTorch are no archives
    os.mkfifo(pipe)
    refused(lambda: interop.read_model(pipe), r"ConversionError: pipe.npz is not a regular file")


def test_arrays_keep_their_formats_where_those_have_room():
    rng = np.random.default_rng(7)
    state = efficient_state(rng, WIDTHS)
    net, theta = from_state(state)
    whole = {name: np.ones_like(array, int) if "weight" in name else array for name, array in state.items()}
    back = to_state(net, theta, whole)  # integers have no place for the numbers of a network
    np.testing.assert_array_equal(back["layers.0.base_weight"], state["layers.0.base_weight"])
    small = state | {"layers.0.base_weight": state["layers.0.base_weight"].astype(np.float32)}
    refused(lambda: to_state(net, 1e40 * theta, small), "ConversionError: base_weight holds float32, too small")


def test_a_factor_without_a_place_is_multiplied_in():
    rng = np.random.default_rng(8)
    net, theta = from_state(efficient_state(rng, WIDTHS))
    back = to_state(net, theta, efficient_state(rng, WIDTHS, scaler=False))
    x = rng.uniform(-3, 5, (50, 2))
    again, parameters = from_state(back)
    assert relative(again(parameters, x), net(theta, x)) < 1e-14


def test_a_dense_layer_behind_the_last_map_is_joined_with_it():
    """z = D (s y + t) + b after training, D the diagonal that began as the identity."""
    state = pykan_state(np.random.default_rng(9), WIDTHS)
    net, theta = from_state(state)
    diagonal, bias = np.array([1.5, -0.5]), np.array([0.25, 3.0])
    theta[net.slices[-1]] = net.layers[-1].pack(weights=np.diag(diagonal), bias=bias)
    x = np.random.default_rng(10).uniform(-3, 5, (50, 2))
    assert relative(pykan_values(to_state(net, theta, state), x), net(theta, x)) < 1e-14
    theta[net.slices[-1]] = net.layers[-1].pack(weights=np.ones((2, 2)), bias=bias)
    refused(lambda: to_state(net, theta, state), "ConversionError: the dense layer at the end mixes outputs")


def test_numbers_that_an_array_has_no_place_for_are_refused():
    too_small = "ConversionError: coef holds float32, too small for the new numbers: up to 1.0e\\+300"
    refused(lambda: states._rounded("coef", np.array([1.0, 1e300]), np.dtype("float32")), too_small)


def test_edges_are_arrays_of_their_shapes():
    given = {"knots": [list(range(12))], "coefficients": [[[0] * 8]], "base": [[1]], "factor": [[1]], "scale": [1]}
    edges = Edges(**given, shift=[0])
    assert (edges.order, edges.maps, edges.base.dtype) == (4, False, np.float64)
    two = [np.tile(edges.coefficients, (2, 1, 1)), *[np.ones((2, 1))] * 2]
    for scale, shift in (([1, 2], [0, 0]), ([1, 1], [0, 3])):  # of one node alone
        assert Edges(edges.knots, *two, scale, shift).maps
    refused(lambda: assemble([]), "ConversionError: the model has no layers")


def test_what_read_returns_is_no_state(tmp_path, rng):
    file = tmp_path / "model.npz"
    np.savez(file, **efficient_state(rng, WIDTHS))
    refused(lambda: from_state(interop.read_model(file)), r"TypeError: state must be a mapping .* got \(Network")
    refused(lambda: from_state(["layers.0.grid"]), r"TypeError: state must be a mapping .* got \['layers.0.grid'\]")
