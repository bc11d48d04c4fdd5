"""Networks and directions that jets are tested on."""

import numpy as np

from tests.shared.factories import CHEBYSHEV_NETWORKS, EDGE_KINDS, MLP_KINDS, NODE_MAPS, NetworkCase, samples

STEP = 1e-30

CASES = (
    *(NetworkCase(kind, node_map, order=4) for kind in EDGE_KINDS for node_map in NODE_MAPS),
    *(NetworkCase(kind, "mean-std", outside, order=4) for kind in EDGE_KINDS for outside in ("polynomial", "natural")),
    *(
        NetworkCase(kind, node_map, outside, True, order=4)
        for kind in EDGE_KINDS
        for node_map, outside in (("mean-std", "linear"), ("sigmoid", "polynomial"))
    ),
    NetworkCase("spline", "affine", order=6),
    NetworkCase("spline", "min-max", order=9, intervals=(1, 3)),
    NetworkCase("relu", "none", free_knots=True, order=5, widths=(2, 3, 2, 1), intervals=(2, 1, 3)),
    NetworkCase("spline", "sigmoid", free_knots=True, order=5, widths=(2, 3, 2, 1), intervals=(2, 1, 3)),
    *(NetworkCase(kind, "none", widths=(2, 3, 4, 2)) for kind in MLP_KINDS),
    *CHEBYSHEV_NETWORKS,
)

FIRST = np.array([[0.3, -1.1], [1.0, 0.4], [-0.7, 0.9]])
SECOND = np.array([[0.2, 0.5], [-0.4, 0.1], [0.6, -0.8]])
ORDERS = (1, 2, 2)


def bound(case):
    """A network bound to a statistics batch, parameters, and samples of which some lie outside the domain."""
    net, theta = case.start(samples(20))
    return net, theta, samples(6, reach=0.2, seed=5)


def close(ours, theirs, rtol):
    """Compare entries with the largest, or with 1 where all are smaller."""
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=rtol * max(1.0, np.abs(theirs).max(initial=0)))


def random_like(jet, seed=0):
    """Cotangents of the value and the derivatives of a jet."""
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(part.shape) for part in (jet.value, jet.first, jet.second))
