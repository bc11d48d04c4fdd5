"""How kernels are compiled: on their first call, with the machine code kept on disk if possible."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numba
from numba.core import event

from refkan.kernels.turns import turn

F = TypeVar("F", bound=Callable[..., Any])

COMPILING = "compiling kernels, once on this machine"
"""What commands say when they do."""

_warned: set[str] = set()
"""First words of the warnings given so far: one warning per process is enough."""


def kernel(function: F) -> F:
    """Compile a loop with Numba on its first call and keep the machine code on disk; it releases the GIL."""
    return _compile(function)


def fused_kernel(function: F) -> F:
    """The same, but a product and a sum may become one operation that rounds once (fused multiply-add).

    Nothing is reordered and no number is assumed finite. The bits depend on whether the machine has the operation, not
    on the number of threads; the error bound is no larger than with two roundings.
    """
    return _compile(function, fastmath={"contract"})


def inlined_kernel(function: F) -> F:
    """A fused kernel that other kernels call: its code becomes part of theirs.

    Otherwise the library of each caller holds a copy of its own, in which other operations may be fused, and the linker
    takes the copy that was loaded first: a process that compiles would get other bits than those that load.
    """
    return _compile(function, fastmath={"contract"}, forceinline=True)


def _compile(function: F, **more: Any) -> F:
    """Compile with a cache on disk, or without one if none can be written.

    If no folder for the cache can be written (a read-only installation without NUMBA_CACHE_DIR), the kernel is compiled
    anew in every process; one warning says so.
    """
    # Division follows IEEE like NumPy's: a Python-style ZeroDivisionError check costs a branch a division.
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, **more}
    try:
        return _forgiving(numba.njit(cache=True, **options)(function))
    except RuntimeError as error:  # Numba: "cannot cache function ...: no locator available for file ..."
        if "cache" not in str(error):
            raise
        _warn_once(
            f"compiled kernels cannot be cached on disk and are compiled anew in each process ({error}); "
            "set NUMBA_CACHE_DIR to a writable folder"
        )
        return numba.njit(**options)(function)


@contextmanager
def when_compiling(tell: Callable[[], None]) -> Iterator[None]:
    """Call `tell` the first time that one of these kernels is compiled in the block rather than read from the cache."""
    listener = _Listener(tell)
    event.register("numba:compile", listener)
    try:
        yield
    finally:
        event.unregister("numba:compile", listener)


class _Listener(event.Listener):
    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell: Callable[[], None] | None = tell

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if self._tell is not None and getattr(function, "__module__", "").startswith("refkan."):
            tell, self._tell = self._tell, None
            tell()

    def on_end(self, event: Any) -> None:
        pass


def _warn_once(message: str) -> None:
    kind = message.partition("(")[0]
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(message, stacklevel=4)


def _forgiving(dispatcher: Any) -> Any:
    """Compile a kernel anew if its cache is damaged, use it even if its code cannot be kept, and do so in one process.

    Numba passes on pickle's errors for a damaged file (UnpicklingError, EOFError and others, which name no file), in
    every process again, and the system's error on a full disk. The damaged index is emptied, so that the code is stored
    again.
    """
    cache: Any = getattr(dispatcher, "_cache", None)
    if not all(hasattr(cache, name) for name in ("load_overload", "save_overload", "flush", "cache_path")):
        return dispatcher  # nothing is kept, or another Numba keeps it in another way
    load, save, compile_form = cache.load_overload, cache.save_overload, dispatcher.compile
    name = f"{dispatcher.py_func.__module__}.{dispatcher.py_func.__qualname__}"

    def compile_in_turn(signature: Any) -> Any:
        with turn(cache.cache_path, f"{name} {signature}"):
            return compile_form(signature)

    def load_overload(*arguments: Any) -> Any:
        try:
            return load(*arguments)
        except Exception as error:
            damage = f"{type(error).__name__}: {error}"
            try:
                cache.flush()
            except OSError:
                raise RuntimeError(
                    f"the cache of compiled kernels is damaged ({damage}) and cannot be written: delete the folder "
                    f"{cache.cache_path}, or set NUMBA_CACHE_DIR to another one"
                ) from error
            _warn_once(
                f"the cache of compiled kernels is damaged ({damage}) and they are compiled again; should this come "
                f"back, delete the folder {cache.cache_path}"
            )
            return None

    def save_overload(*arguments: Any) -> None:
        try:
            with turn(cache.cache_path, name):  # two that extend one index at once would lose an entry
                save(*arguments)
        except OSError as error:
            _warn_once(f"compiled kernels cannot be kept in {cache.cache_path} ({error.strerror})")

    cache.load_overload, cache.save_overload = load_overload, save_overload
    dispatcher.compile = compile_in_turn
    return dispatcher
