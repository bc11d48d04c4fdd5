"""Set-ups by name."""

from __future__ import annotations

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_choice
from refkan.training.problems import TARGETS
from refkan.training.recipes.setups.allen_cahn_setup import allen_cahn
from refkan.training.recipes.setups.burgers_setup import burgers
from refkan.training.recipes.setups.ordinary_setup import ORDINARY, ordinary
from refkan.training.recipes.setups.poisson_setup import poisson
from refkan.training.recipes.setups.regression_setup import regression
from refkan.training.recipes.setups.setups import Setup


def setup_named(name: str, points: int | None = None) -> Setup:
    """Return a set-up by name: "poisson", "burgers", "allen-cahn", one of `ORDINARY`, or a target of regression.

    Parameters
    ----------
    name : str
    points : int, optional
        Points in each variable for Poisson and Burgers, in all for others; as published by default.

    Raises
    ------
    ValueError
        For an unknown name; all names are listed.

    Examples
    --------
    >>> from refkan.training.recipes import setup_named
    >>> setup_named("burgers", 16).terms[0].n_points
    256
    """
    check_annotated(setup_named, locals())
    check_choice("problem", name, PROBLEMS)
    if points is None:
        points = POINTS.get(name, 400 if name in ORDINARY else 20000)
    match name:
        case "poisson":
            return poisson(points)
        case "burgers":
            return burgers((points, points), edge_points=points)
        case "allen-cahn":
            return allen_cahn(points)
    return ordinary(name, points) if name in ORDINARY else regression(name, points)


POINTS = {"poisson": 49, "burgers": 64}
"""Points in each variable, as published."""

PROBLEMS = ("poisson", "burgers", "allen-cahn", *ORDINARY, *TARGETS)
"""Names that `setup_named` knows."""
