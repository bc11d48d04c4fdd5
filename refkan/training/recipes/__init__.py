r"""Training of networks on the papers' problems, level by level.

A set-up is a problem with everything but the network: `poisson_setup`, `burgers_setup`, `allen_cahn_setup`,
`ordinary_setup`, `regression_setup` and `own_data` make one each, `setup_named` any but the last. `train_starts` trains
networks on it, by the methods of `minimize` or by `Attended` and `Redrawn`; `Cyclic`, `Decaying` and `Ramped` are
learning rates.

Examples
--------
>>> from refkan.training.recipes import ORDINARY, PROBLEMS, setup_named
>>> PROBLEMS[:4], len(ORDINARY)
(('poisson', 'burgers', 'allen-cahn', 'poisson-1d-two-scales'), 4)
>>> setup_named("burgers").shape.widths
(2, 20, 20, 1)
"""

from refkan.training.recipes.records import input_effects
from refkan.training.recipes.schedules import Cyclic, Decaying, Ramped
from refkan.training.recipes.setups.named import (
    ORDINARY,
    PROBLEMS,
    ordinary_setup,
    poisson_setup,
    regression_setup,
    setup_named,
)
from refkan.training.recipes.setups.own_data import own_data
from refkan.training.recipes.setups.setups import Setup, Shape
from refkan.training.recipes.setups.space_time_setups import allen_cahn_setup, burgers_setup
from refkan.training.recipes.starts import train_starts
from refkan.training.recipes.trainers import Attended, Minibatches, Redrawn

__all__ = [
    "ORDINARY",
    "PROBLEMS",
    "Attended",
    "Cyclic",
    "Decaying",
    "Minibatches",
    "Ramped",
    "Redrawn",
    "Setup",
    "Shape",
    "allen_cahn_setup",
    "burgers_setup",
    "input_effects",
    "ordinary_setup",
    "own_data",
    "poisson_setup",
    "regression_setup",
    "setup_named",
    "train_starts",
]
