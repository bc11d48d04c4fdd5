"""Memory that a thread uses again and again: new pages cost more than filling them."""

from __future__ import annotations

import math
import threading

import numpy as np

from refkan.array_types import FloatArray

LARGEST = 2**21
"""Numbers that a thread keeps under a name: 16 MB."""

_memory = threading.local()


def scratch(name: str, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of this thread, undefined, good until it asks for that name again."""
    size = math.prod(shape)
    if size > LARGEST:
        return np.empty(shape)
    kept: FloatArray | None = getattr(_memory, name, None)
    if kept is None or kept.size < size:
        kept = np.empty(size)
        setattr(_memory, name, kept)
    return kept[:size].reshape(shape)
