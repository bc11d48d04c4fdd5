"""Networks in files: the same function, bit for bit, and damaged or foreign files refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

import refkan as rk
from refkan.networks import archives
from tests.shared.factories import NODE_MAPS, NetworkCase, samples

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
    again, parameters, notes = archives.read(path)
    x = samples(9, reach=0.6)
    assert notes == {"problem": "none", "seed": 3}
    assert np.array_equal(parameters, theta)
    assert np.array_equal(again(parameters, x), net(theta, x))
    assert np.array_equal(net.convert(theta, again), theta)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


def stored(tmp_path):
    net, theta = NetworkCase("spline", "mean-std").start(samples(12))
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
        with pytest.raises(ValueError, match=r"net\.npz was altered or damaged"):
            rk.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "has format 99; this version reads format 1"),
        ({"hash": "0"}, "altered or damaged"),
        ({"layers": []}, "altered or damaged"),
    ],
)
def test_a_changed_manifest_is_refused(tmp_path, change, message):
    path, arrays = stored(tmp_path)
    manifest = json.loads(str(arrays["manifest"][()])) | change
    np.savez(path, **(arrays | {"manifest": np.array(json.dumps(manifest))}))
    with pytest.raises(ValueError, match=message):
        rk.load(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match=r"other\.npz is not a network file"):
        rk.load(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match="not a network file"):
        rk.load(path)
    whole, _ = stored(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(ValueError, match="not a network file"):
        rk.load(whole)
    with pytest.raises(FileNotFoundError):
        rk.load(tmp_path / "missing.npz")


def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path):
    net, theta = NetworkCase("spline").start(samples(12))
    path = tmp_path / "net.npz"
    with pytest.raises(ValueError, match=r"path must end in \.npz"):
        rk.save(tmp_path / "net.pt", net, theta)
    with pytest.raises(ValueError, match="theta"):
        rk.save(path, net, theta[:-1])
    with pytest.raises(ValueError, match="theta"):
        rk.save(path, net, theta * np.nan)
    with pytest.raises(TypeError, match="theta must be real numbers; got dtype complex128"):
        rk.save(path, net, theta + 0j)
    with pytest.raises(ValueError, match="not bound"):
        rk.save(path, NetworkCase("spline").build(), theta)
    with pytest.raises(TypeError, match="notes must be JSON data"):
        rk.save(path, net, theta, notes={"a": object()})
    with pytest.raises(TypeError, match="net must be a Network"):
        rk.save(path, "net", theta)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, a: a.update(theta=a["theta"][1:]), "theta must have length"),
        (lambda m, a: a.update(theta=a["theta"] * np.nan), "theta must be finite"),
        (lambda m, a: a.update(theta=a["theta"] + 0j), "theta must be real numbers"),
        (lambda m, a: a.pop("theta"), "nothing is named 'theta'"),
        (lambda m, a: m.pop("layers"), "nothing is named 'layers'"),
        (lambda m, a: m["layers"][0].update(kind="Popen"), "nothing is named 'Popen'"),
        (lambda m, a: m["layers"][0].update(colour=1), "unexpected keyword argument 'colour'"),
    ],
)
def test_a_file_whose_hash_is_right_but_not_its_content_is_refused(tmp_path, change, message):
    path, arrays = stored(tmp_path)
    manifest = json.loads(str(arrays.pop("manifest")[()]))
    change(manifest, arrays)
    manifest.pop("hash")
    manifest["hash"] = archives.digest(manifest, arrays)
    np.savez(path, manifest=np.array(json.dumps(manifest)), **arrays)
    with pytest.raises(ValueError, match=rf"net\.npz does not describe a network of refkan: .*{message}"):
        rk.load(path)


def test_what_is_no_archive_is_told_without_talk_of_pickles(tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"damaged: it is no \.npz archive$"):
        rk.load(path)
    np.savez(path, a=np.ones(3))
    with pytest.raises(ValueError, match="it has no array 'manifest'"):
        rk.load(path)
