"""Networks compared layer by layer; scripts of docs/certificates.md on published networks."""

import importlib.util
import json
import sys
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import BSpline

import refkan as rk
from refkan.analysis.exact.enclosures.boxes import checked_box
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.nodes.extremes_over_boxes import layerwise_difference
from refkan.networks.node_maps import AffineMap
from refkan.networks.node_maps.kinds import SigmoidMap, Unmapped

SQUARE = [[0.0, 1.0], [0.0, 1.0]]


def network(node_map="affine", outside="polynomial", order=3, seed=0, outputs=1, **options):
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(40, 2))
    return rk.kan([2, 3, outputs], order, 4, node_map=node_map, outside=outside, **options).initialize(rng, x)


def bound(net, theta, other, other_theta):
    left, right = interval_network(net, theta), interval_network(other, other_theta)
    return layerwise_difference(left, right, checked_box(left, SQUARE))


def test_a_bound_within_the_tolerance_of_the_largest_output_is_enough():
    """The output is zero at both corners of the box, and one in its middle."""
    net = rk.kan([1, 1], 3, 4)
    x = np.linspace(0.0, 1.0, 40)[:, None]
    theta = np.linalg.lstsq(net.jacobian(np.zeros(net.n_params), x), 4 * x[:, 0] * (1 - x[:, 0]))[0]
    near = theta.copy()
    near[2] += 1e-4
    low, high = rk.exact.sup_difference(net, theta, net, near, [[0.0, 1.0]], tolerance=1e-3)
    assert (low, high) == (0.0, pytest.approx(1e-4, rel=1e-9))


def largest_exact(net, theta, other, other_theta, count=40):
    """The largest difference at some points, over Fractions."""
    x = np.random.default_rng(7).uniform(size=(count, 2)).tolist()
    x += [[a, b] for a in (0.0, 1.0) for b in (0.0, 1.0)]
    ours, theirs = (rk.truth.of(n.freeze(t), t, x).value for n, t in ((net, theta), (other, other_theta)))
    return max(abs(a - b) for p, q in zip(ours, theirs, strict=True) for a, b in zip(p, q, strict=True))


@pytest.mark.parametrize("outside", ["polynomial", "linear"])
@pytest.mark.parametrize("node_map", ["none", "affine", "mean-std", "min-max", "sigmoid"])
def test_a_refined_network_is_the_coarse_one_but_for_rounding(node_map, outside):
    net, theta = network(node_map, outside)
    fine = net.refine()
    low, high = rk.exact.sup_difference(net, theta, fine, net.convert(theta, fine), SQUARE, tolerance=1e-12)
    assert low == 0.0
    assert 0.0 < high < 1e-14
    for budget, tolerance in ((1, 1e-12), (1, 1e-17)):  # no box is needed, or one does not suffice
        difference = rk.exact.sup_difference(net, theta, fine, net.convert(theta, fine), SQUARE, tolerance, budget)
        assert (difference.reached, difference.boxes) == ((True, 0) if tolerance == 1e-12 else (False, 1))


def test_without_rounding_they_are_equal_exactly():
    net, _ = network("none")
    theta = np.round(8 * np.random.default_rng(1).uniform(-1, 1, net.n_params)) / 8
    fine = net.refine()
    w = net.convert(theta, fine)
    assert rk.exact.sup_difference(net, theta, fine, w, SQUARE) == (0.0, 0.0)
    assert largest_exact(net, theta, fine, w) == 0
    for m in (0, w.size - 1):  # of the first layer and of the last
        spoilt = w.copy()
        spoilt[m] += 2.0**-50
        assert bound(net, theta, fine, spoilt) > 0.0


@pytest.mark.parametrize("output", [0, 1])
def test_every_output_counts(output):
    net, theta = network(outputs=2)
    moved = theta.copy()
    moved[net.slices[-1]].reshape(2, -1)[output] += 1e-9
    attained = largest_exact(net, theta, net, moved)
    assert 0 < attained <= Fraction(bound(net, theta, net, moved)) <= 10 * attained


def test_where_it_does_not_apply_boxes_are_subdivided():
    net, theta = network()
    wider, w = rk.kan([2, 4, 1], 3, 4).initialize(np.random.default_rng(0), np.eye(2))
    assert bound(net, theta, wider, w) == np.inf
    sigmoid, s = network("sigmoid")
    assert bound(net, theta, sigmoid, s) == np.inf
    steps, t = network("none", order=1)
    assert bound(steps, t, steps, t) == 0.0
    assert bound(steps, t, steps, t + 1e-6) == np.inf  # it jumps, and inputs differ
    hats, t = network("none", order=2)
    assert bound(hats, t, hats, t + 1e-6) < 1e-3  # kinks have slopes


def line(slope=1.0, domain=(-8.0, 8.0)):
    """The parameters of slope x on one interval of order 2."""
    return [slope * domain[0], slope * domain[1]]


def linear_layers(count, outputs=1):
    """Layers of order 2 on [-8, 8]: straight lines, the domain's ends never passed."""
    space = rk.SplineSpace.uniform(2, 1, (-8.0, 8.0))
    return [rk.SplineLayer((space,), outputs, "linear") for _ in range(count)]


def affine(scale, shift):
    return AffineMap(np.array([scale]), np.array([shift]))


PAIRS = {
    "coefficients of the last layer": ((linear_layers(1), []), line(), (linear_layers(1), []), [-7.75, 8.25], 0.25),
    "coefficients of the first, through a slope of 3": (
        (linear_layers(2), [Unmapped()]), [*line(), *line(3.0)],
        (linear_layers(2), [Unmapped()]), [-8.5, 7.5, *line(3.0)], 1.5),
    "scale and shift of a map, through a slope of -2": (
        (linear_layers(2), [affine(1.0, 0.0)]), [*line(), *line(-2.0)],
        (linear_layers(2), [affine(1.5, 0.25)]), [*line(), *line(-2.0)], 2 * (0.5 * 1.0 + 0.25)),
    "a map of a moved activation": (
        (linear_layers(2), [affine(3.0, 0.0)]), [*line(), *line()],
        (linear_layers(2), [affine(3.0, 0.0)]), [-7.5, 8.5, *line()], 1.5),
    "weights and bias of a dense layer": (
        ([rk.DenseLayer(1, 1, "identity")], []), [2.0, 1.0], ([rk.DenseLayer(1, 1, "identity")], []), [1.5, 1.25],
        0.5 * 1.0 + 0.25),
    "a bias before a ramp": (
        ([rk.DenseLayer(1, 1, "relu")], []), [1.0, 3.0], ([rk.DenseLayer(1, 1, "relu")], []), [1.0, 3.5], 0.5),
    "a bias before the third power of a ramp": (
        ([rk.DenseLayer(1, 1, "relu3")], []), [1.0, 1.0], ([rk.DenseLayer(1, 1, "relu3")], []), [1.0, 1.5],
        3 * 2.5**2 * 0.5),
}  # fmt: skip
"""Two networks, and their difference over [-1, 1] as the layers add it up, attained or slope times distance."""


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_bounds_are_the_sums_that_are_stated(name, swapped):
    (layers, maps), theta, (other_layers, other_maps), other_theta, exact = PAIRS[name]
    pair = [rk.Network(tuple(a), tuple(b)) for a, b in ((layers, maps), (other_layers, other_maps))]
    left, right = interval_network(pair[0], theta), interval_network(pair[1], other_theta)
    difference = layerwise_difference(*((right, left) if swapped else (left, right)), np.array([[-1.0, 1.0]]))
    assert exact <= difference <= exact * (1 + 1e-13)


def test_sigmoids_and_silu_are_counted_by_their_ends_slopes_and_sizes():
    space, wide = rk.SplineSpace.uniform(2, 1, (-8.0, 8.0)), (0.0, 4.0)
    one, other = (
        rk.Network(tuple(linear_layers(2)), (SigmoidMap([ends]),)) for ends in (wide, (0.0, 4.5))
    )  # the ends are half apart, and slopes at most 4.5/4 of a distance of 1/8
    left, right = (
        interval_network(net, [-8.0 + move, 8.0 + move, *line()]) for net, move in ((one, 0.0), (other, 0.125))
    )
    difference = layerwise_difference(left, right, np.array([[-1.0, 1.0]]))
    assert 0.5 + 0.125 * 4.5 / 4 <= difference <= (0.5 + 0.125 * 4.5 / 4) * (1 + 1e-13)
    layer = rk.SiluLayer(rk.SplineLayer((space,), 1, "linear"))
    net = rk.Network((layer,), ())
    left, right = (interval_network(net, [*line(), w, 1.0]) for w in (1.0, 1.5))
    largest = 1 / (1 + np.exp(-1.0))
    difference = layerwise_difference(left, right, np.array([[-1.0, 1.0]]))
    assert 0.5 * largest <= difference <= 0.5 * largest * (1 + 1e-13)


DOCS = Path(__file__).parents[3] / "docs"


def script(name):
    specification = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


published_networks, relu_bounds = script("published_networks"), script("relu_bounds")


def written(rng, widths):
    """A file of numbers drawn at random, as published ones are."""
    data = {"width": widths, "degree": 3, "coefs_size": 5, "knots_size": 9}
    edges = [(k, q, p) for k in range(len(widths) - 1) for q, p in product(range(widths[k + 1]), range(widths[k]))]
    for name, low, count in (("knots", -1.0, 9), ("coefs", None, 5)):
        values = {edge: np.linspace(-2.5, 2.5, 9) if low else rng.normal(size=count) for edge in edges}
        data[f"{name}_dict"] = {
            f"{k},{q},{p},{i}": v for (k, q, p), row in values.items() for i, v in enumerate(row.tolist())
        }
    for name in ("scale_base", "scale_sp", "input_lb", "input_ub"):
        fixed = {"input_lb": -0.6, "input_ub": 0.6}.get(name)
        data[f"{name}_dict"] = {",".join(map(str, edge)): fixed or rng.normal() for edge in edges}
    data["biases_dict"] = {f"{k},{q}": rng.normal() for k in range(len(widths) - 1) for q in range(widths[k + 1])}
    for name, count in (("input", widths[0]), ("output", 1)):
        data[f"mean_{name}_dict"] = {str(i): 0.1 * rng.normal() for i in range(count)}
        data[f"std_{name}_dict"] = {str(i): rng.uniform(1, 2) for i in range(count)}
    return data


def value(data, x):
    """The output in its own unit at scaled inputs (P,)."""
    for k, outputs in enumerate(data["width"][1:]):
        y = [data["biases_dict"][f"{k},{q}"] for q in range(outputs)]
        for q, p in product(range(outputs), range(len(x))):
            knots, c = (
                [data[f"{name}_dict"][f"{k},{q},{p},{i}"] for i in range(n)] for name, n in (("knots", 9), ("coefs", 5))
            )
            basis = sum(
                c_i * BSpline.basis_element(knots[i : i + 5], extrapolate=False)(x[p])
                if knots[i] <= x[p] < knots[i + 4]
                else 0.0
                for i, c_i in enumerate(c)
            )
            silu = x[p] / (1 + np.exp(-x[p]))
            y[q] += data["scale_base_dict"][f"{k},{q},{p}"] * silu + data["scale_sp_dict"][f"{k},{q},{p}"] * basis
        x = y
    return x[0] * data["std_output_dict"]["0"] + data["mean_output_dict"]["0"]


def test_values_are_those_of_the_file_and_extremes_hold_them(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(8)
    data = written(rng, [2, 2, 1])
    (tmp_path / "Peaks_H1_N2.json").write_text(json.dumps(data))
    net, theta, box, scale, shift = published_networks.read(tmp_path / "Peaks_H1_N2.json")
    points = rng.uniform(box[:, 0], box[:, 1], (50, 2))
    expected = np.array([value(data, list(x)) for x in points])
    assert np.allclose(net(theta, points)[:, 0] * scale + shift, expected, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(sys, "argv", ["published_networks.py", str(tmp_path), "--json", str(tmp_path / "results")])
    published_networks.main()
    assert "1 of 1 to 0.001 of the range" in capsys.readouterr().out
    (row,) = json.loads((tmp_path / "results").read_text())
    assert row["minimum"][0] <= expected.min()
    assert row["maximum"][1] >= expected.max()


def test_networks_of_order_two_are_plain_relu_networks_beyond_their_domains_too():
    rng = np.random.default_rng(6)
    net, theta = rk.kan([3, 2, 2], order=2, intervals=4, outside="linear").initialize(rng, rng.uniform(size=(30, 3)))
    relu = net.to_basis("relu")
    weights = net.convert(theta + rng.normal(size=theta.shape), relu)
    matrices = relu_bounds.plain_relu_network(relu, weights)
    points = rng.uniform(-1.0, 2.0, size=(200, 3))
    h = points
    for A, c in matrices[:-1]:
        h = np.maximum(h @ A.T + c, 0.0)
    A, c = matrices[-1]
    assert np.allclose(h @ A.T + c, relu(weights, points), rtol=1e-12, atol=1e-12)


def test_hidden_layers_of_other_widths_are_not_compared():
    nets = [rk.mlp([1, width, 1], "relu") for width in (2, 3)]
    left, right = (interval_network(net, np.ones(net.n_params)) for net in nets)
    assert layerwise_difference(left, right, np.array([[-1.0, 1.0]])) == np.inf


def test_differences_below_all_floats_are_carried_on():
    """The smallest float, which rounding multiplies by some tens, and the second layer by 1e300."""
    net = rk.kan([1, 1, 1], 2, 1, node_map="none")
    left, right = (interval_network(net, np.array([0.0, tiny, 0.0, 1e300])) for tiny in (0.0, 5e-324))
    exact = Fraction(5e-324) * Fraction(1e300)
    difference = layerwise_difference(left, right, np.array([[0.0, 1.0]]))
    assert exact <= Fraction(difference) <= 100 * exact


@pytest.mark.parametrize("node", [0, 1])
def test_a_difference_of_one_node_is_carried_on_beside_nodes_that_are_the_same(node):
    """x and x, or 3x/2 in place of one, then their sum, by splines and by linear layers."""
    spline = rk.kan([1, 2, 1], 2, 1, node_map="none"), np.array([0.0, 1.0] * 4)
    dense = rk.Network((rk.DenseLayer(1, 2, "identity"), rk.DenseLayer(2, 1, "identity")), (Unmapped(),))
    for (net, theta), place in ((spline, 2 * node + 1), ((dense, np.array([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])), node)):
        moved = theta.copy()
        moved[place] = 1.5
        left, right = (interval_network(net, each) for each in (theta, moved))
        assert 0.5 <= layerwise_difference(left, right, np.array([[0.0, 1.0]])) <= 0.5 + 1e-12
