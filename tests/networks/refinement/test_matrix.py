"""The prolongation of a whole network as one sparse matrix."""

import numpy as np
import pytest

from refkan.checks import dot_test
from refkan.networks.layers.knot_layers import edge_conversion
from tests.networks.refinement.trained_networks import FIXED, FREE, X, edges, trained
from tests.shared.factories import EPS, NetworkCase


@pytest.mark.parametrize("case", FIXED, ids=str)
def test_the_prolongation_matrix_is_what_convert_does(case):
    net, theta = trained(case)
    fine = net.refine((2, 3)).insert(1, [0.456])
    P = net.prolongation(fine)
    assert P.shape == (fine.n_params, net.n_params)
    assert P.nnz <= 3 * max(edges(layer).order for layer in net.layers) * fine.n_params
    scale = np.abs(P) @ np.abs(theta)
    np.testing.assert_allclose(P @ theta, net.convert(theta, fine), rtol=0, atol=20 * EPS * scale.max())
    convert = fine.convert if fine is net else net.convert
    report = dot_test(lambda v: convert(v, fine), lambda g: P.T @ g, net.n_params, fine.n_params, rtol=1e-12)
    assert report.ok, report.table


@pytest.mark.parametrize("case", FIXED[::4], ids=str)
def test_products_of_prolongation_matrices(case):
    net, _ = trained(case)
    middle = net.refine()
    fine = middle.insert(0, [0.456])
    P = middle.prolongation(fine) @ net.prolongation(middle)
    direct = net.prolongation(fine)
    assert np.abs(P - direct).max() <= 1e-14 * max(1.0, np.abs(direct).max())


@pytest.mark.parametrize("case", [FREE[0], NetworkCase("mlp-tanh", "none")], ids=str)
def test_onto_itself_the_matrix_is_the_identity(case):
    net = case.start(X)[0]
    np.testing.assert_array_equal(net.prolongation(net).toarray(), np.eye(net.n_params))


def test_sabotage_of_the_matrix_is_noticed(monkeypatch):
    case = NetworkCase("spline")
    test_the_prolongation_matrix_is_what_convert_does(case)
    right = edge_conversion.prolongation_matrix

    def flipped(*arguments):
        P = right(*arguments).copy()
        P.data[0] *= -1
        return P

    for wrong in (flipped, lambda *arguments: right(*arguments) * 0.5, lambda *a: right(*a)[::-1]):
        monkeypatch.setattr(edge_conversion, "prolongation_matrix", wrong)
        with pytest.raises(AssertionError):
            test_the_prolongation_matrix_is_what_convert_does(case)
