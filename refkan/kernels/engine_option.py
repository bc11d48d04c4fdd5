"""The option `--engine` of every command, and word of the first time that kernels are compiled."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from refkan.kernels.compilation import COMPILING, when_compiling
from refkan.kernels.engine_choice import VARIABLE, check_engine, current_engine, use_engine


class EngineError(ValueError):
    """The environment names an engine that there is not."""


def add_engine_option(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """Add the option `--engine`; `default` says in words what is taken without it."""
    parser.add_argument(
        "--engine",
        type=_engine,
        metavar="NAME",
        help="auto, plain or fast: how splines are summed. plain is compiled once for all layers, fast for each kind "
        f"of layer, auto takes fast where that pays; default: {default}, unless {VARIABLE} is set",
    )


def _engine(text: str) -> str:
    try:
        return check_engine(text, "NAME")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


@contextmanager
def chosen_engine(name: str | None, command: str, otherwise: str = "auto") -> Iterator[None]:
    """Run a command under the engine of its option, here and in processes that are started meanwhile.

    `otherwise` is the engine where neither option nor environment nor program chooses one. Says once, on the standard
    error stream, that kernels are compiled, where they are.

    Raises
    ------
    EngineError
        If there is no option, and REFKAN_ENGINE names no engine.
    """
    try:
        if name is None:
            name = current_engine()
            name = otherwise if name == "auto" and VARIABLE not in os.environ else name
    except ValueError as error:
        raise EngineError(str(error)) from None
    before = os.environ.get(VARIABLE)

    def say() -> None:
        print(f"{command}: {COMPILING}", file=sys.stderr, flush=True)

    with use_engine(name), when_compiling(say):
        os.environ[VARIABLE] = name
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
