r"""Networks in files: an .npz of arrays with a JSON manifest and a hash, which is checked when the file is read."""

import io
import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from refkan.base import Array, FloatArray, as_array, as_vector, check_annotated, check_type, real
from refkan.base.atomic_files import read_file, sweep, write_atomically
from refkan.base.long_runs.array_archives import digest_of, read_arrays
from refkan.networks import layers, node_maps
from refkan.networks.network import Network
from refkan.splines.spaces import SplineSpace

FORMAT = 1
"""Version of the file format; incremented if older readers would misread new files."""

MANIFEST = "manifest"

ENTRIES = frozenset({"format", "layers", "node_maps", "statistics", "notes"})
"""Entries of a manifest besides its hash."""

KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (SplineSpace, *vars(layers).values(), *vars(node_maps).values())
    if isinstance(kind, type) and is_dataclass(kind)
}
"""Classes that a file may contain, by name: spline spaces, layers and node maps."""


def save(path: str | os.PathLike[str], net: Network, theta: Any, notes: Mapping[str, Any] | None = None) -> None:
    r"""Write a network and its parameters to an .npz file, atomically.

    Parameters
    ----------
    path : path-like
        Ends in .npz.
    net : Network
        Bound to its data.
    theta : array (n_params,)
    notes : mapping, optional
        JSON data to store in the file, such as its origin: ``load(path, return_notes=True)`` returns them.

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
    check_annotated(save, locals())
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"path must end in .npz; got {path.name!r}")
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
    sweep(path.parent, path.name)
    write_atomically(path, stream.getvalue())


@overload
def load(path: str | os.PathLike[str], *, return_notes: Literal[False] = False) -> tuple[Network, FloatArray]: ...
@overload
def load(
    path: str | os.PathLike[str], *, return_notes: Literal[True]
) -> tuple[Network, FloatArray, dict[str, Any]]: ...
def load(
    path: str | os.PathLike[str], *, return_notes: bool = False
) -> tuple[Network, FloatArray] | tuple[Network, FloatArray, dict[str, Any]]:
    """Read a network and its parameters from a file that `save` wrote.

    Nothing in the file is executed, and at most three times its size of memory is used.

    Parameters
    ----------
    path : path-like
    return_notes : bool
        Whether the notes are returned too.

    Returns
    -------
    net : Network
        Bound to its data.
    theta : array (n_params,)
    notes : dict
        Only with ``return_notes=True``; empty if the file has none.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not such a file, has an unknown format or a wrong hash, or does not describe a network.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, refkan as rk
    >>> path = os.path.join(tempfile.mkdtemp(), "network.npz")
    >>> rk.save(path, rk.kan([1, 1], order=2, intervals=1), [0.0, 1.0], notes={"seed": 3})
    >>> net, theta, notes = rk.load(path, return_notes=True)
    >>> net(theta, [[0.5]]), notes
    (array([[0.5]]), {'seed': 3})
    """
    check_annotated(load, locals())
    name = Path(path).name
    content = read_file(Path(path))
    try:
        manifest, arrays = _unpack(content)
        version = manifest["format"]
    except Exception as error:  # zipfile, NumPy and json raise eleven kinds for damaged files
        raise ValueError(f"{name} is not a network file of refkan, or is damaged: {_message(error)}") from None
    if version != FORMAT:
        raise ValueError(f"{name} has format {version!r}; this version reads format {FORMAT}")
    try:
        stored_hash = manifest.pop("hash", None)
        actual_hash = digest(manifest, arrays)
        if stored_hash == actual_hash:
            net, theta, notes = _network(manifest, arrays)
            if return_notes:
                return net, theta, notes
            return net, theta
    except KeyError as error:
        raise ValueError(f"{name} does not describe a network of refkan: nothing is named {error}") from None
    except Exception as error:
        raise ValueError(f"{name} does not describe a network of refkan: {_message(error)}") from None
    raise ValueError(f"{name} was altered or damaged: its content has hash {actual_hash}, its manifest {stored_hash!r}")


def _message(error: Exception) -> str:
    """Return the message of an error, or its kind if it has none."""
    return str(error) or type(error).__name__


def _unpack(content: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the manifest and the arrays; no array is larger than its member in the archive."""
    arrays = read_arrays(content)
    for key, array in arrays.items():
        dtype = array.dtype.str
        if key != MANIFEST and dtype[1:] != "f8":
            raise ValueError(f"its array {key!r} must have dtype float64; got {dtype}")
    if MANIFEST not in arrays:
        raise ValueError(f"it has no array {MANIFEST!r}")
    manifest = json.loads(arrays.pop(MANIFEST).item())
    if not isinstance(manifest, dict):
        raise ValueError(f"its manifest must be a mapping; got {type(manifest).__name__}")
    return manifest, arrays


def _network(manifest: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Network, FloatArray, dict[str, Any]]:
    """Build the network of a manifest, which must use all arrays."""
    finite = {key: as_array(key, array) for key, array in arrays.items()}  # in the byte order of this machine
    used = {"theta"}
    net = Network(
        tuple(_decode(layer, finite, used) for layer in manifest["layers"]),
        tuple(_decode(node_map, finite, used) for node_map in manifest["node_maps"]),
        _decode(manifest["statistics"], finite, used),
    )
    net.require_bound()
    notes, theta = manifest["notes"], as_vector("theta", finite["theta"], net.n_params)
    check_type("notes", notes, dict)
    more = [*(manifest.keys() - ENTRIES), *(finite.keys() - used)]
    if more:
        raise ValueError(f"it holds {sorted(more)}, which nothing of the network refers to")
    return net, theta, notes


def digest(manifest: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """SHA-256 of a manifest without its hash, and of all arrays with their names, shapes and bytes."""
    return digest_of(arrays, json.dumps(manifest, sort_keys=True).encode())


def _encode(value: Any, name: str, arrays: dict[str, FloatArray]) -> Any:
    """JSON data for a space, layer, node map or plain value; arrays go to `arrays` under `name`."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return [_encode(item, f"{name}_{i}", arrays) for i, item in enumerate(value)]
    if type(value).__name__ in KINDS:
        names = [field.name for field in fields(value)]
        content = {key: _encode(getattr(value, key), f"{name}_{key}", arrays) for key in names}
        return {"kind": type(value).__name__, **content}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name} cannot be stored: {type(value).__name__}")


def _decode(value: Any, arrays: Mapping[str, FloatArray], used: set[str]) -> Any:
    """Undo `_encode`; the names of arrays that were needed are added to `used`."""
    if isinstance(value, list):
        return tuple(_decode(item, arrays, used) for item in value)
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array"}:
        used.add(value["array"])
        return arrays[value["array"]]
    content = {key: _decode(item, arrays, used) for key, item in value.items() if key != "kind"}
    return KINDS[value["kind"]](**content)
