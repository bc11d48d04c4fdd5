r"""Targets are trained on with mean 0 and variance 1, and what was trained is put in the units of the data again.

Units that are large against the start of a network, of order 1, let the first damped steps move all its parameters by
as much: the activations of hidden layers then lie far outside the domains of the layers that follow.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.networks import Network
from refkan.training.multilevel import Level
from refkan.training.multilevel.multilevel import LevelCallback
from refkan.training.multilevel.stages import Run, StageTable
from refkan.training.optimizers import Result, State


def units_of(
    targets: FloatArray, weights: FloatArray | None = None, centred: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation (Q,) of targets (N, Q), or zero and that from zero; one that is none is 1."""
    centre = np.average(targets, axis=0, weights=weights) if centred else np.zeros(targets.shape[1])
    scale = np.sqrt(np.average((targets - centre) ** 2, axis=0, weights=weights))
    # The spread of equal targets is the rounding of their mean.
    scale[scale <= 1e-14 * np.abs(centre)] = 1.0
    return centre, scale


def in_units(net: Network, theta: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the parameters of ``scale_q F_q + centre_q``: every edge into output q takes a share of centre_q."""
    layer, where = net.layers[-1], net.slices[-1]
    part, theta = theta[where], theta.copy()
    outputs = layer.scaling_vectors(part)
    constants = np.array([rows.sum(axis=0) / max(len(rows), 1) for rows in _constants(net, theta)])
    theta[where] = (part - outputs.sum(axis=0)) + scale @ outputs + centre @ constants
    return theta


def _constants(net: Network, theta: FloatArray) -> list[FloatArray]:
    """For each output the parameters that raise it by one: on every edge, by a bias, or not at all."""
    layer = net.layers[-1]
    return layer.constant_vectors(theta[net.slices[-1]], layer.domains.T)


class TargetUnits:
    """The units of one output, in which trainings of the scaled targets are told and returned.

    A network that has no constants, such as a dense one without a bias at its end, has targets that are scaled alone.
    Values are halved mean squares, and so take the square of the scale. Norms of gradients stay those of the scaled
    problem: parameters of different layers have different units.
    """

    def __init__(self, net: Network, theta: FloatArray, targets: FloatArray) -> None:
        self._centre, self._scale = units_of(targets, centred=all(map(len, _constants(net, theta))))
        self._square = float(self._scale[0] ** 2)

    def scaled(self, targets: FloatArray) -> FloatArray:
        """Return the targets to train on."""
        scaled: FloatArray = (targets - self._centre) / self._scale
        return scaled

    def told(self, callback: LevelCallback) -> LevelCallback:
        """Return the callback of a training on the scaled targets."""

        def tell(level: Level, state: State) -> Any:
            value, best = self._square * state.value, self._square * state.best_value
            theta = self._theta(level.network, state.theta)
            return callback(level, replace(state, theta=theta, value=value, best_value=best))

        return tell

    def run(self, run: Run) -> Run:
        """Return a run with all its trainings."""
        course = tuple(replace(level, result=self._result(level.network, level.result)) for level in run.course)
        return replace(run, theta=course[-1].result.theta, course=course)

    def table(self, table: StageTable) -> StageTable:
        """Return the table of a stage."""
        return replace(table, values=self._square * table.values, theta=self._theta(table.network, table.theta))

    def _theta(self, net: Network, theta: FloatArray) -> FloatArray:
        return in_units(net, theta, self._centre, self._scale)

    def _result(self, net: Network, result: Result) -> Result:
        history = replace(result.history, value=self._square * result.history.value)
        return replace(result, theta=self._theta(net, result.theta), value=self._square * result.value, history=history)
