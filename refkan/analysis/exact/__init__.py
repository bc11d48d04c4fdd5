r"""Proofs about spline spaces and networks: exact matrices, spectra, ranks, extremes, errors (extra: refkan[exact]).

Every float is the rational number that it represents. `spectra` encloses eigenvalues and condition numbers of spline
spaces and of networks, `ranks` proves ranks of Jacobians, `enclosures` and `nodes` bound networks over boxes, and
`solutions` bounds their errors as solutions of boundary value problems. `certificates` writes proofs that an
independent program checks. A result holds exactly, or an error says what is missing.

python-flint is imported on use. Without it every function raises an ImportError that says how to install it.
"""

from refkan.analysis.exact.enclosures.boxes import bounding_box, enclose
from refkan.analysis.exact.nodes.extremes_over_boxes import extrema, lipschitz_constant, sup_difference
from refkan.analysis.exact.nodes.pruning import pruned
from refkan.analysis.exact.ranks.ranks import certified_rank
from refkan.analysis.exact.solutions.certified_solutions import certified_error
from refkan.analysis.exact.spectra.certified_spectra import certified_spectrum
from refkan.analysis.exact.spectra.condition_numbers import (
    certified_condition_number,
    certified_gauss_newton_condition,
    extreme_eigenvalues,
)

__all__ = [
    "bounding_box",
    "certified_condition_number",
    "certified_error",
    "certified_gauss_newton_condition",
    "certified_rank",
    "certified_spectrum",
    "enclose",
    "extrema",
    "extreme_eigenvalues",
    "lipschitz_constant",
    "pruned",
    "sup_difference",
]
