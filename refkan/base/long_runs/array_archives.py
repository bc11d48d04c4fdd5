"""Archives of NumPy arrays (.npz) that are read without unpacking more than the file holds, and their digest."""

import hashlib
import io
import math
import os
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.lib import format as npy

from refkan.base.array_types import Array

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Readers of the header of an array, by the version of the format."""


def read_arrays(content: bytes) -> dict[str, Array]:
    """Return the arrays of an uncompressed .npz archive.

    Sizes are compared before anything is allocated: a small archive may declare, or unpack to, arrays of any size.

    Raises
    ------
    ValueError
        If the content is no such archive, or an array is compressed, occurs twice, or has another size than declared.
    """
    stream = io.BytesIO(content)
    if not zipfile.is_zipfile(stream):
        raise ValueError("it is not an .npz archive")
    arrays = {}
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its arrays are compressed, but refkan writes uncompressed ones")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError(f"its arrays are declared to be larger than the file of {len(content)} bytes")
        for member in members:
            name, suffix = os.path.splitext(member.filename)
            if suffix != ".npy":
                raise ValueError(f"its member {member.filename!r} is not an array")
            if name in arrays:
                raise ValueError(f"it has a duplicate member {name!r}")
            arrays[name] = _array(name, archive.read(member))
    return arrays


def _array(name: str, content: bytes) -> Array:
    """Return the array of a file in the format .npy."""
    stream = io.BytesIO(content)
    version = npy.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f"its array {name!r} has version {version} of the format .npy")
    shape, fortran_order, dtype = HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError(f"its array {name!r} holds Python objects, which are not read")
    data = content[stream.tell() :]
    declared = math.prod(shape) * dtype.itemsize
    if declared != len(data):
        raise ValueError(f"its array {name!r} is declared to have {declared} bytes; it has {len(data)}")
    array: Array = np.frombuffer(data, dtype)
    return array.reshape(shape, order="F" if fortran_order else "C").copy()


def digest_of(arrays: Mapping[str, Array], preamble: bytes = b"") -> str:
    """Return the SHA-256 of a preamble and of arrays with their names, dtypes, shapes and bytes."""
    sha = hashlib.sha256(preamble)
    for name in sorted(arrays):
        array = arrays[name]
        sha.update(f"{name}{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
