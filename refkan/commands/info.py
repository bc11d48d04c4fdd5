"""`refkan info`: the installation."""

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path

import refkan
from refkan.base.extras import EXTRAS, how_to_install
from refkan.claims.running.run_options import add_command
from refkan.kernels.engine_choice import current_engine
from refkan.kernels.launch import thread_count

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "python-flint", "mpmath", "rich", "torch", "jax", "dask")


def add_info(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `info`."""
    told = "versions, threads, and where compiled kernels and the pages of the documentation are"
    add_command(commands, "info", show_info, "", help=told)


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
    print(f"  pages: {_pages()}")
    return 0


def _pages() -> Path | str:
    """The folder of the documentation: of a checkout, or where the wheel put it."""
    checkout = Path(refkan.__file__).parents[1] / "docs"
    if (checkout / "index.md").exists():
        return checkout
    installed = [Path(file.locate()) for file in files("refkan") or () if str(file).endswith("doc/refkan/index.md")]
    return installed[0].resolve().parent if installed else "not installed"
