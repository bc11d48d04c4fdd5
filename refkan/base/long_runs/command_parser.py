"""The parser of commands, and how a command is carried out."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from refkan.base.long_runs.exit_codes import guarded
from refkan.base.long_runs.interrupts import kept_interrupts


class CommandParser(argparse.ArgumentParser):
    """A parser whose commands refuse unknown options themselves, under their own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse unknown options: argparse passes them on to the program, which has no usage for them."""
        chosen, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return chosen, unknown


Commands = Any
"""What `argparse.ArgumentParser.add_subparsers` returns, whose class has no public name."""


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int],
    sizes: str = "",
    parts: str = "",
    **texts: Any,
) -> argparse.ArgumentParser:
    """Add a command and return its parser.

    Parameters
    ----------
    commands
        Where it is added.
    name : str
    run : callable
        Takes the options and returns the exit code; errors become one line, see `guarded`. It may set the option
        `kept_in_words`, a function that says what is kept of an interrupted run.
    sizes : str
        Options that ask for less memory.
    parts : str
        What an interrupted run keeps in the folder of that name in its `--output`.
    **texts
        Of the help: help, description, epilog.
    """
    p: argparse.ArgumentParser = commands.add_parser(name, **texts)
    p.set_defaults(run=kept_interrupts()(run), program=p.prog, sizes=sizes, parts=parts)
    return p


def carry_out(chosen: argparse.Namespace, surroundings: AbstractContextManager[None]) -> int:
    """Run a command with its options, within a context such as that of its engine, and return the exit code."""

    def run() -> int:
        with surroundings:
            return int(chosen.run(chosen))

    def kept() -> str:
        if hasattr(chosen, "kept_in_words"):
            return str(chosen.kept_in_words())
        folder: Path | None = getattr(chosen, "output", None)
        if folder is None or not chosen.parts:
            return ""
        if not any(folder.glob(f"{chosen.parts}/*")):
            return ""
        return f"; finished {chosen.parts} are kept in {folder / chosen.parts}"

    return guarded(chosen.program, run, chosen.sizes, kept)


def count(text: str, minimum: int = 1, maximum: int | None = None) -> int:
    """Parse a whole number between a minimum and a maximum, both allowed."""
    bounds = f"at least {minimum}"
    if maximum is not None:
        bounds += f" and at most {maximum}"
    if text.isdecimal() and int(text) >= minimum:
        number = int(text)
        if maximum is None or number <= maximum:
            return number
    raise argparse.ArgumentTypeError(f"must be a whole number, {bounds}; got {text!r}")
