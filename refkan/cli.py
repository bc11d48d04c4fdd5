"""The command `refkan`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import refkan
from refkan.base.long_runs.exit_codes import FAILED, INTERRUPTED, OK, refuse
from refkan.commands import add_certify, add_info, add_model, add_predict, add_spectrum, add_train_parser, add_verify
from refkan.commands.conform import add_parsers
from refkan.commands.threads import restart_with_threads
from refkan.kernels.engine_option import EngineError, chosen_engine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (by default those of the process) and return its exit code.

    The threads of a process are settled before this is called from it: `--threads` counts for the command alone.
    """
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    if arguments is None and hasattr(chosen, "threads"):
        restart_with_threads(chosen.threads)
    if chosen.run is None:
        parser.print_help()
        return OK
    try:
        with chosen_engine(chosen.engine, "refkan", chosen.engine_otherwise(chosen)):
            code = int(chosen.run(chosen))
        sys.stdout.flush()
    except EngineError as error:  # of the environment; the parser has seen to the option
        return refuse("refkan", error)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # of a full disk, on the standard output too, which would fail again at the exit
        with suppress(OSError):  # where the output has no file of the system
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return refuse("refkan", error, FAILED)
    except KeyboardInterrupt:  # where no command says what is kept
        return refuse("refkan", "interrupted", INTERRUPTED)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands."""
    parser = argparse.ArgumentParser(prog="refkan", description="refkan: a CPU ground truth for spline networks.")
    parser.add_argument("--version", action="version", version=f"refkan {refkan.__version__}")
    parser.set_defaults(run=None, engine_otherwise=lambda chosen: "auto")
    commands = parser.add_subparsers(title="commands")
    for add in (
        add_certify, add_info, add_model, add_predict, add_spectrum, add_train_parser, add_verify, add_parsers
    ):  # fmt: skip
        add(commands)
    return parser
