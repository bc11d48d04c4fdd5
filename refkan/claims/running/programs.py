"""Commands: the parser of each, and how it is carried out, under its engine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refkan.base.long_runs.exit_codes import guarded
from refkan.base.long_runs.interrupts import kept_interrupts
from refkan.kernels.engine_option import add_engine_option, chosen_engine

Commands = Any
"""What `argparse.ArgumentParser.add_subparsers` returns, whose class has no public name."""


def add_command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], sizes: str, parts: str = "", **texts: Any
) -> argparse.ArgumentParser:
    """Add a command with the option `--engine` and return its parser.

    Parameters
    ----------
    commands
        Where it is added.
    name : str
    run : callable
        Takes the options and returns the exit code; what it raises is said in one line, see `guarded`.
    sizes : str
        Options that ask for less memory.
    parts : str
        What an interrupted run keeps in the folder of that name in its `--output`.
    **texts
        Of the help: help, description, epilog.
    """
    p: argparse.ArgumentParser = commands.add_parser(name, **texts)
    add_engine_option(p)
    p.set_defaults(run=kept_interrupts()(run), program=p.prog, sizes=sizes, parts=parts)
    return p


def carry_out(chosen: argparse.Namespace) -> int:
    """Do what the options of a command ask for and return the exit code."""

    def run() -> int:
        with chosen_engine(chosen.engine, chosen.program, chosen.engine_otherwise(chosen)):
            return int(chosen.run(chosen))

    def kept() -> str:
        folder: Path | None = getattr(chosen, "output", None)
        if folder is None or not chosen.parts or not any(folder.glob(f"{chosen.parts}/*")):
            return ""
        return f"; finished {chosen.parts} are kept in {folder / chosen.parts}"

    return guarded(chosen.program, run, chosen.sizes, kept)
