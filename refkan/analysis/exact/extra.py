"""The optional dependency python-flint: imported on use, at a precision that is set and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from refkan.base.extras import needed

_precision_lock = RLock()


def require(module: str) -> Any:
    """Import a module of the extra `exact`.

    Raises
    ------
    ImportError
        If it is not installed; the message says how to install it.
    """
    return needed("refkan.analysis.exact", module)


@contextmanager
def precision(bits: int) -> Iterator[Any]:
    """Give the module flint with ball arithmetic at `bits` bits, and put its precision back afterwards.

    That precision is one setting for the whole process: a lock keeps threads from changing it under one another.
    """
    flint = require("flint")
    with _precision_lock, flint.ctx.workprec(bits):
        yield flint
