"""A broken library: a function of refkan whose results are off by a thousandth, wherever it was imported."""

import dataclasses
import sys
from fractions import Fraction
from functools import wraps
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

OFF = Fraction(1001, 1000)


def off(result: Any) -> Any:
    """Return numbers, and whatever holds numbers, times 1.001; counts, names and truth values as they are."""
    if isinstance(result, bool | int | str | bytes | type(None) | np.integer | np.bool_):
        return result
    if isinstance(result, Fraction):
        return result * OFF
    if isinstance(result, float | complex | np.inexact) or sp.issparse(result):
        return result * float(OFF)
    if isinstance(result, np.ndarray):
        return result * (OFF if result.dtype == object else float(OFF)) if result.dtype.kind in "fcO" else result
    if isinstance(result, dict):
        return {key: off(value) for key, value in result.items()}
    if isinstance(result, list | tuple) and not hasattr(result, "_fields"):
        return type(result)(off(value) for value in result)
    if dataclasses.is_dataclass(result):
        held = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.init}
        changed = {name: off(value) for name, value in held.items() if numbers(value)}
        return dataclasses.replace(result, **changed) if changed else result
    if hasattr(result, "numer_denom"):  # fmpq_mat
        return result * 1001 / 1000
    if callable(result):
        return lambda *given, **named: off(result(*given, **named))
    raise TypeError(f"cannot break a result of type {type(result).__name__}")


def numbers(value: Any) -> bool:
    """Whether a field of a result holds numbers that are not counts."""
    if isinstance(value, list | tuple):
        return any(map(numbers, value))
    return (
        isinstance(value, float | Fraction)
        or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
        or (dataclasses.is_dataclass(value) and any(numbers(getattr(value, f.name)) for f in dataclasses.fields(value)))
    )


def broken(name: str, patch: pytest.MonkeyPatch) -> None:
    """Break a function, or a method or property of a class, by its full name."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        break
    for part in parts[cut:-1]:
        owner = getattr(owner, part)
    found = owner.__dict__[parts[-1]]
    kind = type(found) if isinstance(found, staticmethod | classmethod) else None
    function = found.__func__ if kind else getattr(found, "fget", found)

    @wraps(function)
    def spoilt(*given: Any, **named: Any) -> Any:
        return off(function(*given, **named))

    if isinstance(owner, type):
        wrapped = property(spoilt) if isinstance(found, property) else kind(spoilt) if kind else spoilt
        patch.setattr(owner, parts[-1], wrapped)
        return
    everywhere(found, spoilt, patch)


def everywhere(found: Any, other: Any, patch: pytest.MonkeyPatch) -> None:
    """Put another function in the place of one in every module that imported it."""
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").split(".")[0] in ("refkan", "validation"):
            for alias, value in list(vars(module).items()):
                if value is found:
                    patch.setattr(module, alias, other)
