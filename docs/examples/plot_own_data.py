"""
Data with ranges of their own, and gaps
=======================================

A table of measurements has columns in other units and missing values. Rows that are not whole are dropped, and
``domain="data"`` takes the domains of the splines from the rest.
"""

import io

import numpy as np

import refkan as rk

rng = np.random.default_rng(3)
degrees, metres = rng.uniform(-40.0, 90.0, 400), rng.uniform(1e3, 5e3, 400)
value = np.sin(degrees / 20.0) + (metres / 5e3) ** 2
degrees[7] = np.nan
file = io.StringIO()
np.savetxt(file, np.column_stack([degrees, metres, value]), delimiter=",", header="degrees,metres,value")

# %%
# From here on as with any file.
file.seek(0)
table = np.loadtxt(file, delimiter=",")
table = table[np.isfinite(table).all(axis=1)]
x, y = table[:, :2], table[:, 2:]
net, theta = rk.kan([2, 3, 1], order=4, intervals=6, domain="data").initialize(rng, x)
problem = rk.LeastSquares(net, x, y)
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=30)
print(f"{table.shape[0]} whole rows, root mean square error {np.sqrt(problem.mse(result.theta)):.1e}")

figure = rk.plots.residuals(problem, result.theta)
