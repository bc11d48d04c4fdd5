"""The truth: what refkan computes, literally and slowly, over any type of numbers.

Nothing here imports any other part of refkan, NumPy or SciPy, and everything else is tested against it. `of` evaluates
a network of refkan exactly; the functions of `bases` are the papers' formulas. docs/truth.md walks through the files.

Examples
--------
>>> import refkan as rk
>>> net = rk.kan([1, 1], order=3, intervals=2)
>>> rk.truth.of(net, [0, 0, 1, 0], [[0.25], [0.1]]).value  # a B-spline at 1/4 and at the float next to 1/10
[[Fraction(1, 8)], [Fraction(12980742146337070512478121581609, 649037107316853453566312041152512)]]
"""

from refkan.truth.arithmetic.number_types import UndecidedError
from refkan.truth.bases.bsplines import bsplines
from refkan.truth.bases.change_of_basis import change_of_basis, change_of_basis_divided_differences
from refkan.truth.bases.free_knots import free_knots
from refkan.truth.bases.relu_powers import truncated_power
from refkan.truth.evaluation import Evaluation
from refkan.truth.reading import of

__all__ = [
    "Evaluation",
    "UndecidedError",
    "bsplines",
    "change_of_basis",
    "change_of_basis_divided_differences",
    "free_knots",
    "of",
    "truncated_power",
]
