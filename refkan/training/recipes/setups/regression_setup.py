"""Targets of regression as set-ups."""

from __future__ import annotations

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice, check_count
from refkan.training.problems import TARGETS
from refkan.training.recipes.setups.setups import Setup, Shape


def regression(name: str = "regression", points: int = 20000, seed: int = 0) -> Setup:
    """Return a target of `rk.problems.TARGETS` at uniformly drawn samples; [S26] section 5.1 by default.

    Examples
    --------
    >>> from refkan.training.recipes import regression
    >>> regression("kink", points=100).samples.shape
    (100, 1)
    """
    check_annotated(regression, locals())
    target = TARGETS[check_choice("name", name, TARGETS)]
    return Setup(
        name=name,
        equation=f"values of {target.formula}",
        ranges=target.domain,
        shape=Shape((target.dimension, 5, 1), 3, (3, 6, 12, 24), "mean-std"),
        terms=(),
        reference=target,
        grid=target.sample(np.random.default_rng([seed, 1]), 20000),
        samples=target.sample(np.random.default_rng([seed, 0]), check_count("points", points, 1)),
        variables=("x", "t") if name == "front" else ("x", "y"),
    )
