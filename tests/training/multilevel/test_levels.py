"""Levels: refinement, nominal work, and checks that nothing changed."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import Attention, Collocation
from refkan.training.multilevel import minimize_multilevel, unchanged_functions
from refkan.training.multilevel.staged_results import interval_weight
from refkan.training.multilevel.unchanged_functions import (
    contributions,
    points_elsewhere,
    require_unchanged,
    samples_of,
)
from tests.shared.factories import EDGE_KINDS, EVERY_NETWORK, samples
from tests.shared.refusals import refused
from tests.training.multilevel.small_regressions import Line, poisson, small_problem

EPS = np.finfo(float).eps


def test_levels_are_the_problem_on_refined_networks():
    problem, theta = small_problem()
    seen = []
    result = minimize_multilevel(
        problem, theta, [1, 1, 1], factors=[2, [1, 3]], callback=lambda level, state: seen.append(level)
    )
    assert [level.index for level in seen] == [0, 1, 2]
    assert [[layer.intervals for layer in level.network.layers] for level in seen] == [[1, 3], [2, 6], [2, 18]]
    for level in seen:
        assert level.problem.net is level.network
        assert np.array_equal(level.problem.x, problem.x)
    assert [level.network for level in result.course] == [level.network for level in seen]
    assert result.network is result.course[-1].network
    coarse, fine = problem.net, seen[-1].network
    P = coarse.prolongation(fine)
    np.testing.assert_allclose(coarse.convert(theta, fine), P @ theta, rtol=0, atol=8 * EPS * np.abs(theta).max())


def test_problems_and_networks_of_other_kinds_are_refused():
    problem, theta = small_problem()
    mixed = replace(problem.net, layers=(problem.net.with_free_knots().layers[0], *problem.net.layers[1:]))
    at = problem.net.convert(theta, mixed)
    assert len(minimize_multilevel(replace(problem, net=mixed), at, [1, 1]).levels) == 2  # no one matrix prolongs it
    train = lambda changed: minimize_multilevel(changed, theta, [1, 1])  # noqa: E731
    refused(lambda: train(replace(problem, net=Line())), r"TypeError: problem\.net must be a Network")
    bare = SimpleNamespace(net=problem.net, value_and_gradient=problem.value_and_gradient)
    refused(lambda: train(bare), r"TypeError: problem must offer with_network\(net\), or be .*; got S")
    netless = SimpleNamespace(value_and_gradient=problem.value_and_gradient)
    refused(
        lambda: train(netless), "TypeError: problem must offer net, its network; got SimpleNamespace: pass a LeastSq"
    )
    dense = replace(problem, net=rk.mlp([2, 5, 1]))
    refused(lambda: minimize_multilevel(dense, np.zeros(20), [1, 1]), "refine needs a network with knots")


def test_a_problem_may_bring_its_own_rebuild():
    @dataclass
    class Wrapped:
        inner: rk.LeastSquares

        @property
        def net(self):
            return self.inner.net

        def with_network(self, net):
            return Wrapped(replace(self.inner, net=net))

        def value_and_gradient(self, theta):
            return self.inner.value_and_gradient(theta)

    problem, theta = small_problem()
    wrapped = minimize_multilevel(Wrapped(problem), theta, [2, 1])
    plain = minimize_multilevel(problem, theta, [2, 1])
    np.testing.assert_array_equal(wrapped.theta, plain.theta)
    assert isinstance(wrapped.problem, Wrapped)


def test_nominal_work_is_the_count_of_the_papers():
    """Coarse {128,0,0,0}, fine {0,0,0,16}, multilevel {32,16,8,4} are equal: 16 fine evaluations."""
    problem, theta = small_problem(widths=(2, 5, 1), n=40)
    networks = [problem.net]
    for _ in range(3):
        networks.append(networks[-1].refine())
    assert [interval_weight(net) for net in networks] == [25.0, 50.0, 100.0, 200.0]
    # The run counts what it evaluates: a start on each level comes on top.
    for schedule in ([128, 0, 0, 0], [0, 0, 0, 16], [32, 16, 8, 4]):
        result = minimize_multilevel(problem, theta, schedule, "gd", learning_rate=1e-3)
        assert [stage.evaluations for stage in result.stages] == [steps + 1 for steps in schedule]
        assert result.evaluations == sum(schedule) + 4
        assert result.nominal == 16.0 + 1.875
    # By hand with factors a layer: (1, 3) -> (1, 9), weights 10 + 15 and 10 + 45.
    result = minimize_multilevel(problem, theta, [2, 1], "gd", factors=[[1, 3]], learning_rate=1e-3)
    assert result.nominal == pytest.approx(3 * 25 / 55 + 2, rel=1e-15)
    # Layers without intervals count their parameters.
    assert interval_weight(rk.mlp([2, 3, 1])) == 12.0


def test_collocation_goes_through_the_levels():
    net = rk.kan([2, 3, 1], 4, 2, node_map="mean-std")
    net, theta = net.initialize(np.random.default_rng(3), samples(30))
    problem = poisson(net)
    assert samples_of(problem).shape == (44, 2)
    result = minimize_multilevel(problem, theta, [20, 10], "levenberg-marquardt")
    assert isinstance(result.problem, Collocation)
    assert result.problem.net is result.network
    assert result.value < 1e-2 * problem.value(theta)
    assert result.levels[1].value < result.levels[0].value


def test_attention_follows_the_levels_and_is_refused_by_checkpoints(tmp_path):
    net = rk.kan([2, 3, 1], 4, 2, node_map="mean-std")
    net, theta = net.initialize(np.random.default_rng(3), samples(30))
    attention = Attention(40, rate=0.1)
    problem = poisson(net, attention)

    def attend(level, state):
        level.problem.attend(state.theta)

    minimize_multilevel(problem, theta, [3, 3], "adam", learning_rate=1e-3, callback=attend)
    assert attention.weights.min() < 0.9**3
    with pytest.raises(TypeError, match=r"problem\.terms\[0\]\.attention must be data that does not change in place"):
        minimize_multilevel(problem, theta, [1, 1], "adam", checkpoint=tmp_path)


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
    refused(lambda: require_unchanged(problem.net, theta, fine, moved, x), "RuntimeError: prolongation changed")


def test_a_prolongation_may_be_off_by_the_limit_and_no_more(monkeypatch):
    problem, theta = small_problem()
    fine = problem.net.refine()
    networks = problem.net, theta, fine, problem.net.convert(theta, fine) * (1 + 1e-14), problem.x
    off = require_unchanged(*networks)
    monkeypatch.setattr(unchanged_functions, "RTOL", off)
    assert require_unchanged(*networks) == off > 1e-15
    monkeypatch.setattr(unchanged_functions, "RTOL", np.nextafter(off, 0.0))
    refused(lambda: require_unchanged(*networks), "RuntimeError: prolongation changed the function by .* on ")


def test_a_wrong_prolongation_stops_the_training(monkeypatch):
    problem, theta = small_problem()
    convert = rk.Network.convert
    monkeypatch.setattr(rk.Network, "convert", lambda net, theta, other: convert(net, theta, other) * (1 + 1e-11))
    refused(lambda: minimize_multilevel(problem, theta, [2, 2]), "RuntimeError: prolongation changed the function")
    monkeypatch.setattr(rk.Network, "convert", lambda net, theta, other: np.full(other.n_params, np.nan))
    with pytest.raises((RuntimeError, ValueError)):
        minimize_multilevel(problem, theta, [2, 2])


def test_natural_tails_are_refused_before_training():
    problem, theta = small_problem(outside="natural")
    called = []
    refused(lambda: minimize_multilevel(problem, theta, [5, 5], callback=lambda *_: called.append(1)), "natural")
    assert not called


def test_outside_error_is_compared_within_the_domain():
    x = np.linspace(0.0, 1.0, 50)[:, None]
    net, theta = rk.kan([1, 1], 3, 4, outside="error").initialize(np.random.default_rng(0), x)
    fine = net.refine()
    moved = net.convert(theta, fine)
    assert require_unchanged(net, theta, fine, moved, x) <= 1e-15
    elsewhere = points_elsewhere(net, x)
    assert elsewhere.min() >= 0
    assert elsewhere.max() <= 1
    beyond = points_elsewhere(rk.kan([1, 1], 3, 4), 2 * x - 0.5)  # on both sides of samples that lie outside as well
    assert beyond.min() < -0.5
    assert beyond.max() > 1.5
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
