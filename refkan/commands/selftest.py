"""`refkan selftest`: whether an installation computes what exact arithmetic says, under both engines."""

import argparse
import time
from typing import Any

import numpy as np

from refkan import truth
from refkan.analysis import exact
from refkan.base.long_runs.exit_codes import FAILED, OK
from refkan.commands.info import show_info
from refkan.kernels.engine_choice import use_engine
from refkan.networks import chebyshev_kan, hessians, kan

LIMIT = 1e-13
"""Difference from exact results, relative to the largest entry, up to which they are reproduced.

B-splines and Chebyshev polynomials differ by 1e-15; sums of ReLU powers cancel, and lose another digit here.
"""

NETWORKS = {
    "B-splines": kan([2, 3, 2], order=4, intervals=3),
    "ReLU powers": kan([2, 3, 2], order=3, intervals=3, basis="relu"),
    "Chebyshev": chebyshev_kan([2, 3, 2], degree=4),
}
"""What is compared: networks that are exact in rational numbers."""


def add_selftest(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `selftest`."""
    p = commands.add_parser(
        "selftest",
        help="whether this installation computes what exact arithmetic says",
        description="Compare values, gradients and Gauss-Newton matrices of small networks with the same in rational "
        "numbers, under both engines, and proven bounds of their values with the values.",
        epilog=f"Exit code: 0; 1 if something differs by more than {LIMIT:g} of its largest entry; 130 if interrupted.",
    )
    p.set_defaults(run=_run, program=p.prog, engine=None)


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
