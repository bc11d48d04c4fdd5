"""Arrays in reused memory that starts at a cache line: new pages cost more than filling them.

The C library returns a large array to the system when nobody uses it any more, and the next one of that size comes page
by page, each with an interrupt: 3,600 pages per sweep of a layer (64, 64) with 64 intervals, a third of its time.
Vectors that do not cross a cache line are read faster, by a fifth there.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from refkan.base import Array

LINE = 64
"""Bytes of a cache line."""

SMALLEST, LARGEST, KEPT = 2**17, 2**25, 2**26
"""Smallest and largest array, in bytes, whose memory is reused, and bytes kept in total.

The C library itself keeps smaller ones, and aligning them takes longer than it saves: with 2^12 a sweep with few
outputs took 10 to 18 microseconds more, which for 128 samples was a sixth to a half."""

OF_ONE_SIZE = 8
"""Largest number of blocks kept of one size; with more in use, the oldest is left to its user."""

Block = tuple[Array, int]
"""Bytes, and the first of them that starts a cache line: asking an array for its address takes a microsecond."""

_blocks: OrderedDict[int, list[Block]] = OrderedDict()
"""Blocks by their size in bytes, the size requested last at the end."""
_lock = threading.Lock()


def recycled(shape: tuple[int, ...], dtype: Any = np.float64, aligned: bool = False) -> Any:
    """Return an array of undefined content that starts at a cache line; small arrays only if `aligned`.

    It may reuse the memory of an earlier result without references, to the array itself or to a view; callers do not
    free anything. As with any array, its address is invalid once the array is deleted.
    """
    count = math.prod(shape)
    if 16 * count < SMALLEST and not aligned:  # at once for the small arrays of small layers
        return np.empty(shape, dtype)
    dtype = np.dtype(dtype)
    size = count * dtype.itemsize
    if size < SMALLEST and not aligned:
        return np.empty(shape, dtype)
    if COUNTED and SMALLEST <= size <= LARGEST:
        block, first = _block(size)
    else:
        block, first = _new(size)
    return np.ndarray(shape, dtype, block, first)


def dtype_of(*arrays: Array) -> Any:
    """The type of sums of products of numbers from float64 and complex128 arrays."""
    for array in arrays:
        if array.dtype.kind == "c":
            return np.complex128
    return np.float64


def _new(size: int) -> Block:
    block = np.empty(size + LINE, np.uint8)
    return block, -block.ctypes.data % LINE


def _block(size: int) -> Block:
    """A block to which only its list refers, or a new one.

    If the lock is held, nobody waits for it: a signal handler that needs memory may have interrupted the very thread
    that holds it. A thread that takes the lock after this check always releases it.
    """
    if _lock.locked():
        return _new(size)
    with _lock:
        blocks = _blocks.setdefault(size, [])
        _blocks.move_to_end(size)
        for k in reversed(range(len(blocks))):
            if sys.getrefcount(blocks[k][0]) == _UNUSED:
                block, first = blocks[k]  # from here on the bytes are in use; the pair alone would not say so
                return block, first
        del blocks[: max(0, len(blocks) - OF_ONE_SIZE + 1)]
        if _make_room(size):
            block, first = _new(size)
            blocks.append((block, first))
            return block, first
    return _new(size)


def _make_room(size: int) -> bool:
    """Drop blocks that are not in use, sizes not requested for a while first; return whether there is room then."""
    excess = sum(each * len(blocks) for each, blocks in _blocks.items()) + size - KEPT
    for each, blocks in list(_blocks.items()):
        for k in reversed(range(len(blocks))):
            if excess <= 0:
                return True
            if sys.getrefcount(blocks[k][0]) == _UNUSED:
                del blocks[k]
                excess -= each
        if not blocks and each != size:
            del _blocks[each]
    return excess <= 0


def _references_are_counted() -> bool:
    """Without the interpreter's lock, reference counts are not exact."""
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())


COUNTED = _references_are_counted()
"""The lock of a process may come back, but never goes away."""


def _count_of_unused() -> int:
    blocks = [_new(0)]
    return sys.getrefcount(blocks[0][0])


_UNUSED = _count_of_unused()
"""The result of `sys.getrefcount` for the bytes of a block that only a list refers to: versions of Python differ."""


def _forget() -> None:
    """Another thread may have held the lock while the process forked."""
    global _lock
    _lock = threading.Lock()
    _blocks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
