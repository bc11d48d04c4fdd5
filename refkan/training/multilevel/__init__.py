"""Training in stages: from the coarsest level to the finest, from one start or from many."""

from refkan.training.multilevel.multilevel import minimize_multilevel
from refkan.training.multilevel.multistart import multistart
from refkan.training.multilevel.stages import Stage

__all__ = [
    "Stage",
    "minimize_multilevel",
    "multistart",
]
