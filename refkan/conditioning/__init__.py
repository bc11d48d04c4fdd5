"""Conditioning: spectra, analytic null spaces, preconditioned spectra, rates of descent, and studies of them."""

from __future__ import annotations

from refkan.conditioning.configurations import Configuration, grid
from refkan.conditioning.descent_rates import DescentRates, ModeRecorder, largest_stable_step, predicted_factors
from refkan.conditioning.driver import spectrum
from refkan.conditioning.null_space import null_vectors
from refkan.conditioning.spectra import Spectrum
from refkan.conditioning.studies import measure, study
from refkan.conditioning.study_report import to_json
from refkan.conditioning.study_rows import Row, Study

__all__ = [
    "Configuration",
    "DescentRates",
    "ModeRecorder",
    "Row",
    "Spectrum",
    "Study",
    "grid",
    "largest_stable_step",
    "measure",
    "null_vectors",
    "predicted_factors",
    "spectrum",
    "study",
    "to_json",
]
