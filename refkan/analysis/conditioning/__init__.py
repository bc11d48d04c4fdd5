"""Conditioning: spectra, analytic null spaces, preconditioned spectra, and studies of them."""

from refkan.analysis.conditioning.null_space import null_vectors
from refkan.analysis.conditioning.spectra import Spectrum
from refkan.analysis.conditioning.spectrum_of_problem import spectrum
from refkan.analysis.conditioning.studies.studies import measure, study
from refkan.analysis.conditioning.studies.study_rows import Configuration, Study, StudyRow, grid, to_json

__all__ = [
    "Configuration",
    "Spectrum",
    "Study",
    "StudyRow",
    "grid",
    "measure",
    "null_vectors",
    "spectrum",
    "study",
    "to_json",
]
