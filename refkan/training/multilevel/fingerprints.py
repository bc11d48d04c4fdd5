"""Fingerprints: one hash of all that a result depends on, data and functions alike."""

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np


def fingerprint(value: Any, name: str = "value") -> str:
    """Return the SHA-256 of a value by content: numbers, strings, arrays, sequences, frozen dataclasses, functions.

    A function is its code with its defaults and what it closes over; globals that it reads are not followed. Fields
    that a dataclass fills by itself (``init=False``) are caches and left out.

    Raises
    ------
    TypeError
        At anything that may change in place or whose content is not known, named by its place: no stored result could
        be matched to it.

    Examples
    --------
    >>> import numpy as np
    >>> fingerprint(np.arange(3)) == fingerprint(np.array([0, 1, 2])), fingerprint([1]) == fingerprint([1.0])
    (True, False)
    """
    digest = hashlib.sha256()
    for part in _parts(value, name, ()):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any, where: str, within: tuple[int, ...]) -> Iterable[bytes]:
    """Bytes that spell out a value; `within` holds the ids of what encloses it, which may be itself."""
    if id(value) in within:
        yield f"back {len(within) - within.index(id(value))}".encode()
        return
    inside = (*within, id(value))
    yield type(value).__qualname__.encode()
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            yield repr(value).encode()
        case np.ndarray() | np.generic():
            array = np.asarray(value)
            if array.dtype.kind not in "biufcUS":
                raise TypeError(f"{where} must hold plain numbers; got an array of dtype {array.dtype}")
            yield f"{array.dtype.str} {array.shape}".encode()
            yield array.tobytes()
        case list() | tuple() | range():
            yield str(len(value)).encode()
            for k, item in enumerate(value):
                yield from _parts(item, f"{where}[{k}]", inside)
        case dict():
            yield str(len(value)).encode()
            for key, item in sorted(value.items(), key=lambda pair: repr(pair[0])):
                yield repr(key).encode()
                yield from _parts(item, f"{where}[{key!r}]", inside)
        case type() | BuiltinFunctionType() | np.ufunc():
            yield f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}".encode()
        case functools.partial():
            yield from _parts((value.func, value.args, value.keywords), where, inside)
        case MethodType():
            yield from _parts((value.__self__, value.__func__), where, inside)
        case FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            parts = value.__code__, value.__defaults__, value.__kwdefaults__, *cells
            yield from _parts(parts, f"{where} ({value.__name__})", inside)
        case CodeType():
            constants = [sorted(map(repr, c)) if isinstance(c, frozenset) else c for c in value.co_consts]
            yield value.co_code
            yield from _parts((constants, value.co_names, value.co_varnames, value.co_freevars), where, inside)
        case _ if is_dataclass(value) and getattr(type(value), "__dataclass_params__").frozen:  # noqa: B009  # mypy
            for field in fields(value):
                if field.init:
                    yield field.name.encode()
                    yield from _parts(getattr(value, field.name), f"{where}.{field.name}", inside)
        case _:
            raise TypeError(
                f"{where} must be data that does not change in place, so that a stored result can be matched to it; "
                f"got {type(value).__name__}"
            )
