"""The model must rise with one input, provably."""

import numpy as np

import refkan as rk
from refkan.estimators import SplineRegressor

rng = np.random.default_rng(0)
dose, age = rng.uniform(0, 10, 150), rng.uniform(20, 80, 150)
effect = np.tanh(dose / 3) - 0.01 * age + 0.2 * rng.standard_normal(150)
X = np.column_stack([dose, age])
for monotone in (None, {0: +1}):
    model = SplineRegressor(monotone=monotone).fit(X, effect)
    slopes = rk.exact.enclose(model.network_, model.theta_, rk.exact.bounding_box(X)).first
    low, high = slopes[0, 0]
    print(f"monotone={monotone}: for all points of the box the slope in dose lies in [{low:.1e}, {high:.1e}]")
