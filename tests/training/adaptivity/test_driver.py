"""The driver: strategies, exact refinements re-checked, records, budgets, stopping rules, resuming; what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import refkan as rk
from refkan.training.adaptivity import adaptive_minimization, minimize_adaptive, sampled, strategies
from refkan.training.adaptivity.strategies import STRATEGIES
from refkan.training.multilevel import trainings
from refkan.training.optimizers.results import History, Result
from tests.shared.factories import NetworkCase, samples
from tests.shared.refusals import refusals, refused

VP, LM = "variable-projection", "levenberg-marquardt"
STEP, KINK = 1 / np.sqrt(2), 1 / np.pi


def one_dimensional(target, n_samples=4000, order=2, intervals=4, domain=(0.0, 1.0), **kwargs):
    a, b = domain
    x = a + (b - a) * (np.arange(n_samples)[:, None] + 0.5) / n_samples
    net, theta = rk.kan([1, 1], order, intervals, domain, **kwargs).initialize(np.random.default_rng(0), x)
    return sampled(net, target, x), theta


def step(x):
    return 1.0 * (x > STEP)


def two_layers(node_map="mean-std", n=300, free=False, kind="spline"):
    x = samples(n)
    case = NetworkCase(kind, node_map, widths=(2, 3, 1), intervals=(2, 3), free_knots=free)
    net, theta = case.start(x)
    return rk.LeastSquares(net, x, np.sin(4 * x[:, :1]) * x[:, 1:] + np.abs(x[:, :1] - KINK)), theta


EXACT = [name for name, strategy in STRATEGIES.items() if strategy.exact]
REFITS = [name for name, strategy in STRATEGIES.items() if not strategy.exact]


def rms(problem, target, low=0.0, high=1.0):
    x = np.random.default_rng(9).uniform(low, high, (20000, 1))
    return lambda net, theta: float(np.sqrt(np.mean((net(theta, x) - target(x)) ** 2)))


def breakpoints(trained):
    """The breakpoints (P, n + 1) of each layer."""
    return [np.array([space.breakpoints for space in layer.spaces]) for layer in trained.network.layers]


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("kind", ["spline", "silu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std", "sigmoid"])
@pytest.mark.parametrize("strategy", EXACT)
def test_exact_refinements_leave_the_function_and_the_value_unchanged(strategy, node_map, kind, free):
    problem, theta = two_layers(node_map, kind=kind, free=free)
    result = minimize_adaptive(problem, theta, strategy, "lbfgs", steps=5, max_rounds=3)
    assert len(result.stages) == 4
    assert max(result.changes) <= 1e-14
    for before, after in pairwise(result.course):
        assert_allclose(after.result.history.value[0], before.result.value, rtol=1e-12)
        assert after.result.value <= before.result.value * (1 + 1e-12)
        assert after.network.n_params > before.network.n_params
        if not free:
            for t, s in zip(breakpoints(before), breakpoints(after), strict=True):
                assert all(set(row) <= set(finer) for row, finer in zip(t, s, strict=True))


@pytest.mark.parametrize("strategy", REFITS)
def test_refits_report_how_far_the_function_moved(strategy):
    problem, theta = two_layers()
    result = minimize_adaptive(problem, theta, strategy, LM, steps=4, max_rounds=2)
    assert result.course[0].change == 0.0
    for before, after in pairwise(result.course):
        assert after.network.layers[1].intervals == 2 * before.network.layers[1].intervals
        if strategy == "extension":  # nested: the function is there again, as far as the data determine it
            assert after.change < 1e-6
            continue
        assert 1e-10 < after.change < 1
        assert abs(after.result.history.value[0] / before.result.value - 1) > 1e-9


@pytest.mark.parametrize("strategy", EXACT)
def test_sabotage_of_a_refinement_stops_the_training(strategy, monkeypatch):
    """Parameters off by 1e-11, or those of the coarse network in the wrong order."""
    problem, theta = two_layers("affine")
    right = STRATEGIES[strategy]
    for spoil in (lambda t: t * (1 + 1e-11), lambda t: t[::-1].copy()):

        def refine(situation, spoil=spoil):
            refinement = right.refine(situation)
            return strategies.Refinement(refinement.network, spoil(refinement.theta))

        monkeypatch.setitem(adaptive_minimization.STRATEGIES, strategy, strategies.Strategy(refine, exact=True))
        refused(lambda: minimize_adaptive(problem, theta, strategy, steps=2, max_rounds=1), "RuntimeError: changed the")


@pytest.mark.parametrize("strategy", ["residual", "jumps"])
def test_knots_gather_at_a_step_and_the_error_falls_tenfold_below_uniform_knots(strategy):
    errors = {}
    for name in ("uniform", strategy):
        problem, theta = one_dimensional(step, 20000)
        result = minimize_adaptive(
            problem, theta, name, VP, 1, max_params=33, max_rounds=50, patience=50, measure=rms(problem, step)
        )
        assert result.stages[-1].network.n_params == 33
        errors[name] = result.errors[-1]
    assert errors[strategy] * 10 <= errors["uniform"]
    t = result.network.layers[0].spaces[0].breakpoints
    assert np.mean(np.abs(t - STEP) < 0.05) > 0.5
    assert np.diff(t).min() < 3e-4


def test_history_counts_what_was_done():
    problem, theta = two_layers()
    measured = []

    def measure(net, theta):
        measured.append((net, theta))
        return float(len(measured))

    result = minimize_adaptive(problem, theta, "residual", LM, steps=3, max_rounds=2, measure=measure)
    assert result.errors == (1, 2, 3)
    assert all(net is r.network and t is r.theta for (net, t), r in zip(measured, result.stages, strict=True))
    assert all(r.seconds > 0 and r.refining > 0 for r in result.course[1:])
    assert result.evaluations == sum(r.n_evaluations for r in result.levels)
    best = min(result.stages, key=lambda r: r.value)
    assert result.network is best.network
    assert result.value == best.value == result.problem.value(result.theta)
    assert result.problem.net is result.network
    assert "network" in repr(result)
    assert "starts" in repr(result.stages[0])


def test_a_method_of_ones_own():
    problem, theta = one_dimensional(step)
    calls = []

    def method(problem, theta, steps, callback, note):
        calls.append((problem.net.n_params, steps, note))
        return rk.minimize(problem, theta, "gauss-newton", steps=1)

    minimize_adaptive(problem, theta, "residual", method, 7, max_rounds=2, note="here")
    assert [call[1:] for call in calls] == [(7, "here")] * 3
    with pytest.raises(TypeError, match="what method returns must be a Result; got float"):
        minimize_adaptive(problem, theta, "residual", lambda *args, **kwargs: 1.0)


def test_a_strategy_of_ones_own():
    """One that adds a knot at a fixed place of the first interval; the driver re-checks what it claims to be exact."""

    def first(situation):
        fine = situation.net.insert(0, [0.5 * situation.net.layers[0].spaces[0].breakpoints[1]])
        return strategies.Refinement(fine, situation.net.convert(situation.theta, fine))

    problem, theta = one_dimensional(step)
    result = minimize_adaptive(problem, theta, strategies.Strategy(first, exact=True), VP, 1, max_rounds=3)
    assert_allclose(breakpoints(result.course[-1])[0][0, :5], [0, 1 / 32, 1 / 16, 1 / 8, 1 / 4])
    assert all(r.refining > 0 for r in result.course[1:])


@pytest.mark.parametrize("most", [9, 12, 20])
def test_the_last_refinement_is_cut_down_to_what_fits(most):
    problem, theta = one_dimensional(step)
    for strategy in ("residual", "jumps", "quantile", "curvature"):
        result = minimize_adaptive(problem, theta, strategy, VP, 1, fraction=1.0, max_params=most, patience=10)
        assert result.stages[-1].network.n_params == most
        assert "max_params leaves room for 0" in result.message
    result = minimize_adaptive(problem, theta, "uniform", VP, 1, max_params=most)
    assert result.stages[-1].network.n_params == (9 if most < 17 else 17)


def test_rounds_end_where_nothing_can_be_cut():
    problem, theta = one_dimensional(lambda x: 2 * x)
    # a function of the space leaves no residual to mark by jumps
    result = minimize_adaptive(problem, theta, "jumps", "gauss-newton", 1, tolerance=0.0)
    assert "no interval to cut: no indicator is positive there" in result.message
    # all intervals run out of samples
    problem, theta = one_dimensional(step, 40)
    result = minimize_adaptive(problem, theta, "residual", VP, 1, fraction=1.0, max_rounds=60, patience=60)
    assert result.message == "no interval to cut: none holds enough samples or is long enough"


def test_a_refit_adds_to_one_layer_what_another_has_no_room_for():
    problem, theta = two_layers()
    costs = [layer.intervals * strategies.cost_of_interval(layer) for layer in problem.net.layers]
    situation = strategies.Situation(problem, theta, (0, 1), 0.5, 1, int(0.4 * sum(costs)))
    refined = strategies.refit(
        situation, lambda state, n: np.linspace(*np.transpose([s.domain for s in state.spaces]), n + 1).T
    )
    assert [layer.intervals for layer in refined.network.layers] == [2, 4]


def ended(values, patience, least_gain, tolerance, max_rounds):
    """After how many rounds of these values, and why."""
    for k in range(1, len(values) + 1):
        earlier, latest = values[: max(k - patience, 0)], values[max(k - patience, 0) : k]
        if values[k - 1] <= tolerance:
            return k, "converged"
        if earlier and all(value > (1 - least_gain) * best for value in latest for best in [min(earlier)]):
            return k, "no improvement"
        if k > max_rounds:
            return k, f"{max_rounds} rounds"
    raise AssertionError


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_rounds_end_as_their_values_say(patience):
    """Values that rise and fall, from a method of one's own."""
    problem, theta = one_dimensional(step)
    for seed in range(5):
        values = np.random.default_rng([seed, patience]).choice([0.1, 0.5, 0.52, 0.6, 1.0, 2.0], 8).tolist()
        coming = iter(values)

        def method(problem, theta, steps, callback, coming=coming):
            value = next(coming)
            return Result(theta, value, History(*np.full((3, 1), value), np.ones(1, int)), 1, False, "done")

        limits = {"patience": patience, "least_gain": 0.1, "tolerance": 0.2, "max_rounds": 5}
        result = minimize_adaptive(problem, theta, "residual", method, 1, least_samples=1, **limits)
        count, why = ended(values, **limits)
        assert (len(result.stages), result.value) == (count, min(values[:count]))
        assert result.message.startswith(why)
        assert result.converged == (why == "converged")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_resumed_rounds_are_the_same_and_not_computed_again(strategy, tmp_path, monkeypatch):
    problem, theta = two_layers()
    count = []
    train = trainings.minimize
    monkeypatch.setattr(trainings, "minimize", lambda *a, **k: (count.append(1), train(*a, **k))[1])

    def run(rounds, **kwargs):
        return minimize_adaptive(
            problem, theta, strategy, LM, 3, max_rounds=rounds, checkpoint=tmp_path, patience=9, **kwargs
        )

    first = run(1)
    assert len(count) == 2
    longer = run(3)
    assert len(count) == 4
    assert [r.resumed for r in longer.course] == [True, True, False, False]
    again = run(3)
    assert len(count) == 4
    plain = minimize_adaptive(problem, theta, strategy, LM, 3, max_rounds=3, patience=9)
    for a, b, c in zip(longer.course, again.course, plain.course, strict=True):
        assert_array_equal(a.result.theta, b.result.theta)
        assert_array_equal(a.result.theta, c.result.theta)
        assert a.seconds == b.seconds
    assert_array_equal(first.stages[1].theta, longer.stages[1].theta)
    run(1, fraction=0.9)
    run(1, damping=0.5)
    assert len(count) > 4 + 1  # other configurations are other results


def problem_of(intervals=2, n=60, columns=2, order=3):
    x = samples(n, columns)
    net, theta = rk.kan([columns, 2, 1], order, intervals).initialize(np.random.default_rng(0), x)
    return rk.LeastSquares(net, x, np.sin(5 * x[:, :1])), theta


test_arguments_of_the_driver = refusals(
    ({"fraction": 0.0}, "fraction must be finite and positive; got 0.0"),
    ({"rate": 0.1}, "TypeError: method 'lbfgs' has no option 'rate'"),
    ({"fraction": 1.5}, r"fraction must lie in \(0, 1\]; got 1.5"),
    ({"max_params": 25}, "max_params must allow a refinement: at least 26 .*; got 25"),
    ({"max_params": 24}, "max_params must allow a refinement: at least 26 for a network of 24"),
    ({"max_params": 27, "layers": [0]}, "max_params must allow a refinement: at least 28"),
    ({"tolerance": -1.0}, "tolerance must be finite and not negative; got -1.0"),
    ({"least_gain": 1.0}, "least_gain must be less than 1; got 1.0"),
    ({"layers": []}, "layers must name at least one layer; got none"),
    ({"layers": [2]}, r"layers\[0\] must be at most 1; got 2"),
    call=lambda arguments: minimize_adaptive(*problem_of(), **arguments),
)


def test_the_least_max_params_that_allows_a_refinement_is_enough():
    problem, theta = problem_of()
    assert problem.net.n_params == 24
    result = minimize_adaptive(problem, theta, steps=2, max_params=26)
    assert result.stages[-1].network.n_params == 26


def test_a_dense_layer_cannot_be_refined():
    x = samples(20)
    net, theta = rk.kan([2, 3, 1], 3, 2).initialize(np.random.default_rng(0), x)
    mixed = replace(net, layers=(net.layers[0], rk.DenseLayer(3, 1, "tanh")))
    theta = np.concatenate([theta[net.slices[0]], np.ones(4)])
    with pytest.raises(ValueError, match="layers must name layers with knots; got layer 1, a DenseLayer"):
        minimize_adaptive(rk.LeastSquares(mixed, x, x[:, :1]), theta, layers=[1])
    result = minimize_adaptive(rk.LeastSquares(mixed, x, x[:, :1]), theta, steps=3, max_rounds=1)
    assert result.stages[1].network.layers[0].intervals > 2
    assert result.stages[1].network.layers[1] == mixed.layers[1]


def test_a_network_without_knots_is_refused_by_the_kinds_of_its_layers():
    net = rk.chebyshev_kan([2, 1], 3)
    problem = rk.LeastSquares(net, samples(20), samples(20)[:, :1])
    message = "net must have a layer with knots; got ChebyshevLayer only"
    refused(lambda: minimize_adaptive(problem, np.zeros(net.n_params)), message)


def test_more_knots_than_distinct_data():
    x = np.random.default_rng(0).integers(0, 5, (200, 2)) / 4
    net, theta = rk.kan([2, 2, 1], 3, [4, 2]).initialize(np.random.default_rng(0), x)
    problem = rk.LeastSquares(net, x, x[:, :1])
    refused(lambda: minimize_adaptive(problem, theta), r"got 5 of input 0 for 6 coefficients \(4 intervals, order 3\)")
    adaptive_minimization.require_data(
        *rk.kan([2, 2, 1], 3, [3, 2]).initialize(np.random.default_rng(0), x), x
    )  # as many are enough
    # and where refinement would get there it stops
    net, theta = rk.kan([1, 1], 2, 2).initialize(np.random.default_rng(0), x[:, :1])
    result = minimize_adaptive(
        rk.LeastSquares(net, x[:, :1], np.sin(9 * x[:, :1])), theta, "residual", "gauss-newton", 1, fraction=1.0
    )
    assert "none holds enough samples" in result.message


def test_samples_of_targets():
    x = samples(5)
    net = rk.kan([2, 1], 3, 2)
    problem = sampled(net, lambda x: x[:, 0], x, weights=np.ones(5))
    np.testing.assert_array_equal(problem.y, x[:, :1])
    assert problem.weights is not None
    np.testing.assert_array_equal(sampled(net, rk.problems.regression_target, x).y, rk.problems.regression_target(x))
    refused(lambda: sampled(net, lambda x: x[:-1], x), r"target must return shape .* N = 5 samples; got \(4, 2\)")
    refused(lambda: sampled(net, lambda x: 5.0, x), r"target must return shape .*; got \(\)")
    refused(lambda: sampled(net, lambda x: np.where(x[:, 0] == x[3, 0], np.nan, 1.0), x), r"y\[3, 0\]")


@pytest.mark.parametrize(
    ("before", "after", "change"), [(2.0, 3.0, 0.5), (-2.0, 0.0, 1.0), (0.0, -3.0, 3.0), (2.0, 2.0, 0.0)]
)
def test_changes_of_a_function_are_relative_to_its_largest_value_or_to_one_where_it_is_zero(before, after, change):
    points = np.array([[0.25], [1.0], [-0.5]])
    ends = (lambda theta, x: before * x), None, (lambda theta, x: after * x), None
    assert adaptive_minimization.largest_change(*ends, points) == change
