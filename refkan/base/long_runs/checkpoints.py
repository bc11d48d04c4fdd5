"""Resuming: a task writes its result atomically under a key of its configuration and is not run again.

A claim, a sweep point and a level of training are tasks alike. A configuration is plain data (None, booleans,
integers, finite floats, strings, sequences, mappings with string keys); its key is the SHA-256 of its
canonical JSON. A result is plain data and may hold NumPy arrays and bytes. Floats come back exactly, -0.0 and
infinities included, and arrays bit for bit.

A file that cannot be read back, because it was truncated or altered, is treated as absent, with a warning:
writing is atomic, so damage comes from outside and running the task again is always right.
"""

import base64
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base.atomic_files import read_file, require_writable, write_atomically
from refkan.base.short_reprs import short

_FORMAT = 1
_TYPE = "$type"  # tags what JSON has no notation for; refused as a key of a result
_ABSENT = object()

KINDS = "biufcU"
"""Kinds of arrays that are stored: of numbers and strings."""


def canonical_json(configuration: Mapping[str, Any]) -> str:
    """Return the one JSON text of a configuration: sorted keys, no spaces, NumPy scalars as numbers.

    Equal texts mean equal configurations; 1, 1.0 and true are three different values.

    Raises
    ------
    TypeError
        If it holds anything but plain data (arrays belong into results).
    ValueError
        If it holds NaN or infinity, which are not equal to themselves or not JSON.

    Examples
    --------
    >>> canonical_json({"order": 3, "domain": (0.0, 1.0)})
    '{"domain":[0.0,1.0],"order":3}'
    """
    if not isinstance(configuration, Mapping):
        raise TypeError(f"configuration must be a mapping; got {type(configuration).__name__}")
    plain = _encode(configuration, "configuration", tagged=False)
    try:
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise ValueError(f"configuration must not hold NaN or infinity; got {plain!r}") from error


def _encode(value: Any, where: str = "result", tagged: bool = True) -> Any:
    """Turn plain data into JSON data; `tagged` are arrays, bytes, complex numbers, and tuples, which else are lists."""
    if isinstance(value, np.generic) and value.dtype.kind in KINDS:
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{where} must have strings as keys; got {key!r}")
        if tagged and _TYPE in value:
            raise ValueError(f"{where} must not have the key {_TYPE!r}, which tags arrays in the file")
        return {key: _encode(item, f"{where}.{key}", tagged) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{where}[{i}]", tagged) for i, item in enumerate(value)]
        return {_TYPE: "tuple", "items": items} if tagged and isinstance(value, tuple) else items
    if tagged and isinstance(value, complex):
        return {_TYPE: "complex", "parts": [value.real, value.imag]}
    if tagged and isinstance(value, bytes):
        return {_TYPE: "bytes", "base64": base64.b64encode(value).decode("ascii")}
    if tagged and isinstance(value, np.ndarray) and value.dtype.kind in KINDS:
        content = base64.b64encode(value.tobytes()).decode("ascii")  # C order, whatever the strides
        return {_TYPE: "array", "dtype": value.dtype.str, "shape": list(value.shape), "base64": content}
    more = ", bytes, or arrays of numbers or strings" if tagged else ""
    raise TypeError(f"{where} must be plain data{more}; got {type(value).__name__}")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get(_TYPE):
        case None:
            return {key: _decode(item) for key, item in value.items()}
        case "complex":
            return complex(*value["parts"])
        case "bytes":
            return base64.b64decode(value["base64"], validate=True)
        case "tuple":
            return tuple(_decode(item) for item in value["items"])
        case "array":
            content = base64.b64decode(value["base64"], validate=True)
            flat = np.frombuffer(content, dtype=np.dtype(value["dtype"]))
            return flat.reshape(value["shape"]).copy()  # frombuffer is read-only
        case unknown:
            raise ValueError(f"unknown tag {unknown!r}")


def _digest(encoded_result: Any) -> str:
    text = json.dumps(encoded_result, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Checkpoints:
    """Results of tasks in a folder, one JSON file a configuration, named by its SHA-256.

    Parameters
    ----------
    folder
        Created if it does not exist; must be writable.

    Raises
    ------
    OSError
        If the folder cannot be written to: before any task has run.

    Examples
    --------
    >>> import tempfile
    >>> checkpoints = Checkpoints(tempfile.mkdtemp())
    >>> checkpoints.run({"task": "square", "of": 3}, lambda: 9)
    9
    >>> checkpoints.run({"task": "square", "of": 3}, lambda: 1 / 0)   # not run again
    9
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"checkpoints must be a Checkpoints or a folder; got {type(folder).__name__}")
        self.folder = Path(folder)
        require_writable(self.folder)

    @staticmethod
    def key(configuration: Mapping[str, Any]) -> str:
        """Return the SHA-256, in hexadecimal, of the canonical JSON of a configuration."""
        return hashlib.sha256(canonical_json(configuration).encode("ascii")).hexdigest()

    def path(self, configuration: Mapping[str, Any]) -> Path:
        """Return the file that holds, or would hold, the result of a configuration."""
        return self.folder / f"{self.key(configuration)}.json"

    def get(self, configuration: Mapping[str, Any], default: Any = None) -> Any:
        """Return the stored result, or `default` if there is none or its file is damaged (with a warning).

        Raises
        ------
        ValueError
            If the file holds the result of another configuration, because it was renamed.
        OSError
            If it cannot be read, or is a folder or a pipe.
        """
        path = self.path(configuration)
        try:
            document = json.loads(read_file(path).decode("ascii"))
            if document["format"] != _FORMAT:
                raise ValueError(f"format {document['format']!r} instead of {_FORMAT}")
            stored = document["configuration"]
            key = self.key(stored)
            if document["key"] != key:
                raise ValueError("the configuration does not match its key")
            if _digest(document["result"]) != document["digest"]:
                raise ValueError("the result does not match its digest")
            result = _decode(document["result"])
        except FileNotFoundError:
            return default
        except OSError:
            raise
        except Exception as error:  # NumPy and json raise others too, for what damage makes of a file
            message = f"checkpoint {path.name} is damaged and treated as absent: {error}"
            warnings.warn(message, UserWarning, stacklevel=2)
            return default
        if key != self.key(configuration):
            raise ValueError(
                f"checkpoint {path.name} belongs to another configuration, {short(stored)}: remove the file"
            )
        return result

    def put(self, configuration: Mapping[str, Any], result: Any) -> None:
        """Store a result atomically, replacing an earlier one of the same configuration.

        Raises
        ------
        TypeError
            If the result holds anything but plain data, tuples, complex numbers, bytes and arrays of numbers
            or strings. NumPy scalars come back as Python's.
        """
        encoded = _encode(result)
        document = {
            "format": _FORMAT,
            "key": self.key(configuration),
            "configuration": json.loads(canonical_json(configuration)),
            "digest": _digest(encoded),
            "result": encoded,
        }
        write_atomically(self.path(configuration), json.dumps(document, indent=1).encode("ascii"))

    def run(self, configuration: Mapping[str, Any], task: Callable[[], Any], fresh: bool = False) -> Any:
        """Return the stored result, or run `task`, store what it returns and return that.

        With `fresh` the task runs in any case. The result is returned as it will be read back, so that a
        first run and a resumed one continue from the same data.
        """
        if not fresh:
            result = self.get(configuration, _ABSENT)
            if result is not _ABSENT:
                return result
        self.put(configuration, task())
        return self.get(configuration)
