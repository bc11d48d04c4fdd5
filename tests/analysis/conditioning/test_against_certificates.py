"""Spectra in float64 against certified ones, of networks of every kind of layer, map and tail, in every basis."""

import re
from contextlib import suppress
from dataclasses import replace

import flint
import numpy as np
import pytest

import refkan as rk
from refkan.analysis.conditioning.modes import UNRESOLVED
from refkan.analysis.exact.ranks.network_rows import checked
from refkan.analysis.exact.spectra.curvatures import matrix_of_basis
from refkan.truth import UndecidedError
from tests.analysis.exact.oracles import draws

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = {
    "any": (("spline", "relu", "scaled", "chebyshev", "silu", "free", "dense"), draws.MAPS),
    "rational": (("spline", "relu", "scaled", "chebyshev", "dense"), ("none", "affine", "min-max")),
    "splines": (("spline", "spline", "relu", "scaled"), ("none", "affine", "min-max")),
}
LARGEST = 40
"""Parameters of a network, at most."""


def drawn(rng, kind):
    """A problem with samples at adversarial places, in any units, its parameters, and a basis or None."""
    kinds, maps = KINDS[kind]
    while True:
        widths = [int(rng.integers(1, 4)) for _ in range(rng.choice([2, 2, 3, 3, 4]))]
        net, theta = draws.network(rng, widths, maps, (1, 2, 3, 4), bool(rng.uniform() < 0.4), kinds)
        if net.n_params <= LARGEST:
            break
    ends = draws.domains(net.layers[0])
    box, count = ends if rng.uniform() < 0.6 else draws.box(rng, net), int(rng.integers(1, 16))
    x = np.array(draws.points(rng, net, box, count), dtype=float)
    if net.layers[0].outside == "error":
        x = np.clip(x, *ends.T)
    if rng.uniform() < 0.3:
        x = x[rng.integers(0, max(count // 2, 1), count)]
    y = rng.normal(size=(count, widths[-1])) * float(rng.choice([1.0, 1.0, 1e-100, 1e100]))
    weights = rng.uniform(size=count) * (rng.uniform(size=count) < 0.8) + (np.arange(count) == 0)
    weights *= float(rng.choice([1.0, 1.0, 1.0, 1e-150, 1e150]))
    problem = rk.LeastSquares(net, x, y, weights if rng.uniform() < 0.5 else None)
    return problem, theta, rng.choice([None, None, "spline", "relu", "scaled-relu"])


def answer(spectrum, problem, theta, **options):
    """A spectrum, or what it is refused for."""
    try:
        return spectrum(problem, theta, **options)
    except (ValueError, OverflowError, rk.ConvergenceError) as error:
        return str(error)


def jumps(problem, theta, which):
    """Whether J, or the Hessian, is another where rounding takes an activation across a knot, or between two."""
    exact, twin, hessian = checked(problem, theta), None, which == "hessian"
    with flint.ctx.workprec(1200):
        try:
            rows = exact.hessian(flint.arb, flint.arb_mat).tolist() if hessian else exact.rows(flint.arb).values()
        except UndecidedError:
            return True
        matrices = [(problem, theta, flint.arb_mat(rows if hessian else exact.dense(rows)))]
        with suppress(ValueError):
            twin, B = problem.net.to_basis("spline"), flint.arb_mat(matrix_of_basis(problem.net, "spline")[0])
            moved = matrices[0][2] * B
            moved = B.transpose() * moved if hessian else moved
            matrices.append((replace(problem, net=twin), problem.net.convert(theta, twin), moved))
        for posed, at, entries in matrices:
            expected = np.array([[float(entry.mid()) for entry in row] for row in entries.tolist()])
            computed = posed.hessian(at) if hessian else posed.net.jacobian(at, exact.x)
            if not np.abs(computed - expected).max() <= 1e-13 * np.abs(expected).max():
                return True
    return False


def false_statements(problem, theta, which, basis):
    """What a spectrum says without a flag and a certificate refutes; how many eigenvalues were held against it."""
    spectrum = answer(rk.spectrum, problem, theta, which=which, basis=basis)
    certified = answer(rk.exact.certified_spectrum, problem, theta, which=which, basis=basis, seconds=1.0)
    if isinstance(spectrum, str) or isinstance(certified, str):
        refused = [bool(re.match(r"basis \S+ (is not|needs fixed)", str(each))) for each in (spectrum, certified)]
        alone = refused[0] != refused[1] and not (isinstance(spectrum, str) and isinstance(certified, str))
        return [f"a basis is refused by one alone: {spectrum}, {certified}"] * alone, 0
    out, flags = [], set(spectrum.flags) - {"nullity", "indefinite"}
    if spectrum.size != certified.size:
        out.append(f"{spectrum.size} rows, {certified.size}")
    if spectrum.analytic_nullity > certified.nullity:
        out.append(f"analytic nullity {spectrum.analytic_nullity}, exact {certified.nullity}")
    if "zero" in flags and certified.rank:
        out.append(f"no zero matrix: {certified.rank} eigenvalues")
    rank = min(spectrum.n_range, certified.rank)
    if flags - {"middle"} or not rank:
        return out, 0
    if spectrum.n_range != certified.rank and "nullity" not in spectrum.flags and not jumps(problem, theta, which):
        out.append(f"rank {spectrum.n_range}, exact {certified.rank}")
    exact = np.array(sorted((value.midpoint for value in certified.values), key=abs, reverse=True)[:rank])
    with np.errstate(all="ignore"):
        off = np.abs(spectrum.values[:rank] / exact) - 1  # of pairs +-v either may come first
    if "middle" in flags:
        off = off[[0, -1]]
    if not np.abs(off).max() < UNRESOLVED and not jumps(problem, theta, which):
        out.append(f"off by {off}: {spectrum.values[:rank]}, exact {exact}, flags {spectrum.flags}")
    return out, off.size


@pytest.mark.parametrize("which", ["gauss-newton", "ntk", "hessian"])
@pytest.mark.parametrize("kind", KINDS)
def test_eigenvalues_without_a_flag_are_those_of_certificates(kind, which):
    """But for those that certificates leave undecided."""
    false, compared = [], 0
    for seed in draws.cases(5):
        rng = np.random.default_rng([41, *map(ord, kind + which), seed])
        with suppress(rk.DegenerateNodeError):
            problem, theta, basis = drawn(rng, kind)
            texts, count = false_statements(problem, theta, which, basis)
            false += [(seed, problem.net, basis, text) for text in texts]
            compared += count
    assert not false, f"{len(false)} of {compared}: {false[:3]}"
