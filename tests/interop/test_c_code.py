"""Networks in C: compared with the exact network at many points and at the worst, and their certificates."""

import hashlib
import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest

import check_certificate
import refkan as rk
from tests.interop.c_functions import TYPES, compiled, digits_of, held, long_values
from tests.shared.refusals import refusals

X = np.random.default_rng(0).uniform(size=(20_000, 2))

NETWORKS = {
    "one edge": rk.kan([1, 1], 4, 5),
    "spline": rk.kan([2, 3, 1], 3, 3),
    "silu": rk.kan([2, 2, 1], 3, 2, edge="silu"),
    "two hidden layers": rk.kan([2, 2, 2, 1], 3, 2),
}

FLAGS = [("-O2",), ("-O3", "-ffp-contract=off"), ("-O3", "-march=native", "-ffp-contract=fast")]


def initialized(name):
    net = NETWORKS[name]
    return net.initialize(np.random.default_rng(1), X[:60, : net.widths[0]])


def exported(name, folder, dtype, leaves=4, box=(0.0, 1.0)):
    net, theta = initialized(name)
    code = rk.interop.export_c(net, theta, [box] * net.widths[0], folder / "model.c", dtype, leaves=leaves)
    return net, theta, code


def points_of(net, dtype):
    """Random points, ends and knots with their neighbours in the type, in all combinations."""
    knots = np.unique(np.concatenate([layer.knots for layer in net.layers[0].spaces_at(np.zeros(net.slices[0].stop))]))
    at = held(knots[(knots >= 0) & (knots <= 1)], dtype)
    if dtype[0] == "Q":
        near = at[:, None] + np.array([-1, 0, 1]) * 2.0 ** -digits_of(dtype)
    else:
        single = at.astype(TYPES[dtype][0])
        near = np.stack([np.nextafter(single, -1), single, np.nextafter(single, 2)], axis=1).astype(np.float64)
    near = np.unique(np.clip(near, 0.0, 1.0))
    P = net.widths[0]
    return np.concatenate([held(X[:, :P], dtype), [*itertools.product(near, repeat=P)]])


def check(capsys, code, *more):
    capsys.readouterr()
    exit_code = check_certificate.main([str(code.certificate), "--code", str(code.path), *more])
    return exit_code, capsys.readouterr().out


needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")


@needs_gcc
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_error_exceeds_the_bound_and_some_come_near(name, dtype, tmp_path):
    net, theta, code = exported(name, tmp_path, dtype)
    x = points_of(net, dtype)
    exact = long_values(net, theta, x)
    for flags in FLAGS if name == "spline" else FLAGS[2:]:
        y, outside = compiled(code.path, dtype, (net.widths[0], 1), flags=flags)(x)
        assert not outside.any()
        share = float(np.abs(y - exact).max()) / code.bound
        assert 0.05 < share <= 1.0, share


@pytest.mark.skipif(shutil.which("clang") is None, reason="no clang")
@pytest.mark.parametrize("dtype", TYPES)
def test_clang(dtype, tmp_path):
    net, theta, code = exported("spline", tmp_path, dtype)
    x = points_of(net, dtype)
    for flags in FLAGS:
        y, _ = compiled(code.path, dtype, (2, 1), "clang", flags)(x)
        assert np.abs(y - long_values(net, theta, x)).max() <= code.bound


@needs_gcc
def test_all_inputs_of_a_small_type(tmp_path):
    """Q8.8 holds 257 numbers of [0, 1]: all pairs."""
    net, theta, code = exported("spline", tmp_path, "Q8.8", leaves=16)
    x = np.array([*itertools.product(np.arange(257) / 256, repeat=2)])
    off = np.abs(compiled(code.path, "Q8.8", (2, 1))(x)[0] - long_values(net, theta, x)).max()
    assert 0.2 < off / code.bound <= 1.0


@needs_gcc
@pytest.mark.parametrize("dtype", TYPES)
def test_inputs_outside_are_moved_and_counted(dtype, tmp_path):
    _, _, code = exported("spline", tmp_path, dtype, box=(0.25, 0.75))
    function = compiled(code.path, dtype, (2, 1))
    inside, outside = np.array([[0.25, 0.5], [0.75, 0.25]]), np.array([[-3.0, 0.5], [99.0, -99.0]])
    y, count = function(np.concatenate([inside, outside]))
    assert count.tolist() == [0, 0, 1, 2]
    assert y[2:].tolist() == y[:2].tolist()
    if dtype[0] == "f":
        y, count = function(np.array([[np.nan, 0.5], [np.inf, 0.25]]))
        assert np.isnan(y[0, 0])
        assert count.tolist() == [1, 1]
        assert y[1, 0] == function(inside)[0][1, 0]


@pytest.mark.parametrize("dtype", TYPES)
def test_the_certificate_is_accepted_and_forged_ones_are_not(dtype, tmp_path, capsys):
    _, _, code = exported("silu", tmp_path, dtype)
    assert check(capsys, code)[0] == 0
    text, kept = code.path.read_text(), code.certificate.read_text()
    place = text.index("table_1_1[] = {") + 20
    digit = next(k for k in range(place, len(text)) if text[k] in "1234567")
    code.path.write_text(text[:digit] + str(int(text[digit]) + 1) + text[digit + 1 :])
    assert "rejected  the code" in check(capsys, code)[1]
    code.path.write_text(text)

    def forged(change):
        data = json.loads(kept)
        change(data["statements"][0])
        code.certificate.write_text(json.dumps(data))
        return check(capsys, code)

    def smaller(statement):
        statement["bound"] = (float.fromhex(statement["bound"]) * 0.999).hex()
        text = check_certificate.Certificate(kept).code(statement).text()
        statement["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        code.path.write_text(text)

    assert "are not excluded" in forged(smaller)[1]
    code.path.write_text(text)
    assert "the table makes a text" in forged(lambda s: s.update(sha256="0" * 64))[1]
    assert "leaves do not cover" in forged(lambda s: s.update(leaves="a."))[1]

    def moved(statement):
        row = statement["layers"][0]["tables"][0]["pieces"][0][0]
        row[0] = (float.fromhex(row[0]) + 0.125).hex()

    assert forged(moved)[0] == 1


@needs_gcc
def test_arithmetic_that_the_bound_does_not_cover_is_not_compiled(tmp_path):
    _, _, code = exported("one edge", tmp_path, "float64")
    with pytest.raises(subprocess.CalledProcessError):
        compiled(code.path, "float64", (1, 1), flags=("-O2", "-ffast-math"))


@needs_gcc
@pytest.mark.parametrize("options", [{"node_map": "mean-std"}, {"free_knots": True}, {"outside": "natural"}], ids=str)
def test_other_networks(options, tmp_path, capsys):
    net, theta = rk.kan([1, 2, 1], 3, 2, **options).initialize(np.random.default_rng(1), X[:60, :1])
    code = rk.interop.export_c(net, theta, [[0.1, 0.9]], tmp_path / "model.c", "float32", leaves=2)
    x = held(0.1 + 0.8 * X[:, :1], "float32")
    y, _ = compiled(code.path, "float32", (1, 1))(x)
    frozen = net.freeze(theta)
    assert np.abs(y - frozen(theta, x)).max() <= code.bound
    assert check(capsys, code)[0] == 0


@needs_gcc
@pytest.mark.parametrize("basis", ["chebyshev", "relu"])
def test_other_bases(basis, tmp_path, capsys):
    net = rk.kan([2, 2, 1], 2, 3, basis="relu")
    if basis == "chebyshev":
        net = rk.chebyshev_kan([2, 2, 1], 4)
    net, theta = net.initialize(np.random.default_rng(1), X[:60])
    code = rk.interop.export_c(net, theta, [[0, 1]] * 2, tmp_path / "model.c", "Q8.24", leaves=2)
    x = held(X, "Q8.24")
    share = np.abs(compiled(code.path, "Q8.24", (2, 1))(x)[0] - net(theta, x)).max() / code.bound
    assert 0.02 < share <= 1
    assert check(capsys, code)[0] == 0


def test_integers_that_may_overflow_are_refused(tmp_path):
    net, theta = initialized("one edge")
    sums = rk.kan([2, 1], 2, 1)  # 1.9 x1 + 1.9 x2, up to 3.8
    with pytest.raises(ValueError, match=r"numbers up to \S+ may occur, beyond the largest of Q2.14"):
        rk.interop.export_c(sums, [0, 1.9, 0, 1.9], [[0, 1]] * 2, tmp_path / "model.c", "Q2.14")
    with pytest.raises(ValueError, match="dtype must hold all coefficients"):
        rk.interop.export_c(net, 1e3 * theta, [[0, 1]], tmp_path / "model.c", "Q8.8")
    assert not any(tmp_path.iterdir())


LINE, HAT = rk.kan([1, 1], 3, 2), np.array([0.0, 1.0, 1.0, 0.0])

test_names_places_and_entries_are_refused_before_anything_is_proven = refusals(
    ("int.c", {}, "path must not be a name that the language or the code needs; got 'int.c'"),
    ("main.c", {}, "path must not be a name that the language or the code needs; got 'main.c'"),
    ("times.c", {}, "path must not be a name that the language or the code needs; got 'times.c'"),
    ("a" * 32 + ".c", {}, "path must be the name of a function in C, at most 31 letters, digits and _"),
    ("absent/f.c", {}, r"FileNotFoundError: must lie in a folder that exists: 'absent/f.c'"),
    ("f.c", {"about": {"author": "me"}}, "the keys of about must be one of 'file', 'sha256', 'names'; got 'author'"),
    ("f.c", {"about": {"names": ["x"]}}, r"about\['names'\] must be 2 texts, of inputs and outputs; got \['x'\]"),
    ("f.c", {"about": {"file": 3}}, r"TypeError: about\['file'\] must be a text; got 3"),
    ("f.c", {"about": {"sha256": "zz"}}, r"about\['sha256'\] must be 64 hexadecimal digits; got 'zz'"),
    (
        "f.c",
        {"theta": 1e300 * HAT, "dtype": "float32"},
        "dtype must hold all coefficients; .*: scale the outputs$",
    ),
    call=lambda path, given: rk.interop.export_c(**{"net": LINE, "theta": HAT, "box": [[0, 1]], "path": path, **given}),
)


def test_folders_in_the_place_of_the_files_are_refused(tmp_path):
    for name in ("f.c", "f.json"):
        (tmp_path / name).mkdir()
        with pytest.raises(IsADirectoryError, match=f"must be a file, not a folder: .*{name}"):
            rk.interop.export_c(LINE, HAT, [[0, 1]], tmp_path / "f.c")
        (tmp_path / name).rmdir()


def test_what_cannot_be_written_is_refused(tmp_path):
    net, theta = initialized("one edge")
    with pytest.raises(ValueError, match="name of a function in C"):
        rk.interop.export_c(net, theta, [[0, 1]], tmp_path / "1.c")
    with pytest.raises(ValueError, match=r"dtype must be 'float64'"):
        rk.interop.export_c(net, theta, [[0, 1]], tmp_path / "f.c", "Q9.9")
    sigmoid = rk.kan([1, 2, 1], 3, 2, node_map="sigmoid")
    with pytest.raises(ValueError, match="sigmoid"):
        rk.interop.export_c(sigmoid, np.zeros(sigmoid.n_params), [[0, 1]], tmp_path / "f.c")
    with pytest.raises(ValueError, match=r"no number of Q8\.8 lies in the box"):
        rk.interop.export_c(net, theta, [[0.001, 0.002]], tmp_path / "f.c", "Q8.8")
