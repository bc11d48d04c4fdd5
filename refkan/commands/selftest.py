"""`refkan info` describes the installation, and `refkan selftest` compares its results with exact arithmetic."""

import argparse
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

import numpy as np

import refkan
from refkan import truth
from refkan.analysis import exact
from refkan.base.extras import EXTRAS, how_to_install
from refkan.base.long_runs.command_parser import add_command
from refkan.base.long_runs.exit_codes import FAILED, OK
from refkan.kernels.engine_choice import current_engine, use_engine
from refkan.kernels.engine_option import add_engine_option
from refkan.kernels.launch import thread_count
from refkan.networks import chebyshev_kan, hessians, kan

PACKAGES = ("numpy", "scipy", "numba", "matplotlib", "python-flint", "mpmath", "rich", "torch", "jax", "dask")


def add_info(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `info`."""
    told = "versions, threads, and where compiled kernels and the pages of the documentation are"
    p = add_command(commands, "info", show_info, help=told)
    add_engine_option(p)


def show_info(chosen: argparse.Namespace) -> int:
    """Print what a problem report should say about the installation."""
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
    """The folder of the documentation: that of a checkout, or of the wheel."""
    checkout = Path(refkan.__file__).parents[1] / "docs"
    if (checkout / "index.md").exists():
        return checkout
    installed = [Path(file.locate()) for file in files("refkan") or () if str(file).endswith("doc/refkan/index.md")]
    return installed[0].resolve().parent if installed else "not installed"


LIMIT = 1e-13
"""Largest difference from exact results, relative to the largest entry, that counts as agreement.

B-splines and Chebyshev polynomials differ by 1e-15; sums of ReLU powers cancel, and lose another digit here.
"""

NETWORKS = {
    "B-splines": kan([2, 3, 2], order=4, intervals=3),
    "ReLU powers": kan([2, 3, 2], order=3, intervals=3, basis="relu"),
    "Chebyshev": chebyshev_kan([2, 3, 2], degree=4),
}
"""The networks compared, which are exact in rational numbers."""


def add_selftest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `selftest`."""
    p = commands.add_parser(
        "selftest",
        help="compare the results of this installation with exact arithmetic",
        description="Compare values, gradients and Gauss-Newton matrices of small networks with the same in rational "
        "numbers, under both engines, and proven bounds of their values with the values.",
        epilog=f"Exit code: 0; 1 if something differs by more than {LIMIT:g} of its largest entry; 130 if interrupted.",
    )
    p.set_defaults(run=_run, program=p.prog)


def _run(chosen: argparse.Namespace) -> int:
    began, wrong = time.perf_counter(), 0
    show_info(chosen)
    rng = np.random.default_rng(0)
    x, dy = rng.uniform(size=(6, 2)), rng.normal(size=(6, 2))
    for name, network in NETWORKS.items():
        net, theta = network.initialize(rng, x)
        t = truth.of(net, theta, x)
        wanted = [t.value, *t.pullback(dy), t.gauss_newton()]
        for engine in ("plain", "fast"):
            with use_engine(engine):
                got = [net(theta, x), *net.vjp(theta, x)[1](dy), len(x) * hessians.gauss_newton(net, theta, x)]
            off = max(map(_difference, got, wanted))
            wrong += off > LIMIT
            print(f"{name}, engine {engine}: exact results differ by {off:.1e}, {LIMIT:g} is allowed", flush=True)
        low, high = exact.enclose(net, theta, [[0.0, 1.0]] * 2).value.T
        inside = bool(((low <= got[0]) & (got[0] <= high)).all())
        wrong += not inside
        print(f"{name}: proven bounds {'hold' if inside else 'DO NOT HOLD'}", flush=True)
    seconds = time.perf_counter() - began
    print(f"{f'{wrong} results are WRONG' if wrong else 'all results are reproduced'}, in {seconds:.0f} s")
    return FAILED if wrong else OK


def _difference(got: Any, wanted: Any) -> float:
    if not np.isfinite(got).all():
        return np.inf
    reference = np.array(wanted, dtype=object)
    off = np.abs(np.frompyfunc(type(reference.flat[0]), 1, 1)(got) - reference).max()
    return float(off / np.abs(reference).max())
