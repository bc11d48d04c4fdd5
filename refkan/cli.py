"""The command `refkan`."""

import argparse
from collections.abc import Sequence
from typing import Any

import refkan
from refkan import commands
from refkan.base.long_runs.command_parser import CommandParser, carry_out
from refkan.base.long_runs.exit_codes import OK
from refkan.kernels.engine_option import engine_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (by default those of the process) and return its exit code."""
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    if chosen.run is None:
        parser.print_help()
        return OK
    return carry_out(chosen, engine_of(chosen))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands."""
    parser = CommandParser(prog="refkan", description="refkan: a CPU ground truth for spline networks.")
    parser.add_argument("--version", action="version", version=f"refkan {refkan.__version__}")
    parser.set_defaults(
        run=None, program="refkan", sizes="", parts="", engine=None, engine_otherwise=lambda chosen: "auto"
    )
    parts: Any = parser.add_subparsers(title="commands")
    for name in commands.__all__:
        getattr(commands, name)(parts)
    return parser
