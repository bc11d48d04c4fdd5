from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from factories import EDGE_KINDS, EVERY_NETWORK, NetworkCase, samples

import refkan as rk
from refkan.errors import KnotError
from refkan.hierarchy import Hierarchy, Level, minimize_multilevel
from refkan.hierarchy import unchanged as recheck
from refkan.hierarchy.rates import with_ramp
from refkan.hierarchy.unchanged import contributions, points_elsewhere, require_unchanged, samples_of
from refkan.hierarchy.work import Work, gradient_seconds, interval_weight, nominal_work
from refkan.losses import Attention, Collocation, Side, Term, prescribed
from refkan.optimizers import History, Result

EPS = np.finfo(float).eps


def data(n=120, seed=1234):
    x = np.random.default_rng(seed).uniform(1e-4, 0.9999, (n, 2))
    return x, rk.problems.regression_target(x)


def small_problem(basis="spline", node_map="mean-std", intervals=(1, 3), widths=(2, 3, 1), n=120, **options):
    x, y = data(n)
    net = rk.kan(list(widths), 3, list(intervals), basis=basis, node_map=node_map, **options)
    net, theta = net.initialize(np.random.default_rng(7), x)
    return rk.LeastSquares(net, x, y), theta


# --- levels


def test_levels_are_the_problem_on_refined_networks():
    problem, theta = small_problem()
    hierarchy = Hierarchy.refined(problem, [2, [1, 3]])
    assert [level.index for level in hierarchy] == [0, 1, 2]
    assert [[layer.intervals for layer in level.network.layers] for level in hierarchy] == [[1, 3], [2, 6], [2, 18]]
    for level in hierarchy:
        assert level.problem.net is level.network
        assert np.array_equal(level.problem.x, problem.x)
    assert hierarchy.finest is hierarchy[2]
    assert hierarchy[2].prolongation is None
    fine = hierarchy.prolong(theta, 0, 2)
    np.testing.assert_allclose(fine, hierarchy.matrix(0) @ theta, rtol=0, atol=8 * EPS * np.abs(theta).max())
    np.testing.assert_allclose(hierarchy.finest.network(fine, problem.x), problem.net(theta, problem.x), atol=1e-14)
    np.testing.assert_array_equal(hierarchy.prolong(theta, 0, 0), theta)
    np.testing.assert_array_equal(hierarchy.matrix(1, 1).toarray(), np.eye(hierarchy[1].network.n_params))


@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_restriction_is_the_transpose_and_gives_the_coarse_gradient(basis):
    """Proposition 1: the coarse gradient is P^T times the fine one."""
    problem, theta = small_problem(basis)
    hierarchy = Hierarchy.refined(problem, [2, 2])
    rng = np.random.default_rng(0)
    u, g = rng.standard_normal(theta.size), rng.standard_normal(hierarchy.finest.network.n_params)
    P = hierarchy.matrix(0)
    assert abs(u @ hierarchy.restrict(g, 0) - (P @ u) @ g) <= 1e-13 * (abs(P) @ abs(u)) @ abs(g)
    fine = hierarchy.finest.problem.gradient(hierarchy.prolong(theta, 0, 2))
    restricted = hierarchy.restrict(fine, 0)
    scale = (abs(P).T @ np.abs(fine)).max()
    assert np.abs(restricted - problem.gradient(theta)).max() <= 1e-12 * scale
    between = hierarchy.restrict(hierarchy.restrict(fine, 1), 0, start=1)
    np.testing.assert_allclose(between, restricted, rtol=0, atol=1e-13 * scale)
    # Sabotage: shifted by one; or averaged, with rows that sum to one, as functions and not gradients are.
    shifted = P.T @ np.roll(fine, 1)
    assert np.abs(shifted - problem.gradient(theta)).max() > 1e-3 * np.abs(restricted).max()
    if basis == "spline":
        averaged = (P / P.sum(axis=0)).T @ fine
        assert np.abs(averaged - problem.gradient(theta)).max() > 1e-3 * np.abs(restricted).max()


def test_bad_hierarchies():
    problem, theta = small_problem()
    with pytest.raises(ValueError, match="networks must hold at least one"):
        Hierarchy.of(problem, [])
    with pytest.raises(TypeError, match="networks must be a Network"):
        Hierarchy.of(problem, [3])
    with pytest.raises(KnotError, match=r"layer 0, input 0: .*0\.5"):
        Hierarchy.of(problem, [problem.net.refine(2), problem.net.refine(3)])
    with pytest.raises(TypeError, match="problem must offer with_network"):
        Hierarchy.of(object(), [problem.net])
    with pytest.raises(TypeError, match=r"problem\.net must be a Network; got Line"):
        Hierarchy.refined(replace(problem, net=Line()), [2])
    hierarchy = Hierarchy.refined(problem, [2])
    with pytest.raises(ValueError, match="level must be at most 1"):
        hierarchy.prolong(theta, 2)
    with pytest.raises(ValueError, match="to must be at least 1; got 0"):
        hierarchy.matrix(1, 0)
    with pytest.raises(ValueError, match="to must be at most 1; got 2"):
        hierarchy.prolong(theta, 1)
    with pytest.raises(ValueError, match="theta must have length"):
        hierarchy.prolong(theta[1:], 0)
    with pytest.raises(ValueError, match="gradient must have length"):
        hierarchy.restrict(theta, 0)
    free = small_problem(free_knots=True)[0]
    with pytest.raises(ValueError, match="level 0 has free knots"):
        Hierarchy.refined(free, [2]).matrix(0)


class Line:
    def __call__(self, theta, x):
        return x @ theta[:, None]

    def vjp(self, theta, x, inputs=True):
        return self(theta, x), lambda dy: ((x.T @ dy)[:, 0], None)


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


# --- the function is re-checked after every prolongation


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


@pytest.mark.parametrize("basis", ["spline", "relu"])
@pytest.mark.parametrize("node_map", ["affine", "mean-std"])
def test_prolongation_is_checked_at_trained_networks_that_leave_the_domain(basis, node_map):
    problem, theta = small_problem(basis, node_map)
    result = minimize_multilevel(problem, theta, [20, 10, 5], "levenberg-marquardt", solver="cholesky")
    assert max(result.changes) <= 1e-14
    for coarse, fine, level in zip(result.hierarchy, result.hierarchy.levels[1:], result.levels, strict=False):
        x = np.concatenate([problem.x, points_elsewhere(coarse.network, problem.x)])
        z = coarse.network.freeze(level.theta)
        hidden = replace(z, layers=z.layers[:1], node_maps=())(level.theta[z.slices[0]], x)
        activations = z.node_maps[0].value(hidden)
        assert (activations < 0).any() or (activations > 1).any()
        start = coarse.network.convert(level.theta, fine.network)
        before, after = coarse.network(level.theta, x), fine.network(start, x)
        scale = np.abs(before).max() + contributions(coarse.network, level.theta, x, before).max()
        assert np.abs(after - before).max() <= 1e-14 * scale


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
    with pytest.raises(ValueError, match="natural"):
        minimize_multilevel(problem, theta, [5, 5], callback=lambda *_: called.append(1))
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


def test_contributions_exceed_the_value_where_terms_cancel():
    """In the ReLU basis a spline of size 1 is a sum of terms of size n^(r-1), whose rounding is no error."""
    x = np.linspace(0.0, 1.0, 200)[:, None]
    spline, u = rk.kan([1, 1], 4, 64).initialize(np.random.default_rng(0), x)
    relu = spline.to_basis("relu")
    w = spline.convert(u, relu)
    large, small = (contributions(net, c, x, net(c, x))[0] for net, c in ((relu, w), (spline, u)))
    assert large > 100 * small
    terms = np.abs(rk.relu_powers.design_matrix(relu.layers[0].spaces[0], x[:, 0])) @ np.abs(w.ravel())
    # Eight normal numbers times the root of the sum of squares: between that of the sum and thrice the sum.
    assert terms.max() / np.sqrt(w.size) < large < 4 * terms.max()


def test_contributions_are_not_small_by_accident():
    """A ReLU network of large opposite coefficients: over its levels the size follows the sums of absolute terms."""
    problem, theta = small_problem("relu", "affine")
    rng = np.random.default_rng(3)
    for _ in range(20):
        at = theta * rng.normal(1.0, 0.3, theta.size)
        size = contributions(problem.net, at, problem.x, problem.net(at, problem.x))[0]
        terms = np.abs(problem.net.jacobian(at, problem.x)) @ np.abs(at)
        assert terms.max() / np.sqrt(theta.size) < size < 4 * terms.max()


# --- training


@pytest.mark.parametrize(
    "method", ["gd", "adam", "lbfgs", "lbfgs-fixed-step", "gauss-newton", "levenberg-marquardt", "variable-projection"]
)
def test_it_is_minimize_on_each_level_with_prolongation_between(method):
    problem, theta = small_problem()
    options = {"gd": {"learning_rate": 1e-2}, "adam": {"learning_rate": 1e-2}}.get(method, {})
    result = minimize_multilevel(problem, theta, [3, 2, 1], method, **options)
    at, start = problem, theta
    for level, steps in zip(result.levels, (3, 2, 1), strict=True):
        expected = rk.minimize(at, start, method, steps, **options)
        np.testing.assert_array_equal(level.theta, expected.theta)
        np.testing.assert_array_equal(level.history.value, expected.history.value)
        fine = at.net.refine()
        start, at = at.net.convert(expected.theta, fine), replace(at, net=fine)
    np.testing.assert_array_equal(result.theta, result.levels[-1].theta)
    assert result.value == result.levels[-1].value == result.problem.value(result.theta)
    assert result.network is result.problem.net
    assert [layer.intervals for layer in result.network.layers] == [4, 12]
    h = result.history
    assert h.level.tolist() == sorted(h.level.tolist())
    first = np.searchsorted(h.level, [1, 2])
    best = [level.value for level in result.levels[:2]]
    # The best point of a level is where the next one starts: the value is the same up to rounding.
    np.testing.assert_allclose(h.value[first], best, rtol=1e-12)
    assert (np.diff(h.seconds) >= 0).all()
    assert (np.diff(h.evaluations) >= 0).all()
    assert h.evaluations[-1] <= sum(result.work.evaluations)
    assert h.work[-1] <= result.work.nominal * (1 + 1e-15)


@pytest.mark.parametrize("geometry", ["spline", "relu"])
@pytest.mark.parametrize("basis", ["spline", "relu"])
def test_geometries_reach_every_level(basis, geometry):
    problem, theta = small_problem(basis)
    result = minimize_multilevel(problem, theta, [3, 2], "gd", geometry, learning_rate=1e-3)
    first = rk.minimize(problem, theta, "gd", 3, geometry, learning_rate=1e-3)
    np.testing.assert_array_equal(result.levels[0].theta, first.theta)
    mixed = minimize_multilevel(problem, theta, [3, 2], "gd", "spline", gradient="relu", learning_rate=1e-9)
    expected = rk.minimize(problem, theta, "gd", 3, "spline", "relu", learning_rate=1e-9)
    np.testing.assert_array_equal(mixed.levels[0].theta, expected.theta)


def test_zeros_in_a_schedule_only_prolong():
    problem, theta = small_problem()
    result = minimize_multilevel(problem, theta, [0, 0, 3])
    np.testing.assert_array_equal(result.levels[1].theta, result.hierarchy.prolong(theta, 0, 1))
    fine = result.hierarchy.prolong(theta, 0, 2)
    np.testing.assert_array_equal(result.theta, rk.minimize(result.problem, fine, steps=3).theta)
    assert result.work.steps == (0, 0, 3)
    last = minimize_multilevel(problem, theta, [3, 0, 0])
    np.testing.assert_allclose(
        last.network(last.theta, problem.x), problem.net(last.levels[0].theta, problem.x), atol=1e-13
    )
    single = minimize_multilevel(problem, theta, [3])
    np.testing.assert_array_equal(single.theta, rk.minimize(problem, theta, steps=3).theta)
    assert single.changes == ()


def test_free_knots_are_refined_where_they_are():
    problem, theta = small_problem(intervals=(2, 3), free_knots=True)
    result = minimize_multilevel(problem, theta, [10, 3], "levenberg-marquardt", solver="cholesky")
    coarse, fine = result.hierarchy
    moved = coarse.network.layers[1].spaces_at(result.levels[0].theta[coarse.network.slices[1]])[0].breakpoints
    assert np.abs(moved - np.linspace(0, 1, 4)).max() > 1e-3
    start = coarse.network.convert(result.levels[0].theta, fine.network)
    cut = fine.network.layers[1].spaces_at(start[fine.network.slices[1]])[0].breakpoints
    np.testing.assert_allclose(cut[::2], moved, atol=1e-14)
    assert coarse.prolongation is None
    assert result.changes[0] <= 1e-14


def test_a_hierarchy_of_ones_own():
    problem, theta = small_problem(intervals=(2, 2))
    net = problem.net
    networks = [net, net.insert(1, [0.2]), net.insert(1, [0.2, 0.7]).insert(0, [0.25])]
    result = minimize_multilevel(Hierarchy.of(problem, networks), theta, [5, 5, 5], "levenberg-marquardt")
    assert result.network is networks[2]
    values = [level.value for level in result.levels]
    assert values[0] > values[1] > values[2]


def test_networks_that_do_not_change_are_levels_too():
    """A dense layer stays as it is; a factor of 1 repeats a level."""
    problem, theta = small_problem(widths=(2, 3, 1), intervals=(2, 2))
    result = minimize_multilevel(problem, theta, [2, 2], factors=[1])
    assert result.network.n_params == problem.net.n_params
    assert result.changes == (0.0,)


def test_a_method_of_ones_own():
    problem, theta = small_problem()
    seen = []

    def train(problem, theta, steps, callback, rate):
        seen.append((problem.net.n_params, steps, rate))
        first = rk.minimize(problem, theta, "gd", steps, learning_rate=rate, callback=callback)
        return rk.minimize(problem, first.theta, "lbfgs", steps)

    states = []
    result = minimize_multilevel(
        problem, theta, [3, 2], train, callback=lambda level, state: states.append(level.index), rate=1e-3
    )
    assert seen == [(33, 3, 1e-3), (48, 2, 1e-3)]
    assert states == [0, 0, 0, 1, 1]
    assert result.value < problem.value(theta)
    with pytest.raises(TypeError, match="what method returns must be a Result; got NoneType"):
        minimize_multilevel(problem, theta, [1], lambda problem, theta, steps, callback: None)


def test_callbacks_know_the_level_and_stop_it():
    problem, theta = small_problem()
    seen = []

    def callback(level, state):
        assert isinstance(level, Level)
        assert state.theta.size == level.network.n_params
        assert level.problem.value(state.theta) == pytest.approx(state.value, rel=1e-12)
        seen.append((level.index, state.step))
        if level.index == 0 and state.step == 2:
            raise StopIteration

    result = minimize_multilevel(problem, theta, [10, 3], callback=callback)
    assert seen == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3)]
    assert "stopped by the callback" in result.levels[0].message


def test_options_of_each_level():
    problem, theta = small_problem()
    result = minimize_multilevel(
        problem, theta, [3, 3], "adam", learning_rate=1e-2, per_level=[{}, {"learning_rate": 1e-4}]
    )
    first = rk.minimize(problem, theta, "adam", 3, learning_rate=1e-2)
    start = result.hierarchy.prolong(first.theta, 0)
    second = rk.minimize(result.problem, start, "adam", 3, learning_rate=1e-4)
    np.testing.assert_array_equal(result.theta, second.theta)


def test_ramps_begin_anew_on_every_level():
    problem, theta = small_problem()
    result = minimize_multilevel(problem, theta, [4, 3], "adam", ramp=(2, 1e-4), learning_rate=1e-2)
    rates = {0: 1e-4, 1: 1e-4 + 0.5 * (1e-2 - 1e-4)}
    schedule = lambda k: rates.get(k, 1e-2)  # noqa: E731
    first = rk.minimize(problem, theta, "adam", 4, schedule=schedule)
    np.testing.assert_array_equal(result.levels[0].theta, first.theta)
    start = result.hierarchy.prolong(first.theta, 0)
    np.testing.assert_array_equal(result.theta, rk.minimize(result.problem, start, "adam", 3, schedule=schedule).theta)
    # The start of a ramp is seen: sabotage.
    other = minimize_multilevel(problem, theta, [4, 3], "adam", ramp=(2, 2e-4), learning_rate=1e-2)
    assert not np.array_equal(other.theta, result.theta)
    falling = with_ramp("adam", {"schedule": lambda k: 1.0 / (1 + k)}, (4, 0.1))["schedule"]
    assert [falling(k) for k in (0, 2, 4)] == [0.1, pytest.approx(0.1 + (1 / 3 - 0.1) / 2), 0.2]
    assert with_ramp("adam", {}, (2, 0.0))["schedule"](5) == 1e-3
    assert with_ramp("gd", {"learning_rate": 1.0}, None) == {"learning_rate": 1.0}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"schedule": []}, ValueError, "schedule must have an entry for each level"),
        ({"schedule": [1, -1]}, ValueError, r"schedule\[1\] must be at least 0; got -1"),
        ({"schedule": [1, 1.5]}, TypeError, r"schedule\[1\] must be an integer; got 1.5"),
        ({"schedule": 5}, TypeError, "schedule must be a sequence of steps"),
        ({"schedule": "32"}, TypeError, "schedule must be a sequence of steps"),
        ({"factors": [2, 2]}, ValueError, "factors must be one number or one entry for each of 1 refinements; got 2"),
        ({"factors": 0}, ValueError, "factor must be at least 1; got 0"),
        ({"factors": [[2, 2, 2]]}, ValueError, "factor must be one number or one for each of 2 layers"),
        ({"per_level": [{}]}, ValueError, r"per_level must have one entry a level \(2\); got 1"),
        ({"theta": np.zeros(3)}, ValueError, "theta must have length 33; got length 3"),
        ({"theta": np.full(33, np.nan)}, ValueError, "theta must be finite"),
        ({"theta": np.zeros(33, complex)}, TypeError, "theta must be real numbers"),
        ({"method": "newton"}, ValueError, "method must be one of"),
        ({"ramp": (3, 1e-4)}, ValueError, "ramp is for method 'adam'"),
        ({"ramp": 3, "method": "adam"}, TypeError, "ramp must be a pair"),
        ({"ramp": (0, 1e-4), "method": "adam"}, ValueError, r"ramp\[0\] must be at least 1"),
        ({"ramp": (2, -1.0), "method": "adam"}, ValueError, r"ramp\[1\] must be finite and not negative"),
        ({"ramp": (2, 0.1), "method": "adam", "schedule_": 1}, TypeError, "no option 'schedule_'"),
        ({"geometry": "bezier"}, ValueError, "geometry must be one of"),
        ({"wrong": 1}, TypeError, "method 'lbfgs' has no option 'wrong'"),
    ],
)
def test_bad_arguments(change, error, message):
    problem, theta = small_problem()
    arguments = {"theta": theta, "schedule": [1, 1]} | change
    with pytest.raises(error, match=message):
        minimize_multilevel(problem, **arguments)


def test_a_schedule_must_fit_a_hierarchy():
    problem, theta = small_problem()
    with pytest.raises(ValueError, match=r"schedule must have one entry a level \(3\); got 2"):
        minimize_multilevel(Hierarchy.refined(problem, [2, 2]), theta, [1, 1])
    with pytest.raises(ValueError, match="refine needs a network with knots"):
        minimize_multilevel(replace(problem, net=rk.mlp([2, 5, 1])), np.zeros(20), [1, 1])


# --- work


def test_nominal_work_is_the_count_of_the_papers():
    """Coarse {128,0,0,0}, fine {0,0,0,16}, multilevel {32,16,8,4} are equal: 16 fine evaluations."""
    problem, theta = small_problem(widths=(2, 5, 1), n=40)
    networks = [problem.net]
    for _ in range(3):
        networks.append(networks[-1].refine())
    assert [interval_weight(net) for net in networks] == [25.0, 50.0, 100.0, 200.0]
    for counts in ([128, 0, 0, 0], [0, 0, 0, 16], [32, 16, 8, 4]):
        assert nominal_work(networks, counts) == 16.0
    # The run counts what it evaluates: a start on each level comes on top.
    for schedule in ([128, 0, 0, 0], [0, 0, 0, 16], [32, 16, 8, 4]):
        settings = {"inner": 1, "tolerance_change": 0.0, "tolerance_gradient": 0.0}
        work = minimize_multilevel(problem, theta, schedule, "lbfgs-fixed-step", **settings).work
        assert work.evaluations == tuple(steps + 1 for steps in schedule)
        assert work.nominal == 16.0 + 1.875
        assert work.steps == tuple(schedule)
    # By hand with factors a layer: (1, 3) -> (1, 9), weights 10 + 15 and 10 + 45.
    work = minimize_multilevel(problem, theta, [2, 1], "gd", factors=[[1, 3]], learning_rate=1e-3).work
    assert work.nominal == pytest.approx(3 * 25 / 55 + 2, rel=1e-15)
    # Layers without intervals count their parameters.
    assert interval_weight(rk.mlp([2, 3, 1])) == 12.0


def test_measured_work_is_time_in_fine_gradients(monkeypatch):
    from refkan.hierarchy import multilevel

    problem, theta = small_problem()
    calls = []

    def fixed(fine, at):
        calls.append(fine.net.n_params)
        assert at.size == fine.net.n_params
        return 0.25

    monkeypatch.setattr(multilevel, "gradient_seconds", fixed)
    work = minimize_multilevel(problem, theta, [2, 1, 1]).work
    assert calls == [problem.net.refine().refine().n_params]  # once, and on the finest level
    assert work.unit == 0.25
    assert work.measured == pytest.approx(sum(work.seconds) / 0.25)
    assert len(work.seconds) == 3
    assert work.overhead > 0
    assert isinstance(work, Work)


def test_the_unit_is_a_median(monkeypatch):
    from refkan.hierarchy import work

    # Six evaluations: the first is not timed, five are, of 1, 2, 3, 9, 4 seconds.
    clock = iter(np.cumsum([0, 1, 0, 2, 0, 3, 0, 9, 0, 4]).tolist())
    monkeypatch.setattr(work, "process_time", lambda: next(clock))
    calls = []

    class Counted:
        def value_and_gradient(self, theta):
            calls.append(1)

    assert gradient_seconds(Counted(), np.zeros(1)) == 3
    assert len(calls) == 6


# --- collocation


def poisson(net, attention=None):
    inside = Side(np.random.default_rng(0).uniform(size=(40, 2)), first=[[1.0, 0.0], [0.0, 1.0]])
    edge = np.array([[0.0, 0.3], [1.0, 0.4], [0.2, 0.0], [0.7, 1.0]])

    def equation(x, u, u_x, u_y, u_xx, u_yy):
        return u_xx + u_yy + np.sin(3 * x[:, 0])

    return Collocation(
        net,
        [
            Term("equation", inside, equation, lambda *_: (0.0, 0.0, 0.0, 1.0, 1.0), attention=attention),
            prescribed("edge", edge, 0.0, weight=10.0),
        ],
    )


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

    minimize_multilevel(problem, theta, [3, 3], "adam", learning_rate=1e-3, ramp=(2, 1e-4), callback=attend)
    assert attention.weights.min() < 0.9**3
    with pytest.raises(TypeError, match=r"problem\.terms\[0\]\.attention must be data that does not change in place"):
        minimize_multilevel(problem, theta, [1, 1], "adam", checkpoints=tmp_path)


# --- the result


def test_the_result_prints_without_its_arrays():
    problem, theta = small_problem()
    result = minimize_multilevel(problem, theta, [2, 1])
    text = repr(result)
    assert text.startswith("MultilevelResult(value=")
    assert "array" not in text
    assert "steps=[2, 1]" in text
    assert isinstance(result.levels[0], Result)
    assert isinstance(result.levels[0].history, History)


def test_tolerance_of_the_check_is_that_of_the_contract():
    assert recheck.RTOL == 1e-13
