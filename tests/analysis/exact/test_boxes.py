"""Enclosures over boxes: nothing escapes, they are sharp, a narrowed one is caught; executors change no bit."""

import json
from fractions import Fraction

import numpy as np
import pytest

import check_certificate
import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from refkan.analysis.exact.enclosures import subdivision
from refkan.analysis.exact.enclosures.network_intervals import interval_network
from refkan.analysis.exact.nodes import extremes_over_boxes, node_subdivision
from refkan.analysis.exact.nodes.node_tables import node_functions
from refkan.cli import main
from tests.shared.elsewhere import Elsewhere
from tests.shared.refusals import refused


@pytest.mark.parametrize("order", [2, 3])
def test_far_outside_the_domain_rounding_is_that_of_the_absolute_terms(order):
    """Splines that are 1: weights of both signs add up to it, and what they round is the sum of their sizes."""
    net = rk.kan([1, 1], order, 3, outside="polynomial")
    bounds = [rk.exact.enclose(net, np.ones(net.n_params), [[x, x]]).value[0] for x in (-40.0, 0.5, 40.0)]
    assert all(low <= 1.0 <= high for low, high in bounds)
    left, inside, right = (high - low for low, high in bounds)
    assert min(left, right) > 10 * inside


def regression(intervals=(4, 4), **options):
    rng = np.random.default_rng(1)
    x = rng.uniform(size=(300, 2))
    return rk.kan([2, 5, 1], 3, list(intervals), **options).initialize(rng, x)


@pytest.mark.parametrize("node_map", ["affine", "sigmoid"])
def test_the_excess_falls_at_least_quadratically(node_map):
    net, theta = rk.kan([2, 5, 1], 4, [3, 3], node_map=node_map).initialize(
        np.random.default_rng(1), np.random.default_rng(2).uniform(size=(50, 2))
    )
    excess, slopes = [], []
    for side in (0.04, 0.02, 0.01, 0.005):
        box = np.array([[0.41, 0.41 + side], [0.57, 0.57 + side]])  # no knot of the first layer inside
        bounds = rk.exact.enclose(net, theta, box)
        minima, maxima = rk.exact.extrema(net, theta, box, tolerance=1e-9)
        excess.append((bounds.value[0, 1] - bounds.value[0, 0]) - (maxima[0, 1] - minima[0, 0]))
        if side in (0.04, 0.005):  # sharp slopes take long: of the largest and the smallest box
            sharp = rk.exact.enclose(net, theta, box, derivatives=1, tolerance=1e-5).first
            slopes.append(np.max(np.diff(bounds.first)) - np.max(np.diff(sharp)))
    rates = np.diff(np.log(np.array(excess))) / np.log(0.5)
    assert rates.min() > 1.9, (excess, rates)
    assert slopes[-1] < slopes[0] / 16


def test_error_policy():
    net, theta = regression(outside="error")
    inside = rk.exact.enclose(net, theta, [[0.2, 0.3], [0.4, 0.5]], derivatives=0)
    assert inside.value[0, 0] <= net(theta, [[0.25, 0.45]])[0, 0] <= inside.value[0, 1]
    refused(lambda: rk.exact.enclose(net, theta, [[0.2, 0.3], [0.4, 1.5]]), r"box must lie in the domain.*box\[1\]")


@pytest.mark.parametrize("domain", [(0.1, 0.7), (-3.0, 1e-3), (1e5, 1e5 + 1)])
def test_domains_end_with_their_margin_rounded_outwards(domain):
    """Where the network itself has values there are bounds, and an ulp beyond there is none."""
    net = rk.kan([2, 1], 3, 3, domain=[domain, (0.0, 1.0)], outside="error")
    steps = interval_network(net, np.arange(10.0))
    a, b = map(Fraction, domain)
    margin = steps.steps[0].layer.margin
    slack = Fraction(int(margin.numerator), int(margin.denominator)) * (b - a)
    low, high = steps.domains[0]
    assert Fraction(low) <= a - slack < Fraction(np.nextafter(np.nextafter(low, np.inf), np.inf))
    assert Fraction(np.nextafter(np.nextafter(high, -np.inf), -np.inf)) < b + slack <= Fraction(high)
    assert np.isfinite(rk.exact.enclose(net, np.arange(10.0), [[low, high], [0, 1]]).value).all()
    for box in ([np.nextafter(low, -np.inf), b], [a, np.nextafter(high, np.inf)]):
        with pytest.raises(ValueError, match=r"box must lie in the domain .*; got box\[0\]"):
            rk.exact.enclose(net, np.arange(10.0), [[float(x) for x in box], [0, 1]])
    assert interval_network(rk.kan([2, 1], 3, 3), np.zeros(10)).domains is None


@pytest.mark.parametrize("norm", ["1", "inf", "2"])
def test_lipschitz_constants_in_the_norms_1_and_inf(norm):
    """Of a matrix they are its greatest sums of columns and rows; of a network no quotient of the norm is above."""
    rng = np.random.default_rng(4)
    dense = rk.DenseLayer(3, 2, "identity")
    W = np.array([[1.0, -2.0, 0.5], [0.25, 4.0, -8.0]])
    low, high = rk.exact.lipschitz_constant(
        rk.Network((dense,), ()), np.r_[W.ravel(), 1.0, 2.0], [[0, 1]] * 3, norm=norm
    )
    expected = np.linalg.norm(W, "fro" if norm == "2" else float(norm))
    assert low <= expected * (1 + 1e-15)
    assert expected <= high <= expected * 1.002
    net, theta = rk.kan([2, 3, 2], 3, 2).initialize(rng, rng.uniform(size=(40, 2)))
    bounds = rk.exact.lipschitz_constant(net, theta, [[0, 1], [0, 1]], tolerance=0.02, norm=norm)
    assert bounds.reached
    x = rng.uniform(size=(4000, 2))
    y = x + 1e-4 * rng.standard_normal(x.shape) * (rng.uniform(size=x.shape) < 0.5)
    y = np.clip(y, 0.0, 1.0)
    size = [np.linalg.norm(d, float(norm), axis=1) for d in (net(theta, x) - net(theta, y), x - y)]
    quotients = size[0][size[1] > 0] / size[1][size[1] > 0]
    assert 0.8 * bounds[0] / (1.5 if norm == "2" else 1.0) <= quotients.max() <= bounds[1] * (1 + 1e-9)


def test_bad_arguments():
    net, theta = regression()
    refused(lambda: rk.exact.enclose(net, theta, [[1, 0], [0, 1]]), r"box must not be empty; got box\[0\]")
    coarse = rk.exact.extrema(net, theta, [[0, 1], [0, 1]], budget=5)
    assert not coarse.reached
    assert "budget = 5 boxes do not suffice" in coarse.remedy
    refused(lambda: rk.exact.lipschitz_constant(rk.kan([1, 1], 1, 2), [0.0, 1.0], [[0, 1]]), "must be continuous")
    with pytest.raises(ValueError, match="other must have 2 inputs"):
        rk.exact.sup_difference(net, theta, rk.kan([1, 1], 2, 2), np.zeros(3), [[0, 1], [0, 1]])


def trained(node_map="affine", **options):
    rng = np.random.default_rng(4)
    net, theta = rk.kan([2, 2, 1], 3, 2, node_map=node_map, **options).initialize(rng, rng.uniform(size=(20, 2)))
    return net, theta + 0.3 * rng.normal(size=theta.shape)


QUESTIONS = {
    "enclose": lambda net, theta, **o: rk.exact.enclose(net, theta, UNIT, 1, 1e-2, 20, **o).first,
    "extrema": lambda net, theta, **o: rk.exact.extrema(net, theta, UNIT, 1e-9, 12, **o),
    "lipschitz": lambda net, theta, **o: rk.exact.lipschitz_constant(net, theta, UNIT, 1e-2, 20, **o),
    "difference": lambda net, theta, **o: rk.exact.sup_difference(net, theta, net, 1.1 * theta, UNIT, 1e-2, 20, **o),
}
UNIT = [[0.0, 1.0]] * 2


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("size", "options"), [(1, {"edge": "silu"}), (5, {"node_map": "sigmoid"})])
def test_bounds_are_the_same_bits_however_boxes_are_shared_out(question, size, options, monkeypatch):
    net, theta = trained(**options)
    here = QUESTIONS[question](net, theta)
    monkeypatch.setattr(subdivision, "CHUNK", (2048, size))
    monkeypatch.setattr(node_subdivision, "TASK", (64, size))
    executor = Elsewhere()
    there = QUESTIONS[question](net, theta, executor=executor)
    assert executor.tasks > 1
    assert all(np.array_equal(a, b) for a, b in zip(here, there, strict=True))
    assert getattr(here, "boxes", 0) == getattr(there, "boxes", 0)


def test_statements_are_the_same_and_accepted(tmp_path, capsys):
    net, theta = trained()
    x = np.random.default_rng(5).uniform(size=(20, 2))
    arguments = net, theta, np.array(UNIT), (x, x.sum(axis=1, keepdims=True)), 0.1, 30
    told = []
    there = certificate(*arguments, progress=told.append, executor=Elsewhere())
    assert there == certificate(*arguments)
    assert [line.split()[0] for line in told] == [
        "range",
        "monotonicity",
        "monotonicity",
        "Lipschitz",
        "largest",
        "rank",
    ]
    assert {"rank", "condition"} <= {statement["kind"] for statement in there["statements"]}
    file = tmp_path / "certificate.json"
    file.write_text(json.dumps(there | {"about": {}}))
    assert check_certificate.main([str(file)]) == 0


def test_workers_and_clusters_of_the_command_prove_the_same(tmp_path, capsys, cluster):
    net, theta = trained()
    rk.save(tmp_path / "network.npz", net, theta)
    command = ["certify", str(tmp_path / "network.npz"), "--box", "0:1", "0:1", "--leaves", "20"]
    printed = []
    for more in ([], ["--workers", "1"], ["--dask", cluster.scheduler_address]):
        assert main([*command, *more]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[1:] == printed[:1] * 2


def test_functions_that_jump_are_not_searched_by_tables():
    """Between which points a step lies no table says."""
    net, box = rk.kan([1, 1], 1, 2), np.array([[0.0, 1.0]])
    steps = interval_network(net, np.array([0.0, 1.0]))
    values = lambda points: steps.at(points)[:, 0]  # noqa: E731
    search = node_subdivision.NodeSearch(node_functions(steps, 0, 1.0), values, subdivision.absolute(1e-9))
    assert search.run(box, 100, np.zeros((1, 1)), None) is None
    minima, maxima = rk.exact.extrema(net, [0.0, 1.0], box)
    np.testing.assert_allclose([minima[0], maxima[0]], [[0.0, 0.0], [1.0, 1.0]], atol=1e-15)


def test_the_search_for_great_values_begins_all_over_the_box():
    """Where nothing rises no point moves: they are the first ones."""
    box = np.array([[0.0, 1.0], [2.0, 5.0]])
    points = extremes_over_boxes._promising(interval_network(rk.kan([2, 1], 3, 2), np.zeros(8)), box)[0]
    share = (points - box[:, 0]) / (box[:, 1] - box[:, 0])
    assert ((share >= 0) & (share <= 1)).all()
    assert (np.ptp(share, axis=0) > 0.25).all()
