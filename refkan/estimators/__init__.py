"""scikit-learn estimators whose models are spline networks (extra `sklearn`).

A fitted estimator holds the network in the units of the data: ``estimator.network_(estimator.theta_, X)`` are its raw
outputs, so that spectra, certificates and figures of this library apply to it as they are.
"""

from refkan.estimators.spline_estimators import SplineClassifier, SplineRegressor

__all__ = ["SplineClassifier", "SplineRegressor"]
