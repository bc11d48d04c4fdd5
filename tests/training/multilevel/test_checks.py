"""The function is checked again after every prolongation."""

import numpy as np
import pytest

import refkan as rk
from refkan.training.multilevel import minimize_multilevel
from refkan.training.multilevel.levels import contributions, points_elsewhere, require_unchanged
from tests.shared.factories import EDGE_KINDS, EVERY_NETWORK, NetworkCase, samples
from tests.shared.refusals import refused
from tests.training.multilevel.small_regressions import small_problem


@pytest.mark.parametrize(
    "case",
    [case for case in EVERY_NETWORK if case.outside != "natural" and case.kind in EDGE_KINDS],
    ids=str,
)
def test_prolongation_is_checked_and_passes_on_every_network(case):
    x = samples(60)
    net, theta = case.start(x)
    fine = net.refine()
    assert require_unchanged(net, theta, fine, net.convert(theta, fine), x) <= 1e-14


@pytest.mark.parametrize("where", ["samples", "off"])
def test_sabotage_of_a_prolongation_is_noticed(where):
    """One coefficient off by 1e-9 relative; with one sample, only the points elsewhere see the coefficient."""
    problem, theta = small_problem("relu")
    fine = problem.net.refine()
    moved = problem.net.convert(theta, fine)
    at = fine.n_params - 1  # of the last ReLU power: it acts at the right end alone
    moved[at] += 1e-9 * np.abs(moved).max()
    x = problem.x if where == "samples" else problem.x[:1]
    with pytest.raises(RuntimeError, match=r"prolongation changed the function by .* on (the samples|points off)"):
        require_unchanged(problem.net, theta, fine, moved, x)


def test_a_wrong_prolongation_stops_the_training(monkeypatch):
    problem, theta = small_problem()
    convert = rk.Network.convert
    monkeypatch.setattr(rk.Network, "convert", lambda net, theta, other: convert(net, theta, other) * (1 + 1e-11))
    with pytest.raises(RuntimeError, match=r"prolongation changed the function by .* on the samples"):
        minimize_multilevel(problem, theta, [2, 2])
    monkeypatch.setattr(rk.Network, "convert", lambda net, theta, other: np.full(other.n_params, np.nan))
    with pytest.raises((RuntimeError, ValueError)):
        minimize_multilevel(problem, theta, [2, 2])


def test_natural_tails_are_refused_before_training():
    problem, theta = small_problem(outside="natural")
    called = []
    refused(lambda: minimize_multilevel(problem, theta, [5, 5], callback=lambda *_: called.append(1)), "natural")
    assert not called


def test_natural_tails_that_get_through_are_noticed():
    net, theta = NetworkCase("spline", "affine", "natural").start(samples(60))
    fine = net.refine()
    with pytest.raises(RuntimeError, match="points off the samples"):
        require_unchanged(net, theta, fine, net.convert(theta, fine, allow_inexact=True), None)


def test_outside_error_is_compared_within_the_domain():
    x = np.linspace(0.0, 1.0, 50)[:, None]
    net, theta = rk.kan([1, 1], 3, 4, outside="error").initialize(np.random.default_rng(0), x)
    fine = net.refine()
    moved = net.convert(theta, fine)
    assert require_unchanged(net, theta, fine, moved, x) <= 1e-15
    elsewhere = points_elsewhere(net, x)
    assert elsewhere.min() >= 0
    assert elsewhere.max() <= 1
    with pytest.raises(RuntimeError):
        require_unchanged(net, theta, fine, moved + 1e-9, x)


def test_contributions_are_not_small_by_accident():
    """A ReLU network of large opposite coefficients: over its levels the size follows the sums of absolute terms."""
    problem, theta = small_problem("relu", "affine")
    rng = np.random.default_rng(3)
    for _ in range(20):
        at = theta * rng.normal(1.0, 0.3, theta.size)
        size = contributions(problem.net, at, problem.x, problem.net(at, problem.x))[0]
        terms = np.abs(problem.net.jacobian(at, problem.x)) @ np.abs(at)
        assert terms.max() / np.sqrt(theta.size) < size < 4 * terms.max()
