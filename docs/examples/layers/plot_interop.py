"""
A model of another library, refined
===================================

The file holds the arrays of an efficient-kan model under the names of its state dict (made up here, so that no library
is needed; ``numpy.savez(file, **interop.state_of(model))`` writes one of a trained model). It comes in as a network of
the same function, gets a finer grid, and goes back into the format of the file.
"""

import tempfile
from pathlib import Path

import numpy as np

from refkan import interop, plots

rng = np.random.default_rng(4)
state = {}
for k, (p, q) in enumerate([(2, 3), (3, 1)]):
    state |= {
        f"layers.{k}.grid": np.tile(np.linspace(-2.2, 2.2, 12), (p, 1)),
        f"layers.{k}.spline_weight": rng.normal(size=(q, p, 8)),
        f"layers.{k}.spline_scaler": rng.normal(size=(q, p)),
        f"layers.{k}.base_weight": rng.normal(size=(q, p)),
    }
x = rng.uniform(-1.5, 1.5, size=(500, 2))
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "model.npz"
    np.savez(file, **state)
    net, theta = interop.read_model(file)
fine, fine_theta = interop.refined(net, theta)
print(net)
print(fine)
print(f"largest change of the function: {np.abs(fine(fine_theta, x) - net(theta, x)).max():.0e}")
back = interop.to_state(fine, fine_theta, state)
print({name: (state[name].shape, back[name].shape) for name in list(state)[:2]})

figure = plots.network(net, theta, x)
