"""The command `refkan`."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import refkan
from refkan.kernels.launch import thread_count

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "python-flint", "mpmath", "rich", "torch", "jax", "dask")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with the given arguments (by default those of the process) and return its exit code."""
    parser = build_parser()
    chosen = parser.parse_args(arguments)
    if chosen.run is None:
        parser.print_help()
        return 0
    return int(chosen.run(chosen))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command and its subcommands."""
    parser = argparse.ArgumentParser(prog="refkan", description=refkan.__doc__)
    parser.add_argument("--version", action="version", version=f"refkan {refkan.__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands")
    info = commands.add_parser("info", help="versions, threads and where compiled kernels are kept")
    info.set_defaults(run=show_info)
    return parser


def show_info(chosen: argparse.Namespace) -> int:
    """Print what a report of a problem should say about the installation."""
    print(f"refkan {refkan.__version__}, Python {platform.python_version()}, {platform.machine()}, {sys.platform}")
    for package in PACKAGES:
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            print(f"  {package} not installed")
    print(f"  kernel threads: {thread_count()}")
    print(f"  kernel cache: {os.environ.get('NUMBA_CACHE_DIR', 'beside the kernels')}")
    return 0
