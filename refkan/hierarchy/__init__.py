r"""Hierarchies of nested networks: training from the coarsest level to the finest, and corrections in coarse spaces.

Examples
--------
>>> import numpy as np, refkan as rk
>>> from refkan.hierarchy import Change, Refined
>>> halve: Change = Refined()  # a change takes a problem and theta to a network and its parameters
>>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
>>> halve(problem, np.array([0.0, 1.0, 4.0]))[1]
array([0. , 0.5, 1. , 2.5, 4. ])
"""

from refkan.hierarchy.changes import Change, Refined
from refkan.hierarchy.cycles import CycleResult, vcycle
from refkan.hierarchy.levels import Hierarchy, Level
from refkan.hierarchy.multilevel import minimize_multilevel
from refkan.hierarchy.multistart import MultistartResult, multistart
from refkan.hierarchy.results import MultilevelHistory, MultilevelResult
from refkan.hierarchy.stages import Stage, StageTable
from refkan.hierarchy.subspaces import Subspace
from refkan.hierarchy.work import Work

__all__ = [
    "Change",
    "CycleResult",
    "Hierarchy",
    "Level",
    "MultilevelHistory",
    "MultilevelResult",
    "MultistartResult",
    "Refined",
    "Stage",
    "StageTable",
    "Subspace",
    "Work",
    "minimize_multilevel",
    "multistart",
    "vcycle",
]
