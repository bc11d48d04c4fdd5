"""The claims about tangent kernels and learning rates: by other formulas, and that spoilt measurements fail."""

import numpy as np
import pytest

import refkan as rk
from tests.validation.replays import measured_in
from validation.descent import coupled_samples, learning_rates, stable_steps
from validation.descent.kernels import kernel_bound, kernel_search, tangent_kernels
from validation.descent.kernels.kernels_of_both_bases import Case, delta, kernel_ratio, radius, relu_jacobian

pytest.importorskip("flint")

EPS = np.finfo(np.float64).eps


@pytest.fixture
def rates():
    return measured_in("descent_learning_rates")["results"]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("scaled", [True, False])
def test_relu_jacobian_is_that_of_the_relu_network(order, scaled):
    net, theta, x = Case(order, 3, (2, 3, 2), "mean-std", 0).build(12)
    other = net.to_basis("scaled-relu" if scaled else "relu")
    expected = other.jacobian(net.convert(theta, other), x)
    # n is small: the ReLU form loses a factor of |A^-T| |A^T| of some 1e4 at r = 4.
    np.testing.assert_allclose(
        relu_jacobian(net, net.jacobian(theta, x), scaled), expected, rtol=0, atol=1e5 * EPS * np.abs(expected).max()
    )


def test_norms_of_steps_are_known_in_closed_form():
    item = tangent_kernels.norms(1, (4, 9, 33))
    closed = [4 * np.cos(np.pi / (2 * n + 1)) ** 2 for n in (4, 9, 33)]
    np.testing.assert_allclose(item["norm squared"], closed, rtol=1e-13)
    np.testing.assert_allclose(item["attained"], closed, rtol=1e-13)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_norms_do_not_tend_to_another_constant(order):
    item = tangent_kernels.norms(order, (4, 16, 64))
    limit = tangent_kernels.limit(order)
    assert tangent_kernels.norm_is(item, limit)
    assert not tangent_kernels.norm_is(item, 1.05 * limit)
    assert not tangent_kernels.norm_is(item, 0.95 * limit)
    item["attained"][0] *= 1 + 1e-9
    assert not tangent_kernels.norm_is(item, limit)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_one_sample_at_the_left_end(order):
    space = rk.SplineSpace.uniform(order, 5)
    net = rk.kan([1, 1], order, 5)
    b = rk.bsplines.design_matrix(space, [0.0]).toarray()[0]
    powers = np.arange(order - 1, 0, -1.0) ** (order - 1) if order > 1 else np.ones(1)
    expected = (b @ b) / (powers @ powers)  # 1, 1, 1/34, 1/1588
    assert kernel_ratio(net, np.zeros(net.n_params), np.zeros((1, 1))) == pytest.approx(expected, rel=1e-14)
    assert expected <= 1.0 / delta(order) ** 2


def test_every_step_of_the_proof_can_fail(monkeypatch):
    good = kernel_bound.check_proof(6, range(1))
    assert min(good.values()) >= -kernel_bound.ROUNDING
    assert len(good) == 7
    one_off = kernel_bound.check_proof(6, range(1), lambda r: 1.001 * delta(r))
    assert one_off["the leftmost ReLU power is at least delta"] < -1e-4
    monkeypatch.setattr(kernel_bound, "relu_jacobian", lambda net, J: relu_jacobian(net, J) * (1 + 1e-9))
    assert kernel_bound.check_proof(6, range(1))["the kernel is a Schur product, relu basis"] < -kernel_bound.ROUNDING


def test_two_wide_layers_pass_one_and_stay_below_two():
    ratios = [kernel_ratio(*kernel_search.wide_network(nodes)) for nodes in (64, 256, 1024)]
    limit = limit_of_many_nodes(np.array([1.469, -0.340]))
    assert ratios == sorted(ratios)
    assert 1.2 < ratios[0] < ratios[-1] < limit
    assert ratios[-1] == pytest.approx(limit, rel=0.01)
    for change in ([0.01, 0.0], [-0.01, 0.0], [0.0, 0.01], [0.0, -0.01]):
        assert limit_of_many_nodes(np.array([1.469, -0.340]) + change) < limit + 1e-6


def limit_of_many_nodes(g):
    weights = np.sqrt([1.0, 2.0])  # one sample and two equal ones

    def top(K):
        return np.linalg.eigvalsh(np.outer(weights, weights) * (1.0 + np.outer(g, g) * K))[-1]

    return top(np.eye(2)) / top(np.array([[1.0, 2.0], [2.0, 5.0]]))


@pytest.mark.parametrize("node_map", ["none", "affine", "sigmoid"])
@pytest.mark.parametrize("spectators", [0, 3])
def test_points_of_a_family_are_networks_inside_the_domain(rng, node_map, spectators):
    family = kernel_search.Family(3, 3, (2, 2, 3, 2), 4, node_map, spectators)
    for _ in range(20):
        point = rng.uniform(size=family.dimension)
        net, theta, x = family.network(point)
        z = x
        for k, layer in enumerate(net.layers[:-1]):
            z = net.node_maps[k].value(layer.linearize(theta[net.slices[k]], z, slopes=False).value)
            assert z.min() >= -8 * EPS
            assert z.max() <= 1 + 8 * EPS
        np.testing.assert_allclose(family.ratio(point), kernel_ratio(net, theta, x), rtol=1e-10)


def test_a_search_climbs():
    family = kernel_search.Family(2, 2, (1, 1), 2, "none")
    start = np.median([family.ratio(point) for point in np.random.default_rng(0).uniform(size=(30, family.dimension))])
    assert kernel_search.search(family, 0, 10) > max(0.9, 5 * start)


def test_margins_are_nothing_where_each_step_is_an_equality():
    """One sample of one input on the left end, where the leftmost power is delta = 2 and its kernel 4."""
    one, four = np.array([[1.0]]), np.array([[4.0]])
    bases = {"spline": one, "relu": four}
    margins = kernel_bound.proof_margins(kernel_bound.LayerKernels(one, bases, bases, np.array([[2.0]])), 2.0)
    assert {name: value for name, value in margins.items() if value} == {"G is positive semidefinite": 1.0}


def test_the_counterexample():
    assert kernel_ratio(*coupled_samples.coupled("mean-std")) == pytest.approx(5.999263227592, rel=1e-11)
    assert kernel_ratio(*coupled_samples.coupled("mean-std", slope=1e6)) == pytest.approx(6.0, rel=1e-9)
    assert kernel_ratio(*coupled_samples.coupled("affine")) < 0.1


@pytest.mark.parametrize(("order", "intervals"), [(2, 4), (2, 16), (3, 8), (4, 8), (5, 8)])
def test_mean_std_networks_attain_the_largest_ratio_of_centred_vectors(order, intervals):
    item = coupled_samples.attain(order, intervals)
    assert item.ratio == pytest.approx(item.centred, rel=1e-8)
    assert item.centred < item.norm < tangent_kernels.limit(order)
    assert 0.0 <= item.activations[0] < item.activations[1] <= 1.0


def test_the_gradient_of_a_standardised_sample_is_the_one_wanted():
    e = np.array([1.0, -3.0, 2.5, -0.5])
    m = np.array([1.0, 3.0, 1.0, 1.0])
    y = coupled_samples.activations(e, m, k=1)
    assert m @ y == pytest.approx(0.0, abs=8 * EPS)
    assert m @ y**2 == pytest.approx(1.0, rel=8 * EPS)
    g = np.eye(4)[1] - m / m.sum() - m * y[1] * y
    np.testing.assert_allclose(g / g[0], e / e[0], rtol=1e-13)


def test_a_sample_outside_the_domain():
    assert kernel_ratio(*coupled_samples.single_sample(2, np.sqrt(0.5))) == pytest.approx(3 + 2 * np.sqrt(2), rel=1e-13)
    assert kernel_ratio(*coupled_samples.single_sample(2, 0.0)) == pytest.approx(1.0, rel=1e-14)


def test_runs_confirm_predictions_and_nothing_else(rates):
    assert learning_rates.runs_confirm(rates["runs"])
    assert not learning_rates.runs_confirm(rates["runs"], 0.5)
    assert not learning_rates.runs_confirm(rates["runs"], 2.0)


def test_a_wrong_jacobian_is_seen_by_the_runs(monkeypatch):
    case = Case(2, 4, (2, 5, 1), "mean-std", 0)
    monkeypatch.setattr(stable_steps, "relu_jacobian", lambda net, J, scaled: 2.0 * relu_jacobian(net, J, scaled))
    assert not learning_rates.runs_confirm([stable_steps.run_case(case, 40, 60)])


def test_a_step_is_computed_again_by_its_line(rates):
    reading = learning_rates.readings(rates).results[-1]
    cell = reading.cells[2]
    again = stable_steps.EXPERIMENT.run(stable_steps.EXPERIMENT.choose(cell.again), 0)
    assert cell.cell == "r = 3, n = 16, [2, 5, 1]"
    assert again["ratio"] == pytest.approx(cell.values[0], rel=1e-3)  # four digits are kept
    assert again["ratio"] == pytest.approx(again["step in the ReLU basis"] / again["step in the spline basis"])


def test_a_step_beyond_what_is_tried_is_reported():
    class Flat:
        def value_and_gradient(self, theta):
            return float(theta @ theta) / 2, theta

    theta = np.array([1.0])
    problem = Flat()
    assert stable_steps.largest_that_decreases(problem, theta, None, 2.0, 5) == pytest.approx(2**-0.25)
    assert stable_steps.largest_that_decreases(problem, theta, None, 1e-9, 5) == np.inf
    assert stable_steps.largest_that_decreases(problem, theta, None, 1e9, 5) == 0.0


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_the_control_is_the_same_function(order):
    net, theta, x = Case(order, 4, (2, 3, 1), "mean-std", 0).build(30)
    fine, theta_fine = stable_steps.refined(net, theta)
    np.testing.assert_allclose(fine(theta_fine, x), net(theta, x), rtol=0, atol=64 * EPS)


def test_radius():
    J = np.random.default_rng(0).normal(size=(5, 9))
    for matrix in (J, J.T):
        assert radius(matrix) == pytest.approx(np.linalg.norm(matrix, 2) ** 2, rel=1e-13)
