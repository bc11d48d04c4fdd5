"""Bounds of networks of order 2 over boxes beside those of auto_LiRPA, which takes them as the ReLU networks they are.

    pip install auto-lirpa torch
    python docs/relu_bounds.py [--export FOLDER]

`plain_relu_network` writes a network in the basis "relu" of order 2 as matrices and ReLUs. auto_LiRPA bounds that over
a box, by intervals (IBP), backwards by linear functions (CROWN) and with the slopes of these optimised (alpha-CROWN);
refkan bounds the network as it is, once over the box (`enclose`) and with subdivision (`extrema`). Both compute in
float64 on one thread; auto_LiRPA does not round outwards. Times are processor time, without what is done once for a
network. With `--export` each network goes to an ONNX file (which needs onnx), and each box with the bounds of refkan
to a VNNLIB file: whoever finds a point for it has refuted these.
"""

import argparse
import time
from pathlib import Path

import numpy as np

import refkan as rk

NETWORKS = {"[2, 5, 1]": ([2, 5, 1], 8), "[4, 8, 1]": ([4, 8, 1], 8), "[2, 5, 5, 1]": ([2, 5, 5, 1], 8)}
HALVES = 0.5, 0.05
METHODS = {"IBP": "IBP", "CROWN": "CROWN", "alpha-CROWN": "CROWN-Optimized"}


def plain_relu_network(net, theta):
    """Matrices and biases [(A, c), ...] with F(x) = A_n relu(... relu(A_1 x + c_1) ...) + c_n.

    An edge of order 2 on the domain [a, b], with linear tails, is f(a) + s (x - a) + sum of w_j (x - t_j)_+ over the
    knots t_j inside, s the sum of the weights of all knots up to a; and x - a = (x - a)_+ - (a - x)_+.
    """
    S, m, matrices = np.eye(net.widths[0]), np.zeros(net.widths[0]), []
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        rows, biases, columns, constant = [], [], [], np.zeros(layer.n_outputs)
        for p, space in enumerate(layer.spaces):
            W, (a, b), t = blocks["coefficients"][:, p], space.domain, space.knots[: space.dim]
            start, inside = t <= a, (a < t) & (t < b)
            slope = W[:, start].sum(axis=1)
            constant += W[:, start] @ (a - t[start])
            unit = np.eye(layer.n_inputs)[p]
            rows += [unit, -unit, *([unit] * inside.sum())]
            biases += [-a, a, *-t[inside]]
            columns += [slope, -slope, *W[:, inside].T]
        A = np.array(rows)
        matrices.append((A @ S, A @ m + biases))
        if k < len(net.node_maps):
            scale, shift = net.node_maps[k].scale, net.node_maps[k].shift
            S, m = scale[:, None] * np.transpose(columns), scale * constant + shift
    return [*matrices, (np.transpose(columns), constant)]


def vnnlib(box, low, high):
    """The question whether an output in a box leaves [low, high], as VNNLIB: bounds that hold have no answer."""
    low, high = float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf))
    declared = [f"(declare-const X_{p} Real)" for p in range(len(box))] + ["(declare-const Y_0 Real)"]
    sides = [f"(assert (>= X_{p} {a!r}))\n(assert (<= X_{p} {b!r}))" for p, (a, b) in enumerate(box.tolist())]
    return "\n".join([*declared, *sides, f"(assert (or (and (<= Y_0 {low!r})) (and (>= Y_0 {high!r}))))"]) + "\n"


def onnx_model(matrices):
    """The same network for ONNX, in float64."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, at = [], [], "x"
    for k, (A, c) in enumerate(matrices):
        weights += [numpy_helper.from_array(np.ascontiguousarray(A.T), f"A{k}"), numpy_helper.from_array(c, f"c{k}")]
        last = k + 1 == len(matrices)
        nodes.append(helper.make_node("Gemm", [at, f"A{k}", f"c{k}"], ["y" if last else f"z{k}"]))
        nodes += [] if last else [helper.make_node("Relu", [f"z{k}"], [f"h{k}"])]
        at = f"h{k}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.DOUBLE, [1, n])
        for name, n in (("x", len(matrices[0][0][0])), ("y", len(matrices[-1][1])))
    ]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    onnx.checker.check_model(model)
    return model


def timed(bounds):
    """Bounds (low, high), and the processor time that they took."""
    start = time.process_time()
    low, high = bounds()
    return float(low), float(high), time.process_time() - start


def by_refkan(net, theta, box):
    """What is printed of refkan: names, and bounds with their time."""

    def extremes():
        minima, maxima = rk.exact.extrema(net, theta, box, tolerance=1e-3)
        return minima[0, 0], maxima[0, 1]

    yield "enclose", timed(lambda: rk.exact.enclose(net, theta, box, derivatives=0).value[0])
    yield "extrema", timed(extremes)


def by_auto_lirpa(matrices):
    """A function of boxes that does the same for auto_LiRPA."""
    import torch
    from auto_LiRPA import BoundedModule, BoundedTensor
    from auto_LiRPA.perturbations import PerturbationLpNorm

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # alpha-CROWN keeps its best bounds in the default type
    steps = []
    for A, c in matrices:
        step = torch.nn.Linear(*A.T.shape, dtype=torch.float64)
        step.weight.data, step.bias.data = torch.tensor(A), torch.tensor(c)
        steps += [step, torch.nn.ReLU()]
    example = torch.zeros(1, len(matrices[0][0][0]), dtype=torch.float64)
    bounded = BoundedModule(torch.nn.Sequential(*steps[:-1]), example)

    def bounds(box):
        low, high = (torch.tensor(end)[None] for end in box.T)
        x = BoundedTensor((low + high) / 2, PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high))
        for name, method in METHODS.items():
            yield name, timed(lambda method=method: bounded.compute_bounds(x=(x,), method=method))

    return bounds


def main():
    """Print the table; write files if they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--export", type=Path)
    folder = parser.parse_args().export
    print("| network | box | range | bounds by | width over range | seconds |\n|---|---|---|---|---|---|")
    for name, (widths, intervals) in NETWORKS.items():
        rng = np.random.default_rng(0)
        points = rng.uniform(size=(2000, widths[0]))
        net, theta = rk.kan(widths, order=2, intervals=intervals, outside="linear").initialize(rng, points)
        theta = theta + 0.3 * rng.normal(size=theta.shape)
        relu = net.to_basis("relu")
        matrices, weights = plain_relu_network(relu, net.convert(theta, relu)), net.convert(theta, relu)
        neurons, others = sum(len(c) for _, c in matrices[:-1]), by_auto_lirpa(matrices)
        for half in HALVES:
            box = np.array([[0.5 - half, 0.5 + half]] * widths[0])
            results = [*by_refkan(relu, weights, box), *others(box)]
            low, high, _ = dict(results)["extrema"]
            for method, (below, above, seconds) in results:
                assert below <= low + 1e-3 * (high - low)
                assert above >= high - 1e-3 * (high - low)
                width = (above - below) / (high - low)
                network = f"{name}, {neurons} ReLUs | {2 * half:g} | {high - low:.3g}"
                print(f"| {network} | {method} | {width:.4g} | {seconds:.3f} |", flush=True)
            if folder is not None:
                (folder / f"{name}-{half}.vnnlib").write_text(vnnlib(box, low, high))
        if folder is not None:
            (folder / f"{name}.onnx").write_bytes(onnx_model(matrices).SerializeToString())


if __name__ == "__main__":
    main()
