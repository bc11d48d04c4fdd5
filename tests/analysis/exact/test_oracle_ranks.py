"""Certified ranks, spectra and condition numbers of networks against Fractions and 200 digits.

REFKAN_EXAMPLES=k in the environment draws k times as many problems.
"""

import numpy as np
import pytest

import refkan as rk
from tests.analysis.exact.oracles import draws, spectra
from tests.analysis.exact.oracles.attacks import Counts

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
