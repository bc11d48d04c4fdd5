r"""Networks in files: an .npz of arrays with a JSON manifest, checked by its hash when it is read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refkan import layers, node_maps
from refkan.arguments import as_vector, check_type, real
from refkan.array_types import FloatArray
from refkan.checkpoints import write_atomically
from refkan.networks.network import Network
from refkan.spaces import SplineSpace

FORMAT = 1
"""Version of the layout of a file; raised when an older reader would misread a newer file."""

MANIFEST = "manifest"

KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (SplineSpace, *vars(layers).values(), *vars(node_maps).values())
    if isinstance(kind, type) and is_dataclass(kind)
}
"""What a file may name: spline spaces, layers and node maps, by class name."""


def save(path: str | os.PathLike[str], net: Network, theta: Any, notes: Mapping[str, Any] | None = None) -> None:
    r"""Write a network and its parameters to an .npz file, whole or not at all.

    Parameters
    ----------
    path : path-like
        Ends in .npz.
    net : Network
        Bound to its data, so that the file is a function of x alone.
    theta : array (n_params,)
    notes : mapping, optional
        JSON data to keep with it, such as where it comes from.

    Raises
    ------
    ValueError
        If the path does not end in .npz, theta does not fit or is not finite, or the network is not bound.
    TypeError
        If theta is complex or the notes are not JSON data.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, refkan as rk
    >>> x = np.linspace(0.0, 1.0, 5)[:, None]
    >>> net, theta = rk.kan([1, 2, 1], order=3, intervals=2).initialize(np.random.default_rng(0), x)
    >>> path = os.path.join(tempfile.mkdtemp(), "network.npz")
    >>> rk.save(path, net, theta)
    >>> again, parameters = rk.load(path)
    >>> bool((again(parameters, x) == net(theta, x)).all())
    True
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz; got {path.name!r}")
    check_type("net", net, Network)
    net.require_bound()
    arrays: dict[str, FloatArray] = {"theta": real("theta", as_vector("theta", theta, net.n_params))}
    try:
        text = json.dumps(dict(notes or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"notes must be JSON data: {error}") from None
    manifest = {
        "format": FORMAT,
        "layers": [_encode(layer, f"layer{k}", arrays) for k, layer in enumerate(net.layers)],
        "node_maps": [_encode(node_map, f"map{k}", arrays) for k, node_map in enumerate(net.node_maps)],
        "statistics": _encode(net.statistics, "statistics", arrays),
        "notes": json.loads(text),
    }
    manifest["hash"] = digest(manifest, arrays)
    stream = io.BytesIO()
    np.savez(stream, **{MANIFEST: np.array(json.dumps(manifest))}, **arrays)  # type: ignore[arg-type]
    write_atomically(path, stream.getvalue())


def load(path: str | os.PathLike[str]) -> tuple[Network, FloatArray]:
    """Read a network and its parameters from a file of `save`.

    Returns
    -------
    net : Network
        Bound to its data.
    theta : array (n_params,)

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such file, of a format that this version does not know, or its hash does not match.
    """
    net, theta, _ = read(path)
    return net, theta


def read(path: str | os.PathLike[str]) -> tuple[Network, FloatArray, dict[str, Any]]:
    """Read network, parameters and notes; errors as for `load`."""
    name = Path(path).name
    with Path(path).open("rb") as stream:
        archive = zipfile.is_zipfile(stream)
    if not archive:  # NumPy would speak of pickles
        raise ValueError(f"{name} is not a network file of refkan, or is damaged: it is no .npz archive")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        if MANIFEST not in arrays:
            raise ValueError(f"it has no array {MANIFEST!r}")
        manifest = json.loads(str(arrays.pop(MANIFEST)[()]))
        version = manifest["format"]
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} is not a network file of refkan, or is damaged: {error}") from None
    if version != FORMAT:
        raise ValueError(f"{name} has format {version!r}; this version reads format {FORMAT}")
    stored_hash = manifest.pop("hash", None)
    found = digest(manifest, arrays)
    if stored_hash != found:
        raise ValueError(f"{name} was altered or damaged: its content has hash {found}, its manifest {stored_hash}")
    try:
        net = Network(
            tuple(_decode(layer, arrays) for layer in manifest["layers"]),
            tuple(_decode(node_map, arrays) for node_map in manifest["node_maps"]),
            _decode(manifest["statistics"], arrays),
        )
        return net, real("theta", as_vector("theta", arrays["theta"], net.n_params)), manifest["notes"]
    except KeyError as error:
        raise ValueError(f"{name} does not describe a network of refkan: nothing is named {error}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name} does not describe a network of refkan: {error}") from None


def digest(manifest: Mapping[str, Any], arrays: Mapping[str, FloatArray]) -> str:
    """SHA-256 of a manifest without its hash, and of all arrays with their names, shapes and bytes."""
    sha = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
    for key in sorted(arrays):
        array = arrays[key]
        sha.update(f"{key}{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _encode(value: Any, name: str, arrays: dict[str, FloatArray]) -> Any:
    """JSON data for a space, layer, node map or plain value; arrays go to `arrays` under `name`."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return [_encode(item, f"{name}_{i}", arrays) for i, item in enumerate(value)]
    if type(value).__name__ in KINDS:
        content = {f.name: _encode(getattr(value, f.name), f"{name}_{f.name}", arrays) for f in fields(value)}
        return {"kind": type(value).__name__, **content}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name} cannot be stored: {type(value).__name__}")


def _decode(value: Any, arrays: Mapping[str, FloatArray]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    return KINDS[value["kind"]](**{key: _decode(item, arrays) for key, item in value.items() if key != "kind"})
