r"""Hierarchies of nested networks: training from the coarsest level to the finest, and corrections in coarse spaces."""

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
