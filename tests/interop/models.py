"""States of models of other libraries, made without these, with random numbers everywhere."""

from itertools import pairwise

import numpy as np


def grids(rng, n_inputs, intervals, degree):
    """Increasing knots, others for each input."""
    return np.cumsum(rng.uniform(0.2, 1.0, (n_inputs, intervals + 2 * degree + 1)), axis=1) - 0.3 * intervals


def pykan_state(rng, widths, intervals=4, degree=3):
    state = {}
    for k, (P, Q) in enumerate(pairwise(widths)):
        state |= {
            f"act_fun.{k}.grid": grids(rng, P, intervals, degree),
            f"act_fun.{k}.coef": rng.normal(size=(P, Q, intervals + degree)),
            f"act_fun.{k}.mask": (rng.uniform(size=(P, Q)) < 0.8).astype(float),
            f"act_fun.{k}.scale_base": rng.normal(size=(P, Q)),
            f"act_fun.{k}.scale_sp": rng.normal(size=(P, Q)),
            f"symbolic_fun.{k}.mask": np.zeros((Q, P)),
            f"symbolic_fun.{k}.affine": np.zeros((Q, P, 4)),
        }
        state |= {
            f"{what}_{k}": rng.normal(size=Q) for what in ("node_scale", "node_bias", "subnode_scale", "subnode_bias")
        }
    return state


def efficient_state(rng, widths, intervals=4, degree=3, scaler=True):
    state = {}
    for k, (P, Q) in enumerate(pairwise(widths)):
        state |= {
            f"layers.{k}.grid": grids(rng, P, intervals, degree),
            f"layers.{k}.spline_weight": rng.normal(size=(Q, P, intervals + degree)),
            f"layers.{k}.base_weight": rng.normal(size=(Q, P)),
        }
        if scaler:
            state[f"layers.{k}.spline_scaler"] = rng.normal(size=(Q, P))
    return state


def jaxkan_state(rng, widths, intervals=4, degree=3, base=False):
    state = {}
    for k, (P, Q) in enumerate(pairwise(widths)):
        grid, C = grids(rng, P, intervals, degree), rng.normal(size=(Q, P, intervals + degree))
        state |= {
            f"layers.{k}.grid": np.tile(grid, (Q, 1)) if base else grid,
            f"layers.{k}.c_basis": C.reshape(Q * P, -1) if base else C,
            f"layers.{k}.c_res": rng.normal(size=(Q, P)),
            f"layers.{k}.c_spl": rng.normal(size=(Q, P)),
            f"layers.{k}.bias": rng.normal(size=Q),
        }
    return state


def basis(t, k, x):
    """The recursion of Cox and de Boor on half-open intervals, as those libraries have it: (N, dim)."""
    b = ((x[:, None] >= t[:-1]) & (x[:, None] < t[1:])).astype(float)
    for d in range(1, k + 1):
        left = (x[:, None] - t[: -d - 1]) / (t[d:-1] - t[: -d - 1]) * b[:, :-1]
        b = left + (t[d + 1 :] - x[:, None]) / (t[d + 1 :] - t[1:-d]) * b[:, 1:]
    return b


def silu(x):
    return x / (1 + np.exp(-x))


def pykan_values(state, x, degree=3):
    """What pykan computes."""
    k = 0
    while f"act_fun.{k}.coef" in state:
        part = {name: state[f"act_fun.{k}.{name}"] for name in ("grid", "coef", "mask", "scale_base", "scale_sp")}
        y = 0
        for p, t in enumerate(part["grid"]):
            spline = basis(t, degree, x[:, p]) @ part["coef"][p].T
            edge = part["scale_base"][p] * silu(x[:, p : p + 1]) + part["scale_sp"][p] * spline
            y = y + part["mask"][p] * edge
        y = state[f"subnode_scale_{k}"] * y + state[f"subnode_bias_{k}"]
        x = state[f"node_scale_{k}"] * y + state[f"node_bias_{k}"]
        k += 1
    return x
