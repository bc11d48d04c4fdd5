"""
Judge a layer
=============

A layer in plain NumPy, as one writes it in ten minutes, and an adapter that says what it can do. The judge compares it
with exact rationals, case by case, and names what is wrong. ``refkan conform --backend plot_judge:MyAdapter``, in the
folder of this file, or ``--backend PATH/plot_judge.py:MyAdapter`` does the same from a shell.
"""

import numpy as np
from matplotlib.figure import Figure

import refkan as rk
from refkan.conformance import Adapter, Capabilities, Judge, catalogue


def basis(x, t, degree):
    """All B-splines on knots t at x (N,), by the recursion of Cox and de Boor: (N, dim)."""
    b = ((x[:, None] >= t[:-1]) & (x[:, None] < t[1:])).astype(float)
    for d in range(1, degree + 1):
        left, right = t[d:-1] - t[: -d - 1], t[d + 1 :] - t[1:-d]
        rising = (x[:, None] - t[: -d - 1]) / np.where(left > 0, left, 1.0)
        falling = (t[d + 1 :] - x[:, None]) / np.where(right > 0, right, 1.0)
        b = rising * b[:, :-1] + falling * b[:, 1:]
    return b


class MyAdapter(Adapter):
    """What the layer can do, and how it is built and evaluated."""

    capabilities = Capabilities(degrees=(1, 2, 3), knots=("uniform", "clamped"), derivatives=())

    def build(self, spec):
        """Keep the knots (P, K) and the coefficients (Q, P, dim)."""
        return spec

    def forward(self, spec, x):
        """Return y (N, Q), the sum over the inputs p."""
        at = [basis(x[:, p], spec.knots[p], spec.degree) for p in range(spec.n_inputs)]
        return sum(at[p] @ spec.coefficients[:, p].T for p in range(spec.n_inputs))


# %%
# What is not declared is not applicable, and never a failure.
cases = catalogue(["float64"], select=["basis/degree-3"])
findings = [finding for finding in Judge(MyAdapter()).run(cases) if finding.status != "not applicable"]
for finding in findings:
    print(finding.status, finding.key, *(f"- {hint.name}: {hint.text}" for hint in finding.hints))

# %%
# Ends that are repeated, as most codes have them, end at the last knot, and no half-open interval holds that.
space = rk.SplineSpace.clamped(4, [0.0, 0.25, 0.5, 0.75, 1.0])
x = np.linspace(0.0, 1.0, 201)
figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
axes.plot(x, basis(x, space.knots, 3), lw=1)
axes.plot(x, basis(x, space.knots, 3).sum(axis=1), "k.", ms=3, label="sum: one, but 0 at x = 1")
axes.plot(1.0, 0.0, "ro", fillstyle="none", ms=10, clip_on=False)
axes.set(xlabel="x", ylim=(0.0, 1.3))
axes.legend(frameon=False, loc="upper center")
