"""Conditioning: spectra, analytic null spaces, preconditioned spectra, and studies of them."""

from refkan.analysis.conditioning.spectra import Spectrum
from refkan.analysis.conditioning.spectrum_of_problem import spectrum
from refkan.analysis.conditioning.studies.studies import study
from refkan.analysis.conditioning.studies.study_rows import grid

__all__ = [
    "Spectrum",
    "grid",
    "spectrum",
    "study",
]
