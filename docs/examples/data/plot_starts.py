"""
The best of many starts
=======================

Small networks end in different minima. Many coarse ones are trained briefly, on few samples, and the best of them go on
to finer levels.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.random.default_rng(0).uniform(size=(500, 2))
problem = rk.LeastSquares(rk.kan([2, 3, 1], order=3, intervals=1), x, rk.problems.regression_target(x))
levels = {"schedule": [8, 8, 8], "survivors": [24, 6, 2], "samples": [100, 250, None]}
result = rk.multistart(problem, np.random.default_rng(1), **levels)
print(result)
print(f"{result.nominal:.0f} evaluations of the finest network on all samples did it")

figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
for k, level in enumerate(result.levels):
    axes.semilogy(np.full(len(level.values), k), level.values, "o", alpha=0.6)
    print(f"level {k}: {len(level.values)} starts, values {level.values[0]:.2e} to {level.values[-1]:.2e}")
axes.set_xticks(range(3), [f"{count} starts" for count in levels["survivors"]])
axes.set(ylabel="value at the end of the level")
