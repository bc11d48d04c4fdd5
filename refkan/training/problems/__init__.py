r"""Targets and problems of the papers, with their reference solutions.

Regression targets are functions from points (N, d) to values (N, 1): `regression_target`, that of [S26], and
`TARGETS`, the wider list by name. The differential equations are one module each:

    poisson        a coefficient that jumps, with the level set as an input: closed forms
    burgers        Cole and Hopf's solution by Gauss-Hermite quadrature, to 1e-10 or an error
    allen_cahn     a spectral solution at two resolutions, whose difference it carries
    manufactured   Poisson and Helmholtz in one dimension: closed forms

Examples
--------
>>> import refkan as rk
>>> sorted(rk.problems.TARGETS)[:3]
['I.12.11', 'I.15.3x', 'I.16.6']
"""

from refkan.training.problems import allen_cahn, burgers, poisson
from refkan.training.problems.formulas import FORMULAS, SPECIAL_FUNCTIONS, SUPERPOSITIONS
from refkan.training.problems.regression import REGRESSION, VARYING, regression_target

TARGETS = {t.id: t for t in (*REGRESSION, *VARYING, *SUPERPOSITIONS, *FORMULAS, *SPECIAL_FUNCTIONS)}
"""All targets by name."""

__all__ = [
    "allen_cahn",
    "burgers",
    "poisson",
    "regression_target",
]
