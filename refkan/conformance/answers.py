"""What a backend returns: read as an array, or refused with a message that says what to return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.extras import how_to_install


class BadResultError(Exception):
    """A backend returned something of a wrong shape or type."""


def describe(error: BaseException) -> str:
    """What a finding says of an exception."""
    text = str(error).strip()
    if isinstance(error, BadResultError):
        return text
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        return f"needs the package {package}, which is not installed: {how_to_install(package, package)}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def as_real(name: str, value: Any) -> FloatArray:
    """Return what a backend returned as an array of float64."""
    if value is None:
        raise BadResultError(f"{name} returned None: return an array")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise BadResultError(f"{name} returned what numpy cannot read ({error}): return an array") from error
    if array.dtype.kind not in "biuf":
        raise BadResultError(f"{name} returned dtype {array.dtype}: return real numbers")
    return array.astype(np.float64)


def checked(name: str, value: Any, shape: tuple[int, ...], dtype: str) -> FloatArray:
    """Return it if its shape is right, and its format not lower than that of the case."""
    array = as_real(name, value)
    given = getattr(value, "dtype", None)
    if dtype == "float64" and str(given) in ("float32", "float16", "bfloat16"):
        raise BadResultError(
            f"{name} returned {given} in a case of float64: build and compute in the format of the spec, or do not "
            "declare float64"
        )
    if array.shape != shape:
        raise BadResultError(f"{name} returned shape {array.shape}; expected {shape}")
    return array


def as_mapping(found: Any, name: str) -> Mapping[str, Any]:
    """Return what vjp returned if it is a mapping that has a gradient of that name."""
    if not isinstance(found, Mapping) or name not in found:
        have = sorted(found) if isinstance(found, Mapping) else type(found).__name__
        raise BadResultError(f"vjp returned {have}; expected a mapping with {name!r}")
    return found


def entry(found: Any, name: str, shape: tuple[int, ...], dtype: str) -> FloatArray:
    """Return one of the gradients that vjp returned; None means that the outputs do not depend on it: zeros."""
    value = as_mapping(found, name)[name]
    if value is None:
        return np.zeros(shape)
    if isinstance(value, list | tuple):  # a network: layer by layer
        parts = [np.zeros(0) if part is None else as_real(f"vjp ({name})", part).ravel() for part in value]
        value = np.concatenate(parts)
    return checked(f"vjp ({name})", value, shape, dtype)
