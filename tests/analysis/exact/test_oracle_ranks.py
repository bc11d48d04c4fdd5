"""Certified ranks, spectra and condition numbers of networks against Fractions and 200 digits."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from scipy.interpolate import BSpline

import refkan as rk
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from refkan.analysis.exact.spectra.rational import as_fractions, rational_change_of_basis, rational_gram
from tests.analysis.exact.oracles import bases, draws, equations, matrices, spectra
from tests.analysis.exact.oracles import polynomials as P
from tests.analysis.exact.oracles.attacks import Counts
from tests.analysis.exact.oracles.jets import to_mp

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.errors.OutsideDomainWarning")

MAPS = {"splines": None, "natural": ("affine",), "silu": ("affine", "sigmoid"), "free": ("min-max", "mean-std")}


def drawn(seed, **options):
    """A problem and parameters, statistics of a batch without a constant node."""
    rng = np.random.default_rng([11, seed])
    while True:
        try:
            return rng, *spectra.problem(rng, **options)
        except rk.DegenerateNodeError:
            continue


@pytest.mark.parametrize("kind", sorted(set(spectra.KINDS)))
def test_ranks_are_exact_and_analytic_nullities_lower_bounds(kind):
    """Samples on knots and ends, an ulp beside them, repeated, outside; some of weight zero."""
    false, counts = [], Counts()
    size = 12 if kind in ("silu", "tanh", "free") else 24
    for seed in draws.cases(3):
        _, problem, theta = drawn(seed, kind=kind, maps=MAPS.get(kind), size=size)
        false += [(seed, text) for text in spectra.attack_rank(problem, theta, counts)]
    assert counts["rank"], counts
    assert not false, f"{len(false)} of {counts['rank']}: {false[:3]}"


def test_natural_tails_with_extreme_samples_at_the_ends_of_the_domain():
    """Beyond the ends, where rounding puts some of them, natural tails decay."""
    false, counts = [], Counts()
    for seed in draws.cases(3):
        rng = np.random.default_rng([12, seed])
        x = rng.uniform(size=(30, 2))
        net, theta = rk.kan([2, 2, 1], 3, 2, outside="natural").initialize(rng, x)
        problem = rk.LeastSquares(draws.without_margin(net), x, x[:, :1])
        false += spectra.attack_rank(problem, theta, counts)
    assert not false, false[:3]


@pytest.mark.parametrize("which", ["gauss-newton", "hessian"])
def test_every_eigenvalue_lies_in_its_enclosure(which):
    """In all bases, multiplicities included, each known to 1e-10."""
    false, counts = [], Counts()
    problems = [drawn(seed, size=10) for seed in draws.cases(10)]
    x = np.linspace(0.0, 1.0, 9)[:, None]
    problems += [
        (np.random.default_rng(seed), rk.LeastSquares(rk.kan([1, 1], 2 + seed, 3), x, x), np.zeros(4 + seed))
        for seed in range(3)  # h = 1/3 is no float
    ]
    x = np.random.default_rng(0).uniform(size=(12, 1))
    for node_map in ("min-max", "mean-std"):  # multiples of a node are null vectors of J alone
        net, theta = rk.kan([1, 1, 1], 2, 2, node_map=node_map).initialize(np.random.default_rng(1), x)
        problems.append((np.random.default_rng(2), rk.LeastSquares(net, x, x), theta))
    for seed, (rng, problem, theta) in enumerate(problems):
        layers = problem.net.layers
        if which == "hessian" and any(map(spectra.moves, layers)):
            continue
        plain = all(isinstance(layer, rk.SplineLayer) and not layer.free_knots for layer in layers)
        for basis in rng.choice([None, "relu", "scaled-relu"], 2, replace=False) if plain else [None]:
            false += [(seed, text) for text in spectra.attack_spectrum(problem, theta, which, basis, counts)]
    assert counts[which], counts
    assert not false, f"{len(false)} of {counts[which]}: {false[:3]}"


def spaces(order, count, repeat=False):
    """Spaces of all sorts of knots, in units from 1e-150 to 1e150."""
    rng = np.random.default_rng([14, order])
    for _ in draws.cases(count):
        unit = float(rng.choice([1.0, 1.0, 1e-150, 1e150, 2.0**-30]))
        yield rng, draws.space(rng, order, int(rng.integers(1, 6)), unit, repeat)


def definition(space, which, scaled=False):
    """A^T A, A A^T, or a Gram matrix of integrals over the pieces."""
    if which in ("AtA", "AAt"):
        A = matrices.change_of_basis(space.knots, space.order, scaled)
        factors = (matrices.transposed(A), A) if which == "AtA" else (A, matrices.transposed(A))
        return matrices.product(*factors)
    gram = matrices.gram(space.knots, space.order, "splines" if which == "gram" else "relu_powers")
    if scaled:
        a, b = (Fraction(float(space.knots[k])) for k in (space.order - 1, -space.order))
        factor = ((b - a) / space.intervals) ** (2 - 2 * space.order)
        gram = [[factor * c for c in row] for row in gram]
    return gram


@pytest.mark.parametrize("order", range(1, 7))
def test_rational_matrices_are_their_definitions(order):
    """Entry by entry, equalities of Fractions."""
    for _, space in spaces(order, 2):
        for scaled in (False, True):
            found = as_fractions(rational_change_of_basis(space, scaled))
            assert found == matrices.change_of_basis(space.knots, order, scaled)
        assert as_fractions(rational_gram(space)) == definition(space, "gram")
        for scaled in (False, True):
            found = as_fractions(rational_gram(space, "relu", scaled))
            assert found == definition(space, "relu_gram", scaled)


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("which", ["AtA", "AAt", "gram", "relu_gram"])
def test_eigenvalues_and_condition_numbers_lie_in_their_enclosures(order, which):
    """Extreme ones, all of them, and the quotient, which is known to two floats."""
    for rng, space in spaces(order, 1, repeat=which == "gram"):
        scaled = bool(rng.uniform() < 0.5) and which in ("AtA", "relu_gram")
        pairs, exact = None, definition(space, which, scaled)
        with mpmath.workdps(800):
            values, vectors = matrices.eigenpairs(exact)
            slack = [v * mpmath.mpf(10) ** -60 for v in values]
            if which != "AAt":
                ends = rk.exact.extreme_eigenvalues(space, which, scaled=scaled)
                for v, s, bound in zip((values[0], values[-1]), (slack[0], slack[-1]), ends, strict=False):
                    assert to_mp(bound.low) - s <= v <= to_mp(bound.high) + s
                    assert bound.high - bound.low <= bound.high / 2**57
            if not scaled:
                try:
                    pairs = eigenpairs(space, which)
                except rk.ConvergenceError:
                    continue  # eigenvalues that 4096 bits do not isolate
                for k, (v, s, bound) in enumerate(zip(values, slack, pairs.values, strict=True)):
                    assert to_mp(bound.low) - s <= v <= to_mp(bound.high) + s
                    components = pairs.vectors[k]
                    # Of rounded uniform knots two components differ by an ulp: exactly, not by midpoints in float64.
                    largest = max(range(space.dim), key=lambda i: abs(components[i].low + components[i].high))
                    for i, x in enumerate(components):
                        ratio, tiny = vectors[i, k] / vectors[largest, k], mpmath.mpf(10) ** -60
                        assert to_mp(x.low) - tiny <= ratio <= to_mp(x.high) + tiny
            if which != "AAt" and values[-1] / values[0] < 1e300:
                low, high = rk.exact.certified_condition_number(space, which=which)
                condition, tiny = values[-1] / values[0], mpmath.mpf(10) ** -60  # 3 exactly for hats on one interval
                assert low * (1 - tiny) <= condition <= high * (1 + tiny)
                assert high <= np.nextafter(np.nextafter(low, np.inf), np.inf)
        if which == "AtA" and pairs is not None and order > 1 and None not in pairs.sign_changes:
            assert pairs.sign_changes == tuple(range(space.dim))


KNOTS = {
    "uniform": lambda r, n: np.arange(1 - r, n + r) / n,
    "graded": lambda r, n: np.cumsum(1.7 ** np.arange(n + 2 * r - 1)),
    "clamped": lambda r, n: np.r_[[0.0] * (r - 1), np.linspace(0.0, 1.0, n + 1), [1.0] * (r - 1)],
    "near": lambda r, n: np.sort(np.r_[np.arange(1 - r, n + r - 1) / n, 1e-13]),
}


@pytest.mark.parametrize("order", range(1, 7))
@pytest.mark.parametrize("kind", KNOTS)
def test_splines_are_those_of_scipy_and_sum_to_one(order, kind):
    """Also at knots, where both take the piece on the right, and their first two derivatives."""
    knots = KNOTS[kind](order, 3)
    a, b = knots[order - 1], knots[-order]
    pieces = bases.splines(knots, order, "polynomial")
    inside = [*np.linspace(a, b, 8)[:-1], *(k for k in knots if a <= k < b)]
    for x in inside:
        functions = pieces.piece(Fraction(x))
        assert sum(P.value(f, Fraction(x)) for f in functions) == 1
        for derivative in range(min(order, 3)):
            exact = np.array([float(P.value(f, Fraction(x))) for f in functions])
            for i, _f in enumerate(functions):
                unit = np.eye(len(functions))[i]
                spline = BSpline(knots, unit, order - 1)
                expected = spline.derivative(derivative)(x) if derivative else spline(x)
                scale = max(1.0, np.abs(exact).max())
                assert (kind == "near" and derivative) or abs(exact[i] - expected) < 1e-11 * scale
            functions = [P.derivative(f) for f in functions]
    assert sum(P.value(f, Fraction(b)) for f in pieces.piece(Fraction(b))) == 1


def test_values_computed_by_hand():
    """The quadratic B-spline, a tangent, a power, T_3, and what lies beyond the last knot."""
    half = Fraction(1, 2)
    on = bases.splines(range(-2, 6), 3, "linear").piece(3 * half)
    assert [P.value(f, 3 * half) for f in on] == [0, Fraction(1, 8), Fraction(3, 4), Fraction(1, 8), 0]
    beyond = bases.splines(range(-2, 6), 3, "linear").piece(Fraction(4))
    assert [P.value(f, Fraction(4)) for f in beyond] == [0, 0, 0, -half, 3 * half]
    natural = bases.splines(range(-2, 6), 3, "natural")
    assert [P.value(f, 7 * half) for f in natural.piece(7 * half)] == [0, 0, 0, Fraction(1, 8), Fraction(3, 4)]
    assert not any(P.value(f, Fraction(5)) for f in natural.piece(Fraction(5)))
    power = bases.relu_powers([-1, 0, 1, 2, 3], 2, "natural").piece(Fraction(7))
    assert [P.value(f, Fraction(7)) for f in power] == [8, 7, 6]
    (*_, cubic) = bases.chebyshev((0, 2), 3, "polynomial").piece(3 * half)
    assert P.value(cubic, 3 * half) == 4 * half**3 - 3 * half


@pytest.mark.filterwarnings("ignore::refkan.base.errors.OutsideDomainWarning")
@pytest.mark.parametrize("kind", equations.KINDS)
def test_errors_and_residuals_are_below_their_bounds(kind):
    """Lap u + k^2 u = f and div(c grad u) = f, on a line and in the plane, within the domain and beyond."""
    false, counts = [], Counts()
    for seed in draws.cases(2):
        rng = np.random.default_rng([13, equations.KINDS.index(kind), seed])
        false += [(seed, text) for text in equations.attack_error(rng, kind, counts)]
    assert counts["bounds"], counts
    assert not false, f"{len(false)} of {counts['bounds']}: {false[:3]}"
