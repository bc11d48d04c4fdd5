"""Pruned networks: within the tolerance at many points and by an enclosure, edges listed as they are."""

import json

import numpy as np
import pytest

import check_certificate
import refkan as rk

UNIT = [[0.0, 1.0]] * 2
X = np.random.default_rng(0).uniform(size=(2000, 2))


def trained(**options):
    x = X[:100]
    net, theta = rk.kan([2, 3, 1], 3, 3, **options).initialize(np.random.default_rng(1), x)
    problem = rk.LeastSquares(net, x, np.exp(x[:, :1]) / 2 + x[:, 1:])
    return net, rk.minimize(problem, theta, "levenberg-marquardt", steps=10).theta


def edges_of(net, theta, k):
    """Values of all edges of a layer at points of its domain, (points, Q, P)."""
    low, high = net.layers[k].domains.T
    z = low + np.linspace(0.0, 1.0, 33)[:, None] * (high - low)
    return rk.networks.edge_functions.edge_values(net.layers[k], theta[net.slices[k]], z)


@pytest.mark.parametrize("options", [{}, {"edge": "silu"}, {"node_map": "mean-std"}], ids=str)
def test_the_distance_stays_within_the_tolerance(options):
    net, theta = trained(**options)
    counts = []
    for tolerance in (1e-9, 0.05, 0.5):
        result = rk.exact.pruned(net, theta, UNIT, tolerance)
        off = np.abs(result.network(result.theta, X) - net.freeze(theta)(theta, X)).max()
        assert off <= result.bound <= tolerance
        counts.append(len(result.edges))
        for edge in result.edges:
            values = edges_of(result.network, result.theta, edge.layer)[:, edge.output, edge.input]
            bend = np.ptp(values) if edge.kind == "constant" else np.abs(np.diff(values, 2)).max()
            assert bend <= 1e-14 * max(np.abs(values).max(), 1.0)
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[2]


def test_the_bound_of_an_edge_is_that_of_the_edge_alone():
    net, theta = trained()
    result = rk.exact.pruned(net, theta, UNIT, 0.05)
    edge = result.edges[0]
    single = [np.array(block["coefficients"]) for block in net.unpack(theta)]
    new = result.network.unpack(result.theta)[edge.layer]["coefficients"][edge.output, edge.input]
    single[edge.layer][edge.output, edge.input] = new
    w = np.concatenate([part.ravel() for part in single])
    low, high = rk.exact.sup_difference(net, theta, net, w, UNIT)
    assert 0 < low <= edge.bound
    assert high >= 0.2 * edge.bound  # and is of its size


def test_nodes_that_nothing_depends_on_cost_nothing_in_c(tmp_path):
    net, theta = trained()
    result = rk.exact.pruned(net, theta, UNIT, 0.5)
    assert result.nodes
    sizes = []
    for name, each in (("before", (net, theta)), ("after", (result.network, result.theta))):
        code = rk.interop.export_c(*each, UNIT, tmp_path / f"{name}.c", leaves=1)
        sizes.append(code.path.stat().st_size)
        statement = json.loads(code.certificate.read_text())["statements"][0]
        outputs = {q for table in statement["layers"][0]["tables"] for q in table["outputs"]}
    assert outputs.isdisjoint({q for k, q in result.nodes if k == 0})
    assert sizes[1] < 0.7 * sizes[0]
    assert check_certificate.main([str(code.certificate), "--code", str(code.path)]) == 0


def test_layers_of_other_functions_are_refused():
    net = rk.kan([2, 1], 3, 2, basis="relu")
    with pytest.raises(ValueError, match="to_basis"):
        rk.exact.pruned(net, np.zeros(net.n_params), UNIT, 0.1)
