"""
Data with ranges of their own, and gaps
=======================================

A table of measurements has columns in other units and missing values. Rows that are not whole are dropped, a fifth of
the rest is kept back, and ``domain="data"`` takes the domains of the splines from the rows that are learnt.
"""

import io
import tempfile

import numpy as np

import refkan as rk

rng = np.random.default_rng(3)
degrees, metres = rng.uniform(-40.0, 90.0, 500), rng.uniform(1e3, 5e3, 500)
value = np.sin(degrees / 20.0) + (metres / 5e3) ** 2 + rng.normal(0.0, 0.01, 500)
degrees[7], value[11] = np.nan, np.nan
file = io.StringIO()
np.savetxt(file, np.column_stack([degrees, metres, value]), delimiter=",", header="degrees,metres,value")

# %%
# From here on as with any file. Half of the work is deciding how many parameters the data bear: the error on rows that
# were kept back says it.
file.seek(0)
table = np.genfromtxt(file, delimiter=",")
table = table[np.isfinite(table).all(axis=1)]
x, y = table[:, :2], table[:, 2:]
kept = np.arange(len(table)) % 5 == 0
net, theta = rk.kan([2, 3, 1], order=4, intervals=3, domain="data").initialize(rng, x[~kept])
problem = rk.LeastSquares(net, x[~kept], y[~kept])
result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=30)
error = np.sqrt(np.mean((net(result.theta, x[kept]) - y[kept]) ** 2))
print(f"{table.shape[0]} whole rows, {net.n_params} parameters")
print(f"root mean square error {np.sqrt(problem.mse(result.theta)):.4f}, on rows kept back {error:.4f}, noise 0.0100")
print(f"at 20 degrees and 3000 metres: {net(result.theta, [[20.0, 3000.0]])[0, 0]:.3f}")

figure = rk.plots.residuals(problem, result.theta)

# %%
# How the training went, and how well the data determine the parameters: directions with eigenvalue zero are those that
# no data could determine.
figure = rk.plots.history(result)

# %%
spectrum = rk.spectrum(problem, result.theta)
print(f"rank {spectrum.rank} of {spectrum.size}, condition number {spectrum.condition:.1e}")
figure = rk.plots.spectrum(spectrum)

# %%
# Twice the intervals, the same function; the training goes on with a problem for the finer network. Files keep both,
# and read them back to the last bit.
finer = net.refine()
start = net.convert(result.theta, finer)
print(f"largest change {abs(finer(start, x) - net(result.theta, x)).max():.0e}")
result = rk.minimize(rk.LeastSquares(finer, x[~kept], y[~kept]), start, method="levenberg-marquardt", steps=30)
error = np.sqrt(np.mean((finer(result.theta, x[kept]) - y[kept]) ** 2))
print(f"{finer.n_params} parameters, error on rows kept back {error:.4f}: more parameters than the data bear")
with tempfile.TemporaryDirectory() as folder:
    rk.save(f"{folder}/network.npz", finer, result.theta)
    again, theta = rk.load(f"{folder}/network.npz")[:2]
print(np.array_equal(again(theta, x), finer(result.theta, x)))
