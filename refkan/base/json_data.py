"""Values as strict JSON, which has no NaN, no infinity and no arrays."""

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from refkan.base.plain_text import printable


def plain(value: Any, not_finite: Callable[[float], Any] = lambda number: None) -> Any:
    """Return `value` as strict JSON data, for data that only have to be read.

    Arrays and tuples become lists, keys strings, fractions "p/q", complex numbers pairs of parts. NaN and infinities
    become what `not_finite` makes of them, null by default. Text becomes printable.

    Examples
    --------
    >>> plain({"values": (1.0, float("nan")), 2: 1j})
    {'values': [1.0, None], '2': {'re': 0.0, 'im': 1.0}}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return not_finite(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | Fraction):
        return printable(value)
    if isinstance(value, complex):
        return {"re": plain(value.real, not_finite), "im": plain(value.imag, not_finite)}
    if isinstance(value, Mapping):
        return {printable(key): plain(item, not_finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, not_finite) for item in value]
    raise TypeError(f"data must be something that JSON can hold; got {type(value).__name__}")


def to_bytes(value: Any) -> bytes:
    """Return `value` as the content of a JSON file; NaN and infinities become null."""
    return (json.dumps(plain(value), indent=1, allow_nan=False) + "\n").encode("ascii")
