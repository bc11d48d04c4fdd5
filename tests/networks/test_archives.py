"""Networks in files: the same function, bit for bit, and damaged or foreign files refused."""

import io
import json
import tracemalloc
import warnings
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.networks import archives
from tests.shared.factories import NODE_MAPS, NetworkCase, samples
from tests.shared.refusals import refused
from tests.shared.tables import each_row

CASES = [
    NetworkCase(kind, node_map, free_knots=free)
    for kind in ("spline", "relu", "scaled-relu", "silu")
    for node_map in NODE_MAPS
    for free in (False, True)
] + [NetworkCase("mlp-tanh")]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_network_comes_back_bit_for_bit(case, tmp_path):
    net, theta = case.start(samples(12))
    path = tmp_path / "net.npz"
    rk.save(path, net, theta, notes={"problem": "none", "seed": 3})
    again, parameters, notes = rk.load(path, return_notes=True)
    x = samples(9, reach=0.6)
    assert notes == {"problem": "none", "seed": 3}
    assert np.array_equal(parameters, theta)
    assert np.array_equal(again(parameters, x), net(theta, x))
    assert np.array_equal(net.convert(theta, again), theta)
    assert (again == net, hash(again) == hash(net)) == (True, True)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


def test_networks_are_equal_if_all_but_their_parameters_is():
    networks = [case.start(samples(12))[0] for case in CASES]
    case = NetworkCase("spline", "mean-std")
    net, theta = case.start(samples(12))
    networks.append(replace(net, layers=(net.layers[0].refined(2), *net.layers[1:])))
    networks += [net.refine(), net.freeze(theta), case.start(samples(12) + 1e-9)[0], case.build(), None, "spline"]
    for k, net in enumerate(networks):
        assert [net == other for other in networks] == [j == k for j in range(len(networks))]


def stored(tmp_path, node_map="mean-std"):
    net, theta = NetworkCase("spline", node_map).start(samples(12))
    path = tmp_path / "net.npz"
    rk.save(path, net, theta)
    with np.load(path) as archive:
        return path, {key: archive[key] for key in archive.files}


def test_any_changed_bit_is_noticed(tmp_path):
    path, arrays = stored(tmp_path)
    for key in set(arrays) - {"manifest"}:
        changed = {k: a.copy() for k, a in arrays.items()}
        changed[key].reshape(-1)[0] = np.nextafter(changed[key].reshape(-1)[0], np.inf)
        np.savez(path, **changed)
        refused(lambda: rk.load(path), r"net\.npz was altered or damaged")


@each_row(
    "change, message",
    ({"format": 99}, "has format 99; this version reads format 1"),
    ({"hash": "0"}, "altered or damaged"),
    ({"layers": []}, "altered or damaged"),
)
def test_a_changed_manifest_is_refused(tmp_path, change, message):
    path, arrays = stored(tmp_path)
    manifest = json.loads(str(arrays["manifest"][()])) | change
    np.savez(path, **(arrays | {"manifest": np.array(json.dumps(manifest))}))
    refused(lambda: rk.load(path), message)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.ones(3))
    refused(lambda: rk.load(path), r"other\.npz is not a network file")
    path.write_bytes(b"text")
    refused(lambda: rk.load(path), "not a network file")
    whole, _ = stored(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-200])
    refused(lambda: rk.load(whole), "not a network file")
    with pytest.raises(FileNotFoundError):
        rk.load(tmp_path / "missing.npz")


def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path):
    net, theta = NetworkCase("spline").start(samples(12))
    path = tmp_path / "net.npz"
    refused(lambda: rk.save(tmp_path / "net.pt", net, theta), r"path must end in \.npz")
    refused(lambda: rk.save(path, NetworkCase("spline").build(), theta), "not bound")
    refused(lambda: rk.save(path, net, theta, notes={"a": object()}), "TypeError: notes must be JSON data")
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path):
    net, theta = NetworkCase("spline").start(samples(12))
    missing, folder = tmp_path / "missing" / "net.npz", tmp_path / "folder.npz"
    folder.mkdir()
    for path, error in ((missing, FileNotFoundError), (folder, IsADirectoryError)):
        with pytest.raises(error) as caught:
            rk.save(path, net, theta)
        assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.npz"]


@each_row(
    "change, message",
    (lambda m, a: a.update(theta=a["theta"][1:]), "theta must have length"),
    (lambda m, a: a.update(theta=a["theta"] * np.nan), "theta must be finite"),
    (lambda m, a: a.pop("theta"), "nothing is named 'theta'"),
    (lambda m, a: m.pop("layers"), "nothing is named 'layers'"),
    (lambda m, a: m["layers"][0].update(kind="Popen"), "nothing is named 'Popen'"),
    (lambda m, a: m["layers"][0].update(colour=1), "unexpected keyword argument 'colour'"),
    (lambda m, a: m["layers"][0].update(n_outputs=True), "n_outputs must be an integer"),
    (lambda m, a: m.update(layers=[m["node_maps"][0]] * 2), r"layers\[0\] must be a Layer"),
    (lambda m, a: m.update(node_maps=[3]), r"node_maps\[0\] must be a NodeMap; got 3"),
    (lambda m, a: m.update(node_maps=["affine"]), r"node_maps\[0\] must be a NodeMap; got 'affine'"),
    (lambda m, a: m["node_maps"][0].update(scale=None, shift=None), "node map 'affine' after layer 0 is not bound"),
    (lambda m, a: a.update(map0_scale=a["map0_scale"] * np.nan), r"map0_scale must be finite; got map0_scale\[0\]"),
    (lambda m, a: a.update(map0_scale=a["map0_scale"][:1], map0_shift=a["map0_shift"][:1]), "one entry for each"),
    (lambda m, a: m.update(colour=1), r"it holds \['colour'\], which nothing of the network refers to"),
    (lambda m, a: a.update(more=np.ones(3)), r"it holds \['more'\], which nothing of the network refers to"),
    (lambda m, a: m.update(notes=[1]), "notes must be a dict; got list"),
    (lambda m, a: m.update(layers=m["layers"][0]), "layers"),
    (lambda m, a: m.update(layers=3), "not iterable"),
)
def test_a_file_whose_hash_is_right_but_not_its_content_is_refused(tmp_path, change, message):
    path, arrays = stored(tmp_path, "affine")
    manifest = json.loads(str(arrays.pop("manifest")[()]))
    change(manifest, arrays)
    manifest.pop("hash")
    manifest["hash"] = archives.digest(manifest, arrays)
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)
    refused(lambda: rk.load(path), rf"net\.npz does not describe a network of refkan: .*{message}")


@pytest.mark.parametrize("name", ["theta", "map0_scale"])
@pytest.mark.parametrize("dtype", [np.float32, bool, complex, int, "S8", "M8[s]", np.longdouble])
def test_arrays_of_other_dtypes_are_refused(tmp_path, name, dtype):
    path, arrays = stored(tmp_path, "affine")
    arrays[name] = np.ones(arrays[name].shape, int).astype(dtype)
    np.savez(path, **arrays)
    rejected(path, f"its array '{name}' must have dtype float64")


def test_what_a_file_cannot_hold_is_named():
    refused(lambda: archives._encode(object(), "map0_slope", {}), "TypeError: map0_slope cannot be stored: object")


def test_arrays_of_either_byte_order_and_either_order_are_read(tmp_path):
    """As a machine of the other byte order writes them, and where arrays of the user lie in Fortran order."""
    net, theta = NetworkCase("spline", "mean-std").start(samples(12), statistics=np.asfortranarray(samples(12)))
    path = tmp_path / "net.npz"
    rk.save(path, net, theta)
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    manifest = json.loads(str(arrays.pop("manifest")[()]))
    arrays = {key: array.astype(">f8", order="F") for key, array in arrays.items()}
    manifest.pop("hash")
    manifest["hash"] = archives.digest(dict(reversed(manifest.items())), arrays)  # whose order says nothing
    other = tmp_path / "other.npz"
    np.savez(other, manifest=np.array(json.dumps(manifest)), **arrays)
    for again, parameters in (rk.load(path), rk.load(other)):
        assert parameters.dtype == again.statistics.dtype == np.float64
        assert parameters.flags.writeable
        np.testing.assert_array_equal(again(parameters, samples(9)), net(theta, samples(9)))


# --- damaged and hostile archives: ValueError, whatever the libraries below make of them


def rejected(path, message):
    refused(lambda: rk.load(path), rf"^{path.name} is not a network file of refkan, or is damaged: .*{message}")


def test_every_flip_of_a_bit_is_refused_or_changes_nothing(tmp_path):
    net, theta = rk.kan([1, 1], 2, 1), [1.0, 2.0]
    path = tmp_path / "net.npz"
    rk.save(path, net, theta, {"a": 1})
    content, accepted = path.read_bytes(), 0
    for position in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with suppress(ValueError):
            again, parameters, notes = rk.load(path, return_notes=True)
            accepted += 1  # a date or the like
            assert (again.layers, list(parameters), notes) == (net.layers, theta, {"a": 1})
    assert accepted < len(content) / 15


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, contents, **options):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", **options) as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in contents:
            archive.writestr(name, content)


def npy_file(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_archives_that_unpack_to_more_than_they_are_are_refused_before_they_are_unpacked(tmp_path):
    path, _ = stored(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bomb.npy", bytes(50_000_000), zipfile.ZIP_DEFLATED)  # it alone is compressed
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    rejected(path, "its arrays are compressed")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_declared_sizes_are_not_believed(tmp_path):
    path, _ = stored(tmp_path)
    contents = members(path)
    for shape in ("(10**13,)", "(1000000000000,)", "(-1, -10)", "(3, 1000000000)"):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        theta = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.encode() + bytes(80)
        rewrite(path, (contents | {"theta.npy": theta}).items())
        rejected(path, "")
    content = path.read_bytes()  # of the central directory: the size of the first member
    start = content.index(b"PK\x01\x02")
    path.write_bytes(content[: start + 24] + (2**31).to_bytes(4, "little") + content[start + 28 :])
    rejected(path, "declared to be larger than the file")


@each_row(
    "change, message",
    (lambda c: [*c.items(), ("theta.npy", c["theta.npy"])], "a duplicate member"),
    (lambda c: [*c.items(), ("script.py", b"1/0")], "its member 'script.py' is not an array"),
    (lambda c: [*c.items(), ("a.npy", b"")], ""),
    (lambda c: (c | {"theta.npy": b"\x80\x04]\x94."}).items(), "magic string"),
    (lambda c: (c | {"manifest.npy": npy_file(np.array("[" * 100_000))}).items(), ""),
    (lambda c: (c | {"manifest.npy": npy_file(np.array("[]"))}).items(), "manifest must be a mapping; got list"),
    (lambda c: (c | {"manifest.npy": npy_file(np.array("{}"))}).items(), "format"),
    (lambda c: (c | {"manifest.npy": npy_file(np.array(["{}", "{}"]))}).items(), ""),
    (lambda c: (c | {"manifest.npy": npy_file(np.ones(3))}).items(), ""),
    (lambda c: (c | {"theta.npy": b"\x93NUMPY\x01\x00\xf0\x03" + b"(" * 1008}).items(), ""),
    (lambda c: (c | {"theta.npy": b"\x93NUMPY\x09\x00\xf0\x03" + b"(" * 1008}).items(), ""),
)
def test_hostile_members(tmp_path, change, message):
    path, _ = stored(tmp_path)
    rewrite(path, change(members(path)))
    rejected(path, message)


def test_files_that_cannot_be_read_are_told_as_such(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    refused(lambda: rk.load(tmp_path / "folder.npz"), "IsADirectoryError: folder")
