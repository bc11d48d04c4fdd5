r"""Training of networks on the papers' problems: set-ups, trainings of one level, starts.

equations   the problems as set-ups: points, weights, network, reference
trainers    one level's training: with attention, on redrawn points
starts      several starts, of which the best goes on
schedules   learning rates
"""

from refkan.training.equations import (
    ORDINARY,
    PROBLEMS,
    allen_cahn,
    burgers,
    ordinary,
    poisson,
    regression,
    setup_named,
)
from refkan.training.schedules import Cyclic, Decaying, Ramped
from refkan.training.setups import Setup, Shape
from refkan.training.starts import StartsResult, TrainedNetwork, train_starts
from refkan.training.trainers import Attended, Redrawn

__all__ = [
    "ORDINARY",
    "PROBLEMS",
    "Attended",
    "Cyclic",
    "Decaying",
    "Ramped",
    "Redrawn",
    "Setup",
    "Shape",
    "StartsResult",
    "TrainedNetwork",
    "allen_cahn",
    "burgers",
    "ordinary",
    "poisson",
    "regression",
    "setup_named",
    "train_starts",
]
