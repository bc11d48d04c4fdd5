"""The choice of engine: plain loops for all layers, or fast loops that are compiled for each kind of layer.

Both compute the same sums. The plain engine has the formulas as loops, compiled once for all orders, numbers of
outputs and jets. The fast engine has loops of fixed lengths, and orders of summation that suit a processor; it
compiles for some seconds for each order and number of outputs. "auto" uses it if it saves more time than the
compilation costs.

The choice belongs to the calling thread, or to its context (`contextvars`); threads of this library inherit it from
their caller. A linearisation keeps the engine with which it was made.
"""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from functools import cache
from types import TracebackType

ENGINES = ("auto", "plain", "fast")

VARIABLE = "REFKAN_ENGINE"

COMPILING = 3e9
"""Nanoseconds to compile the fast form of a sum, once for each order and number of outputs."""

CALLS = 50_000
"""Calls of one size that "auto" assumes: it uses a fast form that saves at least 60 microseconds per call. No layer of
twelve outputs on 300 samples saves as much."""

MATRICES = 5_000
"""The same for a matrix of second derivatives: at least 0.6 ms per call."""

SUM, BASIS = 1.0, 5.0
"""Nanoseconds saved for each product in sums over functions and for each function evaluated: plain loops take some 1
and 15 of them, fast ones 0.1 to 0.5 and 8."""

_chosen: ContextVar[str] = ContextVar("refkan_engine")


class use_engine:  # noqa: N801  # is called like a function
    """Choose the engine of this thread: from now on, or for a `with` block.

    Threads of your own choose for themselves; REFKAN_ENGINE is the choice wherever there is no other. A linearisation
    (a network's `vjp`, a jet) keeps the engine that it was made with, also if it is used after a change.

    Parameters
    ----------
    name : {"auto", "plain", "fast"}
        "plain" is the formula as a loop, compiled once. "fast" compiles for each kind of layer. "auto", the default,
        decides by sizes alone.

    Raises
    ------
    ValueError
        If there is no engine of this name.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> net, theta = rk.kan([1, 2], order=3, intervals=4).initialize(np.random.default_rng(0), [[0.5]])
    >>> with rk.use_engine("plain"):
    ...     plain = net(theta, [[0.25]])
    >>> with rk.use_engine("fast"):
    ...     fast = net(theta, [[0.25]])
    >>> bool(np.abs(plain - fast).max() < 1e-15)
    True
    """

    def __init__(self, name: str) -> None:
        self.name = check_engine(name, "use_engine(name)")
        self._before: Token[str] | None = _chosen.set(self.name)

    def __enter__(self) -> use_engine:
        if self._before is None:  # a block after the first one
            self._before = _chosen.set(self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._before is not None:
            _chosen.reset(self._before)
            self._before = None

    def __repr__(self) -> str:
        return f"use_engine({self.name!r})"


def current_engine() -> str:
    """Name of the engine in use: "auto", "plain" or "fast".

    Raises
    ------
    ValueError
        If REFKAN_ENGINE decides and names no engine.
    """
    return _chosen.get(None) or _from_environment()


def saved_by_fast(samples: int, inputs: int, order: int, outputs: int) -> float:
    """Nanoseconds that the fast form of the sums of a spline layer saves: N P r (Q + 5)."""
    return samples * inputs * order * (SUM * outputs + BASIS)


def takes_fast(saved: float, calls: float = CALLS) -> bool:
    """Whether to use a fast form that saves `saved` nanoseconds per call, under the engine in use."""
    engine = current_engine()
    return engine == "fast" or (engine == "auto" and saved * calls >= COMPILING)


def check_engine(name: object, place: str) -> str:
    """Return the name of an engine; ValueError for other names mentions the place."""
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(f"{place} must be one of {', '.join(map(repr, ENGINES))}; got {name!r}")
    return name


@cache
def _from_environment() -> str:
    name = os.environ.get(VARIABLE) or "auto"
    return check_engine(name, f"the environment variable {VARIABLE}")
