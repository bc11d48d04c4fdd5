"""
The best of many starts
=======================

Small networks end in different minima. Many coarse ones are trained briefly, on few samples, and the best of them go on
to finer levels.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk
from refkan.training.multilevel import Stage

x = np.random.default_rng(0).uniform(size=(500, 2))
problem = rk.LeastSquares(rk.kan([2, 3, 1], order=3, intervals=1), x, rk.problems.regression_target(x))
stages = Stage.refined(schedule=[8, 8, 8], survivors=[24, 6, 2], samples=[100, 250, None])
result = rk.multistart(problem, np.random.default_rng(1), stages)
print(result)
print(f"{result.nominal:.0f} evaluations of the finest network on all samples did it")

figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
for k, stage in enumerate(result.stages):
    axes.semilogy(np.full(len(stage.values), k), stage.values, "o", alpha=0.6)
    print(f"stage {k}: {len(stage.values)} starts, values {stage.values[0]:.2e} to {stage.values[-1]:.2e}")
axes.set_xticks(range(3), [f"{len(stage.starts)} starts" for stage in result.stages])
axes.set(ylabel="value at the end of the stage")
