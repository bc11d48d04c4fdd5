"""Our contestant in the layer benchmark: one SplineLayer, through linearize and pullback."""

import numpy as np

from refkan.networks.layers import SplineLayer
from refkan.splines.spaces import SplineSpace
from validation.benchmarks.cases.layer_case import DEGREE, DOMAIN, LayerCase
from validation.benchmarks.running.harness import Arrays, Timed


def _layer(case: LayerCase) -> SplineLayer:
    space = SplineSpace.uniform(DEGREE + 1, case.intervals, DOMAIN)
    return SplineLayer((space,) * case.n_in, n_outputs=case.n_out)


def forward(case: LayerCase) -> Timed:
    layer, theta, x = _layer(case), case.coefficients.ravel(), case.x
    return Timed(lambda: layer.linearize(theta, x, slopes=False).value, lambda y: (y,))


def backward(case: LayerCase) -> Timed:
    layer, theta, x, dy = _layer(case), case.coefficients.ravel(), case.x, case.dy

    def run() -> Arrays:
        linearization = layer.linearize(theta, x)
        dtheta, dx = linearization.pullback(dy)
        assert dx is not None
        return linearization.value, dtheta, dx

    def collect(result: Arrays) -> Arrays:
        y, dtheta, dx = result
        return y, np.reshape(dtheta, case.coefficients.shape), dx

    return Timed(run, collect)
