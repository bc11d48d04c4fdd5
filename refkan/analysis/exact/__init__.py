r"""Rational and ball arithmetic: exact matrices and certified spectra (extra: refkan[exact]).

The float64 knots of a space are rational numbers; so are A, A^T A and both Gram matrices. `rational` builds them
exactly; `certificates` encloses their extreme eigenvalues and condition numbers, `spectrum` all eigenvalues and
eigenvectors with the signs of their components. For networks, `ranks` proves the rank of the Jacobian and
`certified_spectra` encloses the spectrum of the Gauss-Newton matrix. A result is certain, or an error says what is
missing.

python-flint is imported on use. Without it every function raises an ImportError that says how to install it.
"""

from refkan.analysis.exact.enclosures.boxes import Bounds, bounding_box, enclose
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.subdivision import Proven
from refkan.analysis.exact.nodes.extremes_over_boxes import extrema, lipschitz_constant, sup_difference
from refkan.analysis.exact.ranks.ranks import RankCertificate, certified_rank
from refkan.analysis.exact.solutions.certified_solutions import CertifiedError, certified_error
from refkan.analysis.exact.spectra.certified_spectra import CertifiedSpectrum, certified_spectrum
from refkan.analysis.exact.spectra.condition_numbers import (
    Eigenpairs,
    certified_condition_number,
    eigenpairs,
    extreme_eigenvalues,
    sign_changes,
)
from refkan.analysis.exact.spectra.rational import as_fractions, rational_change_of_basis, rational_gram

__all__ = [
    "Bounds",
    "CertifiedError",
    "CertifiedSpectrum",
    "Eigenpairs",
    "Enclosure",
    "Proven",
    "RankCertificate",
    "as_fractions",
    "bounding_box",
    "certified_condition_number",
    "certified_error",
    "certified_rank",
    "certified_spectrum",
    "eigenpairs",
    "enclose",
    "extrema",
    "extreme_eigenvalues",
    "lipschitz_constant",
    "rational_change_of_basis",
    "rational_gram",
    "sign_changes",
    "sup_difference",
]
