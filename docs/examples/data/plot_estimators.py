"""
Estimators beside others
========================

Relative errors (1 is the error of the mean; lower is better) and seconds: the regressor of refkan, which chooses its
structure, additive, and with a given hidden layer, beside gradient boosting, a perceptron and ridge regression on fixed
splines, on five sets of data. Dots are folds. Additive models fail where inputs act together, and do well where they do
not.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from refkan.estimators import SplineRegressor

rng = np.random.default_rng(0)
X = rng.uniform(size=(600, 10))
functions = {
    "smooth": np.sin(3 * X[:, 0] + 2 * X[:, 1]) * np.exp(X[:, 2]),
    "kinked": np.abs(X[:, 0] - X[:, 1]) + np.maximum(X[:, 0], 0.5),
    "two of ten": np.sin(6 * X[:, 2]) + (2 * X[:, 7] - 1) ** 3,
}
columns = {"smooth": 3, "kinked": 2, "two of ten": 10}
data = {"diabetes": load_diabetes(return_X_y=True), "friedman1": make_friedman1(600, noise=1.0, random_state=0)}
for name, y in functions.items():
    data[name] = X[:, : columns[name]], y + 0.05 * y.std() * rng.standard_normal(600)

models = {
    "SplineRegressor()": SplineRegressor(),
    "SplineRegressor(())": SplineRegressor(()),  # additive
    "SplineRegressor((5,))": SplineRegressor((5,), early_stopping=True, random_state=0),
    "boosting": HistGradientBoostingRegressor(random_state=0),
    "perceptron": make_pipeline(StandardScaler(), MLPRegressor(random_state=0)),
    "splines, ridge": make_pipeline(SplineTransformer(), RidgeCV(np.logspace(-4, 2, 7))),
}

figure, axes = plt.subplots(1, len(data), figsize=(12, 3), sharey=True, layout="constrained")
warnings.simplefilter("ignore")  # the perceptron's: its default number of steps is small
for axis, (name, (X, y)) in zip(axes, data.items(), strict=True):
    for label, model in models.items():
        errors, began = [], time.perf_counter()
        for train, test in KFold(3, shuffle=True, random_state=0).split(X):
            misfit = model.fit(X[train], y[train]).predict(X[test]) - y[test]
            errors.append(np.sqrt(np.mean(misfit**2)) / y[test].std())
        seconds = (time.perf_counter() - began) / 3
        print(f"{name:12}{label:23} error {np.mean(errors):.3f} in {seconds:.2f} s")
        axis.plot(errors, [label] * 3, "o", alpha=0.6)
    axis.set(title=name, xscale="log", xlabel="relative error")
