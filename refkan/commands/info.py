"""`refkan info`: the installation."""

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import refkan
from refkan.base.extras import EXTRAS, how_to_install
from refkan.claims.running.run_options import add_command
from refkan.kernels.engine_choice import current_engine
from refkan.kernels.launch import thread_count

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "python-flint", "mpmath", "rich", "torch", "jax", "dask")


def add_info(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `info`."""
    add_command(commands, "info", show_info, "", help="versions, threads and where compiled kernels are kept")


def show_info(chosen: argparse.Namespace) -> int:
    """Print what a report of a problem should say about the installation."""
    print(f"refkan {refkan.__version__}, Python {platform.python_version()}, {platform.machine()}, {sys.platform}")
    for package in PACKAGES:
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            extra = f" ({how_to_install(package)})" if package in EXTRAS else ""
            print(f"  {package} not installed{extra}")
    print(f"  engine: {current_engine()}")
    print(f"  kernel threads: {thread_count()}")
    print(f"  kernel cache: {os.environ.get('NUMBA_CACHE_DIR', 'beside the kernels')}")
    return 0
