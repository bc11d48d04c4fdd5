"""
Finer grids: knots inserted, or samples fitted
==============================================

Many codes extend a grid by fitting the old function at samples. Where samples are few the function changes between
them; knot insertion needs no samples and changes nothing. The report of a transfer says which it was.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk
from refkan.splines.transfer import least_squares_transfer, prolong

coarse = rk.SplineSpace.uniform(order=4, intervals=8)
fine = coarse.refine(4)
u = np.random.default_rng(2).normal(size=coarse.dim)
t = np.linspace(0.0, 1.0, 1001)
figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
axes.plot(t, rk.bsplines.evaluate(fine, prolong(coarse, fine, u), t), lw=5, alpha=0.3, label="knots inserted")
change = rk.bsplines.evaluate(fine, prolong(coarse, fine, u), t) - rk.bsplines.evaluate(coarse, u, t)
print(f"knots inserted: largest change {np.abs(change).max():.0e}")
for count in (30, 300):
    samples = np.random.default_rng(0).uniform(size=count)
    v, report = least_squares_transfer(coarse, fine, u, samples)
    print(f"fitted at {count} samples: change there {report.on_samples:.0e}, between them {report.off_samples:.0e}")
    axes.plot(t, rk.bsplines.evaluate(fine, v, t), lw=1, label=f"fitted at {count} samples")
axes.set(xlabel="x", ylim=(-2.5, 2.5))
axes.legend(frameon=False)
