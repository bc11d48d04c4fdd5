"""Results of all kernels, small and large, and other processes that compute them in other ways."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import refkan as rk
from refkan.kernels import bspline_basis
from refkan.splines import bsplines, relu_powers
from refkan.splines.sums import spline_functions
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep
from tests.shared.factories import POLICIES, LayerCase, space

ROOT = Path(rk.__file__).parents[1]


def sweep_results(layer, x, seed=0):
    """Every sweep of a spline layer; of others, which go through BLAS, none."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(layer.n_params)
    at = layer.linearize(theta, x)
    N, Q = at.value.shape
    dtheta, dx, dy = rng.standard_normal(theta.size), rng.standard_normal(x.shape), rng.standard_normal((N, Q))
    results = [at.value, *at.pullback(dy), at.pushforward(dtheta, dx)]
    if 0 < N <= 50:
        J = np.zeros((N, Q, layer.n_params))
        at.fill_jacobian(np.tile(np.eye(Q), (N, 1, 1)), J)
        results.append(J)
    return results


def uniform_layer(P, Q, order=3, n=5, **options):
    return rk.SplineLayer(tuple(rk.SplineSpace.uniform(order, n, (-p, 1.0)) for p in range(P)), Q, **options)


def layer_results():
    """Kernels of layers at small size: orders, policies, ends of the domain and far outside, no samples."""
    results = []
    for case in (
        *(LayerCase("spline", order, outside) for order in (1, 3) for outside in POLICIES),
        *(LayerCase("spline", order, outside, True) for order in (2, 4) for outside in ("linear", "polynomial")),
        LayerCase("spline", 3, "linear", True, intervals=1),
    ):
        ends = case.build().domains.T
        x = np.concatenate([case.samples(7), ends, 3 * ends - 2 * ends.mean(axis=0)])
        results += sweep_results(case.build(), x)
    for free in (False, True):
        results += sweep_results(LayerCase("spline", free_knots=free).build(), np.zeros((0, 3)))[:2]
    for kind in ("repeated", "clamped"):
        S = space(kind, 4)
        x = np.concatenate([S.breakpoints, S.greville, S.domain - 50 * np.array([1, -1])])[:, None]
        for outside in POLICIES:
            results += sweep_results(rk.SplineLayer((S,), 1, outside), x)
    x = LayerCase("relu").samples(7)
    relu = LayerCase("relu").build()
    block = relu.linearize(np.ones(relu.n_params), x).local_form(curved=True).blocks[0]
    results += [block.values, block.slopes]
    return results


@contextmanager
def sweeps_of(kind):
    """Sweeps of that kind, whatever would be fastest; None says in turn, through windows."""
    kept = spline_functions.fastest_sweep
    spline_functions.fastest_sweep = lambda *sizes: kind
    try:
        with rk.use_engine("fast"):
            yield
    finally:
        spline_functions.fastest_sweep = kept


SORTED_LAYERS = [
    ("random", 3, 5, 4, "linear", False),
    ("graded", 1, 1, 4, "polynomial", False),
    ("clamped", 2, 66, 4, "natural", False),
    ("uniform", 3, 5, 4, "linear", True),
    ("random", 9, 5, 4, "polynomial", False),
]
"""Knots, inputs, outputs, order, policy, free knots: outputs in two tiles, the second with room, and one by one; more
inputs than are read together."""

POLYNOMIAL_LAYERS = [
    ("random", 3, 5, 4, "linear", False),
    ("graded", 1, 1, 2, "polynomial", False),
    ("clamped", 2, 2, 3, "natural", False),
    ("uniform", 2, 5, 1, "linear", False),
    ("repeated", 2, 1, 4, "linear", False),
    ("uniform", 3, 5, 4, "linear", True),
    ("offset", 260, 1, 4, "polynomial", False),
    ("repeated", 2, 2, 6, "polynomial", False),
]
"""The same, with more inputs than a block has pairs."""


def results_of(kind, layers):
    """The sweeps of enough samples for several blocks, some of them outside, on breakpoints and at the ends."""
    results = []
    for knots, P, Q, order, outside, free in layers:
        S = space(knots, order)
        layer = rk.SplineLayer((S,) * P, Q, outside, free)
        ends = layer.domains.T
        x = np.random.default_rng(P).uniform(*(1.1 * ends - 0.1 * ends[::-1]), (spline_functions.MANY_SAMPLES + 3, P))
        x = np.concatenate([x, ends, np.tile(S.breakpoints[:, None], P)])
        if outside == "natural":
            x = np.clip(x, *ends)
        with sweeps_of(kind):
            results += sweep_results(layer, x)
    return results


def sorted_results(kind=SortedSweep):
    """Sweeps of samples sorted by interval."""
    return results_of(kind, SORTED_LAYERS)


def polynomial_results(kind=PolynomialSweep):
    """Sweeps by the polynomials of intervals."""
    return results_of(kind, POLYNOMIAL_LAYERS)


def small_results():
    """All kernels at small size."""
    results = layer_results() + sorted_results() + polynomial_results()
    S = space("graded", 4)
    x = np.concatenate([S.breakpoints, S.greville, S.domain - 50 * np.array([1, -1])])
    results.append(bsplines.evaluate(S, np.arange(S.dim) / 3, x, 1, "natural"))
    for outside in POLICIES:
        S, x = space("random", 3), np.linspace(-1.0, 6.0, 12)
        results += [relu_powers.design_matrix(S, x, k, outside, scaled=True) for k in range(3)]
    return results


def large_results():
    """Enough work for several threads, for few inputs and for many, and for free knots."""
    rng = np.random.default_rng(0)
    results = []
    sizes = (4, 2, 20, 5000), (3, 1, 2, 20000), (4, 12, 30, 700), (4, 3, 8, 3000, True), (3, 3, 2, 40000)
    for order, P, Q, N, *free in sizes:
        x = rng.uniform(-0.1 - np.arange(P), 1.1, (N, P))
        results += sweep_results(uniform_layer(P, Q, order, free_knots=bool(free)), x)
    S = rk.SplineSpace.uniform(4, 20)
    x = rng.uniform(0, 1, 30001)
    results.append(bsplines.evaluate(S, rng.standard_normal(S.dim), x))
    results.append(bsplines.design_matrix(S, x).data)
    results.append(relu_powers.design_matrix(S, x))
    return results


def complex_results():
    """Complex arithmetic of kernels whose complex form is not worth compiling: derivatives by complex steps."""
    S = space("random", 4)
    c = np.random.default_rng(0).standard_normal(S.dim)
    x = np.linspace(*S.domain, 9)[1:-1]
    return [bsplines.evaluate(S, c, x + 1e-30j).imag / 1e-30, bsplines.evaluate(S, c, x, 1)]


def save(path, *names):
    """Write results to a file: what the other processes run."""
    arrays = {f"{name}-{k}": a for name in names for k, a in enumerate(globals()[name]())}
    np.savez(path, **arrays)


def leave_an_array():
    """Read beyond the end of an array: the checks are really on."""
    try:
        bspline_basis.find_intervals(np.zeros(1), np.arange(2.0), np.zeros(2, np.int32), 1.0, 0, np.empty(0, np.uint64))
    except IndexError:
        print("noticed")


def load(path, name):
    with np.load(path) as file:
        return [file[f"{name}-{k}"] for k in range(sum(key.startswith(name) for key in file))]


KERNELS_ALONE = f"""
import sys, types

def kernels_alone():
    \"\"\"Import the kernels, anew, without the package, whose other modules take a second to import.\"\"\"
    for name in [name for name in sys.modules if name.partition(".")[0] == "refkan"]:
        del sys.modules[name]
    sys.modules["refkan"] = types.ModuleType("refkan")
    sys.modules["refkan"].__path__ = [{str(ROOT / "refkan")!r}]

kernels_alone()
"""
"""What a process runs first that is about the compilation of kernels alone."""


def other_process(code, folder, **environment):
    """Start Python beside the tests."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process):
    output, _ = process.communicate(timeout=600)  # against hanging
    assert process.returncode == 0, output
    return output
