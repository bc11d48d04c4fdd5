r"""Training in stages: from the coarsest level to the finest, from one start or from many.

Examples
--------
>>> import numpy as np, refkan as rk
>>> from refkan.training.multilevel import NetworkChange, Refined
>>> halve: NetworkChange = Refined()  # a change takes a problem and theta to a network and its parameters
>>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
>>> halve(problem, np.array([0.0, 1.0, 4.0]))[1]
array([0. , 0.5, 1. , 2.5, 4. ])
"""

from refkan.training.multilevel.levels import Level
from refkan.training.multilevel.multilevel import minimize_multilevel
from refkan.training.multilevel.multistart import multistart
from refkan.training.multilevel.staged_results import StagedHistory, StagedResult, StageTable
from refkan.training.multilevel.stages import NetworkChange, Refined, Stage
from refkan.training.multilevel.trainings import TrainedNetwork

__all__ = [
    "Level",
    "NetworkChange",
    "Refined",
    "Stage",
    "StageTable",
    "StagedHistory",
    "StagedResult",
    "TrainedNetwork",
    "minimize_multilevel",
    "multistart",
]
