"""Values of a network from the file that `refkan model edges` writes, by NumPy and SciPy alone."""

import numpy as np
from scipy.interpolate import BSpline, PPoly
from scipy.special import expit


def edge_values(edge, domain, outside, x):
    """Return the function of an edge at x (N,): a spline with the layer's rule beyond its domain, and w_b silu(x)."""
    if "knots" in edge:
        spline = BSpline(edge["knots"], edge["coefficients"], edge["order"] - 1, edge["extrapolate"])
    else:
        spline = PPoly(edge["coefficients"], edge["breakpoints"], edge["extrapolate"])
    inside = np.clip(x, *domain) if outside == "linear" else x
    values = spline(inside)
    if outside == "linear" and edge["order"] > 1:
        values += spline.derivative()(inside) * (x - inside)  # the tangent at the end of the domain
    if outside == "natural":
        values = np.nan_to_num(values)  # B-splines are zero beyond their knots
    return values + edge["w_b"] * x * expit(x)


def network_values(model, x):
    """Return the values (N, outputs) of the network at x (N, inputs)."""
    for k, layer in enumerate(model["layers"]):
        y = np.zeros((len(x), layer["outputs"]))
        for edge in model["edges"]:
            if edge["layer"] == k:
                p = edge["input"]
                y[:, edge["output"]] += edge_values(edge, layer["domains"][p], layer["outside"], x[:, p])
        x = mapped(model["node_maps"][k], y) if k < len(model["node_maps"]) else y
    return x


def mapped(node_map, y):
    """Return the inputs of the next layer."""
    if node_map["kind"] == "affine":
        return y * node_map["scale"] + node_map["shift"]
    if node_map["kind"] == "sigmoid":
        low, high = np.transpose(node_map["domains"])
        return low + (high - low) * expit(y)
    return y
