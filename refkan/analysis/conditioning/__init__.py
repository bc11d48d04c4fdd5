"""Conditioning: spectra, analytic null spaces, preconditioned spectra, rates of descent, and studies of them."""

from refkan.analysis.conditioning.descent_rates import (
    DescentRates,
    ModeRecorder,
    largest_stable_step,
    predicted_factors,
)
from refkan.analysis.conditioning.null_space import null_vectors
from refkan.analysis.conditioning.spectra import Spectrum
from refkan.analysis.conditioning.spectrum_of_problem import spectrum
from refkan.analysis.conditioning.studies.configurations import Configuration, grid
from refkan.analysis.conditioning.studies.studies import measure, study
from refkan.analysis.conditioning.studies.study_rows import Study, StudyRow, to_json

__all__ = [
    "Configuration",
    "DescentRates",
    "ModeRecorder",
    "Spectrum",
    "Study",
    "StudyRow",
    "grid",
    "largest_stable_step",
    "measure",
    "null_vectors",
    "predicted_factors",
    "spectrum",
    "study",
    "to_json",
]
