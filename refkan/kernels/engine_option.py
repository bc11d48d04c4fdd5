"""The option `--engine` of every command, and the message that kernels are compiled for the first time."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from refkan.base.long_runs.own_process import Event, send
from refkan.kernels.compilation import COMPILING, when_compiling
from refkan.kernels.engine_choice import VARIABLE, check_engine, current_engine, use_engine


class EngineError(ValueError):
    """The environment names an engine that does not exist."""


def add_engine_option(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """Add the option `--engine`; `default` describes the engine used without it."""
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


def engine_of(chosen: argparse.Namespace) -> AbstractContextManager[None]:
    """The context of the engine that the options of a command name."""
    return chosen_engine(chosen.engine, chosen.program, chosen.engine_otherwise(chosen))


def compilations_sent() -> AbstractContextManager[None]:
    """The context in which an `OwnProcess` sends `Event.COMPILES` when a kernel is compiled for the first time."""
    return when_compiling(partial(send, Event.COMPILES))


@contextmanager
def chosen_engine(name: str | None, command: str, otherwise: str = "auto") -> Iterator[None]:
    """Run a command under the engine of its option, here and in processes started meanwhile.

    `otherwise` is the engine if neither option nor environment nor program chooses one. If kernels are compiled, one
    message on the standard error stream says so.

    Raises
    ------
    EngineError
        If there is no option, and REFKAN_ENGINE names no engine.
    """
    try:
        if name is None:
            name = current_engine()
            if name == "auto" and VARIABLE not in os.environ:
                name = otherwise
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
